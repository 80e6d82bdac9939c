"""Let an existing input bucket send its events to EventBridge: `make attach`."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from admin.errors import UserError, run
from admin.stack import Stack, add_stack_option, chosen

type Notifications = Mapping[str, Any]

EVENTBRIDGE = "EventBridgeConfiguration"
_KINDS = {
    "LambdaFunctionConfigurations": ("Lambda function", "LambdaFunctionArn"),
    "QueueConfigurations": ("SQS queue", "QueueArn"),
    "TopicConfigurations": ("SNS topic", "TopicArn"),
}


def attached(before: Notifications) -> Notifications:
    """Notifications with EventBridge turned on, and all others as they are."""
    return {**before, EVENTBRIDGE: {}}


def detached(before: Notifications) -> Notifications:
    """Notifications with EventBridge turned off, and all others as they are."""
    return {name: each for name, each in before.items() if name != EVENTBRIDGE}


def existing_bucket(stack: Stack) -> str:
    """The existing input bucket of a stack.

    Raises:
        UserError: The stack created its input bucket, or the bucket can't be used.
    """
    bucket = stack.outputs["InputBucket"]
    if "UploadRule" not in stack.outputs:
        raise UserError(
            f"The stack created its input bucket, {bucket}, and takes its uploads already. To use "
            "a bucket of yours, deploy the stack with the parameter ExistingInputBucket."
        )
    s3 = stack.client("s3")
    try:
        location = s3.get_bucket_location(Bucket=bucket)["LocationConstraint"]
    except s3.exceptions.NoSuchBucket:
        raise UserError(
            f"The bucket {bucket} doesn't exist. Create it, or deploy the stack with the name of "
            "another one in ExistingInputBucket."
        ) from None
    # S3's names for the two oldest regions.
    region = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(location, location)
    if region != s3.meta.region_name:
        raise UserError(
            f"The bucket {bucket} is in {region}, but the stack is in {s3.meta.region_name}. Its "
            "events don't get there. Deploy the stack in the bucket's region."
        )
    return str(bucket)


def notifications(stack: Stack, bucket: str) -> Notifications:
    """What a bucket notifies of its events."""
    found = stack.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    return {name: each for name, each in found.items() if name != "ResponseMetadata"}


def change(stack: Stack, bucket: str, before: Notifications, after: Notifications) -> None:
    """Replace a bucket's notifications.

    Raises:
        UserError: They were changed since they were read, or aren't as wanted afterwards.
    """
    # S3 has no conditional write for them, so look again as late as possible.
    if not _same(notifications(stack, bucket), before):
        raise UserError(
            f"Somebody else has just changed the notifications of {bucket}. This command changed "
            "nothing. Run it again."
        )
    stack.client("s3").put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration=after,
        # The others are unchanged. Otherwise S3 would send a test event to each of them, and refuse
        # the change if one of them no longer exists.
        SkipDestinationValidation=True,
    )
    if not _same(found := notifications(stack, bucket), after):
        raise UserError(
            f"The notifications of {bucket} aren't as they should be. They were:\n{dict(before)}\n"
            f"They are now:\n{dict(found)}\nCheck them in the S3 console."
        )


def _same(one: Notifications, other: Notifications) -> bool:
    """Whether two configurations have the same notifications, in whichever order."""
    if one.keys() != other.keys():
        return False
    kinds = one.keys() - {EVENTBRIDGE}
    return all(sorted(one[kind], key=repr) == sorted(other[kind], key=repr) for kind in kinds)


def described(bucket: str, before: Notifications, after: Notifications) -> Iterator[str]:
    """Lines that show a change of a bucket's notifications."""
    yield f"Notifications of s3://{bucket}:"
    for kind, (name, arn) in _KINDS.items():
        for each in before.get(kind, []):
            yield f"  unchanged  {name} {each[arn]}, for {', '.join(each['Events'])}"
    was, will_be = EVENTBRIDGE in before, EVENTBRIDGE in after
    mark = "unchanged" if was == will_be else "on       " if will_be else "off      "
    if was or will_be:
        yield f"  {mark}  EventBridge, for all events"


def show_and_change(
    parser: argparse.ArgumentParser,
    wanted: Callable[[Notifications], Notifications],
    state: str,
    consequence: str,
    ask: Callable[[argparse.Namespace], None] = lambda _: None,
) -> None:
    """Show what a command changes about the notifications of the input bucket, then change it.

    Args:
        parser: The command's, with the options that it has besides those of all such commands.
        wanted: Takes the present notifications and returns the ones to have.
        state: What EventBridge is afterwards: on or off.
        consequence: What follows from the change.
        ask: Asks for consent, unless it is a dry run.
    """
    parser.add_argument("--dry-run", action="store_true", help="change nothing")
    add_stack_option(parser)
    arguments = parser.parse_args()
    stack = chosen(arguments.stack)
    bucket = existing_bucket(stack)
    before = notifications(stack, bucket)
    after = wanted(before)
    print(*described(bucket, before, after), sep="\n")
    if before == after:
        print(f"EventBridge is {state} already.")
        return
    ask(arguments)
    if arguments.dry_run:
        print("Nothing was changed, because of DRY_RUN=1.")
        return
    change(stack, bucket, before, after)
    print(f"EventBridge is {state}. {consequence}")


def main() -> None:
    """Show the change, then make it."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.attach",
        usage="%(prog)s [--dry-run] [--stack NAME]\n       make attach [DRY_RUN=1] [STACK=NAME]",
        description="Let an existing input bucket send its events to EventBridge.",
    )
    consequence = "It can take five minutes until S3 sends all events."
    show_and_change(parser, attached, "on", consequence)


if __name__ == "__main__":
    run(main)
