"""What `make attach` and `make detach` change about a bucket, and what they leave alone."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from moto.s3.models import s3_backends

from admin import attach, detach
from admin.errors import UserError

ACCOUNT = "123456789012"
ON: dict[str, Any] = {"EventBridgeConfiguration": {}}
OTHERS: dict[str, Any] = {
    "QueueConfigurations": [
        {
            "Id": "invoices",
            "QueueArn": f"arn:aws:sqs:eu-central-1:{ACCOUNT}:invoices",
            "Events": ["s3:ObjectCreated:Put", "s3:ObjectRemoved:*"],
            "Filter": {
                "Key": {
                    "FilterRules": [
                        {"Name": "prefix", "Value": "invoices/"},
                        {"Name": "suffix", "Value": ".pdf"},
                    ]
                }
            },
        }
    ],
    "TopicConfigurations": [
        {
            "Id": "gone",
            "TopicArn": f"arn:aws:sns:eu-central-1:{ACCOUNT}:gone",
            "Events": ["s3:ObjectRestore:Completed"],
        }
    ],
    "LambdaFunctionConfigurations": [
        {
            "Id": "thumbnails",
            "LambdaFunctionArn": f"arn:aws:lambda:eu-central-1:{ACCOUNT}:function:thumbnails",
            "Events": ["s3:ObjectCreated:*"],
        }
    ],
}


@dataclass
class Shop:
    """A stack with an existing bucket, which notifies others of its events."""

    outputs: dict[str, str] = field(
        default_factory=lambda: {"InputBucket": "shop", "UploadRule": "rule"}
    )
    puts: list[dict[str, Any]] = field(default_factory=list)
    stack_name: str = "shop"

    def client(self, service: str) -> Any:
        client = boto3.client(service)  # type: ignore[call-overload]
        event = "provide-client-params.s3.PutBucketNotificationConfiguration"
        client.meta.events.register(event, lambda params, **_: self.puts.append(params))
        event = "after-call.s3.GetBucketNotificationConfiguration"
        client.meta.events.register(event, _add_eventbridge)
        return client

    def notifications(self) -> dict[str, Any]:
        found = self.client("s3").get_bucket_notification_configuration(Bucket="shop")
        return {name: each for name, each in found.items() if name != "ResponseMetadata"}

    def set(self, notifications: Any) -> None:
        boto3.client("s3").put_bucket_notification_configuration(
            Bucket="shop", NotificationConfiguration=notifications
        )


def _add_eventbridge(parsed: dict[str, Any], **_: object) -> None:
    """What moto knows, but leaves out of its answer."""
    bucket = s3_backends["123456789012"]["aws"].buckets["shop"]
    if (known := bucket.notification_configuration) and known.event_bridge is not None:
        parsed["EventBridgeConfiguration"] = {}


@pytest.fixture
def shop(
    aws: None,  # noqa: ARG001 - it sets the environment
    monkeypatch: pytest.MonkeyPatch,
) -> Shop:
    region: Any = {"LocationConstraint": "eu-central-1"}
    boto3.client("s3").create_bucket(Bucket="shop", CreateBucketConfiguration=region)
    stack = Shop()
    stack.set(OTHERS)
    monkeypatch.setattr(attach, "chosen", lambda _: stack)
    return stack


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def run(main: Callable[[], None], *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["command", *arguments])
        main()

    return run


type Run = Callable[..., None]


def test_attach_turns_eventbridge_on_and_leaves_the_others_as_they_are(
    shop: Shop, run: Run
) -> None:
    before = shop.notifications()
    assert {name: len(each) for name, each in before.items()} == dict.fromkeys(OTHERS, 1)
    run(attach.main)
    assert shop.notifications() == before | {"EventBridgeConfiguration": {}}


def test_the_others_get_no_test_event_and_may_be_gone(shop: Shop, run: Run) -> None:
    run(attach.main)
    (put,) = shop.puts
    assert put["SkipDestinationValidation"] is True


@pytest.mark.usefixtures("shop")
def test_attach_shows_the_change(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run(attach.main)
    assert capsys.readouterr().out.splitlines() == [
        "Notifications of s3://shop:",
        f"  unchanged  Lambda function arn:aws:lambda:eu-central-1:{ACCOUNT}:function:thumbnails, "
        "for s3:ObjectCreated:*",
        f"  unchanged  SQS queue arn:aws:sqs:eu-central-1:{ACCOUNT}:invoices, "
        "for s3:ObjectCreated:Put, s3:ObjectRemoved:*",
        f"  unchanged  SNS topic arn:aws:sns:eu-central-1:{ACCOUNT}:gone, "
        "for s3:ObjectRestore:Completed",
        "  on         EventBridge, for all events",
        "EventBridge is on. It can take five minutes until S3 sends all events.",
    ]


@pytest.mark.parametrize(("main", "before"), [(attach.main, {}), (detach.main, ON)])
def test_a_dry_run_changes_nothing(
    shop: Shop,
    run: Run,
    capsys: pytest.CaptureFixture[str],
    main: Callable[[], None],
    before: dict[str, Any],
) -> None:
    shop.set(OTHERS | before)
    notified = shop.notifications()
    run(main, "--dry-run")
    assert (shop.notifications(), shop.puts) == (notified, [])
    assert "Nothing was changed" in capsys.readouterr().out


def test_what_is_as_it_should_be_is_left_alone(
    shop: Shop, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run(detach.main)
    assert "off already" in capsys.readouterr().out
    shop.set(OTHERS | ON)
    run(attach.main)
    assert "on already" in capsys.readouterr().out
    assert shop.puts == []


def test_detach_undoes_attach(shop: Shop, run: Run) -> None:
    before = shop.notifications()
    run(attach.main)
    run(detach.main, "--yes")
    assert shop.notifications() == before


def test_detach_asks_because_other_rules_may_need_the_events(
    shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.set(OTHERS | ON)
    answers = iter(["", "y"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    with pytest.raises(UserError, match="Nothing was changed"):
        run(detach.main)
    assert shop.puts == []
    assert "other EventBridge rules" in capsys.readouterr().out
    run(detach.main)
    assert "EventBridgeConfiguration" not in shop.notifications()


def test_detach_needs_an_answer(shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.set(OTHERS | ON)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(UserError, match="YES=1"):
        run(detach.main)
    assert shop.puts == []


def test_a_change_by_somebody_else_is_kept(shop: Shop) -> None:
    before = shop.notifications()
    shop.set({})
    with pytest.raises(UserError, match="Somebody else"):
        attach.change(shop, "shop", before, attach.attached(before))
    assert (shop.notifications(), shop.puts) == ({}, [])


def test_a_change_that_did_not_take_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    before = shop.notifications()
    monkeypatch.setattr(attach, "notifications", lambda *_: before)
    with pytest.raises(UserError, match="aren't as they should be"):
        attach.change(shop, "shop", before, attach.attached(before))


@pytest.mark.parametrize("main", [attach.main, detach.main])
def test_a_bucket_of_the_stack_is_not_touched(
    shop: Shop, run: Run, main: Callable[[], None]
) -> None:
    del shop.outputs["UploadRule"]
    with pytest.raises(UserError, match="ExistingInputBucket"):
        run(main)
    assert shop.puts == []


def test_a_bucket_that_does_not_exist_is_named(shop: Shop, run: Run) -> None:
    shop.outputs["InputBucket"] = "shoop"
    with pytest.raises(UserError, match="shoop doesn't exist"):
        run(attach.main)


def test_a_bucket_in_another_region_is_refused(shop: Shop, run: Run) -> None:
    region: Any = {"LocationConstraint": "eu-west-1"}
    s3 = boto3.client("s3", region_name="eu-west-1")
    s3.create_bucket(Bucket="far", CreateBucketConfiguration=region)
    shop.outputs["InputBucket"] = "far"
    with pytest.raises(UserError, match=r"far is in eu-west-1, .* in eu-central-1"):
        run(attach.main)
