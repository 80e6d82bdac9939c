"""Turn off what `admin.attach` turned on: `make detach`."""

import argparse

from admin.attach import change, described, detached, existing_bucket, notifications
from admin.errors import run
from admin.stack import add_stack_option, chosen
from admin.terminal import confirm


def main() -> None:
    """Show the change, ask, then make it."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.detach",
        usage="%(prog)s [--dry-run | --yes] [--stack NAME]\n"
        "       make detach [DRY_RUN=1] [YES=1] [STACK=NAME]",
        description="Stop an existing input bucket from sending its events to EventBridge.",
    )
    parser.add_argument("--dry-run", action="store_true", help="change nothing")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    add_stack_option(parser)
    arguments = parser.parse_args()
    stack = chosen(arguments.stack)
    bucket = existing_bucket(stack)
    before = notifications(stack, bucket)
    after = detached(before)
    print(*described(bucket, before, after), sep="\n")
    if before == after:
        print("EventBridge is off already.")
        return
    print("This command can't know whether other EventBridge rules need the events of this bucket.")
    if arguments.dry_run:
        print("Nothing was changed, because of DRY_RUN=1.")
        return
    confirm("Turn EventBridge off?", yes=arguments.yes)
    change(stack, bucket, before, after)
    print("EventBridge is off. New images in the bucket aren't processed any more.")


if __name__ == "__main__":
    run(main)
