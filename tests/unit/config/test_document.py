"""The document: which ones are valid, and which parameters then apply to a key."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixian_s3.config.document import Budget, parse, version_of
from pixian_s3.errors import InvalidConfiguration
from tests.builders import make_settings
from tests.unit.documents import DOCUMENTS, document_of

SHOP = {
    "defaults": {"test": True, "background.color": "#FFFFFF"},
    "prefixes": {
        "shop/": {"result.margin": "5%"},
        "shop/shoes/": {"result.margin": "9px", "background.color": None},
        "drafts/": {"pipeline": {"enabled": False}},
    },
}


def faults(document: object) -> list[str]:
    with pytest.raises(InvalidConfiguration) as refusal:
        parse(document if isinstance(document, str) else json.dumps(document))
    return [fault.path for fault in refusal.value.faults]


@given(DOCUMENTS, st.text(max_size=8))
def test_any_valid_document_says_what_to_send_for_any_key(
    document: dict[str, Any], key: str
) -> None:
    for each in [key, *document.get("prefixes", {})]:
        form = parse(json.dumps(document)).settings_for(each + "a.jpg").form
        assert all(isinstance(text, str) and text for text in form.values())
        assert not any(name.startswith("pipeline") for name in form)


@given(DOCUMENTS)
def test_any_valid_document_makes_the_round(document: dict[str, Any]) -> None:
    configuration = parse(json.dumps(document))
    assert parse(json.dumps(document_of(configuration))) == configuration


@pytest.mark.parametrize(
    ("key", "form"),
    [
        ("a.jpg", {"test": "true", "background.color": "#FFFFFF"}),
        ("shop", {"test": "true", "background.color": "#FFFFFF"}),
        ("shop/a.jpg", {"test": "true", "background.color": "#FFFFFF", "result.margin": "5%"}),
        ("shop/shoes/a.jpg", {"test": "true", "result.margin": "9px"}),
    ],
)
def test_longer_prefixes_lie_over_shorter_ones(key: str, form: dict[str, str]) -> None:
    assert make_settings(key, **SHOP).form == form


def test_the_order_in_the_document_doesnt_matter() -> None:
    backwards = SHOP | {"prefixes": dict(reversed(SHOP["prefixes"].items()))}
    key = "shop/shoes/a.jpg"
    assert make_settings(key, **SHOP) == make_settings(key, **backwards)


@pytest.mark.parametrize(
    ("key", "prefix"), [("a.jpg", ""), ("shop/a.jpg", "shop/"), ("shop/shoes/", "shop/shoes/")]
)
def test_the_longest_prefix_is_named(key: str, prefix: str) -> None:
    assert make_settings(key, **SHOP).prefix == prefix


@pytest.mark.parametrize(("key", "enabled"), [("a.jpg", True), ("drafts/a.jpg", False)])
def test_a_prefix_can_be_disabled(key: str, enabled: bool) -> None:  # noqa: FBT001
    assert make_settings(key, **SHOP).values.get("pipeline.enabled", True) is enabled


@pytest.mark.parametrize(
    ("defaults", "suffix"),
    [
        ({}, ".png"),
        ({"background.color": "#FFFFFF"}, ".jpg"),
        ({"background.color": "#FFFFFF", "output.format": "png"}, ".png"),
        ({"output.format": "jpeg"}, ".jpg"),
        ({"output.format": "delta_png"}, ".png"),
    ],
)
def test_the_suffix_is_that_of_what_comes_back(defaults: dict[str, str], suffix: str) -> None:
    assert make_settings(defaults=defaults).result_suffix == suffix


def test_equal_values_have_equal_digests_wherever_they_stand() -> None:
    in_defaults = make_settings("a/b.jpg", defaults={"test": True})
    in_prefix = make_settings("a/b.jpg", prefixes={"a/": {"test": True}})
    assert in_defaults.digest == in_prefix.digest
    assert len(in_prefix.digest) == 16


@pytest.mark.parametrize("wanted", ["none", "rights", "all"])
def test_what_is_copied_from_the_sources_is_no_reason_to_pay_again(wanted: str) -> None:
    copying = {"test": True, "pipeline": {"copy_exif": wanted}}
    assert make_settings(defaults=copying).digest == make_settings(defaults={"test": True}).digest


@pytest.mark.parametrize(
    ("defaults", "digest"),
    [
        ({}, "44136fa355b3678a"),
        ({"test": True, "max_pixels": 1000}, "8c6915c335ecf1d1"),
        ({"output.format": "delta_png"}, "36458ccf74673c43"),
    ],
)
def test_digests_are_those_of_the_results_that_exist(
    defaults: dict[str, object], digest: str
) -> None:
    assert make_settings(defaults=defaults).digest == digest


@pytest.mark.parametrize(
    "pipeline", [{}, {"check": False}, {"check_min_fill": 9, "check_max_half_transparent": 9}]
)
def test_the_second_look_does_not_make_other_results(pipeline: dict[str, object]) -> None:
    # With another digest, content that was uploaded again would be paid for again.
    settings = make_settings(defaults={"test": True, "pipeline": pipeline})
    assert settings.digest == "80f65706d935d3b9"


@pytest.mark.parametrize("other", [{"test": False}, {"test": True, "max_pixels": 100}, {}])
def test_other_values_have_other_digests(other: dict[str, object]) -> None:
    assert make_settings(defaults={"test": True}).digest != make_settings(defaults=other).digest


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ("{", "document"),
        ("", "document"),
        ([], "document"),
        ({"default": {}}, "default"),
        ({"defaults": []}, "defaults"),
        ({"defaults": None}, "defaults"),
        ({"prefixes": []}, "prefixes"),
        ({"prefixes": {"": {}}}, 'prefixes[""]'),
        ({"prefixes": {"a/": 1}}, 'prefixes["a/"]'),
        ({"defaults": {"pipeline": True}}, "defaults.pipeline"),
        ({"defaults": {"margin": "5%"}}, "defaults.margin"),
        ({"defaults": {"max_pixels": 1}}, "defaults.max_pixels"),
        ({"defaults": {"pipeline": {"enabled": 1}}}, "defaults.pipeline.enabled"),
        ({"defaults": {"pipeline": {"on": True}}}, "defaults.pipeline.on"),
        ({"prefixes": {"ü/": {"test": "yes"}}}, 'prefixes["\\u00fc/"].test'),
    ],
)
def test_a_fault_is_named_by_its_path(document: object, path: str) -> None:
    assert faults(document) == [path]


@pytest.mark.parametrize("given", [{"sidecar": True}, {"pipeline.sidecar": True}])
def test_a_pipeline_parameter_in_the_wrong_place_is_told_where_it_belongs(
    given: dict[str, Any],
) -> None:
    with pytest.raises(InvalidConfiguration, match='belongs inside "pipeline"'):
        parse(json.dumps({"defaults": given}))


@pytest.mark.parametrize(
    ("document", "advice"),
    [
        ({"sidecar": True}, 'belongs inside "pipeline": {…} of "defaults" or of a prefix'),
        ({"pipeline.sidecar": True}, 'belongs inside "pipeline": {…} of "defaults"'),
        ({"test": True}, 'belongs inside "defaults": {…} or a prefix'),
        ({"pipeline": {}}, 'belongs inside "defaults": {…} or a prefix'),
        ({"credits_per_day": 1}, 'belongs inside "budget": {…}'),
        ({"products/": {}}, 'belongs inside "prefixes": {…}'),
        ({"defaults": {"budget": {}}}, "belongs at the top level of the document"),
        ({"defaults": {"pipeline": {"test": True}}}, 'belongs outside "pipeline": {…}'),
    ],
)
def test_a_misplaced_name_is_told_where_it_belongs(document: object, advice: str) -> None:
    with pytest.raises(InvalidConfiguration) as refusal:
        parse(json.dumps(document))
    assert advice in str(refusal.value)


@pytest.mark.parametrize(
    ("document", "advice"),
    [
        ({"default": {}}, 'did you mean "defaults"?'),
        ({"sidcar": True}, 'did you mean "sidecar" inside "pipeline": {…} of "defaults"'),
        ({"defaults": {"backgroundColor": "#FFFFFF"}}, 'did you mean "background.color"?'),
        ({"defaults": {"TEST": True}}, 'did you mean "test"?'),
        ({"defaults": {"margin": "5%"}}, 'did you mean "result.margin"?'),
        ({"defaults": {"pipelines": {}}}, 'did you mean "pipeline"?'),
        ({"defaults": {"sidcar": True}}, 'did you mean "sidecar" inside "pipeline": {…}?'),
        ({"defaults": {"pipeline": {"sidcar": True}}}, 'did you mean "sidecar"?'),
        ({"defaults": {"pipeline": {"tst": True}}}, 'did you mean "test" outside "pipeline": {…}?'),
        ({"defaults": {"colour": True}}, "see https://pixian.ai/api for those of Pixian"),
        ({"colour": True}, 'a document has only "budget", "defaults", "paused" and "prefixes"'),
    ],
)
def test_a_misspelt_name_is_told_what_was_probably_meant(document: object, advice: str) -> None:
    with pytest.raises(InvalidConfiguration) as refusal:
        parse(json.dumps(document))
    assert advice in str(refusal.value)


def test_all_faults_are_reported_at_once() -> None:
    bad = {"test": 1}
    with pytest.raises(InvalidConfiguration) as refusal:
        parse(json.dumps({"defaults": bad, "prefixes": {"a/": bad, "b/": bad}}))
    assert len(refusal.value.faults) == 3
    assert str(refusal.value) == "; ".join(map(str, refusal.value.faults))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("background.color", "#FFFFFF"),
        ("result.crop_to_foreground", True),
        ("result.margin", "5%"),
        ("result.target_size", "10 10"),
    ],
)
def test_what_delta_png_would_ignore_is_refused(name: str, value: object) -> None:
    assert faults({"defaults": {"output.format": "delta_png", name: value}}) == [f"defaults.{name}"]


def test_what_delta_png_would_ignore_is_found_where_both_meet() -> None:
    document = {
        "defaults": {"result.margin": "5%"},
        "prefixes": {"a/": {"output.format": "delta_png"}},
    }
    assert faults(document) == ['prefixes["a/"].result.margin']


def test_delta_png_is_fine_once_what_it_ignores_is_unset() -> None:
    delta = {"output.format": "delta_png", "result.margin": None}
    settings = make_settings("a/b", defaults={"result.margin": "5%"}, prefixes={"a/": delta})
    assert settings.form == {"output.format": "delta_png"}


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        ({"result.vertical_alignment": "top"}, "result.vertical_alignment"),
        ({"output.jpeg_quality": 80}, "output.jpeg_quality"),
        ({"pipeline": {"delta_png": "keep"}}, "pipeline.delta_png"),
    ],
)
def test_what_modifies_nothing_is_refused_in_a_prefix(layer: dict[str, Any], name: str) -> None:
    assert faults({"prefixes": {"a/": layer}}) == [f'prefixes["a/"].{name}']


def test_what_modifies_something_inherited_is_fine() -> None:
    defaults = {"result.target_size": "10 10", "background.color": "#000000"}
    layer = {"result.vertical_alignment": "top", "output.jpeg_quality": 80}
    settings = make_settings("a/b", defaults=defaults, prefixes={"a/": layer})
    assert settings.get("output.jpeg_quality") == 80


def test_a_document_nested_too_deeply_is_refused() -> None:
    assert faults('{"defaults":' + "[" * 100_000) == ["document"]


@pytest.mark.parametrize(
    "text",
    [
        '{"defaults": {"test": true, "test": false}}',
        '{"prefixes": {"a/": {}, "a/": {}}}',
        '{"defaults": {"pipeline": {"result_key": "{stem}\\ud800{suffix}"}}}',
        '{"prefixes": {"\\ud800": {}}}',
    ],
)
def test_what_is_ambiguous_or_cannot_be_written_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfiguration):
        parse(text)


def test_a_budget_is_exact() -> None:
    document = parse('{"budget": {"credits_per_day": 0.1, "credits_per_month": null}}')
    assert document.budget == Budget(credits_per_day=Decimal("0.1"))


def test_a_paused_stack_holds_back_every_key() -> None:
    prefixes = {"a/": {"pipeline": {"paused": False}}}
    assert (
        parse(json.dumps({"paused": True, "prefixes": prefixes}))
        .settings_for("a/b.jpg")
        .flag("pipeline.paused")
    )
    assert (
        not parse(json.dumps({"prefixes": prefixes}))
        .settings_for("a/b.jpg")
        .flag("pipeline.paused")
    )


def test_pausing_changes_no_result() -> None:
    paused, running = parse('{"paused": true}'), parse("{}")
    assert paused.settings_for("a.jpg").digest == running.settings_for("a.jpg").digest


def test_a_document_has_a_version_by_which_log_lines_name_it() -> None:
    one, other = parse(b'{"defaults": {"test": true}}'), parse('{"defaults": {"test": false}}')
    assert len(one.version) == 8
    assert (
        one.settings_for("a.jpg").version
        == one.version
        == version_of(b'{"defaults": {"test": true}}')
    )
    assert one.version != other.version
