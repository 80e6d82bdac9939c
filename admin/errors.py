"""Errors that the person at the terminal can fix."""

import os
import sys
from collections.abc import Callable
from typing import ClassVar

from botocore.exceptions import BotoCoreError, ClientError


class UserError(Exception):
    """Says what to do; shown without a traceback."""

    exit_code: ClassVar[int] = 1


class NeedsAnswer(UserError):
    """A question can't be asked, because there is no terminal."""

    exit_code = 2


def run(main: Callable[[], None]) -> None:
    """Run a command; show errors of the user and of AWS without a traceback."""
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output, such as `head`, has ended. Python would complain once more as
        # it exits, because it writes out what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"AWS returned an error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nStopped.")
