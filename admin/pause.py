"""Hold images back for a while: `make pause` and `make resume`."""

import argparse
import json
from typing import Any

from admin.config import (
    IMAGES_CONTINUE,
    check,
    document_in_force,
    history,
    print_differences,
    publish,
    without_pause,
)
from admin.errors import run
from admin.review import changes, costs, named, warnings
from admin.stack import Stack, add_stack_option, chosen
from admin.terminal import confirm
from pixian_s3.config.document import Configuration

type Document = dict[str, Any]


def paused(document: Document, prefix: str) -> Document:
    """A document that holds back images under a prefix; without a prefix, all images."""
    return _with_pause(document, prefix) if prefix else document | {"paused": True}


def resumed(document: Document, prefix: str) -> Document:
    """A document that no longer holds back images under a prefix; without a prefix, all images.

    A longer prefix that is paused itself stays paused, and so does a whole stack.
    """
    if not prefix:
        defaults = without_pause(document.get("defaults", {}))
        return document | {"paused": False, "defaults": defaults}
    prefixes = dict(document.get("prefixes", {}))
    if given := prefixes.get(prefix):
        prefixes[prefix] = without_pause(given)
        if not prefixes[prefix]:
            del prefixes[prefix]
    without = document | {"prefixes": prefixes}
    inherited = check(_json(without | {"paused": False})).settings_for(prefix)
    if inherited.flag("pipeline.paused"):
        return _with_pause(document, prefix, paused=False)
    return without


def _with_pause(document: Document, prefix: str, *, paused: bool = True) -> Document:
    prefixes = document.get("prefixes", {})
    given = prefixes.get(prefix, {})
    given = given | {"pipeline": given.get("pipeline", {}) | {"paused": paused}}
    return document | {"prefixes": prefixes | {prefix: given}}


def _json(document: Document) -> bytes:
    return json.dumps(document).encode()


def pause(stack: Stack, prefix: str, *, yes: bool) -> None:
    """Publish the document in force with a pause, and say what that means.

    It isn't asked for first, because it may be urgent, unless the prefix may be misspelt.

    Args:
        stack: Where to.
        prefix: Of the images; empty for all.
        yes: Whether to do it without a question.
    """
    latest = history(stack).latest
    document = document_in_force(stack)
    old = check(document)
    changed = _json(paused(json.loads(document), prefix))
    new = check(changed)
    for warning in set(warnings(new)) - set(warnings(old)):
        print(f"Warning: {warning}")
    if not list(changes(old, new)):
        print(f"Nothing changes: {_what(prefix)} are already paused.")
        return
    print_differences(old, new)
    if prefix and prefix not in old.prefixes:
        print(f"The configuration has no prefix {prefix}; it has {_prefixes(old)}.")
        confirm(f"Add the prefix {prefix}, and pause it?", yes=yes)
    version = publish(changed, stack, after=latest)
    print(
        f"Paused {_what(prefix)} with version {version}, within two minutes. Images wait in the "
        f"queue and are processed after `make resume{_option(prefix)}`."
    )
    if running := _under(new, prefix, paused=False):
        print(f"Not paused, because the configuration says so itself: {running}.")


def resume(stack: Stack, prefix: str, *, yes: bool) -> None:
    """Publish the document in force without the pause; ask first if that costs credits.

    Args:
        stack: Where to.
        prefix: Of the images; empty for all.
        yes: Whether to do it without a question.
    """
    latest = history(stack).latest
    document = document_in_force(stack)
    old = check(document)
    changed = _json(resumed(json.loads(document), prefix))
    new = check(changed)
    is_unknown = prefix and prefix not in old.prefixes
    if print_differences(old, new):
        if is_unknown:
            print(f"The configuration has no prefix {prefix}; it has {_prefixes(old)}.")
        if is_unknown or costs(old, new).begin:
            confirm(f"Resume {_what(prefix)}?", yes=yes)
        version = publish(changed, stack, after=latest)
        print(f"Resumed {_what(prefix)} with version {version}, within two minutes.")
        if not new.paused:
            print(IMAGES_CONTINUE)
    elif is_unknown:
        print(f"The configuration has no prefix {prefix}; it has {_prefixes(old)}.")
    if new.paused:
        print("The whole stack is still paused. To resume it, run `make resume`.")
    elif held := _under(new, prefix, paused=True):
        print(f"Still paused: {held}. To resume one, run `make resume PREFIX=…`.")


def _under(configuration: Configuration, prefix: str, *, paused: bool) -> str:
    """The configured prefixes under a prefix, and itself, that are paused or not, in words."""
    return ", ".join(
        named(each)
        for each in sorted({prefix, *configuration.prefixes})
        if each.startswith(prefix)
        and configuration.settings_for(each).flag("pipeline.paused") == paused
    )


def _prefixes(configuration: Configuration) -> str:
    return ", ".join(sorted(configuration.prefixes)) or "none"


def _what(prefix: str) -> str:
    return f"images under {prefix}" if prefix else "all images"


def _option(prefix: str) -> str:
    return f" PREFIX={prefix}" if prefix else ""


def main() -> None:
    """Pause or resume the chosen stack, or a prefix."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.pause",
        usage="%(prog)s pause|resume [--prefix PREFIX] [--yes] [--stack NAME]\n"
        "       make pause [PREFIX=products/] [YES=1] [STACK=NAME]\n"
        "       make resume [PREFIX=products/] [YES=1] [STACK=NAME]",
        description="Hold images back, and process them later.",
    )
    parser.add_argument("action", choices=("pause", "resume"))
    parser.add_argument("--prefix", default="", help="of the images; by default, all")
    parser.add_argument("--yes", action="store_true", help="don't ask (YES=1)")
    add_stack_option(parser)
    given = parser.parse_args()
    stack = chosen(given.stack)
    if given.action == "pause":
        pause(stack, given.prefix, yes=given.yes)
    else:
        resume(stack, given.prefix, yes=given.yes)


if __name__ == "__main__":
    run(main)
