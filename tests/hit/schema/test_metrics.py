"""Every metric says once what it is measured with and by whom; groups, logging and comparisons read that."""

from hit import schema
from hit.schema.metric_declaration import GROUP_TITLES
from hit.schema.metric_groups import GROUPS
from hit.schema.metrics import METRICS


def test_each_metric_is_declared_once_in_a_group_that_has_a_title() -> None:
    names = [one.name for one in METRICS]
    assert len(names) == len(set(names))
    assert {one.group for one in METRICS} | {"by_hand", "extensions"} == set(GROUP_TITLES)


def test_a_group_is_that_of_its_witness_and_has_one_evaluator() -> None:
    for group in GROUPS.values():
        assert group.tag or {schema.metric(witness).group for witness in group.witnesses} == {group.name}
        assert {one.evaluator for one in METRICS if one.group == group.name} <= {None, group.evaluator}
        assert bool(group.evaluators) == (group.evaluator is not None)
    others = [one for one in METRICS if one.group not in GROUPS]
    assert all(one.evaluator is None for one in others)


def test_evaluators_stand_in_columns() -> None:
    assert {one.evaluator for one in METRICS} - {None} <= set(schema.TAG_COLUMNS.values())


def test_the_layer_is_put_into_name_and_label() -> None:
    one = schema.metric("test/mi_z3")
    assert (one.label, one.group, one.evaluator) == ("I(y; z_3)", "latents", schema.Tag.EVALUATOR)
    assert schema.described("taste").group == "by_hand"


def test_a_standard_error_is_a_metric_in_the_unit_of_what_it_is_of_and_by_whom_that_was_measured() -> None:
    measured = [one for one in METRICS if one.error]
    assert len(measured) > 15
    for one in measured:
        error = schema.metric(one.error.replace("{l}", "1"))
        assert (error.unit, error.group, error.evaluator) == (one.unit, one.group, one.evaluator)
        assert (error.direction, error.error) == (None, "")
        assert error.label.startswith("standard error of ")
    assert schema.error_of("test/accuracy_knn_z3_sampled") == "test/accuracy_knn_z3_sampled_standard_error"
    assert schema.error_of("test/mi_z2") == "test/mi_error_z2"
    assert (
        schema.error_of("test/rate_error_1") == schema.error_of("sample/fid_classifier") == schema.error_of("x") == ""
    )
