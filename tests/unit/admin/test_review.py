"""What a person is told before a configuration is published."""

import json
from typing import Any

import pytest

from admin.review import Costs, changes, costs, unstated_tests, warnings
from pixian_s3.config.document import Configuration, parse

LIVE: dict[str, Any] = {"test": False}
TEST: dict[str, Any] = {"test": True}


def configuration(defaults: object, /, **more: object) -> Configuration:
    return parse(json.dumps({"defaults": defaults} | more))


def prefixed(given: object, **more: object) -> Configuration:
    """One with the prefix a/, and test mode elsewhere."""
    return configuration(TEST, prefixes={"a/": given}, **more)


def own(**parameters: bool) -> dict[str, Any]:
    return LIVE | {"pipeline": parameters}


BEGINS = [
    (prefixed(TEST), prefixed(LIVE)),
    (prefixed({}), prefixed(LIVE)),
    (configuration(TEST), prefixed(LIVE)),
    (prefixed(own(enabled=False)), prefixed(LIVE)),
]
HELD = [
    (prefixed(own(paused=True)), prefixed(LIVE)),
    (prefixed(LIVE, paused=True), prefixed(LIVE)),
    (prefixed(LIVE, budget={"credits_per_day": 0}), prefixed(LIVE)),
]


@pytest.mark.parametrize(("held", "live"), HELD)
def test_images_that_are_held_back_cost_credits_later(
    held: Configuration, live: Configuration
) -> None:
    assert costs(held, live) == Costs(begin=("a/",), stop=())
    assert costs(live, held) == Costs(begin=(), stop=(), hold=("a/",))
    assert str(costs(live, held)) == (
        "Images under these prefixes wait, and cost credits when they continue: a/"
    )


@pytest.mark.parametrize(("test", "live"), BEGINS)
def test_a_prefix_that_begins_or_stops_to_cost_credits_is_named(
    test: Configuration, live: Configuration
) -> None:
    assert costs(test, live) == Costs(begin=("a/",), stop=())
    assert costs(live, test) == Costs(begin=(), stop=("a/",))


def test_a_prefix_falls_to_the_defaults_when_it_is_removed() -> None:
    old = configuration(LIVE, prefixes={"a/": TEST, "b/": {"pipeline": {"enabled": False}}})
    assert costs(old, configuration(LIVE)) == Costs(begin=("a/", "b/"), stop=())


def test_the_defaults_are_named_and_so_are_those_that_inherit_them() -> None:
    prefixes = {"a/": {"result.margin": "5%"}, "b/": TEST}
    new = configuration(LIVE, prefixes=prefixes)
    told = costs(configuration(TEST, prefixes=prefixes), new)
    assert str(told) == "These prefixes will cost credits from now on: (defaults), a/"


def test_what_was_live_without_saying_so_begins_when_it_is_said() -> None:
    assert costs(configuration({}), configuration(LIVE)) == Costs(begin=("",), stop=())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (prefixed(LIVE), prefixed(LIVE | {"result.margin": "5%"})),
        (configuration({}), configuration({"max_pixels": 100})),
        (prefixed(own(enabled=False)), prefixed(own(paused=True))),
        (prefixed(LIVE, paused=True), prefixed(TEST)),
    ],
)
def test_what_costs_as_much_as_before_isnt_named(old: Configuration, new: Configuration) -> None:
    assert costs(old, new) == Costs(begin=(), stop=())


def test_each_difference_has_a_line() -> None:
    old = configuration(TEST, prefixes={"b/": {}})
    new = configuration(
        TEST | {"max_pixels": 100},
        prefixes={"a/": LIVE},
        budget={"credits_per_day": 500},
        paused=True,
    )
    assert list(changes(old, new)) == [
        "(stack)  paused: false -> true",
        "(stack)  budget.credits_per_day: not set -> 500",
        "(defaults)  max_pixels: not set -> 100",
        "a/  new",
        "a/  max_pixels: not set -> 100",
        "a/  test: true -> false",
        "b/  removed",
        "b/  max_pixels: not set -> 100",
    ]


def test_equal_documents_have_no_differences() -> None:
    assert list(changes(prefixed(LIVE), prefixed(LIVE))) == []


@pytest.mark.parametrize(
    ("unsaid", "paths"),
    [
        (configuration({}), ["defaults.test"]),
        (configuration({"test": None}), ["defaults.test"]),
        (configuration({}, prefixes={"a/": LIVE, "b/": {}}), ["defaults.test"]),
        (prefixed({"test": None}), ['prefixes["a/"].test']),
        (configuration(TEST, prefixes={"a/": {"test": None}, "a/b/": {}}), ['prefixes["a/"].test']),
    ],
)
def test_a_document_must_state_where_images_cost_credits(
    unsaid: Configuration, paths: list[str]
) -> None:
    faults = list(unstated_tests(unsaid))
    assert [fault.path for fault in faults] == paths
    assert all('write "test": true' in fault.reason for fault in faults)


@pytest.mark.parametrize("said", [configuration(TEST), prefixed({}), prefixed(LIVE)])
def test_a_prefix_may_inherit_it(said: Configuration) -> None:
    assert list(unstated_tests(said)) == []


@pytest.mark.parametrize(
    ("doubtful", "warning"),
    [
        (
            configuration(TEST, prefixes={"products": {}}),
            'prefixes["products"]: also matches keys like products2/a.jpg; '
            'to match one folder only, write "products/"',
        ),
        (
            configuration(TEST, prefixes={"products": {}, "products2/": {}, "products/b/": {}}),
            'prefixes["products"]: also matches products2/; '
            'to match one folder only, write "products/"',
        ),
        (
            configuration(TEST, prefixes={"/products/": {}}),
            'prefixes["/products/"]: matches no ordinary upload, because keys don\'t begin with /; '
            "remove it",
        ),
        (
            configuration(TEST | {"output.jpeg_quality": 80}),
            "defaults.output.jpeg_quality: has no effect on a PNG result",
        ),
        (
            configuration(TEST | {"result.vertical_alignment": "top"}),
            "defaults.result.vertical_alignment: has no effect without result.target_size",
        ),
        (
            configuration(TEST | {"pipeline": {"delta_png": "keep"}}),
            "defaults.pipeline.delta_png: has no effect unless output.format is delta_png",
        ),
        (
            # The only prefix with JPEG results has a quality of its own.
            configuration(
                TEST | {"output.jpeg_quality": 80},
                prefixes={"a/": {"output.format": "jpeg", "output.jpeg_quality": 90}},
            ),
            "defaults.output.jpeg_quality: has no effect on a PNG result",
        ),
    ],
)
def test_it_warns_of_what_is_probably_not_meant(doubtful: Configuration, warning: str) -> None:
    assert [str(fault) for fault in warnings(doubtful)] == [warning]


@pytest.mark.parametrize(
    "fine",
    [
        configuration(TEST, prefixes={"products/": {}, "products2/": {}}),
        configuration(
            TEST | {"output.jpeg_quality": 80}, prefixes={"a/": {"output.format": "jpeg"}}
        ),
        configuration(TEST | {"output.jpeg_quality": 80, "background.color": "#FFFFFF"}),
    ],
)
def test_it_doesnt_warn_of_what_has_an_effect(fine: Configuration) -> None:
    assert list(warnings(fine)) == []
