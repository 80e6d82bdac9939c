"""A verdict can go against the program: worlds in which something is wrong."""

from dataclasses import replace

import pytest

from tests.builders import NOON, picture
from tests.fault_injection.verdict import (
    Ending,
    Found,
    Spent,
    Verdict,
    Version,
    Written,
    Wrong,
    judge,
)

VERSION = Version("version-2", "etag-2", "sha-2", NOON)
ABOUT = {"source-version-id": "version-2", "source-etag": "etag-2"}
RESULT = Written("a.png", ABOUT, picture(), NOON + 5)
REPORT = Written("a.png.error.json", {"source-version-id": "version-2"}, b"{}", NOON + 5)
SIDECAR = Written("a.png.json", {}, b'{"source": {"version_id": "version-2"}}', NOON + 5)
GOOD = Found(VERSION, [RESULT], NOON + 5, [], [Spent(VERSION, 1, 0, has_result=True)], quiet=True)
REJECTED = replace(GOOD, written=[REPORT], spent=[Spent(VERSION, 0, 0, has_result=False)])
OLDER = {"source-version-id": "version-1", "source-etag": "etag-1"}


def wrong(found: Found) -> list[Wrong]:
    return [kind for kind, _ in judge(found).wrong]


def test_a_result_is_an_ending() -> None:
    assert judge(GOOD) == Verdict(frozenset({Ending.RESULT}), (), 0, 5)


@pytest.mark.parametrize("lanes", [(3, 2, 5), (1, 2, 5), (1, 4, 7), (None, 4, 0)])
def test_lanes_that_are_not_those_of_a_backlog_or_were_too_many_are_wrong(
    lanes: tuple[int | None, int | None, int],
) -> None:
    assert wrong(replace(GOOD, lanes=lanes)) == [Wrong.PACE]
    assert wrong(replace(GOOD, lanes=(1, 4, 5))) == []


def test_a_report_is_an_ending() -> None:
    assert judge(REJECTED) == Verdict(frozenset({Ending.REPORT}), (), 0, 5)


def test_a_report_may_go_with_a_dead_letter() -> None:
    given_up = replace(REJECTED, dead=["version-2"])
    assert judge(given_up).endings == {Ending.REPORT, Ending.DEAD_LETTER}
    assert wrong(given_up) == []


def test_a_message_that_sqs_gave_up_is_an_ending() -> None:
    assert wrong(replace(REJECTED, written=[], dead=["version-2"])) == []


@pytest.mark.parametrize(
    "written",
    [
        [],
        [RESULT, REPORT],
        [RESULT, replace(RESULT, key="a.jpg")],
        [replace(RESULT, body=picture()[:-20])],
        [replace(RESULT, body=b"")],
        [replace(RESULT, metadata=OLDER)],
        [replace(REPORT, metadata=OLDER)],
        [SIDECAR],
    ],
    ids=["nothing", "both", "two", "cut", "empty", "older", "older report", "sidecar"],
)
def test_an_image_is_lost(written: list[Written]) -> None:
    assert wrong(replace(GOOD, written=written)) == [Wrong.LOST]


def test_a_result_with_a_dead_letter_is_lost() -> None:
    assert wrong(replace(GOOD, dead=["version-2"])) == [Wrong.LOST]


def test_a_dead_letter_of_an_older_version_is_none_of_the_newest() -> None:
    assert wrong(replace(GOOD, dead=["version-1"])) == []
    assert wrong(replace(GOOD, written=[], dead=["version-1"])) == [Wrong.LOST]


def test_a_result_has_its_sidecar() -> None:
    assert wrong(replace(GOOD, beside=(".json",))) == [Wrong.LOST]
    assert wrong(replace(GOOD, beside=(".json",), written=[SIDECAR, RESULT])) == []
    other = replace(SIDECAR, body=b'{"source": {"version_id": "version-1"}}')
    assert wrong(replace(GOOD, beside=(".json",), written=[other, RESULT])) == [Wrong.LOST]


def test_a_lasting_fault_costs_no_more_than_one_credit() -> None:
    spent = [Spent(VERSION, 3, 2, has_result=True)]
    assert wrong(replace(GOOD, spent=spent)) == []
    assert wrong(replace(GOOD, spent=spent, most_in_vain=1)) == [Wrong.CHARGED_TWICE]


def test_an_image_that_goes_round_for_ever_is_stuck() -> None:
    assert wrong(replace(GOOD, quiet=False)) == [Wrong.STUCK]


@pytest.mark.parametrize(
    ("charges", "counted", "has_result", "uncounted"),
    [
        (1, 0, True, 0),
        (2, 0, True, 1),
        (2, 1, True, 0),
        (4, 1, True, 2),
        (3, 3, False, 0),
        (1, 0, False, 1),
        # A call that wasn't charged may be counted, too: nobody knew.
        (0, 3, False, 0),
    ],
)
def test_charges_without_a_result_are_counted(
    charges: int, counted: float, *, has_result: bool, uncounted: float
) -> None:
    spent = Spent(VERSION, charges, counted, has_result)
    assert spent.uncounted == uncounted
    assert wrong(replace(GOOD, spent=[spent])) == [Wrong.CHARGED_TWICE] * bool(uncounted)


def test_a_version_that_was_overtaken_may_cost_once() -> None:
    older = Version("version-1", "etag-1", "sha-1", NOON - 9)
    assert Spent(older, 1, 0, has_result=False, in_vain=True).uncounted == 0
    assert Spent(older, 2, 0, has_result=False, in_vain=True).uncounted == 1
    assert Spent(older, 2, 0, has_result=True, in_vain=True).uncounted == 1
