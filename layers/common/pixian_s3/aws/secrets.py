"""Pixian's credentials, from AWS Secrets Manager."""

from collections.abc import Callable

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from pixian_s3.errors import Blocked, plain

MAX_AGE_SECONDS = 300


class Secret[T]:
    """One secret, parsed; `parse` raises Blocked if the text can't be used."""

    def __init__(
        self, provider: SecretsProvider, secret_arn: str, parse: Callable[[str], T]
    ) -> None:
        self._provider = provider
        self._secret_arn = secret_arn
        self._parse = parse

    def get(self, *, fresh: bool = False) -> T:
        """Get the secret, cached for `MAX_AGE_SECONDS` unless a `fresh` one is asked for.

        Raises:
            Blocked: The secret can't be read or has no valid credentials yet.
        """
        text = self._text(fresh=fresh)
        try:
            return self._parse(text)
        except Blocked:
            if fresh:
                raise
            # The secret may have been corrected since it was cached.
            return self._parse(self._text(fresh=True))

    def _text(self, *, fresh: bool) -> str:
        try:
            return str(
                self._provider.get(self._secret_arn, max_age=MAX_AGE_SECONDS, force_fetch=fresh)
            )
        except GetParameterError as error:
            raise Blocked(
                f"The credentials secret can't be read: {plain(error)} Check that it exists and "
                "that the function has permission to read it."
            ) from error
