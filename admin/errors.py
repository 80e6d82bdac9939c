"""What a person can mend."""


class UserError(Exception):
    """Its message says what to do; it is shown without a traceback."""
