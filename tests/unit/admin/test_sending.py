"""Images on their way to the retry queue: none lost, none twice."""

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import Any

import pytest
from botocore.exceptions import ClientError

from admin import sending
from admin.errors import UserError
from admin.listing import Image, Object, Work
from admin.sending import Queue, send
from pixian_s3.job import jobs_from_message
from tests.builders import fresh_seed

REFUSED = ClientError({"Error": {"Code": "Throttled", "Message": "no"}}, "SendMessageBatch")


@dataclass
class Sqs:
    """A queue that refuses entries as told; `before` is called before each batch is accepted."""

    depth: int = 0
    refuse: Any = lambda _: False
    before: Any = lambda: None
    bodies: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        zero = dict.fromkeys(
            (
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed",
            ),
            "0",
        )
        return {"Attributes": zero | {"ApproximateNumberOfMessages": str(self.depth)}}

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == "url"
        with self._lock:
            self.before()
            self.sizes.append(len(Entries))
            good = [each for each in Entries if not self.refuse(each["MessageBody"])]
            self.bodies += [each["MessageBody"] for each in good]
            self.depth += len(good)
        bad = [{"Id": e["Id"], "Code": "InternalError"} for e in Entries if e not in good]
        return {"Successful": [{"Id": each["Id"]} for each in good], "Failed": bad}

    def keys(self) -> list[str]:
        return [jobs_from_message(body)[0].key for body in self.bodies]


@pytest.fixture(autouse=True)
def dont_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_RETRY_PAUSES", (0, 0))


@pytest.fixture
def opened() -> Iterator[list[Work]]:
    works: list[Work] = []
    yield works
    for each in works:
        each.close()


def work(opened: list[Work], number: int, file: Path | str = ":memory:") -> Work:
    opened.append(Work(sqlite3.connect(file)))
    opened[-1].add(
        Image(
            Object(f"{n:04}.jpg", f"e{n}", 1, 900 + n),
            "",
            test=False,
            result=f"{n:04}.png",
            other="",
            report=f"r{n}",
        )
        for n in range(number)
    )
    return opened[-1]


def run(found: Work, sqs: Sqs, capacity: int = 1_000_000, stop: Event | None = None) -> int:
    return send(
        found,
        Queue(sqs, "url", "input", "now"),
        capacity=lambda: capacity,
        now=lambda: 7.0,
        stop=stop or Event(),
        show=lambda *_: None,
    )


def test_a_message_is_the_job_of_the_object_that_was_listed(opened: list[Work]) -> None:
    sqs = Sqs()
    assert run(work(opened, 1), sqs) == 1
    (job,) = jobs_from_message(sqs.bodies[0])
    assert (job.bucket, job.key, job.etag) == ("input", "0000.jpg", "e0")
    assert (job.version_id, job.sequencer, job.event_time) == (None, "", 900.0)
    assert job.again == ""


def test_an_image_that_has_an_ending_is_to_be_processed_again(opened: list[Work]) -> None:
    sqs, found = Sqs(), work(opened, 0)
    photo = Object("a.jpg", "e", 1, 900)
    found.add([Image(photo, "", test=False, result="a.png", other="", report="r", report_at=901)])
    assert run(found, sqs) == 1
    assert jobs_from_message(sqs.bodies[0])[0].again == "now"


def test_all_are_sent_in_batches_of_ten_and_recorded(opened: list[Work]) -> None:
    sqs, found = Sqs(), work(opened, 2_345)
    assert run(found, sqs) == 2_345
    assert sorted(sqs.keys()) == [f"{n:04}.jpg" for n in range(2_345)]
    assert Counter(sqs.sizes)[10] == 234
    assert found.counts() == (0, 2_345)
    assert run(found, sqs) == 0


def test_entries_that_fail_are_repeated(opened: list[Work]) -> None:
    failures = Counter[str]()

    def refuse(body: str) -> bool:
        failures[body] += 1
        return failures[body] == 1 and len(failures) % 3 == 0

    sqs = Sqs(refuse=refuse)
    assert run(work(opened, 100), sqs) == 100
    assert sorted(sqs.keys()) == [f"{n:04}.jpg" for n in range(100)]


def test_an_entry_that_is_refused_again_and_again_ends_it_and_the_others_are_recorded(
    opened: list[Work],
) -> None:
    sqs, found = Sqs(refuse=lambda body: '"0005.jpg"' in body), work(opened, 100)
    with pytest.raises(UserError, match="InternalError"):
        run(found, sqs)
    assert sorted(sqs.keys()) == sorted(
        {f"{n:04}.jpg" for n in range(100)} - {image.object.key for image in found.unsent("", 200)}
    )


def test_an_error_of_aws_ends_it_and_what_was_sent_is_recorded(opened: list[Work]) -> None:
    def fail() -> None:
        if len(sqs.bodies) >= 50:
            raise REFUSED

    sqs, found = Sqs(before=fail), work(opened, 2_000)
    with pytest.raises(UserError, match="Throttled"):
        run(found, sqs)
    sqs.before = lambda: None
    run(found, sqs)
    assert sorted(sqs.keys()) == [f"{n:04}.jpg" for n in range(2_000)]


@pytest.mark.parametrize("seed", [fresh_seed()])
def test_stopped_at_any_time_and_run_again_none_is_lost_and_none_is_sent_twice(
    opened: list[Work], tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)  # noqa: S311 - not for security
    sqs, runs = Sqs(), 0
    while True:
        runs += 1
        stop, at = Event(), len(sqs.bodies) + rng.randint(0, 600)
        sqs.before = lambda stop=stop, at=at: stop.set() if len(sqs.bodies) >= at else None
        # Each run is a process of its own: only the file is left of the one before.
        found = work(opened, 1_500, tmp_path / "sent.sqlite")
        run(found, sqs, stop=stop)
        if not stop.is_set() and found.counts()[0] == 0:
            break
    assert runs > 1
    assert sorted(sqs.keys()) == [f"{n:04}.jpg" for n in range(1_500)]


def test_a_full_queue_is_waited_for(opened: list[Work]) -> None:
    waits: list[float] = []

    class Clock(Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0)
            highest.append(sqs.depth)
            sqs.depth -= 100
            return False

    highest: list[int] = []
    sqs = Sqs(depth=50)
    assert run(work(opened, 500), sqs, capacity=250, stop=Clock()) == 500
    assert max(highest) == 250
    assert set(waits) == {sending.ROOM_SECONDS}
