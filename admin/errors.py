"""Errors that the person at the terminal can fix."""

import sys
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError


class UserError(Exception):
    """Says what to do; shown without a traceback."""


def run(main: Callable[[], None]) -> None:
    """Run a command; show errors of the user and of AWS without a traceback."""
    try:
        main()
    except UserError as error:
        sys.exit(str(error))
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"AWS returned an error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nStopped.")
