"""Send one picture through a stack in test mode, and follow it: `make check-stack`."""

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from admin.config import History, history, in_force
from admin.errors import UserError, run
from admin.review import named
from admin.sample import name as upload_name
from admin.sample import picture
from admin.stack import AwsStack, Stack, add_stack_option, chosen
from pixian_s3.config.document import Configuration, Settings
from pixian_s3.errors import Blocked
from pixian_s3.output.keys import report_key, result_key
from pixian_s3.pixian.credentials import parse

PATIENCE_SECONDS = 300
_POLL_SECONDS = 1
_SETTLES = timedelta(minutes=2)
"""How long the functions may still use the configuration before the one in force."""

_SUFFIXES = (".png", ".jpg")
_ENDS_WITHOUT_RESULT = ("rejected", "exhausted", "skipped", "blocked", "paused")

type Attempt = Mapping[str, Any]
"""The field `image` of the log line of an attempt."""


def place(
    configuration: Configuration, name: str, *, prefix: str | None = None, below: str = ""
) -> tuple[str, Settings]:
    """A key under which an image costs no credits and is processed, and its settings.

    Args:
        configuration: The one in force.
        name: The last part of the key.
        prefix: The one to use; by default, no prefix, or else the first that is in test mode.
        below: What every key begins with that the stack processes.

    Raises:
        UserError: There is none.
    """
    candidates = ["", *sorted(configuration.prefixes)] if prefix is None else [prefix]
    keys = [(each if each.startswith(below) else below) + name for each in candidates]
    found = [(key, configuration.settings_for(key)) for key in keys]
    tests = [(key, settings) for key, settings in found if settings.flag("test")]
    if not tests:
        where = "all images" if prefix is None else f"images under {named(prefix)}"
        raise UserError(
            f"Nothing was uploaded, because {where} of this stack cost credits: `test` isn't true. "
            'To check the stack for free, add a prefix such as "check/": {"test": true} to the '
            "configuration, publish it with `make config`, and run this command again."
        )
    for key, settings in tests:
        if settings.flag("pipeline.enabled") and not settings.flag("pipeline.paused"):
            return key, settings
    raise UserError(
        "Nothing was uploaded, because images in test mode are paused or disabled in this stack. "
        "See `make config SHOW=1`; `make resume` ends a pause."
    )


def require_settled(known: History, now: datetime) -> None:
    """Check that no function uses an older configuration, in which the image might cost credits.

    Raises:
        UserError: The one in force is too new.
    """
    if len(known.deployments) < 2 or not (at := known.in_force.at):
        return
    left = (at + _SETTLES - now).total_seconds()
    if left > 0:
        raise UserError(
            "Nothing was uploaded, because the configuration has just been published. The "
            f"functions may still use the one before. Run this command again in {left:.0f} s."
        )


def _require_credentials(stack: Stack) -> None:
    try:
        secret = stack.client("secretsmanager").get_secret_value(
            SecretId=stack.outputs["CredentialsSecretArn"]
        )
    except ClientError as error:
        _step("credentials", f"can't be read by you ({_code(error)}), so they aren't checked")
        return
    try:
        parse(secret["SecretString"])
    except Blocked as error:
        raise UserError(
            f"Nothing was uploaded. {error} Run `make credentials{_option(stack)}`."
        ) from None
    _step("credentials", "are stored")


class Log:
    """What the functions log about one key; each line is read once."""

    def __init__(self, stack: Stack, key: str, since: datetime) -> None:
        self._logs = stack.client("logs")
        self._groups = [stack.outputs["UploadLog"], stack.outputs["RetryLog"]]
        self._key = key
        self._start = int(since.timestamp() * 1000)
        self._seen = set[tuple[int, str]]()

    def read(self) -> Iterator[Attempt]:
        """The attempts since the last call, oldest first; none if this isn't permitted."""
        events = [event for group in self._groups for event in self._events(group)]
        for event in sorted(events, key=lambda event: event["timestamp"]):
            identity = (event["timestamp"], event["message"])
            attempt = _attempt(event["message"])
            if identity not in self._seen and attempt.get("key") == self._key:
                self._seen.add(identity)
                yield attempt

    def _events(self, group: str) -> list[dict[str, Any]]:
        try:
            pages = self._logs.get_paginator("filter_log_events").paginate(
                logGroupName=group,
                startTime=self._start,
                filterPattern=json.dumps(self._key.rpartition("/")[2]),
            )
            return [event for page in pages for event in page["events"]]
        except ClientError as error:
            if _code(error) not in ("AccessDeniedException", "AccessDenied"):
                raise
            _step("log", "can't be read by you, so only the result is looked for")
            self._groups = []
            return []


def _attempt(message: str) -> Attempt:
    try:
        record = json.loads(message)
    except ValueError:
        return {}
    image = record.get("image") if isinstance(record, dict) else None
    return image if isinstance(image, dict) else {}


def follow(
    stack: Stack, key: str, settings: Settings, log: Log, patience_seconds: float
) -> tuple[str, Mapping[str, str]]:
    """The key and the metadata of the result, once it is there; prints each attempt.

    Args:
        stack: Where the image was uploaded.
        key: Of the image; it has never been used before.
        settings: Those of the key.
        log: The attempts.
        patience_seconds: How long to wait.

    Raises:
        UserError: There is no result; says why, and what to do.
    """
    s3, bucket = stack.client("s3"), stack.outputs["OutputBucket"]
    results = [result_key(key, suffix, settings) for suffix in _SUFFIXES]
    deadline = time.monotonic() + patience_seconds
    attempts = list[Attempt]()
    while True:
        for attempt in log.read():
            _step(attempt["outcome"], _told(attempt))
            attempts.append(attempt)
        for result in results:
            if (metadata := _metadata(s3, bucket, result)) is not None:
                return result, metadata
        if _metadata(s3, bucket, report_key(key)) is not None:
            raise UserError(_reported(s3, bucket, report_key(key)))
        if attempts and attempts[-1]["outcome"] in _ENDS_WITHOUT_RESULT:
            raise UserError(_unfinished(attempts[-1]))
        if time.monotonic() > deadline:
            raise UserError(_too_late(stack, attempts))
        time.sleep(_POLL_SECONDS)


def _told(attempt: Attempt) -> str:
    if attempt["outcome"] == "processed":
        total = attempt.get("end_to_end_ms")
        return "" if total is None else f"{total / 1000:.1f} s after the upload"
    wait = attempt.get("next_attempt_in_seconds")
    again = "" if wait is None else f" Next attempt in {wait} s."
    return f"{attempt.get('reason', '')}{again}"


def _metadata(s3: Any, bucket: str, key: str) -> Mapping[str, str] | None:  # noqa: ANN401 - see Stack.client
    try:
        return dict(s3.head_object(Bucket=bucket, Key=key)["Metadata"])
    except ClientError as error:
        # Without the right to list the bucket, S3 answers 403 for an object that doesn't exist.
        if _code(error) in ("404", "403", "NoSuchKey"):
            return None
        raise


def _reported(s3: Any, bucket: str, key: str) -> str:  # noqa: ANN401 - see Stack.client
    report = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return (
        f"There is no result. {report['error']}\n{report['what_now']}\nReport: s3://{bucket}/{key}"
    )


def _unfinished(attempt: Attempt) -> str:
    if attempt["outcome"] in {"blocked", "paused"}:
        return (
            "The stack can't process images for now, for the reason above. When that is fixed, "
            "this image is processed without a new upload."
        )
    return "There is no result, for the reason above."


def _too_late(stack: Stack, attempts: list[Attempt]) -> str:
    url = stack.outputs["RetryQueueUrl"]
    about = stack.client("sqs").get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    waiting = about["ApproximateNumberOfMessages"]
    if attempts or waiting != "0":
        return (
            f"There is no result yet. {waiting} images wait in RetryQueue. The image isn't lost: "
            "see docs/operations.md, “Find an image”."
        )
    return (
        "There is no result, and no function logged anything about the image. If the input bucket "
        "isn't the stack's own, run `make attach`. If it is, deploy the stack again."
    )


def check_stack(
    stack: Stack,
    *,
    photo: Path | None = None,
    prefix: str | None = None,
    now: datetime,
    patience_seconds: float = PATIENCE_SECONDS,
) -> str:
    """Upload a picture that costs nothing, follow it, and return the result's key.

    Args:
        stack: Which one.
        photo: The picture; by default, a generated one.
        prefix: Where to; by default, wherever images are in test mode.
        now: The time, in UTC.
        patience_seconds: How long to wait for the result.

    Raises:
        UserError: It isn't certain that it costs nothing, or there is no result.
    """
    content, suffix = _content(photo)
    name = upload_name(now, suffix)
    print(f"Checking the stack {stack.stack_name} in test mode, which costs no credits:")
    configuration = in_force(stack)
    key, settings = place(configuration, name, prefix=prefix, below=_below(stack))
    require_settled(history(stack), now)
    _require_credentials(stack)
    _step("configuration", f"test is true for {named(settings.prefix)}")
    bucket = stack.outputs["InputBucket"]
    stack.client("s3").put_object(Bucket=bucket, Key=key, Body=content)
    _step("uploaded", f"s3://{bucket}/{key}")
    try:
        log = Log(stack, key, now - timedelta(minutes=10))
        found, metadata = follow(stack, key, settings, log, patience_seconds)
    except UserError as error:
        raise UserError(f"{error}\nLeft: s3://{bucket}/{key}") from error
    output = f"s3://{stack.outputs['OutputBucket']}/{found}"
    _step("result", output)
    if metadata.get("pixian-test") != "true":
        raise UserError(f"{output} isn't marked as a test, so it may have cost a credit.")
    print(
        "The stack works. The result has the watermark of test mode. Both files were left in their "
        "buckets, and `make backfill` leaves them out:\n"
        f"  s3://{bucket}/{key}\n  {output}"
    )
    return found


def _below(stack: Stack) -> str:
    return stack.outputs.get("InputPrefix", "")


def _content(photo: Path | None) -> tuple[bytes, str]:
    if photo is None:
        return picture(), ".png"
    try:
        return photo.read_bytes(), photo.suffix
    except OSError as error:
        raise UserError(f"Can't read {photo}: {error.strerror}.") from error


def _step(what: str, about: str) -> None:
    print(f"  {what:13}  {about}".rstrip(), flush=True)


def _option(stack: Stack) -> str:
    return f" STACK={stack.stack_name}" if isinstance(stack, AwsStack) else ""


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def main() -> None:
    """Check the chosen stack."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.check_stack",
        usage="%(prog)s [--photo FILE] [--prefix PREFIX] [--stack NAME]\n"
        "       make check-stack [PHOTO=photo.jpg] [PREFIX=products/] [STACK=NAME]",
        description="Send one picture through a stack in test mode and follow it to its result.",
    )
    parser.add_argument("--photo", type=Path, help="a photo of yours; default: a generated picture")
    parser.add_argument("--prefix", help="default: wherever images are in test mode")
    add_stack_option(parser)
    given = parser.parse_args()
    check_stack(chosen(given.stack), photo=given.photo, prefix=given.prefix, now=datetime.now(UTC))


if __name__ == "__main__":
    run(main)
