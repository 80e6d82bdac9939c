"""Delete a stack, and say what is lost and what stays: `make delete`."""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from admin.cloudformation import Described, buckets, describe, failures
from admin.errors import NeedsAnswer, UserError, run
from admin.stack import Stack, add_stack_option, chosen
from admin.terminal import confirm
from admin.text import counted
from pixian_s3.errors import UnreadableMessage
from pixian_s3.job import jobs_from_message

KEPT = (
    "InputBucket",
    "InputBucketPolicy",
    "OutputBucket",
    "OutputBucketPolicy",
    "ConfigurationApplication",
    "ConfigurationEnvironment",
    "ConfigurationProfile",
    "FirstConfiguration",
)
"""The resources that the template retains when the stack is deleted."""

_QUEUES = {"RetryQueue": "RetryQueueUrl", "DeadLetterQueue": "DeadLetterQueueUrl"}
_VISIBLE, _DELAYED, _IN_FLIGHT = (
    f"ApproximateNumberOfMessages{suffix}" for suffix in ("", "Delayed", "NotVisible")
)
_POLL_SECONDS = 2
_SAVING_SECONDS = 1800
"""Messages may be delayed, or in the hands of a function, for 15 minutes."""

_QUIET_SECONDS = 60
"""SQS's counts may lag by a minute, so the queues must have had no other message for so long."""

_HIDDEN_SECONDS = 7200
"""How long saved messages stay hidden in their queue, where they are kept."""


def messages(stack: Stack) -> dict[str, int]:
    """How many messages each queue has, whether they can be received or not."""
    return {
        name: sum(_counts(stack, output).values())
        for name, output in _QUEUES.items()
        if output in stack.outputs
    }


def _counts(stack: Stack, output: str) -> dict[str, int]:
    names = [_VISIBLE, _DELAYED, _IN_FLIGHT]
    attributes = stack.client("sqs").get_queue_attributes(
        QueueUrl=stack.outputs[output], AttributeNames=names
    )["Attributes"]
    return {name: int(attributes[name]) for name in names}


def save(stack: Stack, file: Path) -> int:
    """Write all messages of both queues to a new file, and return their number.

    A line for each: a JSON object with the queue, the keys of the images and the message's body.
    The messages stay in their queues, hidden for two hours. Nothing else may receive them.

    Raises:
        UserError: The file can't be written, or not all messages could be received in this time.
    """
    try:
        lines = file.open("x")
    except OSError as error:
        raise UserError(f"Can't write {file}: {error.strerror}. Nothing was deleted.") from error
    saved = {name: set[str]() for name in _QUEUES}
    started = quiet_since = time.monotonic()
    with lines:
        while time.monotonic() - quiet_since < _QUIET_SECONDS or not _settled(stack, saved):
            for name, output in _QUEUES.items():
                for message in _received(stack.client("sqs"), stack.outputs[output]):
                    if message["MessageId"] not in saved[name]:
                        saved[name].add(message["MessageId"])
                        print(_line(name, message["Body"]), file=lines, flush=True)
            if not _settled(stack, saved):
                quiet_since = time.monotonic()
                if quiet_since - started > _SAVING_SECONDS:
                    raise UserError(
                        "Not all messages could be received. Nothing was deleted; the messages "
                        f"saved in {file} are processed after two hours. Run the command again."
                    )
            time.sleep(_POLL_SECONDS)
    return sum(map(len, saved.values()))


@contextmanager
def nothing_received(stack: Stack) -> Iterator[None]:
    """RetryFunction receives no messages; if the context fails, it does so again."""
    functions = stack.client("lambda")
    [mapping] = functions.list_event_source_mappings(FunctionName=stack.outputs["RetryFunction"])[
        "EventSourceMappings"
    ]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        while functions.get_event_source_mapping(UUID=mapping["UUID"])["State"] != "Disabled":
            time.sleep(_POLL_SECONDS)
        yield
    except BaseException:
        # It may be deleted by now.
        with suppress(ClientError):
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
        raise


def _settled(stack: Stack, saved: Mapping[str, set[str]]) -> bool:
    """Whether the queues have no other messages than those that were saved."""
    for name, output in _QUEUES.items():
        counts = _counts(stack, output)
        if counts[_VISIBLE] or counts[_DELAYED] or counts[_IN_FLIGHT] > len(saved[name]):
            return False
    return True


def _received(sqs: Any, url: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - see Stack.client
    while found := sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=1,
        VisibilityTimeout=_HIDDEN_SECONDS,
    ).get("Messages"):
        yield from found


def _line(queue: str, body: str) -> str:
    try:
        keys = [job.key for job in jobs_from_message(body)]
    except UnreadableMessage:
        keys = []
    return json.dumps({"queue": queue, "keys": keys, "body": body}, ensure_ascii=False)


def remove_bucket(s3: Any, bucket: str) -> int:  # noqa: ANN401 - see Stack.client
    """Delete a bucket with all versions of all objects; return how many versions it had.

    Raises:
        UserError: S3 refused to delete some.
    """
    removed = 0
    try:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            versions = [
                {"Key": each["Key"], "VersionId": each["VersionId"]}
                for each in page.get("Versions", []) + page.get("DeleteMarkers", [])
            ]
            if versions:
                _remove(s3, bucket, versions)
            removed += len(versions)
        for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
            for upload in page.get("Uploads", []):
                s3.abort_multipart_upload(
                    Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                )
        s3.delete_bucket(Bucket=bucket)
    except s3.exceptions.NoSuchBucket:
        print(f"The bucket {bucket} was deleted before.")
    return removed


def _remove(s3: Any, bucket: str, versions: list[dict[str, str]]) -> None:  # noqa: ANN401 - see Stack.client
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
    if errors := answer.get("Errors"):
        first = errors[0]
        raise UserError(
            f"S3 refused to delete {len(errors)} objects of {bucket}, such as {first['Key']}: "
            f"{first.get('Message', first.get('Code'))}. The stack still exists."
        )


def delete_stack(stack: Stack) -> None:
    """Delete the stack and wait until it is gone.

    Raises:
        UserError: CloudFormation couldn't delete it.
    """
    cloudformation, name = stack.client("cloudformation"), stack.stack_name
    cloudformation.delete_stack(StackName=name)
    while found := describe(cloudformation, name):
        if found["StackStatus"] == "DELETE_FAILED":
            reasons = "\n".join(f"  {reason}" for reason in failures(cloudformation, name))
            raise UserError(
                f"CloudFormation couldn't delete the whole stack:\n{reasons}\n"
                "Fix this, then run the command again."
            )
        time.sleep(_POLL_SECONDS)


def _summary(
    stack: Stack, created: Mapping[str, str], waiting: Mapping[str, int], *, with_buckets: bool
) -> Iterator[str]:
    """What will be lost and what stays."""
    yield f"Deleting the stack {stack.stack_name}. This deletes:"
    yield "- the functions with their logs, the alarms, the dashboard, and the table of leases"
    yield "- the secret with Pixian's API ID and secret"
    for queue, number in waiting.items():
        yield f"- {queue}, which has {counted(number, 'message')}"
    if with_buckets:
        for bucket in created.values():
            yield f"- the bucket {bucket} with all its files, and all their versions, for ever"
    yield "It keeps:"
    yield from _kept(stack, created, with_buckets=with_buckets)


def _kept(stack: Stack, created: Mapping[str, str], *, with_buckets: bool) -> Iterator[str]:
    if not with_buckets:
        for bucket in created.values():
            yield f"- the bucket {bucket} with its files, which you pay for until you delete it"
    for output in ("InputBucket", "OutputBucket"):
        given = stack.outputs.get(output, "")
        if given and given not in created.values():
            yield f"- the bucket {given}, because the stack didn't create it"
    if "UploadRule" in stack.outputs:
        yield "  (If you ran `make attach`, answer no and run `make detach` first.)"
    if application := stack.outputs.get("ConfigurationApplication"):
        yield f"- the AppConfig application {application} with every configuration you published"


def _type_name(name: str) -> None:
    """Have the stack's name typed. No option replaces this, because files are lost for ever."""
    if not sys.stdin.isatty():
        raise NeedsAnswer(
            "With BUCKETS=1, you must type the stack's name, so this command needs a terminal. "
            "Nothing was deleted."
        )
    try:
        typed = input(f"To delete the buckets, too, type the name of the stack ({name}): ")
    except EOFError:
        typed = ""
    if typed.strip() != name:
        raise UserError("That isn't the stack's name. Nothing was deleted.")


def _require_deletable(described: Described | None, name: str) -> None:
    if described is None:
        raise UserError(f"There is no stack {name}.")
    status = described["StackStatus"]
    if status.endswith("_IN_PROGRESS") and status not in (
        "DELETE_IN_PROGRESS",
        "REVIEW_IN_PROGRESS",
    ):
        raise UserError(f"The stack {name} is being changed ({status}). Wait until that is done.")


def delete(stack: Stack, *, file: Path, with_buckets: bool, yes: bool) -> None:
    """Say what is lost, ask, save the messages, and delete the stack.

    Args:
        stack: Which one.
        file: For the messages of the queues; it must not exist.
        with_buckets: Whether to delete the buckets that the stack created, with their files.
        yes: Whether to do it without a question. The name must be typed for the buckets all the
            same.
    """
    cloudformation, name = stack.client("cloudformation"), stack.stack_name
    _require_deletable(describe(cloudformation, name), name)
    created = buckets(cloudformation, name)
    waiting = messages(stack)
    print("\n".join(_summary(stack, created, waiting, with_buckets=with_buckets)))
    if any(waiting.values()):
        print(
            "Stop uploading before you go on. To have the waiting images processed first, answer "
            "no, and run this command again when RetryQueue is empty."
        )
        confirm(f"Save the messages to {file}, so that they aren't lost?", yes=yes)
    if with_buckets:
        _type_name(name)
    else:
        confirm(f"Delete the stack {name}?", yes=yes)
    with nothing_received(stack) if any(waiting.values()) else nullcontext():
        if any(waiting.values()):
            print("Saving the messages. This may take 15 minutes if images are being processed …")
            print(f"Saved {counted(save(stack, file), 'message')} in {file}.", flush=True)
        for bucket in created.values() if with_buckets else ():
            print(f"Emptying {bucket} …", flush=True)
            removed = remove_bucket(stack.client("s3"), bucket)
            print(f"Deleted {counted(removed, 'version')}, and the bucket.")
        print("Deleting the stack. This takes a few minutes …", flush=True)
        delete_stack(stack)
    print(f"Deleted the stack {name}.")
    if created and not with_buckets:
        print(
            "Its buckets keep their names, so deploy again under another name, or empty and delete "
            f"them first: {', '.join(created.values())}."
        )


def main() -> None:
    """Delete the chosen stack."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.delete",
        usage="%(prog)s [--buckets] [--file FILE] [--yes] [--stack NAME]\n"
        "       make delete [STACK=NAME] [BUCKETS=1] [FILE=messages.jsonl] [YES=1]",
        description="Delete a stack, after saying what is lost and what stays.",
    )
    parser.add_argument(
        "--buckets", action="store_true", help="delete its buckets, too, with all files"
    )
    parser.add_argument("--file", type=Path, help="where to save the messages of the queues")
    parser.add_argument("--yes", action="store_true", help="don't ask, except about the buckets")
    add_stack_option(parser)
    given = parser.parse_args()
    stack = chosen(given.stack)
    now = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    file = given.file or Path(f"{stack.stack_name}-messages-{now}.jsonl")
    delete(stack, file=file, with_buckets=given.buckets, yes=given.yes)


if __name__ == "__main__":
    run(main)
