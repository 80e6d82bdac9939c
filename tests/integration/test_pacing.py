"""One run after the other, on the real adapters; Lambda answers by its service model."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from pixian_s3 import wiring
from pixian_s3.aws.concurrency import Concurrency
from pixian_s3.aws.events import Events
from pixian_s3.aws.pace_record import Setting
from pixian_s3.aws.telemetry import Telemetry
from pixian_s3.aws.throttles import Throttles
from pixian_s3.errors import Unavailable
from pixian_s3.pace import CLAIM_SECONDS, Lanes
from pixian_s3.pacing import (
    BALANCE_AGAIN_SECONDS,
    BALANCE_SECONDS,
    SETTING_SECONDS,
    Pacing,
    set_pace,
)
from tests.builders import NOON, nobody
from tests.integration.log import CurrentStdout, Log, read_log
from tests.integration.world import SECRET, Context, load_function, make_lease_table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAPPING = "fa123456-14a1-4fd2-9fec-83de64ad683d"
NO_ROOM = (
    "Specified ReservedConcurrentExecutions for function decreases account's "
    "UnreservedConcurrentExecution below its minimum value of [100]."
)


class TakesAll(Concurrency):
    """A Lambda that takes all limits."""

    def __init__(self) -> None:
        pass

    def set(self, lanes: Lanes) -> None:  # noqa: ARG002
        return None


class Subject:
    """PaceFunction's work, with a clock of its own and a Lambda that answers as it is log."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.now = NOON
        self.dynamodb: DynamoDBClient = boto3.client("dynamodb")
        make_lease_table(self.dynamodb)
        self.throttles = Throttles(self.dynamodb, "leases")
        self._sqs = boto3.client("sqs")
        self._queue = self._sqs.create_queue(QueueName="retries")["QueueUrl"]
        self.secret = boto3.client("secretsmanager").create_secret(
            Name="pixian", SecretString=json.dumps({"api_id": "me", "api_secret": SECRET})
        )["ARN"]
        self.events: list[dict[str, Any]] = []
        events = boto3.client("events")
        events.meta.events.register("before-parameter-build.events.PutEvents", self._note)
        functions = boto3.client("lambda")
        self.stubber = Stubber(functions)
        self.stubber.activate()
        self._capsys = capsys
        self.pacing: Pacing = replace(
            self.build("http://127.0.0.1:1"),
            credits_left=lambda: Decimal("12.5"),
            events=Events(lambda: events),
            concurrency=Concurrency(functions, "upload", MAPPING),
            telemetry=Telemetry(
                Logger(service="pacing", stream=CurrentStdout()), "stack", lambda: self.now
            ),
            now=lambda: self.now,
        )

    def build(self, pixian_endpoint: str) -> Pacing:
        return wiring.build_pacing(
            wiring.PaceEnvironment(
                retry_queue_url=self._queue,
                dead_letter_queue_url="nowhere",
                lease_table="leases",
                credentials_secret_arn=self.secret,
                pixian_endpoint=pixian_endpoint,
                upload_function="upload",
                retry_mapping=MAPPING,
                start_concurrency="5",
                max_concurrency="9",
                ramp_minutes="1",
                powertools_service_name="stack",
            )
        )

    def _note(self, params: dict[str, Any], **_: object) -> None:
        self.events += params["Entries"]

    def send(self, count: int) -> None:
        for number in range(count):
            self._sqs.send_message(QueueUrl=self._queue, MessageBody=str(number))

    def receive(self) -> Iterator[str]:
        """Have somebody work on all messages, each with its receipt."""
        while messages := self._sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=10, VisibilityTimeout=43_000
        ).get("Messages"):
            yield from (message["ReceiptHandle"] for message in messages)

    def drain(self) -> None:
        for receipt in self.receive():
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=receipt)

    def expect_reserved(self, upload: int) -> None:
        self.stubber.add_response(
            "put_function_concurrency",
            {"ReservedConcurrentExecutions": upload},
            {"FunctionName": "upload", "ReservedConcurrentExecutions": upload},
        )

    def expect_refused(self) -> None:
        self.stubber.add_client_error(
            "put_function_concurrency", "InvalidParameterValueException", NO_ROOM
        )

    def expect_polled(self, retry: int) -> None:
        self.stubber.add_response(
            "update_event_source_mapping",
            {},
            {"UUID": MAPPING, "ScalingConfig": {"MaximumConcurrency": retry}},
        )

    def run(self) -> Log:
        """Run once, a minute after the last time; every answer of Lambda must be used up."""
        set_pace(self.pacing)
        self.stubber.assert_no_pending_responses()
        self.now += 60
        return read_log(self._capsys.readouterr().out)

    def run_minutes(self, minutes: int) -> None:
        """Run once a minute, with a Lambda that takes all limits."""
        for _ in range(minutes):
            set_pace(replace(self.pacing, concurrency=TakesAll()))
            self.now += 60

    def spend(self, credits_: str) -> None:
        """Have Pixian charge something."""
        self.pacing.spending.settle(None, Decimal(credits_), self.now)

    def details(self) -> list[dict[str, Any]]:
        """What the events say, in order."""
        return [json.loads(event["Detail"]) for event in self.events]

    def item(self) -> dict[str, Any]:
        return self.dynamodb.get_item(TableName="leases", Key={"id": {"S": "pace"}})["Item"]


@pytest.fixture
def subject(aws: None, capsys: pytest.CaptureFixture[str]) -> Iterator[Subject]:  # noqa: ARG001
    subject = Subject(capsys)
    yield subject
    subject.stubber.deactivate()
    subject.dynamodb.close()


@pytest.fixture
def settled(subject: Subject) -> Subject:
    """After the first run, without a backlog."""
    subject.expect_polled(2)
    subject.expect_reserved(3)
    subject.run()
    return subject


def test_the_first_run_sets_both_limits(subject: Subject) -> None:
    subject.expect_polled(2)
    subject.expect_reserved(3)
    log = subject.run()
    totals = [log.total(n) for n in ("LanesAllowed", "UploadLanes", "RetryLanes", "Backlog")]
    assert totals == [5, 3, 2, 0]


def test_the_function_runs_once_for_each_event(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = load_function("pace")
    monkeypatch.setattr(function, "pacing", lambda: subject.pacing)
    subject.expect_polled(2)
    subject.expect_reserved(3)
    function.handler({}, Context())
    subject.stubber.assert_no_pending_responses()


def test_a_run_that_changes_nothing_sets_nothing(settled: Subject) -> None:
    log = settled.run()
    assert log.total("LanesAllowed") == 5


def test_a_backlog_moves_the_lanes_and_then_adds_some(settled: Subject) -> None:
    settled.send(3)
    settled.expect_reserved(1)
    settled.expect_polled(4)
    assert settled.run().total("Backlog") == 3
    settled.expect_reserved(1)
    settled.expect_polled(5)
    assert settled.run().total("LanesAllowed") == 6


def test_a_throttle_that_a_lane_counted_holds_the_ramp(settled: Subject) -> None:
    settled.send(3)
    settled.expect_reserved(1)
    settled.expect_polled(4)
    settled.run()
    settled.throttles.count()
    assert settled.run().total("LanesAllowed") == 5
    settled.expect_reserved(1)
    settled.expect_polled(5)
    assert settled.run().total("LanesAllowed") == 6


def test_the_limits_are_set_again_after_an_hour(settled: Subject) -> None:
    settled.now += SETTING_SECONDS
    settled.expect_polled(2)
    settled.expect_reserved(3)
    settled.run()


def test_an_account_that_cannot_reserve_gets_one_line_and_a_metric_each_time(
    subject: Subject,
) -> None:
    subject.expect_polled(2)
    subject.expect_refused()
    first, second = subject.run(), subject.run()
    assert [line["message"] for line in first.lines if line["level"] == "WARNING"] == [
        "This account can't reserve 3 concurrent executions for UploadFunction. "
        "An earlier reservation stays in effect; without one, only RetryFunction's concurrency is "
        "limited. Ask AWS for a higher limit of concurrent executions. Lambda's answer: An error "
        "occurred "
        f"(InvalidParameterValueException) when calling the PutFunctionConcurrency operation: "
        f"{NO_ROOM}"
    ]
    assert [line["level"] for line in second.lines] == ["INFO"]
    assert [log.total("ReservationsRefused") for log in (first, second)] == [1, 1]


def test_its_retry_lanes_are_paced_all_the_same(subject: Subject) -> None:
    subject.expect_polled(2)
    subject.expect_refused()
    subject.run()
    subject.send(1)
    subject.expect_refused()
    subject.expect_polled(4)
    log = subject.run()
    assert (log.total("RetryLanes"), log.total("ReservationsRefused")) == (4, 1)


def test_limits_that_were_set_in_part_are_set_by_the_next_run(settled: Subject) -> None:
    # Given that Lambda was busy with the mapping when a backlog came
    settled.send(1)
    settled.expect_reserved(1)
    settled.stubber.add_client_error("update_event_source_mapping", "ResourceInUseException")
    with pytest.raises(ClientError):
        settled.run()
    # And that the backlog went, so that the decision is the one before
    settled.drain()
    settled.now += 60
    # Then both are set, though nothing seems to have changed
    settled.expect_polled(2)
    settled.expect_reserved(3)
    settled.run()


def test_limits_that_two_runs_set_at_once_are_set_again(settled: Subject) -> None:
    # Given a run that has begun to set the limits, and another one that sets them meanwhile
    record, now = settled.pacing.record, settled.now
    first = record.begin_setting()
    second = record.begin_setting()
    record.write_setting(Setting(Lanes(1, 4), reserved=True, set_at=now), second)
    record.write_setting(Setting(Lanes(3, 2), reserved=True, set_at=now), first)
    # Then nobody knows what Lambda has, and the next run sets both
    settled.expect_polled(2)
    settled.expect_reserved(3)
    settled.run()
    # And the one after that has nothing to do
    settled.run()


def test_a_refusal_is_logged_again_only_after_it_worked_in_between(subject: Subject) -> None:
    subject.expect_polled(2)
    subject.expect_refused()
    subject.run()
    subject.now += SETTING_SECONDS
    subject.expect_polled(2)
    subject.expect_refused()
    assert [line["level"] for line in subject.run().lines] == ["INFO"]


@pytest.mark.parametrize(
    "garbage", [{"lanes": {"S": "5"}}, {"lanes": {"N": "5.5"}}, {"set_at": {"S": "x"}}]
)
def test_an_item_that_cannot_be_read_is_as_good_as_none(
    settled: Subject, garbage: dict[str, Any]
) -> None:
    settled.dynamodb.put_item(TableName="leases", Item={**settled.item(), **garbage})
    remembered = settled.pacing.record.read()
    assert None in {remembered.pace, remembered.setting}


def test_the_item_says_its_version(settled: Subject) -> None:
    assert settled.item()["version"] == {"N": "1"}


@pytest.mark.parametrize("missing", ["backlog", "throttles_seen", "quiet_since", "backlog_at"])
def test_an_item_of_another_version_is_read(settled: Subject, missing: str) -> None:
    item = settled.item()
    del item[missing]
    newer = {**item, "version": {"N": "99"}, "unheard_of": {"S": "x"}}
    settled.dynamodb.put_item(TableName="leases", Item=newer)
    remembered = settled.pacing.record.read()
    assert remembered.pace
    assert remembered.pace.lanes == 5
    assert remembered.setting
    assert remembered.setting.lanes == Lanes(3, 2)


def test_throttles_count_before_the_first_run(subject: Subject) -> None:
    subject.throttles.count()
    remembered = subject.pacing.record.read()
    assert (remembered.pace, remembered.setting, remembered.throttles) == (None, None, 1)


def test_a_throttle_that_cannot_be_counted_is_no_error(subject: Subject) -> None:
    subject.dynamodb.delete_table(TableName="leases")
    subject.throttles.count()


def test_the_metrics_have_one_dimension(settled: Subject) -> None:
    log = settled.run()
    (line,) = log.metrics
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["service"]], json.dumps(line)


# ---- The balance --------------------------------------------------------------------------------


def test_the_balance_is_counted_once_an_hour(subject: Subject) -> None:
    asked: list[float] = []

    def ask() -> Decimal:
        asked.append(subject.now)
        return Decimal(7)

    subject.pacing = replace(subject.pacing, credits_left=ask)
    subject.run_minutes(150)
    assert asked == [NOON, NOON + BALANCE_SECONDS, NOON + 2 * BALANCE_SECONDS]


def test_a_balance_that_is_not_known_is_asked_for_again_in_five_minutes(
    subject: Subject, asked: list[float]
) -> None:
    subject.run_minutes(11)
    assert asked == [NOON, NOON + BALANCE_AGAIN_SECONDS, NOON + 2 * BALANCE_AGAIN_SECONDS]
    # Once there is an answer, the next one is an hour later.
    subject.pacing = replace(subject.pacing, credits_left=lambda: Decimal(7))
    subject.run_minutes(5)
    balance = subject.pacing.record.read().balance
    assert balance
    assert (balance.credits, balance.problem) == (Decimal(7), "")
    subject.run_minutes(59)
    again = subject.pacing.record.read().balance
    assert again
    assert again.asked_at == balance.asked_at


@pytest.fixture
def asked(subject: Subject) -> list[float]:
    """When Pixian was asked for the balance, which it didn't say."""
    times: list[float] = []

    def ask() -> Decimal:
        times.append(subject.now)
        raise Unavailable("Pixian answered 404.")

    subject.pacing = replace(subject.pacing, credits_left=ask)
    return times


def test_the_balance_is_a_metric_and_is_remembered(settled: Subject) -> None:
    settled.now += BALANCE_SECONDS
    settled.expect_polled(2)
    settled.expect_reserved(3)
    assert settled.run().total("CreditsLeft") == 12.5
    balance = settled.pacing.record.read().balance
    assert balance
    assert (balance.credits, balance.credits_at) == (Decimal("12.5"), NOON + 60 + BALANCE_SECONDS)
    assert not balance.problem


@pytest.mark.usefixtures("asked")
def test_a_balance_that_is_not_known_is_a_warning_each_time(
    subject: Subject, capsys: pytest.CaptureFixture[str]
) -> None:
    subject.run_minutes(61)
    log = read_log(capsys.readouterr().out)
    assert [line["message"] for line in log.lines if line["level"] == "WARNING"] == [
        "The balance of the Pixian account isn't known. Pixian answered 404."
    ] * 13
    assert "CreditsLeft" not in log.counted()
    # And the pace was set each time.
    assert log.total("LanesAllowed") == 61 * 5


def test_the_last_balance_stays_known_beside_the_problem(settled: Subject) -> None:
    def ask() -> Decimal:
        raise Unavailable("Pixian answered 500.")

    settled.pacing = replace(settled.pacing, credits_left=ask)
    settled.now += BALANCE_SECONDS
    settled.run_minutes(1)
    balance = settled.pacing.record.read().balance
    assert balance
    assert (balance.credits, balance.credits_at) == (Decimal("12.5"), NOON)
    assert balance.problem == "Pixian answered 500."


def test_a_run_that_is_killed_while_it_asks_does_not_ask_again_for_an_hour(
    subject: Subject,
) -> None:
    calls: list[float] = []

    def killed() -> Decimal:
        calls.append(subject.now)
        raise SystemExit

    subject.pacing = replace(subject.pacing, credits_left=killed)
    with pytest.raises(SystemExit):
        subject.run_minutes(1)
    # The pace was set before.
    assert subject.item()["set_at"]
    subject.now += 60
    subject.run_minutes(50)
    assert calls == [NOON]


def test_of_two_runs_at_once_one_asks(subject: Subject) -> None:
    record = subject.pacing.record
    assert record.begin_balance(NOON, None)
    assert not record.begin_balance(NOON, None)
    last = record.read().balance
    assert record.begin_balance(NOON + BALANCE_SECONDS, last)
    assert not record.begin_balance(NOON + BALANCE_SECONDS, last)


def test_what_is_logged_about_the_balance_has_no_secret(
    subject: Subject, capsys: pytest.CaptureFixture[str]
) -> None:
    with nobody() as url:
        asking = subject.build(url).credits_left
        subject.pacing = replace(subject.pacing, credits_left=asking)
        subject.run_minutes(1)
    out = capsys.readouterr().out
    assert "Connection refused" in out
    assert SECRET not in out + json.dumps(subject.item())


def test_credentials_that_cannot_be_read_are_a_warning(
    subject: Subject, capsys: pytest.CaptureFixture[str]
) -> None:
    boto3.client("secretsmanager").delete_secret(
        SecretId=subject.secret, ForceDeleteWithoutRecovery=True
    )
    asking = subject.build("http://127.0.0.1:1").credits_left
    subject.pacing = replace(subject.pacing, credits_left=asking)
    subject.run_minutes(1)
    assert "The credentials secret can't be read" in capsys.readouterr().out


# ---- A batch ------------------------------------------------------------------------------------


@pytest.fixture
def busy(subject: Subject) -> Subject:
    """After five minutes with a backlog; nothing was announced."""
    subject.spend("100")
    subject.send(3)
    subject.run_minutes(5)
    assert not subject.events
    return subject


def test_a_finished_batch_is_announced_once(busy: Subject) -> None:
    busy.spend("2.5")
    busy.drain()
    busy.run_minutes(20)
    [event] = busy.events
    assert (event["Source"], event["DetailType"]) == ("pixian-s3", "BatchFinished")
    assert "EventBusName" not in event
    assert busy.details() == [
        {
            "version": 1,
            "id": f"stack-{NOON:.0f}",
            "stack": "stack",
            "started_at": iso(NOON),
            "finished_at": iso(NOON + 240),
            "seconds": 240,
            "largest_backlog": 3,
            "credits": 2.5,
            "images": None,
        }
    ]


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_next_batch_is_announced_with_another_id(busy: Subject) -> None:
    busy.drain()
    busy.run_minutes(5)
    busy.send(1)
    busy.run_minutes(4)
    busy.drain()
    busy.run_minutes(5)
    first, second = busy.details()
    assert first["id"] != second["id"]


def test_a_batch_is_not_finished_while_messages_are_in_flight(busy: Subject) -> None:
    assert len(list(busy.receive())) == 3
    busy.run_minutes(20)
    assert not busy.events


def test_the_credits_of_a_batch_may_be_from_two_months(subject: Subject) -> None:
    subject.now = datetime(2026, 12, 31, 23, 58, tzinfo=UTC).timestamp()
    subject.spend("100")
    subject.send(1)
    subject.run_minutes(1)
    subject.spend("1.5")
    subject.run_minutes(4)
    subject.spend("0.25")
    subject.drain()
    subject.run_minutes(5)
    [detail] = subject.details()
    assert detail["credits"] == 1.75


def test_the_images_are_counted_by_how_they_ended(busy: Subject) -> None:
    names = {"ImagesProcessed": 40, "ImagesRejected": 2, "RetriesScheduled": 7, "Elsewhere": 9}
    boto3.client("cloudwatch").put_metric_data(
        Namespace="PixianS3",
        MetricData=[
            {
                "MetricName": name,
                "Dimensions": [{"Name": "service", "Value": "stack"}],
                "Timestamp": datetime.fromtimestamp(NOON + 60 * minute, UTC),
                "Value": count,
            }
            for name, count in names.items()
            for minute in (0, 3)
        ],
    )
    busy.drain()
    busy.run_minutes(5)
    [detail] = busy.details()
    assert detail["images"] == {"processed": 80, "skipped": 0, "rejected": 4, "exhausted": 0}


def test_without_the_metrics_a_batch_is_announced_all_the_same(
    busy: Subject, capsys: pytest.CaptureFixture[str]
) -> None:
    def denied(since: float, until: float) -> Any:  # noqa: ARG001
        error = {"Error": {"Code": "AccessDenied", "Message": "Not yours"}}
        raise ClientError(error, "GetMetricData")  # type: ignore[arg-type]

    busy.pacing = replace(busy.pacing, attempts=denied)
    busy.drain()
    busy.run_minutes(5)
    assert [detail["images"] for detail in busy.details()] == [None]
    assert "BatchFinished has no numbers of images" in capsys.readouterr().out


def test_of_two_runs_at_once_one_announces_the_batch(busy: Subject) -> None:
    # Given that another run does all of it while this one reads the table
    busy.drain()
    busy.run_minutes(2)
    pacing, reading = busy.pacing, busy.pacing.record.read
    read = reading()
    busy.run_minutes(1)
    assert len(busy.events) == 1
    # When this one goes on with what it read
    pacing.record.read = lambda: read  # type: ignore[method-assign]
    busy.run_minutes(1)
    # Then it announces nothing, and doesn't bring the batch back
    assert len(busy.events) == 1
    assert reading().batch is None


def test_a_run_that_is_killed_leaves_the_announcement_to_a_later_one(busy: Subject) -> None:
    busy.drain()
    busy.run_minutes(2)
    announcing = busy.pacing
    busy.pacing = replace(announcing, events=Killed())
    with pytest.raises(SystemExit):
        busy.run_minutes(1)
    # A backlog that comes meanwhile isn't part of it.
    busy.send(50)
    busy.pacing = announcing
    busy.now += CLAIM_SECONDS - 1
    busy.run_minutes(1)
    assert not busy.events
    busy.run_minutes(1)
    [detail] = busy.details()
    assert (detail["id"], detail["largest_backlog"]) == (f"stack-{NOON:.0f}", 3)


class Killed(Events):
    """A run that doesn't survive its announcement."""

    def __init__(self) -> None:
        pass

    def batch_finished(self, detail: object) -> None:  # noqa: ARG002
        raise SystemExit


def test_an_event_that_is_not_taken_is_sent_again(busy: Subject) -> None:
    busy.drain()
    busy.run_minutes(2)
    answers = [{"FailedEntryCount": 1, "Entries": [{"ErrorMessage": "Busy"}]}]
    taken = busy.pacing

    class Client:
        def put_events(self, **_: object) -> dict[str, Any]:
            return answers.pop()

    busy.pacing = replace(taken, events=Events(Client))
    with pytest.raises(Unavailable, match="EventBridge didn't take BatchFinished: Busy"):
        busy.run_minutes(1)
    # The balance doesn't suffer from it, nor does the pace.
    busy.pacing = taken
    busy.now += 60
    busy.run_minutes(3)
    assert len(busy.events) == 1


def test_a_batch_that_cannot_be_read_is_begun_again(busy: Subject) -> None:
    garbage = {**busy.item(), "current_batch": {"S": "x"}}
    busy.dynamodb.put_item(TableName="leases", Item=garbage)
    busy.run_minutes(1)
    batch = busy.pacing.record.read().batch
    assert batch
    assert batch.since == NOON + 300
