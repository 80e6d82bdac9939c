"""Questions to the person at the terminal."""

import sys

from admin.errors import NeedsAnswer, UserError


def confirm(question: str, *, yes: bool) -> None:
    """Ask a question; return if the answer is yes.

    Args:
        question: Without the choice of answers.
        yes: Whether the answer was given on the command line.

    Raises:
        NeedsAnswer: There is nobody to ask.
        UserError: The answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise NeedsAnswer(
            f"This command asks “{question}”, so it needs a terminal. Nothing was changed. "
            "To answer yes in a script, add YES=1."
        )
    try:
        answer = input(f"{question} [y/N] ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise UserError("Nothing was changed.")
