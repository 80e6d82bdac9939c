"""The current configuration, from AWS AppConfig."""

from collections.abc import Callable

from aws_lambda_powertools.utilities.parameters import AppConfigProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from pixian_s3.config.document import Configuration, parse
from pixian_s3.errors import CONTINUES, Blocked, InvalidConfiguration, sentence

MAX_AGE_SECONDS = 60


class LiveConfiguration:
    """The latest valid document.

    The last valid document is used while AppConfig is unavailable or the latest one is invalid.

    Args:
        new_provider: Makes a provider; each one starts its own AppConfig session.
        profile: The ID of the configuration profile.
        warn: Called with the reason when the latest document can't be used.
    """

    def __init__(
        self,
        new_provider: Callable[[], AppConfigProvider],
        profile: str,
        warn: Callable[[str], None],
    ) -> None:
        self._new_provider = new_provider
        self._provider: AppConfigProvider | None = None
        self._profile = profile
        self._warn = warn
        self._text: bytes | None = None
        self._last_good: Configuration | None = None

    def current(self) -> Configuration:
        """Get the current configuration, cached for `MAX_AGE_SECONDS`.

        Raises:
            Blocked: No valid configuration was found since this process started.
        """
        try:
            self._refresh()
        except (GetParameterError, InvalidConfiguration) as error:
            if self._last_good is None:
                raise Blocked(
                    f"There is no valid configuration: {sentence(str(error))} Publish a valid one. "
                    f"{CONTINUES}"
                ) from error
            self._warn(f"The last valid configuration is used instead: {error}")
        assert self._last_good is not None  # noqa: S101 - _refresh sets it or raises
        return self._last_good

    def _refresh(self) -> None:
        text = self._fetch()
        if text != self._text:
            self._last_good = parse(text)
            self._text = text

    def _fetch(self) -> bytes:
        self._provider = self._provider or self._new_provider()
        try:
            text = self._provider.get(self._profile, max_age=MAX_AGE_SECONDS)
        except GetParameterError:
            # A session's token expires after a day, and a provider can't start a second session.
            self._provider = None
            raise
        assert isinstance(text, bytes)  # noqa: S101 - no transform is set
        return text
