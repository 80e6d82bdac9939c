"""Print the outputs of a stack again: `make outputs`."""

import argparse
from collections.abc import Collection, Iterator

from admin.cloudformation import Described, describe
from admin.errors import UserError, run
from admin.stack import LocalStack, Stack, add_stack_option, chosen


def lines(described: Described, elsewhere: Collection[str] = ()) -> Iterator[str]:
    """Each output with its description, in the order of their names.

    Args:
        described: The stack.
        elsewhere: The outputs that lead to what a local stack doesn't have.
    """
    outputs = sorted(described.get("Outputs", []), key=lambda each: str(each["OutputKey"]))
    width = max((len(each["OutputKey"]) for each in outputs), default=0)
    for each in outputs:
        is_here = each["OutputKey"] not in elsewhere
        value = each["OutputValue"] if is_here else "(not on the local stack)"
        yield f"{each['OutputKey']:{width}}  {value}"
        if about := each.get("Description"):
            yield f"{'':{width}}  ({about})"


def print_outputs(stack: Stack) -> None:
    """Print them.

    Raises:
        UserError: There are none.
    """
    described = describe(stack.client("cloudformation"), stack.stack_name)
    elsewhere = ("DashboardUrl",) if isinstance(stack, LocalStack) else ()
    shown = list(lines(described or {}, elsewhere))
    if not shown:
        raise UserError(
            f"The stack {stack.stack_name} has no outputs. If its deployment failed, run "
            f"`make deploy STACK={stack.stack_name}` again, which says what to do."
        )
    print("\n".join(shown))


def main() -> None:
    """Print the outputs of the chosen stack."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.outputs",
        usage="%(prog)s [--stack NAME]\n       make outputs [STACK=NAME]",
        description="Print the outputs of a stack: its buckets, queues, functions and logs.",
    )
    add_stack_option(parser)
    print_outputs(chosen(parser.parse_args().stack))


if __name__ == "__main__":
    run(main)
