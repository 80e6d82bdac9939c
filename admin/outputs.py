"""Print the outputs of a stack again: `make outputs`."""

import argparse
from collections.abc import Iterator

from admin.cloudformation import Described, describe
from admin.errors import UserError, run
from admin.stack import Stack, add_stack_option, chosen


def lines(described: Described) -> Iterator[str]:
    """Each output with its description, in the order of their names."""
    outputs = sorted(described.get("Outputs", []), key=lambda each: str(each["OutputKey"]))
    width = max((len(each["OutputKey"]) for each in outputs), default=0)
    for each in outputs:
        yield f"{each['OutputKey']:{width}}  {each['OutputValue']}"
        if about := each.get("Description"):
            yield f"{'':{width}}  ({about})"


def print_outputs(stack: Stack) -> None:
    """Print them.

    Raises:
        UserError: There are none.
    """
    described = describe(stack.client("cloudformation"), stack.stack_name)
    shown = list(lines(described or {}))
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
