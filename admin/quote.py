"""What a number of images will cost: ask Pixian about some of them, which is free, and extrapolate.

No price is computed here: Pixian names it in the answer to a request in test mode.
"""

import json
import mimetypes
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from math import sqrt
from statistics import NormalDist, fmean, variance
from urllib.parse import urlsplit

import urllib3
from botocore.httpsession import get_cert_path

from pixian_s3.pixian.credentials import Credentials

MAX_SAMPLE_BYTES = 100 << 20
"""Larger images aren't sampled: this command holds them in memory."""

CREDITS_CALCULATED = "X-Credits-Calculated"
_REMOVE_BACKGROUND, _ACCOUNT = "remove-background", "account"
_TIMEOUT = urllib3.Timeout(connect=10, read=180)
_THROTTLED_WAITS = (5, 10, 15)  # Pixian's rule, as in pixian_s3/retry.py
_NOT_THE_IMAGE = {401, 402, 403, 404, 405, 410}


class NoPrice(Exception):
    """Pixian named no price for an image."""


class NoPrices(Exception):
    """Pixian names no prices at all: the credentials or the endpoint are at fault."""


@dataclass(frozen=True)
class Price:
    """What Pixian said about one image: the credits that it would cost, and how long it took."""

    credits: Decimal
    seconds: float


@dataclass(frozen=True)
class Stratum:
    """The images with one configured prefix.

    Attributes:
        images: Their number.
        prices: The credits that each of a random sample would cost.
    """

    images: int
    prices: Sequence[Decimal]


@dataclass(frozen=True)
class Estimate:
    """The credits of all images: the estimate, and its 95 % interval.

    `low` and `high` are None if a sample is too small to tell.
    """

    credits: Decimal
    low: Decimal | None
    high: Decimal | None


def estimate(strata: Sequence[Stratum]) -> Estimate | None:
    """Extrapolate from a random sample of each stratum; None if one has no sample.

    The interval is Student's t for stratified sampling without replacement: the finite-population
    correction makes it empty if all images were sampled. Its degrees of freedom are
    Satterthwaite's (Cochran, Sampling Techniques, 5.4).
    """
    strata = [each for each in strata if each.images]
    if any(not each.prices for each in strata):
        return None
    total = sum(each.images * fmean(each.prices) for each in strata)
    if any(len(each.prices) == 1 < each.images for each in strata):
        return Estimate(_rounded(total), None, None)
    terms = [
        (each.images**2 * (1 - len(each.prices) / each.images) * float(variance(each.prices)))
        / len(each.prices)
        if len(each.prices) < each.images
        else 0.0
        for each in strata
    ]
    half = 0.0
    if whole := sum(terms):
        parts = [t**2 / (len(s.prices) - 1) for t, s in zip(terms, strata, strict=True) if t]
        half = t_quantile(whole**2 / sum(parts)) * sqrt(whole)
    return Estimate(_rounded(total), _rounded(max(0.0, total - half)), _rounded(total + half))


def t_quantile(freedom: float) -> float:
    """The 97.5 % quantile of Student's t distribution, for at least one degree of freedom.

    Exact for 1 and 2, and within 1 % from 3 (Abramowitz and Stegun, 26.7.5).
    """
    if freedom < 2:
        return 12.706
    if freedom < 3:
        return 4.303
    z = NormalDist().inv_cdf(0.975)
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )


def _rounded(credits_: float) -> Decimal:
    return Decimal(str(round(credits_, 1)))


class Pixian:
    """Pixian at one endpoint, to ask for prices and the balance only.

    Args:
        endpoint: Its origin, or the full URL of remove-background.
        credentials: The API ID and secret.
        monotonic, sleep: The clock, in seconds.
    """

    def __init__(
        self,
        endpoint: str,
        credentials: Credentials,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = endpoint
        if urlsplit(endpoint).path in ("", "/"):
            self._url = f"{endpoint.rstrip('/')}/api/v2/{_REMOVE_BACKGROUND}"
        user = f"{credentials.api_id}:{credentials.api_secret}"
        self._headers = urllib3.make_headers(basic_auth=user)
        self._http = urllib3.PoolManager(
            timeout=_TIMEOUT, retries=False, ca_certs=get_cert_path(verify=True)
        )
        self._monotonic, self._sleep = monotonic, sleep

    def price(self, key: str, body: bytes, form: Mapping[str, str]) -> Price:
        """Ask what an image would cost with these form fields; `test` is always sent as true.

        Raises:
            NoPrice: Pixian refused the image, or can't be reached.
            NoPrices: Asking about other images is useless.
        """
        kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
        fields = {**form, "test": "true", "image": (key.rsplit("/", 1)[-1], body, kind)}
        for wait in (*_THROTTLED_WAITS, None):
            started = self._monotonic()
            answer = self._request("POST", self._url, fields)
            seconds = self._monotonic() - started
            if answer.status != 429 or wait is None:
                break
            self._sleep(wait)
        if answer.status in _NOT_THE_IMAGE:
            raise NoPrices(f"Pixian answered {answer.status}")
        if answer.status != 200:
            raise NoPrice(f"Pixian answered {answer.status}")
        credits_ = _decimal(answer.headers.get(CREDITS_CALCULATED))
        if credits_ is None:
            raise NoPrice(f"Pixian's answer has no {CREDITS_CALCULATED}")
        return Price(credits_, seconds)

    def balance(self) -> Decimal | None:
        """The credits in the account; None if Pixian doesn't say so in the expected form."""
        origin, name, rest = self._url.rpartition(_REMOVE_BACKGROUND)
        if not name or rest:
            return None
        try:
            answer = self._request("GET", origin + _ACCOUNT)
            # As text, so that 12.3 isn't 12.300000000000000710…
            document = json.loads(answer.data, parse_float=str, parse_int=str)
            return _decimal(document["credits"]) if answer.status == 200 else None
        except (NoPrice, ValueError, LookupError, TypeError):
            return None

    def _request(
        self, method: str, url: str, fields: Mapping[str, object] | None = None
    ) -> urllib3.BaseHTTPResponse:
        more = {"fields": fields} if fields else {}
        try:
            return self._http.request(
                method,
                url,
                headers=self._headers,
                redirect=False,
                **more,  # type: ignore[arg-type]
            )
        except urllib3.exceptions.HTTPError as error:
            raise NoPrice(
                f"Pixian can't be reached from this computer ({type(error).__name__}). Check its "
                f"connection to {urlsplit(self._url).netloc}"
            ) from None


def _decimal(text: object) -> Decimal | None:
    try:
        number = Decimal(text) if isinstance(text, str) else Decimal("NaN")
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
