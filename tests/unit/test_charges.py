"""No credit is spent in vain: what becomes of a call that was paid for, or may have been."""

from dataclasses import replace
from typing import Any

import pytest

from pixian_s3 import backoff, pixian
from pixian_s3.errors import Unavailable
from pixian_s3.job import Job
from pixian_s3.storage import Storage
from tests.builders import picture
from tests.unit.servers import Answer, refusal
from tests.unit.world import Context, World


def test_a_refusal_after_the_charge_is_final(world: World) -> None:
    # Given a delta PNG that doesn't fit
    world.configure(defaults={"output.format": "delta_png"})
    world.pixian.answers = [Answer(body=picture((3, 3)))]
    job = world.drop(body=picture((5, 5)))
    # When its event comes three times
    for _ in range(3):
        world.process(job)
    # Then it cost one call, and the report stands
    assert len(world.pixian.calls) == 1
    assert world.output_keys() == ["shoes/a.jpg.error.json"]


class Killed(BaseException):
    """Ends what a killed process ends: all that isn't done."""


class Spent(Context):
    """An invocation whose time is over, so that nobody waits for its claim to run out."""

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return -1000


def die_in_calls(world: World, job: Job, times: int) -> None:
    """Have the function killed so many times while Pixian has the image."""

    def die(*_: object, **__: object) -> None:
        raise Killed

    world.services.ledger.register(Spent())
    world._session.hooks["response"] = [die]
    for _ in range(times):
        with pytest.raises(Killed):
            world.process(job)
    world._session.hooks["response"] = []


def test_a_call_whose_function_was_killed_is_counted_by_the_next_try(world: World) -> None:
    job = world.drop()
    die_in_calls(world, job, times=2)
    told = world.process(job)
    assert (told.total("MaybeCharged"), told.total("ImagesProcessed")) == (2, 1)


def test_it_is_counted_once(world: World) -> None:
    job = world.drop()
    die_in_calls(world, job, times=1)
    world.pixian.answers = [refusal(429)]
    tries = [world.process(job), world.process(world.waiting()[0][0])]
    assert [told.total("MaybeCharged") for told in tries] == [1, 0]


def test_a_function_that_is_killed_in_every_call_makes_no_more_than_three(world: World) -> None:
    job = world.drop()
    die_in_calls(world, job, times=backoff.MAX_MAYBE_CHARGED)
    told = world.process(job)
    assert len(world.pixian.calls) == backoff.MAX_MAYBE_CHARGED
    assert (told.total("MaybeCharged"), told.total("RetriesExhausted")) == (3, 1)
    assert "3 calls" in world.report()["error"]
    assert [left.maybe_charged for left in world.buried()] == [3]


@pytest.mark.parametrize("answer", [refusal(429), refusal(500), refusal(402), refusal(400)])
def test_a_call_that_cost_nothing_leaves_no_count(world: World, answer: Answer) -> None:
    world.pixian.answers = [answer]
    job = world.drop()
    world.process(job)
    assert world.process(job).total("MaybeCharged") == 0


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=picture()[:-5]),
        Answer(body=picture(form="JPEG")),
        Answer(body=b"<html>Sorry</html>"),
        Answer(body=picture(form="JPEG")[:-60], content_type="image/jpeg"),
    ],
)
def test_what_is_no_whole_picture_of_its_type_is_no_result(world: World, answer: Answer) -> None:
    world.pixian.answers = [answer]
    told = world.process(world.drop())
    assert world.output_keys() == []
    assert told.total("MaybeCharged") == 1
    assert [job.maybe_charged for job, _ in world.waiting()] == [1]


def test_a_result_is_stored_as_soon_as_that_works_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given that S3 is away for the first five tries to store a result
    away, put_result = iter(range(5)), Storage.put_result

    def put(*arguments: Any) -> None:
        if next(away, None) is not None:
            raise Unavailable("S3 is away")
        put_result(*arguments)

    monkeypatch.setattr(Storage, "put_result", put)
    # When an image is processed
    began = world.now
    told = world.process(world.drop())
    # Then it has waited, and paid once
    assert (told.total("ImagesProcessed"), len(world.pixian.calls)) == (1, 1)
    assert world.now - began == 1 + 2 + 4 + 8 + 16


def test_storing_is_not_tried_again_when_time_is_short(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Storage, "put_result", _unavailable)
    world.services = replace(world.services, seconds_left=lambda: 100)
    monkeypatch.setattr(pixian, "READ_TIMEOUT_SECONDS", 30)
    began = world.now
    world.process(world.drop())
    assert world.now == began
    assert [job.maybe_charged for job, _ in world.waiting()] == [1]


def test_a_crash_after_the_charge_is_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("out of disk")

    monkeypatch.setattr("pixian_s3.process.store", crash)
    told = world.process(world.drop())
    assert told.total("MaybeCharged") == 1
    assert [job.maybe_charged for job, _ in world.waiting()] == [1]


def test_a_refusal_whose_report_is_lost_is_not_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a delta PNG that doesn't fit, and no way to write the report of it
    world.configure(defaults={"output.format": "delta_png"})
    world.pixian.answers = [Answer(body=picture((3, 3)))]
    monkeypatch.setattr(type(world.services.storage), "put_json", _unavailable)
    # When it is processed
    world.process(world.drop(body=picture((5, 5))))
    # Then it comes again, and the credit is accounted for
    assert [job.maybe_charged for job, _ in world.waiting()] == [1]


def test_a_report_that_cant_be_written_now_is_written_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a file that is no image, while S3 takes no report
    with monkeypatch.context() as away:
        away.setattr(Storage, "put_json", _unavailable)
        world.process(world.drop(body=b"no image"))
    # When its next turn comes
    ((job, delay_seconds),) = world.waiting()
    world.process(job)
    # Then
    assert (job.failures, delay_seconds) == (1, 5)
    assert world.output_keys() == ["shoes/a.jpg.error.json"]


def _unavailable(*_: object) -> None:
    raise Unavailable("S3 is away")
