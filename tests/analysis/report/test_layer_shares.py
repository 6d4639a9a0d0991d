"""The report of any number of layers: what there is to choose, and the share of each layer in the rate."""

import json
import re
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from markupsafe import Markup

from analysis.recommendation.recommender import recommend
from analysis.report import build, page, section
from analysis.report.layer_shares import share_table

MakeFrame = Callable[..., pd.DataFrame]


@pytest.mark.parametrize(("layers", "side"), [(1, 6), (2, 3), (3, 3), (6, 2)])
def test_planes_and_profile_begin_at_three_layers(
    make_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch, layers: int, side: int
) -> None:
    monkeypatch.setattr(section, "galleries", lambda *arguments: [])
    monkeypatch.setattr(page, "get_plotlyjs", lambda: "var Plotly;")
    text = build(make_frame(side, layers=layers), applications=["reconstruction", "density"])
    (facts,) = re.findall(r'<script type="application/json" class="data">(.*?)</script>', text, flags=re.DOTALL)
    content: dict[str, Any] = json.loads(facts)["explorer"]
    several = layers > 2
    assert (text.count('class="across"'), text.count('class="profile"')) == (several, several)
    assert ("profiles" in content, "planes" in content) == (several, several)
    assert all(("sides" in one) == several for one in content["applications"])
    if several:
        assert len(content["planes"]) == layers * (layers - 1) // 2 - 1, "and the first one"
        assert len(content["profiles"]) == 2
        assert f"test/rate_{layers - 1} test/rate_{layers}" in content["planes"]
    assert ("How to share the rate among the layers" in text) == several


def test_a_share_has_its_interval_or_says_that_it_has_none(make_frame: MakeFrame) -> None:
    frame = make_frame(3, layers=3)
    found = [recommend(frame, "representation"), recommend(frame.head(5), "density")]
    table = share_table(found)
    assert table is not None
    assert [Markup(name).striptags() for name, _ in table.rows] == ["z3", "z2", "z1"]
    assert table.heads[1] == ("density", "no error known")
    for _, (known, unknown) in table.rows:
        assert re.fullmatch(r"(<1|\d+) % \((<1|\d+) % to (<1|\d+) %\)", known)
        assert re.fullmatch(r"(<1|\d+) % \(error not known\)", unknown)


def test_where_any_place_is_as_good_any_share_is(make_frame: MakeFrame) -> None:
    frame = make_frame(3, layers=3).assign(**{"test/psnr": 20.0})
    table = share_table([recommend(frame, "reconstruction")])
    assert table is not None
    assert {text for _, (text,) in table.rows} == {"any"}
    assert share_table([]) is None
    assert share_table([recommend(make_frame(3), "reconstruction")]) is None
