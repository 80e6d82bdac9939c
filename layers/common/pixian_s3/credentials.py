"""Who we are to Pixian, from AWS Secrets Manager."""

import json
import re
from dataclasses import dataclass, field

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from pixian_s3.errors import Blocked

MAX_AGE_SECONDS = 300
PLACEHOLDER = "REPLACE_ME"


@dataclass(frozen=True)
class Credentials:
    """The API's id and secret; the secret doesn't show when printed."""

    api_id: str
    api_secret: str = field(repr=False)


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
        try:
            text = self._provider.get(self._secret_arn, max_age=MAX_AGE_SECONDS, force_fetch=fresh)
        except GetParameterError as error:
            raise Blocked(f"The credentials secret can't be read: {error}") from error
        return _parse(str(text))


def _parse(text: str) -> Credentials:
    try:
        secret = json.loads(text)
        api_id, api_secret = secret["api_id"], secret["api_secret"]
    except (ValueError, TypeError, KeyError, RecursionError):
        # `from None`: the cause would carry the secret's text into the log.
        raise Blocked(
            'The credentials secret must be JSON like {"api_id": "…", "api_secret": "…"}.'
        ) from None
    if PLACEHOLDER in (api_id, api_secret):
        raise Blocked(
            "The credentials secret is still a placeholder: fill in the Pixian API id and secret."
        )
    if not (_can_be_sent(api_id) and _can_be_sent(api_secret)):
        raise Blocked(
            "The credentials secret holds an api_id or api_secret that is empty, no text, or has "
            "spaces or special characters in it: copy both anew from your Pixian account."
        )
    return Credentials(api_id, api_secret)


def _can_be_sent(value: object) -> bool:
    """In a header; an error about what can't be would quote the secret."""
    return isinstance(value, str) and re.fullmatch("[!-~]+", value) is not None
