"""Turn off what `admin.attach` turned on: `make detach`."""

import argparse

from admin.attach import detached, show_and_change
from admin.errors import run
from admin.terminal import confirm


def main() -> None:
    """Show the change, ask, then make it."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.detach",
        usage="%(prog)s [--dry-run | --yes] [--stack NAME]\n"
        "       make detach [DRY_RUN=1] [YES=1] [STACK=NAME]",
        description="Stop an existing input bucket from sending its events to EventBridge.",
    )
    parser.add_argument("--yes", action="store_true", help="don't ask")
    consequence = "New images in the bucket aren't processed any more."
    show_and_change(parser, detached, "off", consequence, _ask)


def _ask(arguments: argparse.Namespace) -> None:
    print("This command can't know whether other EventBridge rules need the events of this bucket.")
    if not arguments.dry_run:
        confirm("Turn EventBridge off?", yes=arguments.yes)


if __name__ == "__main__":
    run(main)
