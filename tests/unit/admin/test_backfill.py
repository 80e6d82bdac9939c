"""What `make backfill` finds, says, asks and sends, on AWS in memory."""

import io
import json
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from flask import Flask, Response, request

from admin import backfill, sample, sending
from admin.backfill import Backfill, Options, duration
from admin.errors import NeedsAnswer, UserError
from admin.listing import Wanted, Work
from pixian_s3.aws.spending import Spending
from pixian_s3.job import jobs_from_message
from tests.integration.servers import serve
from tests.integration.world import make_lease_table

CONFIGURATION: dict[str, Any] = {
    "defaults": {"test": True},
    "prefixes": {"paid/": {"test": False}, "off/": {"pipeline": {"enabled": False}}},
}


@dataclass
class Functions:
    endpoint: str

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == "pace-function"
        numbers = {"START_CONCURRENCY": "5", "MAX_CONCURRENCY": "25"}
        return {"Environment": {"Variables": numbers | {"PIXIAN_ENDPOINT": self.endpoint}}}


@dataclass
class Shop:
    """A stack whose functions do nothing until `work` is called."""

    endpoint: str
    directory: Path
    now: float = 1_790_000_000.0
    outputs: dict[str, str] = field(default_factory=dict)
    clients: dict[str, Any] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    price: Callable[[bytes], Decimal] = lambda body: 1 + Decimal(len(body)) / 1000
    stack_name: str = "shop"

    def client(self, service: str) -> Any:
        if service == "lambda":
            return Functions(self.endpoint)
        if service not in self.clients:
            client = self.clients[service] = boto3.client(service)  # type: ignore[call-overload]
            client.meta.events.register("before-parameter-build.sqs.SendMessageBatch", self.note)
        return self.clients[service]

    def put(self, *keys: str) -> None:
        for number, key in enumerate(keys):
            self.client("s3").put_object(Bucket="input", Key=key, Body=b"x" * (100 + number % 7))

    def write(self, key: str, **metadata: str) -> None:
        self.client("s3").put_object(Bucket="output", Key=key, Metadata=metadata)

    def run(self, sleep: Callable[[float], None] | None = None, **options: Any) -> None:
        def pass_by(seconds: float) -> None:
            self.now += seconds
            (sleep or (lambda _: None))(seconds)

        stack: Any = self
        Backfill(stack, Options(**options), self.directory, lambda: self.now, pass_by).run()

    def queued(self) -> list[str]:
        """The keys of all messages that were ever sent to the retry queue."""
        return sorted(self.sent)

    def note(self, params: dict[str, Any], **_: Any) -> None:
        self.sent += [jobs_from_message(entry["MessageBody"])[0].key for entry in params["Entries"]]

    def work(self, most: int = 1_000_000, reject: str = "") -> None:
        """Process messages, as RetryFunction would."""
        sqs, s3, url = self.client("sqs"), self.client("s3"), self.outputs["RetryQueueUrl"]
        for _ in range(most):
            received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1).get("Messages")
            if not received:
                return
            (message,) = received
            key = jobs_from_message(message["Body"])[0].key
            if reject and key.startswith(reject):
                self.write(key + ".error.json", final=str("given-up" not in key).lower())
            else:
                body = s3.get_object(Bucket="input", Key=key)["Body"].read()
                self._charge(self.price(body))
                self.write(key.rpartition(".")[0] + ".png")
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _charge(self, credits_: Decimal) -> None:
        self.client("dynamodb").update_item(
            TableName="leases",
            Key={"id": {"S": "credits#2026-09"}},
            UpdateExpression="ADD credits :credits",
            ExpressionAttributeValues={":credits": {"N": str(credits_)}},
        )


@pytest.fixture
def shop(
    aws: None,  # noqa: ARG001 - it sets the environment
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Shop]:
    app = Flask("pixian")

    @app.post("/api/v2/remove-background")
    def _price() -> Response:
        body = request.files["image"].read()
        return Response("", 200, {"X-Credits-Calculated": str(made.price(body))})

    @app.get("/api/v2/account")
    def _account() -> Response:
        return Response('{"credits": 30}')

    with serve(app) as url:
        made = Shop(url, tmp_path / "state")
        for bucket in ("input", "output"):
            made.client("s3").create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
            )
        make_lease_table(made.client("dynamodb"))
        secret = made.client("secretsmanager").create_secret(
            Name="pixian", SecretString='{"api_id": "me", "api_secret": "s3cret"}'
        )
        made.outputs = {
            "InputBucket": "input",
            "OutputBucket": "output",
            "RetryQueueUrl": made.client("sqs").create_queue(QueueName="retries")["QueueUrl"],
            "CredentialsSecretArn": secret["ARN"],
            "LeaseTable": "leases",
            "PaceFunction": "pace-function",
        }
        monkeypatch.setattr(backfill, "document_in_force", lambda _: json.dumps(CONFIGURATION))
        yield made


def photos(number: int, prefix: str = "paid/") -> list[str]:
    return [f"{prefix}{n:03}.jpg" for n in range(number)]


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    terminal = io.StringIO(text)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)


def test_a_dry_run_says_what_it_would_do_and_sends_nothing(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.put(*photos(40), *photos(3, ""), "paid/", "off/a.jpg", "paid/b.png", "done.jpg")
    shop.write("done.png")
    shop.run(dry_run=True)
    said = capsys.readouterr().out
    assert "44 images to process" in said
    assert "  paid/  41 images, 0.0 MB\n    40 .jpg, 1 .png\n" in said
    assert "  (defaults)  3 images, 0.0 MB\n    3 .jpg\n    test mode: free; live, " in said
    assert "        1  with a result\n" in said
    assert "        1  folder markers\n" in said
    assert "        1  under a disabled prefix\n" in said
    assert (
        "Balance  30 credits (made-up price of the fake Pixian)\n         It may not suff" in said
    )
    assert shop.queued() == []


def test_the_quote_is_what_is_charged_then(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    shop.put(*photos(60))
    shop.run(yes=True, wait=True, sleep=lambda _: shop.work())
    said = capsys.readouterr().out
    quoted = float(said.partition("Cost     about ")[2].partition(" ")[0])
    (charged,) = [
        line for line in said.splitlines() if line.endswith("images of this stack included")
    ]
    assert quoted == pytest.approx(float(charged.partition(" ")[0]), rel=0.05)
    assert "60 results, 0 error reports, 0 dead letters" in said
    assert f"those to look at closer first: make look STACK={shop.stack_name}" in said


def test_every_price_of_a_service_on_this_machine_is_marked_as_made_up(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.put(*photos(3), *photos(3, ""))
    shop.run(yes=True, wait=True, sleep=lambda _: shop.work())
    printed = capsys.readouterr()
    priced = [line for line in (printed.out + printed.err).splitlines() if "credits" in line]
    assert len(priced) >= 5
    assert [line for line in priced if "(made-up price of the fake Pixian)" not in line] == []


def test_real_prices_are_not_marked(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin.backfill.prices_are_real", lambda _: True)
    shop.put(*photos(3))
    shop.run(dry_run=True)
    assert "made-up" not in capsys.readouterr().out


def test_without_a_terminal_it_sends_nothing_unless_told_so(shop: Shop) -> None:
    shop.put(*photos(3))
    with pytest.raises(NeedsAnswer, match="YES=1"):
        shop.run()
    assert shop.queued() == []


@pytest.mark.parametrize("says", ["", "\n", "n\n", "no\n", "yep\n"])
def test_nothing_is_sent_before_a_person_says_yes(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    shop.put(*photos(3))
    answer(monkeypatch, says)
    with pytest.raises(UserError, match="Nothing was changed"):
        shop.run()
    assert shop.queued() == []


def test_after_a_yes_all_are_sent(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.put(*photos(25))
    answer(monkeypatch, "y\n")
    shop.run()
    assert shop.queued() == photos(25)


def test_a_prefix_limits_it(shop: Shop) -> None:
    shop.put(*photos(2, "a/"), *photos(2, "b/"))
    shop.run(yes=True, prefix="b/")
    assert shop.queued() == photos(2, "b/")


def test_the_stack_s_own_prefix_limits_it(shop: Shop) -> None:
    shop.outputs["InputPrefix"] = "b/"
    shop.put(*photos(2, "a/"), *photos(2, "b/"))
    shop.run(yes=True)
    assert shop.queued() == photos(2, "b/")
    with pytest.raises(UserError, match="only processes images under b/"):
        shop.run(yes=True, prefix="a/")


def test_a_second_run_sends_nothing_while_the_first_waits_in_the_queue(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.put(*photos(25))
    shop.run(yes=True)
    shop.work(most=10)
    shop.put("paid/new.jpg")
    shop.now += 3600
    shop.run(yes=True)
    assert "15 images were sent by an earlier run and wait" in capsys.readouterr().out
    assert shop.queued() == [*photos(25), "paid/new.jpg"]


def test_what_was_sent_and_then_lost_is_sent_again_once_the_queue_is_empty(shop: Shop) -> None:
    shop.put(*photos(25))
    shop.run(yes=True)
    shop.client("sqs").purge_queue(QueueUrl=shop.outputs["RetryQueueUrl"])
    shop.now += 3600
    shop.run(yes=True)
    assert shop.queued() == sorted(2 * photos(25))


def test_once_all_have_ended_nothing_is_left(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.put(*photos(25))
    shop.run(yes=True, wait=True, sleep=lambda _: shop.work(reject="paid/00"))
    assert "15 results, 10 error reports, 0 dead letters" in capsys.readouterr().out
    shop.now += 3600
    shop.run(yes=True, wait=True)
    assert "Nothing is left to send." in capsys.readouterr().out
    assert shop.queued() == photos(25)
    shop.run(yes=True, wanted=Wanted(reports=True))
    assert shop.queued() == sorted(photos(25) + photos(10))


def test_the_summary_tells_dead_letters_and_what_was_skipped(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.put(*photos(2), "paid/x-given-up.jpg", "paid/x-rejected.jpg", "paid/zz.jpg")

    def work(_: float) -> None:
        shop.work(most=4, reject="paid/x")
        with suppress(ClientError):  # only one a minute
            shop.client("sqs").purge_queue(QueueUrl=shop.outputs["RetryQueueUrl"])

    shop.run(yes=True, wait=True, sleep=work)
    said = capsys.readouterr().out
    assert "2 results, 1 error reports, 1 dead letters" in said
    assert "1 without a new ending" in said


def test_ctrl_c_in_the_middle_and_a_second_run_send_each_image_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.put(*photos(120))
    mark_sent = Work.mark_sent
    calls: list[int] = []

    def interrupt(*arguments: Any, **more: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
        mark_sent(*arguments, **more)

    monkeypatch.setattr(Work, "mark_sent", interrupt)
    with pytest.raises(KeyboardInterrupt):
        shop.run(yes=True)
    assert "Run the command again to send the rest." in capsys.readouterr().out
    assert 20 <= len(shop.queued()) < 120
    shop.run(yes=True)
    assert shop.queued() == photos(120)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_two_at_once_are_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.put(*photos(3))
    answer(monkeypatch, "y\n")

    def send(*arguments: Any, **more: Any) -> int:
        with pytest.raises(UserError, match="already running"):
            shop.run(yes=True)
        return sending.send(*arguments, **more)

    monkeypatch.setattr(backfill, "send", send)
    shop.run()
    assert shop.queued() == photos(3)


def test_without_a_usable_configuration_nothing_is_sent(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.put(*photos(3))
    monkeypatch.setattr(backfill, "document_in_force", lambda _: "{")
    with pytest.raises(UserError, match="make config"):
        shop.run(yes=True)
    assert shop.queued() == []


def test_with_placeholder_credentials_the_cost_is_unknown(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.client("secretsmanager").put_secret_value(
        SecretId=shop.outputs["CredentialsSecretArn"],
        SecretString='{"api_id": "REPLACE_ME", "api_secret": "REPLACE_ME"}',
    )
    shop.put(*photos(3))
    shop.run(dry_run=True)
    said = capsys.readouterr().out
    assert "still a placeholder" in said
    assert "Cost     unknown\nBalance  unknown\n" in said


def test_an_image_that_pixian_cannot_read_is_counted_like_the_others(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.put(*photos(4), "paid/large.jpg")

    def price(body: bytes) -> Decimal:
        return Decimal(2) if body else Decimal("NaN")

    shop.price = price
    shop.client("s3").put_object(Bucket="input", Key="paid/empty.heic", Body=b"")
    shop.run(dry_run=True)
    said = capsys.readouterr().out
    assert "1 without a price, counted like the others: Pixian's answer has no" in said
    assert "Cost     about 12.0 credits" in said


def test_without_a_sample_no_photo_is_sent_to_pixian(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    def price(_: bytes) -> Decimal:
        raise AssertionError

    shop.price = price
    shop.put(*photos(3))
    shop.run(dry_run=True, sample=0)
    said = capsys.readouterr().out
    assert "no price known, 0 sampled" in said
    assert "Cost     unknown" in said


def test_what_check_stack_uploaded_is_left_out(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    name = sample.name(datetime(2026, 9, 21, 14, 13, 20, 5, UTC), ".png")
    shop.put("paid/a.jpg", f"paid/{name}", "paid/check-stack-manual.png")
    shop.write(f"paid/{name}", **{"pixian-test": "true"})
    shop.run(yes=True, wanted=Wanted(tests=True))
    assert shop.queued() == ["paid/a.jpg", "paid/check-stack-manual.png"]
    assert "1  uploaded by `make check-stack`" in capsys.readouterr().out


@pytest.mark.parametrize(("spent", "says"), [
    ("0", "20 credits left of 20 a day (UTC) (made"),
    ("15.5", "4.5 credits left of 20 a day (UTC), so some images wait for the next day"),
    ("21", "0 credits left of 20 a day (UTC), so some images wait for the next day"),
])  # fmt: skip
def test_the_quote_says_what_is_left_of_the_budget(
    shop: Shop,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    spent: str,
    says: str,
) -> None:
    document = json.dumps(CONFIGURATION | {"budget": {"credits_per_day": 20}})
    monkeypatch.setattr(backfill, "document_in_force", lambda _: document)
    Spending(shop.client("dynamodb"), "leases").settle(None, Decimal(spent), shop.now)
    shop.put(*photos(10))
    shop.run(dry_run=True)
    assert f"Budget   {says}" in capsys.readouterr().out


def test_a_backfill_larger_than_the_budget_says_how_long_it_takes(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.dumps(CONFIGURATION | {"budget": {"credits_per_month": 2}})
    monkeypatch.setattr(backfill, "document_in_force", lambda _: document)
    shop.put(*photos(10))
    shop.run(dry_run=True)
    said = capsys.readouterr().out
    assert "Budget   2 credits left of 2 a month (UTC), so this takes 5.5 months" in said


def test_a_few_images_take_less_than_a_minute(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.put(*photos(3))
    shop.run(dry_run=True)
    assert "Time     less than a minute (" in capsys.readouterr().out


def test_images_that_may_be_in_the_queue_already_are_said_to_be_paid_for_once(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.put(*photos(2))
    shop.client("sqs").send_message(QueueUrl=shop.outputs["RetryQueueUrl"], MessageBody="{}")
    shop.run(dry_run=True)
    assert (
        "Queue    1 other messages wait in RetryQueue. Some may be about images of this list. "
        "Such an image gets a second message, but is paid for only once.\n"
    ) in capsys.readouterr().out


def test_a_pixian_that_cannot_be_reached_says_what_to_check(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.endpoint = "http://127.0.0.1:9"
    shop.put(*photos(2))
    shop.run(dry_run=True)
    assert "Check its connection to 127.0.0.1:9." in capsys.readouterr().out


def test_reports_that_cost_nothing_in_the_end_are_said_to_be_counted(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.put("paid/a.cr2")
    shop.write("paid/a.cr2.error.json", final="true")
    shop.run(dry_run=True, wanted=Wanted(reports=True))
    said = capsys.readouterr().out
    assert (
        "Files that are rejected again, such as camera RAW, are counted, but cost nothing" in said
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(45, "45 s"), (1080, "18 min"), (6.6 * 3600, "6.6 h"), (2.4 * 86400, "2.4 d")],
)
def test_durations_are_short(seconds: float, words: str) -> None:
    assert duration(seconds) == words
