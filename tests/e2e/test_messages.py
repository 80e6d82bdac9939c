"""Messages of the retry queue as other versions of the program wrote them, or nobody."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

import pytest

from tests.e2e.conftest import World
from tests.e2e.direct import UNREADABLE, Direct, directly
from tests.e2e.written import messages_in


@pytest.fixture
def direct(deployed: World) -> Iterator[Direct]:
    with directly(deployed) as direct:
        yield direct


def of_version_1(direct: Direct) -> dict[str, Any]:
    """A job as the first version wrote it: every field, and no version."""
    [record] = direct.drop()["Records"]
    dropped = record["s3"]["object"]
    return {
        "bucket": record["s3"]["bucket"]["name"],
        "key": unquote_plus(dropped["key"]),
        "etag": dropped["eTag"],
        "version_id": dropped["versionId"],
        "sequencer": dropped["sequencer"],
        "event_time": 1795435200.0,
        "failures": 1,
        "calls_before_redrive": 0,
        "blocked_since": None,
    }


def test_a_message_of_the_first_version_is_processed(direct: Direct) -> None:
    assert direct.receive(json.dumps(of_version_1(direct))) == "processed"


def test_a_message_of_a_later_version_is_processed(direct: Direct) -> None:
    later = {"version": 99, "priority": {"level": 7}} | of_version_1(direct)
    # What it doesn't need any more.
    del later["calls_before_redrive"], later["sequencer"]
    assert direct.receive(json.dumps(later)) == "processed"


def test_an_unreadable_message_is_a_dead_letter_at_once(direct: Direct) -> None:
    assert direct.receive("not a job") == UNREADABLE
    letters = messages_in("DeadLetterQueue", direct.world.stack)
    assert [letter["Body"] for letter in letters] == ["not a job"]
