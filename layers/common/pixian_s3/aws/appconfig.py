"""The configuration in force, from AWS AppConfig."""

from collections.abc import Callable

from aws_lambda_powertools.utilities.parameters import AppConfigProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from pixian_s3.config.document import Configuration, parse
from pixian_s3.errors import Blocked, InvalidConfiguration

MAX_AGE_SECONDS = 60


class LiveConfiguration:
    """The newest usable document; the last good one while AppConfig is away or the newest is bad.

    Args:
        new_provider: makes a provider; a new one starts a new AppConfig session.
        profile: the configuration profile's id.
        warn: told why a newer document isn't used.
    """

    def __init__(
        self,
        new_provider: Callable[[], AppConfigProvider],
        profile: str,
        warn: Callable[[str], None],
    ) -> None:
        self._new_provider = new_provider
        self._provider = new_provider()
        self._profile = profile
        self._warn = warn
        self._text: bytes | None = None
        self._last_good: Configuration | None = None

    def current(self) -> Configuration:
        """The configuration to use now.

        Raises:
            Blocked: there is none, and there never was since this process began.
        """
        try:
            self._refresh()
        except (GetParameterError, InvalidConfiguration) as error:
            if self._last_good is None:
                raise Blocked(f"There is no usable configuration: {error}") from error
            self._warn(f"The last good configuration stays in force: {error}")
        assert self._last_good is not None  # noqa: S101 - _refresh sets it or raises
        return self._last_good

    def _refresh(self) -> None:
        text = self._fetch()
        if text != self._text:
            self._last_good = parse(text)
            self._text = text

    def _fetch(self) -> bytes:
        try:
            text = self._provider.get(self._profile, max_age=MAX_AGE_SECONDS)
        except GetParameterError:
            # A session's token lives for a day; a provider never starts a second session.
            self._provider = self._new_provider()
            raise
        assert isinstance(text, bytes)  # noqa: S101 - no transform was asked for
        return text
