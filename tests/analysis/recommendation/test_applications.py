"""Applications as texts: names, weights, trade-offs, constraints; mistakes in one line."""

import pytest

from analysis.recommendation.applications import APPLICATIONS, application, applications
from hit.errors import ConfigError, StoreError, UserError


@pytest.mark.parametrize(
    "text",
    [
        "representation",
        "test/psnr:1,test/accuracy_svm_rbf_z2_sampled:2,test/rate:-0.5",
        "pareto:test/psnr=max,test/rate=min",
        "generation where test/rate<=40,test/psnr>=18",
        "test/psnr:1,test/mi_z3:0.5 where test/rate_3<=4",
    ],
)
def test_the_name_of_an_application_is_a_text_that_means_it(text: str) -> None:
    found = application(text)
    assert found.name == text
    assert application(found.name) == found


def test_several_applications_in_one_text() -> None:
    names = [one.name for one in applications("density,compression ; test/psnr:1,test/rate:-1;density")]
    assert names == ["density", "compression", "test/psnr:1,test/rate:-1"]


def test_all_with_constraints_means_each_with_them() -> None:
    found = applications("all", "test/rate<=40")
    assert len(found) == len(APPLICATIONS)
    assert all(one.name.endswith(" where test/rate<=40") for one in found)


def test_the_metrics_of_a_combination_are_its_parts() -> None:
    assert application("test/psnr:1,test/rate:-1 where test/elbo>=-120").metrics(2) == [
        "test/psnr",
        "test/rate",
        "test/elbo",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("representatoin", "did you mean 'representation'"),
        ("", "must be all, or name one or more"),
        ("test/pnsr:1", "did you mean 'test/psnr'"),
        ("test/psnr:zero", "metric:weight with a number other than 0, got 'test/psnr:zero'"),
        ("test/psnr:0", "metric:weight with a number other than 0"),
        ("test/psnr:inf", "metric:weight with a number other than 0"),
        ("test/psnr:-1", "test/psnr a weight above 0, since more is better, got -1"),
        ("test/distortion:2", "test/distortion a weight below 0, since less is better, got 2"),
        ("test/psnr:1,test/psnr:2", "must name test/psnr once"),
        ("analysis/score:1", "must name metrics of the store"),
        ("pareto:test/psnr", "must trade off two metrics or more"),
        ("pareto:test/psnr,test/rate", "test/rate=min or test/rate=max"),
        ("density where", "must have constraints after where"),
        ("density where test/psnr>18dB", "constraints must be metric>=number or metric<=number"),
        ("density where test/pnsr>=18", "did you mean 'test/psnr'"),
    ],
)
def test_mistakes_are_one_line(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        applications(text)
    assert isinstance(caught.value, (ConfigError, StoreError))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
