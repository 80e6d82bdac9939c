"""`make delete`: says what is lost, saves what waits, and spares what isn't the stack's."""

import io
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from admin import delete
from admin.errors import NeedsAnswer, UserError
from tests.template import RESOURCES
from tests.unit.admin.appconfig import sit_at_terminal
from tests.unit.admin.stacks import NAME, FakeStack, client_error, deployed, event

JOB = '{"bucket": "photos", "key": "shoes/ä.jpg", "etag": "1"}'


@dataclass
class Lambda:
    """RetryFunction's event source mapping."""

    changes: list[bool] = field(default_factory=list)

    def list_event_source_mappings(self, **_: object) -> dict[str, Any]:
        return {"EventSourceMappings": [{"UUID": "mapping"}]}

    def update_event_source_mapping(self, *, Enabled: bool, **_: object) -> None:  # noqa: N803
        self.changes.append(Enabled)

    def get_event_source_mapping(self, **_: object) -> dict[str, str]:
        return {"State": "Enabled" if self.changes[-1] else "Disabled"}


@pytest.fixture
def functions() -> Lambda:
    return Lambda()


@pytest.fixture
def stack(
    aws: None,  # noqa: ARG001 - it sets the environment
    functions: Lambda,
    monkeypatch: pytest.MonkeyPatch,
) -> FakeStack:
    monkeypatch.setattr(delete, "_POLL_SECONDS", 0)
    monkeypatch.setattr(delete, "_QUIET_SECONDS", 0)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    stack = deployed()
    sqs = boto3.client("sqs")
    sqs.meta.events.register(
        "before-parameter-build.sqs.ReceiveMessage",
        lambda params, **_: params.update(WaitTimeSeconds=0),
    )
    stack.others |= {"lambda": functions, "sqs": sqs}
    return stack


def send(stack: FakeStack, output: str, body: str) -> None:
    stack.client("sqs").send_message(QueueUrl=stack.outputs[output], MessageBody=body)


def upload(bucket: str, *bodies: str) -> None:
    for body in bodies:
        boto3.client("s3").put_object(Bucket=bucket, Key="a", Body=body)


def run(stack: FakeStack, tmp_path: Path, *, buckets: bool = False, yes: bool = True) -> None:
    delete.delete(stack, file=tmp_path / "messages.jsonl", with_buckets=buckets, yes=yes)


def test_what_it_says_is_kept_is_what_the_template_retains() -> None:
    retained = {
        name
        for name, resource in RESOURCES.items()
        if resource.get("DeletionPolicy", "Delete") != "Delete"
    }
    assert set(delete.KEPT) == retained


def test_it_says_what_is_lost_and_what_stays_and_keeps_the_buckets(
    stack: FakeStack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upload("photos", "1")
    run(stack, tmp_path)
    lost, _, kept = capsys.readouterr().out.partition("It keeps:\n")
    assert "- the secret with Pixian's" in lost
    assert "- RetryQueue, which has 0 messages" in lost
    assert "- the bucket photos with its files" in kept
    assert "- the AppConfig application app" in kept
    assert "deploy again under another name" in kept
    assert stack.cloudformation.deleted == [NAME]
    assert boto3.client("s3").list_objects_v2(Bucket="photos")["KeyCount"] == 1
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_deleted_without_an_answer(stack: FakeStack, tmp_path: Path) -> None:
    with pytest.raises(NeedsAnswer, match=f"Delete the stack {NAME}"):
        run(stack, tmp_path, yes=False)
    assert stack.cloudformation.deleted == []


def test_messages_are_saved_before_the_stack_is_deleted(
    stack: FakeStack, functions: Lambda, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    send(stack, "RetryQueueUrl", JOB)
    send(stack, "DeadLetterQueueUrl", "no job")
    run(stack, tmp_path)
    told = capsys.readouterr().out
    assert "- RetryQueue, which has 1 message\n" in told
    assert "Saved 2 messages in " in told
    lines = (tmp_path / "messages.jsonl").read_text().splitlines()
    assert sorted(map(json.loads, lines), key=str) == [
        {"queue": "DeadLetterQueue", "keys": [], "body": "no job"},
        {"queue": "RetryQueue", "keys": ["shoes/ä.jpg"], "body": JOB},
    ]
    assert functions.changes == [False]
    assert stack.cloudformation.deleted == [NAME]


def test_messages_are_not_saved_without_consent(
    stack: FakeStack, functions: Lambda, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(stack, "RetryQueueUrl", JOB)
    terminal = sit_at_terminal(monkeypatch, "n")
    with pytest.raises(UserError, match="Nothing was changed"):
        run(stack, tmp_path, yes=False)
    [question] = terminal.questions
    assert question.startswith("Save the messages to ")
    assert (functions.changes, stack.cloudformation.deleted) == ([], [])
    assert list(tmp_path.iterdir()) == []


def test_processing_goes_on_if_not_all_messages_can_be_saved(
    stack: FakeStack,
    functions: Lambda,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A function holds the message.
    send(stack, "RetryQueueUrl", JOB)
    stack.client("sqs").receive_message(QueueUrl=stack.outputs["RetryQueueUrl"])
    monkeypatch.setattr(delete, "_SAVING_SECONDS", 0)
    with pytest.raises(UserError, match="Nothing was deleted"):
        run(stack, tmp_path)
    assert functions.changes == [False, True]
    assert stack.cloudformation.deleted == []


def test_saved_messages_are_never_overwritten(
    stack: FakeStack, functions: Lambda, tmp_path: Path
) -> None:
    send(stack, "RetryQueueUrl", JOB)
    (tmp_path / "messages.jsonl").write_text("precious")
    with pytest.raises(UserError, match="File exists"):
        run(stack, tmp_path)
    assert (tmp_path / "messages.jsonl").read_text() == "precious"
    assert (functions.changes, stack.cloudformation.deleted) == ([False, True], [])


def test_buckets_are_deleted_with_all_versions_once_the_name_is_typed(
    stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = boto3.client("s3")
    upload("photos", "1", "2")
    s3.delete_object(Bucket="photos", Key="a")
    upload("cutouts", "1")
    s3.create_multipart_upload(Bucket="cutouts", Key="unfinished")
    sit_at_terminal(monkeypatch, NAME)
    run(stack, tmp_path, buckets=True)
    assert s3.list_buckets()["Buckets"] == []
    assert stack.cloudformation.deleted == [NAME]


@pytest.mark.parametrize("typed", ["y", "pixian", ""])
def test_buckets_are_kept_if_something_else_is_typed(
    stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    upload("photos", "1")
    sit_at_terminal(monkeypatch, typed)
    with pytest.raises(UserError, match="Nothing was deleted"):
        run(stack, tmp_path, buckets=True)
    assert boto3.client("s3").list_objects_v2(Bucket="photos")["KeyCount"] == 1
    assert stack.cloudformation.deleted == []


def test_no_option_replaces_typing_the_name(stack: FakeStack, tmp_path: Path) -> None:
    with pytest.raises(NeedsAnswer, match="needs a terminal"):
        run(stack, tmp_path, buckets=True, yes=True)
    assert stack.cloudformation.deleted == []


def test_a_bucket_that_the_stack_did_not_create_is_never_touched(
    stack: FakeStack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    upload("photos", "1")
    del stack.cloudformation.resources["InputBucket", "AWS::S3::Bucket"]
    sit_at_terminal(monkeypatch, NAME)
    run(stack, tmp_path, buckets=True)
    assert [each["Name"] for each in boto3.client("s3").list_buckets()["Buckets"]] == ["photos"]
    assert boto3.client("s3").list_objects_v2(Bucket="photos")["KeyCount"] == 1
    assert "the bucket photos, because the stack didn't create it" in capsys.readouterr().out


def test_a_deletion_that_was_interrupted_can_be_repeated(
    stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3.client("s3").delete_bucket(Bucket="photos")
    sit_at_terminal(monkeypatch, NAME)
    run(stack, tmp_path, buckets=True)
    assert stack.cloudformation.deleted == [NAME]


def test_what_s3_refuses_to_delete_stops_the_deletion(
    stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def delete_objects(self, **_: object) -> dict[str, Any]:
            return {"Errors": [{"Key": "a", "Message": "Access Denied"}]}

        def __getattr__(self, name: str) -> Any:
            return getattr(boto3.client("s3"), name)

    upload("photos", "1")
    stack.others["s3"] = Refusing()
    sit_at_terminal(monkeypatch, NAME)
    with pytest.raises(UserError, match="such as a: Access Denied"):
        run(stack, tmp_path, buckets=True)
    assert stack.cloudformation.deleted == []


def test_a_stack_whose_creation_failed_is_deleted(stack: FakeStack, tmp_path: Path) -> None:
    stack.outputs.clear()
    stack.cloudformation.resources.clear()
    assert stack.cloudformation.described
    stack.cloudformation.described["StackStatus"] = "ROLLBACK_COMPLETE"
    run(stack, tmp_path)
    assert stack.cloudformation.deleted == [NAME]


def test_a_stack_that_is_being_changed_is_left_alone(stack: FakeStack, tmp_path: Path) -> None:
    assert stack.cloudformation.described
    stack.cloudformation.described["StackStatus"] = "UPDATE_IN_PROGRESS"
    with pytest.raises(UserError, match="Wait until that is done"):
        run(stack, tmp_path)
    assert stack.cloudformation.deleted == []


def test_it_says_why_the_stack_could_not_be_deleted(
    stack: FakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        assert stack.cloudformation.described
        stack.cloudformation.described["StackStatus"] = "DELETE_FAILED"

    stack.cloudformation.events = [
        event(NAME, "DELETE_FAILED", "The following failed: [LeaseTable]", stack=True),
        event("LeaseTable", "DELETE_FAILED", "Access denied"),
        event(NAME, "DELETE_IN_PROGRESS", "User Initiated", stack=True),
        event("Old", "UPDATE_FAILED", "long ago"),
    ]
    monkeypatch.setattr(stack.cloudformation, "delete_stack", fail)
    with pytest.raises(UserError) as error:
        run(stack, tmp_path)
    assert "  LeaseTable: Access denied\n" in str(error.value)
    assert "long ago" not in str(error.value)


def test_another_error_of_aws_is_not_taken_for_a_missing_stack(
    stack: FakeStack, tmp_path: Path
) -> None:
    stack.cloudformation.refusal = client_error("AccessDenied", "not authorized")
    with pytest.raises(Exception, match="not authorized"):
        run(stack, tmp_path)
