"""Pixian's credentials, from AWS Secrets Manager."""

from collections.abc import Callable
from functools import cached_property

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from pixian_s3.errors import CONTINUES, Blocked, plain

MAX_AGE_SECONDS = 300


class Secret[T]:
    """One secret, parsed.

    Args:
        new_provider: Makes the provider when it is first needed.
        secret_arn: The ARN of the secret.
        parse: Parses its text; raises Blocked if it can't be used.
    """

    def __init__(
        self,
        new_provider: Callable[[], SecretsProvider],
        secret_arn: str,
        parse: Callable[[str], T],
    ) -> None:
        self._new_provider = new_provider
        self._secret_arn = secret_arn
        self._parse = parse

    @cached_property
    def _provider(self) -> SecretsProvider:
        return self._new_provider()

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
                f"that the function has permission to read it. {CONTINUES}"
            ) from error
