"""What no source settles: checked against the stand-in, and with --live told of Pixian."""

import pytest

from tests.contract import checks
from tests.contract.assumptions import ASSUMPTIONS, ROOT, Assumption, verdict
from tests.contract.caller import Caller
from tests.contract.conftest import Service
from tests.contract.verdicts import VERDICTS, Verdict, table

BY_CHECK = {assumption.check: assumption for assumption in ASSUMPTIONS}

each = pytest.mark.parametrize("assumption", ASSUMPTIONS, ids=lambda each: each.says[:60])


@each
def test_it_holds_or_is_known_not_to(
    assumption: Assumption, caller: Caller, pytestconfig: pytest.Config
) -> None:
    if not caller.live:
        assert verdict(assumption, caller).holds in _expected(assumption)
        return
    verdicts = pytestconfig.stash.setdefault(VERDICTS, {})
    verdicts[assumption.says] = _told(assumption, caller)


@each
def test_it_names_a_place_in_the_code(assumption: Assumption) -> None:
    for place in assumption.where:
        file, word = place.split(": ")
        assert word in (ROOT / file).read_text()


@each
def test_it_is_checked_or_says_why_not(assumption: Assumption) -> None:
    assert (assumption.check is None) == bool(assumption.unchecked)


def test_a_refusal_is_an_answer(service: Service) -> None:
    service.fault(status=400)
    told = _told(BY_CHECK[checks.cmyk], Caller(service.stand_in.url, service.credentials))
    assert told == Verdict(holds=False, seen="Pixian answered 400: Status 400.")


def test_an_outage_is_none(service: Service) -> None:
    service.fault(status=503)
    told = _told(BY_CHECK[checks.cmyk], Caller(service.stand_in.url, service.credentials))
    assert told.holds is None
    assert told.seen.startswith("Unavailable: Pixian answered 503")


def test_the_table_has_a_line_for_each() -> None:
    told = {"It is so.": Verdict(holds=True, seen="1"), "Or so.": Verdict(None, "no\nway")}
    assert list(table(told))[1:] == ["It is so. | holds | 1", "Or so. | not checked | no way"]


def _expected(assumption: Assumption) -> set[bool | None]:
    # A difference that is gone must leave the list, too.
    return {None if assumption.check is None else not assumption.stand_in_differs}


def _told(assumption: Assumption, caller: Caller) -> Verdict:
    try:
        return verdict(assumption, caller)
    except Exception as error:  # whatever Pixian does, the table is to be printed
        return Verdict(None, f"{type(error).__name__}: {error}")
