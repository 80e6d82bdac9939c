"""Photos that were in the bucket before the stack knew them."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from admin.backfill import Backfill, Options
from admin.listing import Work
from tests.e2e.conftest import World, picture

PREFIX = "paid/archive/"
PHOTOS = int(os.environ.get("PHOTOS", "60"))
"""The fake Pixian takes half a second of CPU time for each; try 300 before a release."""


def test_photos_that_were_there_before_are_processed_once_each_whatever_interrupts_it(
    deployed: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given photos that no event told of, and one that has its result
    deployed.ending(f"{PREFIX}done.png", picture(1))
    with _events_off(deployed):
        for number in range(PHOTOS):
            deployed.upload(f"{PREFIX}été {number:03}+.png", picture(number))
    # When the command is only asked what it would do
    _backfill(deployed, tmp_path, dry_run=True)
    said = capsys.readouterr().out
    # Then it counts them and says what they will cost, and nothing is charged
    assert f"{PHOTOS} images to process" in said
    quoted = Decimal(said.partition("Cost     about ")[2].partition(" ")[0])
    assert _charged(deployed) == {}
    with _retries_stopped(deployed):
        # When it is stopped with Ctrl-C while it sends, and run again
        with _ctrl_c_after_a_batch(monkeypatch), pytest.raises(KeyboardInterrupt):
            _backfill(deployed, tmp_path, yes=True)
        assert 0 < _depth(deployed) < PHOTOS
        _backfill(deployed, tmp_path, yes=True)
        # Then each photo is in the queue once
        assert _depth(deployed) == PHOTOS
    # And when all have ended
    capsys.readouterr()
    _backfill(deployed, tmp_path, yes=True, wait=True)
    said = capsys.readouterr().out
    # Then each has its result and was charged once, for about what was quoted
    assert f"{PHOTOS} images were sent by an earlier run" in said
    assert f"{PHOTOS} results, 0 error reports, 0 dead letters" in said
    prices = _charged(deployed)
    assert Counter(map(len, prices.values())) == {1: PHOTOS}
    total = sum(price for (price,) in prices.values())
    assert abs(quoted - total) <= total * Decimal("0.05")
    # And nothing is left to do
    _backfill(deployed, tmp_path, yes=True, wait=True)
    assert "Nothing is left to send." in capsys.readouterr().out
    assert _depth(deployed) == 0


def _backfill(world: World, state: Path, **options: Any) -> None:
    Backfill(world.stack, Options(prefix=PREFIX, **options), state).run()


@contextmanager
def _events_off(world: World) -> Iterator[None]:
    """The input bucket tells nobody about its new objects."""
    s3, bucket = world.client("s3"), world.stack.outputs["InputBucket"]
    before = s3.get_bucket_notification_configuration(Bucket=bucket)
    del before["ResponseMetadata"]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    yield
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=before)


@contextmanager
def _retries_stopped(world: World) -> Iterator[None]:
    """Nothing takes a message from the retry queue, which keeps them."""
    functions, name = world.client("lambda"), world.stack.outputs["RetryFunction"]
    (source,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=source["UUID"], Enabled=False)
    yield
    functions.update_event_source_mapping(UUID=source["UUID"], Enabled=True)


@contextmanager
def _ctrl_c_after_a_batch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    mark_sent, batches = Work.mark_sent, list[int]()

    def interrupted(*arguments: Any, **more: Any) -> None:
        batches.append(1)
        if len(batches) == 1:
            signal.raise_signal(signal.SIGINT)
        mark_sent(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Work, "mark_sent", interrupted)
        yield


def _depth(world: World) -> int:
    about = world.client("sqs").get_queue_attributes(
        QueueUrl=world.stack.outputs["RetryQueueUrl"], AttributeNames=["All"]
    )["Attributes"]
    return sum(int(about[name]) for name in about if name.startswith("ApproximateNumberOf"))


def _charged(world: World) -> dict[str, list[Decimal]]:
    """What each of the photos was charged, by the fake Pixian's ledger."""
    found: dict[str, list[Decimal]] = {}
    for call in world.control("GET", "ledger")["requests"]:
        if (price := Decimal(call["credits_charged"])) and call["filename"].startswith("été "):
            found.setdefault(call["filename"], []).append(price)
    return found
