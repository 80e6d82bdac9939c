"""`make check-stack`: one picture, no credit, and followed to its end."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from admin.check_stack import check_stack
from admin.errors import UserError
from tests.unit.admin.stacks import FakeStack, client_error, deployed

NOON = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
NAME = "check-stack-20260301T123000000000Z"
TEST = {"pixian-test": "true"}


@dataclass
class S3:
    """S3 whose uploads are processed at once.

    Attributes:
        process: What the functions do with an uploaded key.
    """

    process: Callable[[str], None]

    def put_object(self, **call: Any) -> None:
        boto3.client("s3").put_object(**call)
        self.process(call["Key"])

    def __getattr__(self, name: str) -> Any:
        return getattr(boto3.client("s3"), name)


def result(key: str, **metadata: str) -> None:
    boto3.client("s3").put_object(Bucket="cutouts", Key=key, Body=b"", Metadata=metadata or TEST)


def logged(**image: object) -> None:
    boto3.client("logs").put_log_events(
        logGroupName="upload-log",
        logStreamName="stream",
        logEvents=[
            # moto takes no old events
            {"timestamp": int(time.time() * 1000), "message": json.dumps({"image": image})}
        ],
    )


def run(stack: FakeStack, process: Callable[[str], None] = result, **more: Any) -> str:
    """Check the stack, whose functions do this with each upload."""
    stack.others["s3"] = S3(process)
    return check_stack(stack, **{"now": NOON, "patience_seconds": 0, **more})


def uploads() -> list[str]:
    listed = boto3.client("s3").list_objects_v2(Bucket="photos").get("Contents", [])
    return [each["Key"] for each in listed]


@pytest.fixture
def stack(
    aws: None,  # noqa: ARG001 - it sets the environment
    monkeypatch: pytest.MonkeyPatch,
) -> FakeStack:
    monkeypatch.setattr("admin.check_stack._POLL_SECONDS", 0)
    stack = deployed()
    stack.client("secretsmanager").put_secret_value(
        SecretId=stack.outputs["CredentialsSecretArn"],
        SecretString='{"api_id": "me", "api_secret": "s3cr3t"}',
    )
    return stack


def test_a_picture_is_followed_to_its_result(
    stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    def process(key: str) -> None:
        logged(key="another.png", outcome="rejected")
        logged(key=key, outcome="postponed", reason="Pixian is busy.", next_attempt_in_seconds=5)
        logged(key=key, outcome="processed", end_to_end_ms=6543)
        result(key)

    assert run(stack, process) == f"{NAME}.png"
    assert uploads() == [f"{NAME}.png"]
    assert capsys.readouterr().out.splitlines() == [
        "Checking the stack pixian-s3 in test mode, which costs no credits:",
        "  credentials    are stored",
        "  configuration  test is true for (defaults)",
        f"  uploaded       s3://photos/{NAME}.png",
        "  postponed      Pixian is busy. Next attempt in 5 s.",
        "  processed      6.5 s after the upload",
        f"  result         s3://cutouts/{NAME}.png",
        "The stack works. The result has the watermark of test mode. Both files were left in their "
        "buckets, and `make backfill` leaves them out:",
        f"  s3://photos/{NAME}.png",
        f"  s3://cutouts/{NAME}.png",
    ]
    assert "s3cr3t" not in capsys.readouterr().out


def test_a_photo_of_ones_own_keeps_its_suffix(stack: FakeStack, tmp_path: Path) -> None:
    photo = tmp_path / "shoe.tiff"
    photo.write_bytes(b"photo")
    run(stack, lambda _: result(f"{NAME}.jpg"), photo=photo)
    stored = boto3.client("s3").get_object(Bucket="photos", Key=f"{NAME}.tiff")["Body"].read()
    assert stored == b"photo"


@pytest.mark.parametrize(
    ("document", "prefix"),
    [
        pytest.param({"defaults": {"test": False}}, None, id="by default"),
        pytest.param({}, None, id="not stated"),
        pytest.param(
            {"defaults": {"test": True}, "prefixes": {"paid/": {"test": False}}},
            "paid/",
            id="under the prefix that was asked for",
        ),
    ],
)
def test_nothing_is_uploaded_where_it_would_cost_a_credit(
    stack: FakeStack, document: object, prefix: str | None
) -> None:
    stack.appconfig.deployments.clear()
    stack.appconfig.deploy(document)
    with pytest.raises(UserError, match=r"Nothing was uploaded, because .* cost credits"):
        run(stack, prefix=prefix)
    assert uploads() == []


def test_a_prefix_in_test_mode_is_found(stack: FakeStack) -> None:
    stack.appconfig.deploy(
        {"defaults": {"test": False}, "prefixes": {"a/": {}, "b/": {"test": True}}}
    )
    assert run(stack, now=NOON.replace(day=3)).startswith("b/check-stack-")


def test_only_keys_that_the_stack_processes_are_used(stack: FakeStack) -> None:
    stack.outputs["InputPrefix"] = "raw/"
    assert run(stack).startswith("raw/check-stack-")


@pytest.mark.parametrize("pipeline", [{"paused": True}, {"enabled": False}])
def test_images_that_are_held_back_are_not_waited_for(
    stack: FakeStack, pipeline: dict[str, bool]
) -> None:
    stack.appconfig.deployments.clear()
    stack.appconfig.deploy({"defaults": {"test": True, "pipeline": pipeline}})
    with pytest.raises(UserError, match="paused or disabled"):
        run(stack)
    assert uploads() == []


def test_a_configuration_that_functions_may_not_know_yet_is_not_relied_on(
    stack: FakeStack,
) -> None:
    stack.appconfig.deployments.clear()
    stack.appconfig.deploy({"defaults": {"test": False}}, {"defaults": {"test": True}})
    published = datetime(2026, 3, 2, 12, tzinfo=UTC)
    with pytest.raises(UserError, match=r"just been published.* in 90 s"):
        run(stack, now=published.replace(second=30))
    assert uploads() == []
    run(stack, now=published.replace(minute=2))


def test_it_says_that_the_credentials_are_missing(stack: FakeStack) -> None:
    stack.client("secretsmanager").put_secret_value(
        SecretId=stack.outputs["CredentialsSecretArn"],
        SecretString='{"api_id": "REPLACE_ME", "api_secret": "REPLACE_ME"}',
    )
    with pytest.raises(UserError, match=r"placeholder.*make credentials"):
        run(stack)
    assert uploads() == []


def test_what_blocks_is_told(stack: FakeStack, capsys: pytest.CaptureFixture[str]) -> None:
    reason = "Pixian answered 402. Buy credits at pixian.ai."
    with pytest.raises(UserError, match="processed without a new upload"):
        run(stack, lambda key: logged(key=key, outcome="blocked", reason=reason))
    assert f"  blocked        {reason}\n" in capsys.readouterr().out


def test_an_error_report_is_told(stack: FakeStack) -> None:
    def process(key: str) -> None:
        boto3.client("s3").put_object(
            Bucket="cutouts",
            Key=f"{key}.error.json",
            Body=json.dumps({"error": "The file is empty.", "what_now": "Fix the file."}),
        )

    with pytest.raises(UserError) as error:
        run(stack, process)
    assert str(error.value).splitlines() == [
        "There is no result. The file is empty.",
        "Fix the file.",
        f"Report: s3://cutouts/{NAME}.png.error.json",
        f"Left: s3://photos/{NAME}.png",
    ]


def test_it_says_that_no_function_saw_the_upload(stack: FakeStack) -> None:
    with pytest.raises(UserError, match="no function logged anything"):
        run(stack, lambda _: None)


def test_a_result_that_is_not_marked_as_a_test_is_an_error(stack: FakeStack) -> None:
    with pytest.raises(UserError, match="may have cost a credit"):
        run(stack, lambda key: result(key, other="metadata"))


def test_what_a_person_may_not_read_is_left_out(
    stack: FakeStack, capsys: pytest.CaptureFixture[str]
) -> None:
    class Denied:
        def get_secret_value(self, **_: object) -> None:
            raise client_error("AccessDeniedException")

        def get_paginator(self, _: str) -> "Denied":
            return self

        def paginate(self, **_: object) -> Any:
            raise client_error("AccessDeniedException")

    stack.others |= {"secretsmanager": Denied(), "logs": Denied()}
    run(stack)
    told = capsys.readouterr().out
    assert "credentials    can't be read by you" in told
    assert "log            can't be read by you" in told
