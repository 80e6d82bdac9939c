"""The secret with the credentials, from AWS Secrets Manager."""

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from pixian_s3.errors import Blocked
from pixian_s3.pixian.credentials import Credentials, parse

MAX_AGE_SECONDS = 300


class CredentialsSecret:
    """The secret that holds them: a JSON object with `api_id` and `api_secret`."""

    def __init__(self, provider: SecretsProvider, secret_arn: str) -> None:
        self._provider = provider
        self._secret_arn = secret_arn

    def get(self, *, fresh: bool = False) -> Credentials:
        """The credentials, cached for five minutes unless `fresh` ones are asked for.

        Raises:
            Blocked: the secret can't be read, or holds no credentials yet.
        """
        text = self._text(fresh=fresh)
        try:
            return parse(text)
        except Blocked:
            if fresh:
                raise
            # It may have been mended since it was cached.
            return parse(self._text(fresh=True))

    def _text(self, *, fresh: bool) -> str:
        try:
            return str(
                self._provider.get(self._secret_arn, max_age=MAX_AGE_SECONDS, force_fetch=fresh)
            )
        except GetParameterError as error:
            raise Blocked(f"The credentials secret can't be read: {error}") from error
