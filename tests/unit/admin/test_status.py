"""What `make status` shows, read from AWS in memory."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import boto3
import pytest
import time_machine
from botocore.exceptions import ClientError

from admin import status
from admin.stack import LocalStack
from pixian_s3.aws.pace_record import PaceRecord, Setting
from pixian_s3.aws.spending import Spending
from pixian_s3.config.document import Budget, Configuration, parse
from pixian_s3.errors import Held
from pixian_s3.pace import Lanes, Pace
from tests.builders import NOON
from tests.integration.world import make_lease_table

DAY = 24 * 3600


@cache
def client(service: str) -> Any:
    """A client, made once for all tests: that is slow."""
    return boto3.client(service)  # type: ignore[call-overload]


@cache
def denied(service: str) -> Any:
    """A client whose every call is refused."""
    denied = boto3.client(service)  # type: ignore[call-overload]
    denied.meta.events.register("before-call", _deny)
    return denied


@dataclass
class Stack:
    """A stack in moto; `denied` are services that refuse every call."""

    outputs: dict[str, str]
    stack_name: str = "shop"
    denied: set[str] = field(default_factory=set)

    def client(self, service: str) -> Any:
        return denied(service) if service in self.denied else client(service)

    def record(self) -> PaceRecord:
        return PaceRecord(client("dynamodb"), "leases")

    def send(self, count: int, **more: Any) -> None:
        for _ in range(count):
            self.client("sqs").send_message(
                QueueUrl=self.outputs["RetryQueueUrl"], MessageBody="{}", **more
            )

    def spend(self, credits_: str, at: float = NOON) -> None:
        Spending(client("dynamodb"), "leases").settle(None, Decimal(credits_), at)

    def log(self, *lines: object, group: str = "UploadLog", at: float = NOON - 60) -> None:
        self.client("logs").put_log_events(
            logGroupName=self.outputs[group],
            logStreamName="stream",
            logEvents=[
                {
                    "timestamp": int(1000 * at),
                    "message": line if isinstance(line, str) else json.dumps(line),
                }
                for line in lines
            ],
        )

    def measure(self, name: str, value: float, at: float, **more: Any) -> None:
        dimensions = more.pop("dimensions", {"service": self.stack_name})
        self.client("cloudwatch").put_metric_data(
            Namespace=more.pop("namespace", "PixianS3"),
            MetricData=[
                {
                    "MetricName": name,
                    "Dimensions": [{"Name": n, "Value": v} for n, v in dimensions.items()],
                    "Timestamp": datetime.fromtimestamp(at, UTC),
                    "Value": value,
                }
            ],
        )


def _deny(**_: object) -> None:
    error = {"Error": {"Code": "AccessDenied", "Message": "You may not."}}
    raise ClientError(error, "Read")  # type: ignore[arg-type]


@pytest.fixture
def stack(
    aws: None,  # noqa: ARG001 - it sets the environment
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stack]:
    create = client("sqs").create_queue
    make_lease_table(client("dynamodb"))
    for group in ("upload", "retry"):
        client("logs").create_log_group(logGroupName=group)
        client("logs").create_log_stream(logGroupName=group, logStreamName="stream")
    monkeypatch.setattr(status, "in_force", lambda _: Configuration({}, {}))
    queues = {
        name: create(QueueName=name)["QueueUrl"] for name in ("RetryQueueUrl", "DeadLetterQueueUrl")
    }
    stack = Stack(queues | {"LeaseTable": "leases", "UploadLog": "upload", "RetryLog": "retry"})
    # CloudWatch doesn't take log lines that are weeks old.
    with time_machine.travel(NOON, tick=False):
        yield stack


def use(monkeypatch: pytest.MonkeyPatch, **document: Any) -> None:
    """A configuration document that is in force."""
    monkeypatch.setattr(status, "in_force", lambda _: parse(json.dumps(document)))


def set_pace(stack: Stack, at: float = NOON - 30, *, reserved: bool = True) -> None:
    record = stack.record()
    record.write_setting(Setting(Lanes(1, 4), reserved, NOON - 720), record.begin_setting())
    record.write(Pace(5, True, 0, at, at, at))  # noqa: FBT003


def read(stack: Stack, now: float = NOON) -> dict[str, Any]:
    return status.status(stack, now)


def attempt(outcome: str, key: str = "a.jpg", **more: Any) -> dict[str, Any]:
    return {"message": outcome, "image": {"outcome": outcome, "key": key, **more}}


def row(document: Mapping[str, Any], name: str) -> str:
    """One row of the screen, without its name."""
    [text] = [
        line.removeprefix(name).strip()
        for line in status.screen(document).splitlines()
        if line.startswith(name)
    ]
    return text


# ---- The sections -------------------------------------------------------------------------------


def test_an_idle_stack_has_all_sections_and_no_warning(stack: Stack) -> None:
    set_pace(stack)
    document = read(stack)
    assert document.keys() == {"version", "stack", "at", "prices", "warnings", *status._SECTIONS}
    assert (document["version"], document["stack"], document["prices"]) == (1, "shop", "real")
    assert document["at"] == "2026-09-21T14:13:20Z"
    assert document["warnings"] == []
    assert json.loads(json.dumps(document)) == document


def test_the_lanes_are_those_that_were_set(stack: Stack) -> None:
    set_pace(stack)
    document = read(stack)
    assert document["lanes"] == {
        "upload": 1,
        "retry": 4,
        "upload_reserved": True,
        "set_at": "2026-09-21T14:01:20Z",
        "checked_at": "2026-09-21T14:12:50Z",
    }
    assert row(document, "Lanes") == "upload 1, retry 4; set 12 min ago"


def test_lanes_that_could_not_be_reserved_say_so(stack: Stack) -> None:
    set_pace(stack, reserved=False)
    assert "(not reserved: the account's limit is too low)" in row(read(stack), "Lanes")


def test_lanes_that_are_not_set_yet_are_not_known(stack: Stack) -> None:
    assert row(read(stack), "Lanes") == (
        "not known: PaceFunction is setting them, or hasn't run yet. Try again in a minute."
    )


def test_the_queue_is_shown_in_three_parts(stack: Stack) -> None:
    stack.send(3)
    stack.send(2, DelaySeconds=900)
    stack.client("sqs").receive_message(QueueUrl=stack.outputs["RetryQueueUrl"])
    document = read(stack)
    assert document["queue"] == {"waiting": 2, "delayed": 2, "in_progress": 1, "total": 5}
    assert row(document, "Queue") == "2 waiting, 2 delayed, 1 in progress"


def test_the_age_of_the_oldest_message_is_the_newest_value(stack: Stack) -> None:
    stack.send(1)
    for minutes_ago, age in ((9, 600), (3, 7500), (6, 7300)):
        stack.measure(
            "ApproximateAgeOfOldestMessage",
            age,
            NOON - 60 * minutes_ago,
            namespace="AWS/SQS",
            dimensions={"QueueName": "RetryQueueUrl"},
        )
    document = read(stack)
    assert document["oldest_message"] == {"seconds": 7500}
    assert row(document, "Oldest message") == "2 h 5 min old"


@pytest.mark.parametrize(("days", "warns"), [(9.9, False), (10.1, True)])
def test_a_message_older_than_ten_days_is_a_warning(
    stack: Stack,
    days: float,
    warns: bool,  # noqa: FBT001
) -> None:
    stack.send(1)
    stack.measure(
        "ApproximateAgeOfOldestMessage",
        days * DAY,
        NOON - 60,
        namespace="AWS/SQS",
        dimensions={"QueueName": "RetryQueueUrl"},
    )
    document = read(stack)
    old = "The oldest message is 10 days old. SQS deletes messages after 13 days"
    assert any(each.startswith(old) for each in document["warnings"]) is warns
    assert (f"Warning: {old}" in status.screen(document)) is warns


def test_without_messages_none_is_old(stack: Stack) -> None:
    assert row(read(stack), "Oldest message") == "none"


def test_where_there_is_no_metric_the_age_is_not_known(stack: Stack) -> None:
    stack.send(1)
    assert row(read(stack), "Oldest message") == (
        "not known: CloudWatch has no value for the last 15 minutes. The local AWS never has one."
    )


def test_the_images_of_the_last_hour_are_from_the_metrics(stack: Stack) -> None:
    for minute in (2, 30, 61.5):
        stack.measure("ImagesProcessed", 10, NOON - 60 * minute)
    stack.measure("RetriesExhausted", 1, NOON - 600)
    stack.measure("ImagesProcessed", 5, NOON - 60, dimensions={"service": "another"})
    document = read(stack)
    assert document["last_hour"] == {
        "source": "metrics",
        "processed": 20,
        "skipped": 0,
        "rejected": 0,
        "postponed": 0,
        "blocked": 0,
        "paused": 0,
        "exhausted": 1,
    }
    assert row(document, "Last hour") == (
        "20 processed, 0 skipped, 0 rejected, 0 postponed, 0 blocked, 0 paused, "
        "1 exhausted (from the metrics)"
    )


def test_without_metrics_they_are_from_the_logs(stack: Stack) -> None:
    stack.log(attempt("processed"), "START", "{", "[]", '{"image": 1}', at=NOON - 3599)
    stack.log(attempt("processed"), attempt("rejected"), group="RetryLog")
    stack.log({"_aws": {}, "ImagesProcessed": [1.0]})
    stack.log(attempt("processed"), at=NOON - 3700)
    found = read(stack)["last_hour"]
    assert (found["source"], found["processed"], found["rejected"]) == ("logs", 2, 1)


def test_the_time_left_is_that_at_the_rate_of_the_last_minutes(stack: Stack) -> None:
    stack.send(12)
    for minute in range(1, 60):
        stack.measure("ImagesProcessed", 3 if minute <= 10 else 99, NOON - 60 * minute)
    found = read(stack)["remaining"]
    assert found["images_per_minute"] == pytest.approx(3, rel=0.1)
    assert found["seconds"] == pytest.approx(240, rel=0.1)


@pytest.mark.parametrize(
    ("messages", "ended", "expected"),
    [
        (0, {}, {"images_per_minute": 0, "seconds": 0}),
        (7, {}, {"images_per_minute": 0, "seconds": None}),
        (7, {NOON - 700: 50}, {"images_per_minute": 0, "seconds": None}),
        (100, {NOON - 600: 500, NOON - 60: 500}, {"images_per_minute": 100, "seconds": 60}),
        # It began two minutes ago.
        (100, {NOON - 120: 20, NOON - 60: 20}, {"images_per_minute": 20, "seconds": 300}),
        (10, {NOON: 5}, {"images_per_minute": 5, "seconds": 120}),
    ],
)
def test_what_is_left(messages: int, ended: dict[float, int], expected: dict[str, Any]) -> None:
    assert status.remaining(messages, ended, NOON) == expected


@pytest.mark.parametrize(("held", "by", "text"), [
    ({"paused": True}, "pause", "not known: images wait for `make resume`"),
    (
        {"budget": {"credits_per_day": 10}},
        "budget",
        "not known: images wait for a higher budget, or the next day or month",
    ),
])  # fmt: skip
def test_no_time_is_left_while_images_are_held_back(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, held: dict[str, Any], by: str, text: str
) -> None:
    use(monkeypatch, defaults={"test": True}, **held)
    stack.spend("10")
    stack.send(12)
    stack.measure("ImagesProcessed", 3, NOON - 60)
    document = read(stack)
    assert (document["remaining"]["seconds"], document["remaining"]["held_by"]) == (None, by)
    assert row(document, "Time left") == text


def test_an_empty_queue_waits_for_nothing(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, defaults={"test": True}, paused=True)
    assert row(read(stack), "Time left") == "nothing is left"


def test_credits_are_shown_beside_the_budget(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    use(
        monkeypatch,
        defaults={"test": True},
        budget={"credits_per_day": 500, "credits_per_month": 8000},
    )
    stack.spend("1000.5", NOON - 3 * DAY)
    stack.spend("182.4")
    document = read(stack)
    assert document["credits"] == {"today": 182.4, "this_month": 1182.9}
    assert document["budget"] == {"credits_per_day": 500, "credits_per_month": 8000}
    assert row(document, "Credits") == "182.4 of 500 today, 1,182.9 of 8,000 this month (UTC)"


def test_a_budget_that_is_spent_says_so(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, defaults={"test": True}, budget={"credits_per_day": 10})
    stack.spend("10")
    assert row(read(stack), "Credits") == (
        "10 of 10 today, 10 this month (UTC); the budget is spent (calls of unknown outcome "
        "count), so images wait"
    )


def test_without_a_budget_there_is_none(stack: Stack) -> None:
    document = read(stack)
    assert document["budget"] == {"credits_per_day": None, "credits_per_month": None}
    assert row(document, "Credits") == "0 today, 0 this month (UTC); no budget"


def test_the_balance_has_its_time(stack: Stack) -> None:
    record = stack.record()
    record.begin_balance(NOON - 1380, None)
    record.write_balance(Decimal("1203.5"), NOON - 1380)
    document = read(stack)
    assert document["balance"] == {
        "credits": 1203.5,
        "at": "2026-09-21T13:50:20Z",
        "checked_at": "2026-09-21T13:50:20Z",
        "problem": None,
    }
    assert row(document, "Balance") == "1,203.5 credits 23 min ago"
    assert record.begin_balance(NOON - 120, record.read().balance)
    record.write_balance_problem("Pixian answered 500.")
    assert row(read(stack), "Balance") == (
        "1,203.5 credits 23 min ago; at the last check, 2 min ago: Pixian answered 500. "
        "The next check is 5 minutes after the last one."
    )


def test_a_balance_that_nobody_knows_says_why(stack: Stack) -> None:
    assert "hasn't asked Pixian yet" in row(read(stack), "Balance")
    record = stack.record()
    record.begin_balance(NOON - 1380, None)
    record.write_balance_problem("The credentials secret is still a placeholder.")
    assert row(read(stack), "Balance") == (
        "not known: At the last check, 23 min ago: The credentials secret is still a placeholder. "
        "The next check is 5 minutes after the last one."
    )


def test_dead_letters_are_counted_and_a_warning(stack: Stack) -> None:
    stack.client("sqs").send_message(QueueUrl=stack.outputs["DeadLetterQueueUrl"], MessageBody="{}")
    document = read(stack)
    assert document["dead_letters"] == {"messages": 1}
    [warning] = document["warnings"]
    assert "run `make redrive`" in warning


def test_what_blocks_is_shown_with_what_to_do(stack: Stack) -> None:
    credits_ = "Pixian answered 402: No. Buy credits at pixian.ai."
    stack.log(attempt("blocked", "e.jpg", reason="Something earlier."), at=NOON - 500)
    stack.log(attempt("blocked", reason="Something fixed."), at=NOON - 400)
    stack.log(
        attempt("blocked", reason=credits_),
        attempt("blocked", reason=credits_),
        attempt("blocked", "b.jpg", reason=credits_),
        attempt("processed", "c.jpg"),
        group="RetryLog",
    )
    stack.log(attempt("blocked", "d.jpg", reason="Long ago."), at=NOON - 1300)
    document = read(stack)
    assert document["blocked"] == {
        "images": 3,
        "reasons": [
            {
                "outcome": "blocked",
                "reason": credits_,
                "images": 2,
                "last_at": "2026-09-21T14:12:20Z",
            },
            {
                "outcome": "blocked",
                "reason": "Something earlier.",
                "images": 1,
                "last_at": "2026-09-21T14:05:00Z",
            },
        ],
    }
    assert row(document, "Blocked") == "3 images in the last 20 minutes"
    assert f"- {credits_} (2, last 1 min ago, tried every 5 minutes)" in status.screen(document)


def test_an_image_that_was_processed_since_blocks_no_more(stack: Stack) -> None:
    stack.log(attempt("blocked", reason="No."), attempt("blocked", "b.jpg", reason="No."))
    stack.log(attempt("processed", end_to_end_ms=400_000), at=NOON - 30, group="RetryLog")
    assert read(stack)["blocked"]["images"] == 1


def held(stack: Stack, monkeypatch: pytest.MonkeyPatch, at: float, spent: str) -> None:
    """An image that was held back because of a budget of 10 credits a day."""
    use(monkeypatch, defaults={"test": True}, budget={"credits_per_day": 10})
    stack.spend(spent, at)
    with pytest.raises(Held) as reason:
        Spending(client("dynamodb"), "leases").reserve(
            Budget(credits_per_day=Decimal(10)), Decimal(1), at
        )
    stack.log(attempt("blocked", reason=str(reason.value)), at=at)


@pytest.mark.parametrize("spent", ["10", "9.5"])
def test_a_budget_that_holds_images_back_is_shown_until_it_is_raised(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, spent: str
) -> None:
    held(stack, monkeypatch, NOON - 60, spent)
    document = read(stack)
    assert row(document, "Blocked") == "1 image in the last 20 minutes"
    assert "(1, last 1 min ago, tried every 15 minutes)" in status.screen(document)
    use(monkeypatch, defaults={"test": True}, budget={"credits_per_day": 20})
    assert row(read(stack), "Blocked") == "no"
    use(monkeypatch, defaults={"test": True})
    assert row(read(stack), "Blocked") == "no"


def test_a_budget_of_the_day_before_holds_nothing_back(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    midnight = NOON - NOON % DAY + DAY
    with time_machine.travel(midnight + 300, tick=False):
        held(stack, monkeypatch, midnight - 300, "10")
        assert row(read(stack, midnight - 200), "Blocked") != "no"
        assert row(read(stack, midnight + 300), "Blocked") == "no"


def test_an_image_that_costs_more_than_the_budget_is_blocked_by_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, defaults={"test": True}, budget={"credits_per_day": 2})
    with pytest.raises(Held) as reason:
        Spending(client("dynamodb"), "leases").reserve(
            Budget(credits_per_day=Decimal(2)), Decimal(3), NOON
        )
    stack.log(attempt("blocked", reason=str(reason.value)))
    assert row(read(stack), "Blocked") == "1 image in the last 20 minutes"
    use(monkeypatch, defaults={"test": True}, budget={"credits_per_day": 4})
    assert row(read(stack), "Blocked") == "no"


def test_logs_are_read_for_reasons_only_if_the_metrics_say_that_something_blocks(
    stack: Stack,
) -> None:
    stack.log(attempt("blocked", reason="No."))
    stack.measure("ImagesProcessed", 1, NOON - 60)
    stack.measure("Blocked", 1, NOON - 1300)
    assert row(read(stack), "Blocked") == "no"
    stack.measure("Blocked", 1, NOON - 60)
    assert row(read(stack), "Blocked") == "1 image in the last 20 minutes"


def test_images_that_a_pause_holds_back_are_shown_beside_it(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, defaults={"test": True}, paused=True)
    stack.log(attempt("paused", reason="Processing is paused."), attempt("blocked", "b.jpg"))
    stack.measure("Paused", 1, NOON - 60)
    document = read(stack)
    assert document["blocked"]["images"] == 2
    assert row(document, "Blocked") == "1 image in the last 20 minutes"
    assert row(document, "Paused") == (
        "all images; `make resume` continues them. 1 image in the last 20 minutes. "
        "Held images are tried every 15 minutes."
    )


def test_a_pause_that_ended_holds_nothing_back(stack: Stack) -> None:
    stack.log(attempt("paused", reason="Processing is paused."))
    document = read(stack)
    assert document["blocked"] == {"images": 0, "reasons": []}
    assert (row(document, "Blocked"), row(document, "Paused")) == ("no", "no")


def test_nothing_blocks(stack: Stack) -> None:
    assert row(read(stack), "Blocked") == "no"


def test_a_pause_is_shown(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    assert row(read(stack), "Paused") == "no"
    prefixes = {"shoes/": {"pipeline": {"paused": True}}, "hats/": {}}
    use(monkeypatch, defaults={"test": True}, prefixes=prefixes)
    document = read(stack)
    assert document["paused"] == {"stack": False, "prefixes": ["shoes/"]}
    assert row(document, "Paused") == (
        "shoes/; `make resume PREFIX=…` continues them. Held images are tried every 15 minutes."
    )
    use(monkeypatch, defaults={"test": True}, paused=True)
    assert row(read(stack), "Paused").startswith("all images; `make resume` continues them.")


def test_a_pace_function_that_is_silent_is_a_warning(stack: Stack) -> None:
    set_pace(stack, NOON - 301)
    [warning] = read(stack)["warnings"]
    assert warning.startswith("PaceFunction hasn't finished a run for 5 min.")


# ---- What can't be read -------------------------------------------------------------------------

NEEDS = {
    "dynamodb": {"lanes", "credits", "balance"},
    "sqs": {"queue", "oldest_message", "remaining", "dead_letters"},
    "cloudwatch": {"oldest_message", "remaining", "last_hour"},
    "logs": {"blocked", "remaining", "last_hour"},
}


@pytest.mark.parametrize("service", NEEDS)
def test_what_cannot_be_read_says_why_and_the_rest_is_there(stack: Stack, service: str) -> None:
    set_pace(stack)
    stack.send(1)
    stack.record().begin_balance(NOON, None)
    stack.record().write_balance(Decimal(5), NOON)
    before = {name for name in status._SECTIONS if "error" in read(stack)[name]}
    stack.denied = {service}
    document = read(stack)
    failed = {name for name in status._SECTIONS if "error" in document[name]}
    assert failed == NEEDS[service] | before
    assert all("You may not." in document[name]["error"] for name in NEEDS[service] - before)
    assert "not known: An error occurred (AccessDenied)" in status.screen(document)


def test_a_configuration_that_cannot_be_read_leaves_the_credits(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "in_force", _deny_all)
    document = read(stack)
    assert row(document, "Credits").startswith("0 today, 0 this month (UTC); budget not known: ")
    assert row(document, "Paused").startswith("not known: ")


def _deny_all(_: object) -> Configuration:
    _deny()
    raise AssertionError


def test_a_stack_of_another_version_says_what_it_lacks(stack: Stack) -> None:
    del stack.outputs["LeaseTable"]
    assert row(read(stack), "Lanes") == (
        "not known: The stack has no 'LeaseTable'. Deploy this version of it, then try again."
    )


def test_too_many_log_lines_are_not_read(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "_MOST_PAGES", 0)
    assert row(read(stack), "Blocked") == (
        "not known: There are too many log lines to read them here. Look at UploadLog."
    )


# ---- The command --------------------------------------------------------------------------------


def test_the_command_prints_the_screen_or_json(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(status, "chosen", lambda _: stack)
    monkeypatch.setattr(sys, "argv", ["status"])
    status.main()
    assert capsys.readouterr().out.startswith("shop, 20")
    monkeypatch.setattr(sys, "argv", ["status", "--json"])
    status.main()
    assert json.loads(capsys.readouterr().out)["stack"] == "shop"


def test_made_up_prices_are_called_so() -> None:
    def local(pixian_endpoint: str) -> LocalStack:
        return LocalStack("http://127.0.0.1:1", "", "x", "x", pixian_endpoint, "", "", {})

    assert status._is_fake(local("http://127.0.0.1:8080"))
    assert not status._is_fake(local("https://api.pixian.ai"))


def test_a_screen_with_made_up_prices_says_so(stack: Stack) -> None:
    document = read(stack)
    made_up = "The credits are made up by the fake Pixian."
    assert made_up not in status.screen(document)
    assert made_up in status.screen(document | {"prices": "made up"})


def test_a_reason_stays_on_one_line(stack: Stack) -> None:
    stack.log(attempt("blocked", reason="One\nLanes forged\x1b[31m"))
    assert row(read(stack), "Lanes").startswith("not known")
