"""What the page says about one image, from the metadata and documents in the output bucket."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import unquote

from pixian_s3.attempt import Conversion, signs_in
from pixian_s3.config.document import Configuration
from pixian_s3.geometry import Box, Size, box_in, size_in
from pixian_s3.output import metadata as user_metadata
from pixian_s3.output.keys import REPORT_SUFFIX, sidecar_key

_SWAPPED = range(5, 9)  # the EXIF orientations that lie on their side
SIGNS = {
    "nothing-kept": "the result is empty",
    "all-kept": "nothing was cut out",
    "touches-border": "the subject is cut off",
    "half-transparent": "much of the subject is half transparent",
    "wrong-background": "the background isn't the one that was asked for",
    "small-subject": "the subject fills little of the picture",
}
"""What the signs of trouble in `check` mean."""

_REASONS = {
    "format": "Pixian doesn't take its file type",
    "pixels": "Pixian processes at most 25 million pixels",
    "max_pixels": "a delta PNG fits only an image that Pixian doesn't shrink to max_pixels",
}


class Outcome(StrEnum):
    """What became of an upload."""

    PROCESSED = "processed"
    REJECTED = "rejected"
    GIVEN_UP = "given up"
    MISSING = "missing"


class Place(NamedTuple):
    """Where the result lies on its original; in parts of the original's width and height."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Found:
    """An object in a listing of the output bucket; `size` is in bytes."""

    key: str
    modified: datetime
    size: int


@dataclass(frozen=True)
class Picture:
    """The files of one picture, as URLs relative to the page.

    Attributes:
        thumbnail: A small copy.
        full: A file that browsers can show: the picture itself, or a preview of it.
        size: What the browser shows, upright.
        preview: What it is a preview of, such as HEIF; None if it is the picture itself.
    """

    thumbnail: str
    full: str
    size: Size
    preview: str | None = None


@dataclass(frozen=True)
class Record:
    """One image.

    Attributes:
        source: The key in the input bucket; empty if it isn't known.
        outcome: What became of it.
        result: The key of the result.
        report: The key of the error report.
        version: The source's version; empty for the latest one.
        etag: The source's etag.
        prefix: The configured prefix that applies to the source; empty for the defaults.
        error: Why there is no result.
        what_now: What to do about it.
        status: The status of Pixian's answer, if that was the reason.
        check: Signs of trouble in the result.
        checked: Whether the result was checked for them.
        test: Whether the result was made in test mode.
        finished: When the result or report was written.
        seconds: From the upload to the result.
        pixian_seconds: The part of them spent at Pixian.
        credits: Charged, a decimal.
        calculated: What it would have cost without test mode, a decimal.
        source_size: Of what was uploaded, upright.
        converted: What was sent to Pixian in its place, and why; empty if it was sent as it is.
        input_size: Of what Pixian received, upright.
        result_size: Of the result.
        source_box: The foreground in what Pixian received.
        result_box: The foreground in the result.
        parameters: Pixian's parameters; None if they aren't known.
        digest: The digest of the result's parameters.
        before: The original.
        before_missing: Why it isn't shown.
        after: The result.
        after_missing: Why it isn't shown.
    """

    source: str
    outcome: Outcome
    result: str | None = None
    report: str | None = None
    version: str = ""
    etag: str = ""
    prefix: str = ""
    error: str = ""
    what_now: str = ""
    status: int | None = None
    check: Sequence[str] = ()
    checked: bool = False
    test: bool = False
    finished: datetime | None = None
    seconds: float | None = None
    pixian_seconds: float | None = None
    credits: str | None = None
    calculated: str | None = None
    source_size: Size | None = None
    converted: str = ""
    input_size: Size | None = None
    result_size: Size | None = None
    source_box: Box | None = None
    result_box: Box | None = None
    parameters: Mapping[str, str] | None = None
    digest: str = ""
    before: Picture | None = None
    before_missing: str = ""
    after: Picture | None = None
    after_missing: str = ""

    @property
    def share(self) -> float | None:
        """The part of the result that its foreground's box covers, 0 to 1."""
        if not (self.result_size and self.result_box):
            return None
        area = self.result_size.width * self.result_size.height
        return self.result_box.width * self.result_box.height / area if area else None

    @property
    def place(self) -> Place | None:
        """Where the result lies on its original, judging by the boxes; None if they don't tell."""
        size, result = self.input_size, self.result_size
        if not (size and result and all((*size, *result))):
            return None
        if size == result:
            return Place(0, 0, 1, 1)
        a, b = self.source_box, self.result_box
        if not (a and b and a.width and a.height and b.width and b.height):
            return None
        scale = a.width / b.width if b.width > b.height else a.height / b.height
        return Place(
            (a.left - b.left * scale) / size.width,
            (a.top - b.top * scale) / size.height,
            result.width * scale / size.width,
            result.height * scale / size.height,
        )

    def as_json(self) -> dict[str, Any]:
        """For the page: the attributes, and what follows from them."""
        about = asdict(self)
        about["finished"] = self.finished.isoformat() if self.finished else None
        return about | {"share": self.share, "place": self.place and self.place._asdict()}


def of_result(
    found: Found,
    metadata: Mapping[str, str],
    sidecar: Mapping[str, Any] | None = None,
    uploaded: datetime | None = None,
) -> Record | None:
    """The record of a result; None if this program didn't write the object.

    Args:
        found: The result.
        metadata: Its user metadata.
        sidecar: Its sidecar, if there is one.
        uploaded: When the source was written, for results without a sidecar.
    """
    source = metadata.get("source-key")
    # A sidecar has no etag.
    if source is None or not metadata.get("source-etag"):
        return None
    about = sidecar or {}
    if source.startswith("sha256:"):
        source = _part(about, "source").get("key") or ""
    elapsed = (found.modified - uploaded).total_seconds() if uploaded else None
    timings = _part(about, "seconds")
    return Record(
        source=unquote(str(source)),
        outcome=Outcome.PROCESSED,
        result=found.key,
        version=metadata.get("source-version-id", ""),
        etag=metadata.get("source-etag", ""),
        check=signs_in_words(metadata.get("check", "")),
        checked=bool(metadata.get("check")),
        test=metadata.get("pixian-test") == "true",
        finished=found.modified,
        # The same content may have been uploaded again after the result was made.
        seconds=_seconds(timings.get("end_to_end")) or _seconds(elapsed),
        pixian_seconds=_seconds(timings.get("pixian")),
        credits=metadata.get("pixian-credits-charged"),
        calculated=metadata.get("pixian-credits-calculated"),
        source_size=user_metadata.source_size(metadata),
        converted=_in_words(user_metadata.source_converted(metadata)),
        input_size=_upright(metadata),
        result_size=size_in(metadata.get("pixian-result-size", "")),
        source_box=box_in(metadata.get("pixian-input-foreground", "")),
        result_box=box_in(metadata.get("pixian-result-foreground", "")),
        parameters=_texts(about.get("parameters")),
        digest=metadata.get("parameters", ""),
    )


def of_report(found: Found, document: Any, metadata: Mapping[str, str]) -> Record | None:  # noqa: ANN401 - JSON
    """The record of an error report; None if the object isn't one.

    Args:
        found: The report.
        document: Its content.
        metadata: Its user metadata.
    """
    if not isinstance(document, dict) or not isinstance(document.get("error"), str):
        return None
    source, pixian = _part(document, "source"), _part(document, "pixian")
    if not isinstance(source.get("key"), str):
        return None
    status = pixian.get("status")
    return Record(
        source=source["key"],
        outcome=Outcome.REJECTED if metadata.get("final") == "true" else Outcome.GIVEN_UP,
        report=found.key,
        version=str(source.get("version_id") or ""),
        etag=str(source.get("etag") or ""),
        error=document["error"],
        what_now=str(document.get("what_now") or ""),
        status=status if isinstance(status, int) else None,
        finished=found.modified,
        parameters=_texts(document.get("parameters")),
    )


def missing(source: str, etag: str, error: str, configuration: Configuration) -> Record:
    """The record of an upload that has neither a result nor a report."""
    settings = configuration.settings_for(source)
    record = Record(source, Outcome.MISSING, etag=etag, error=error, parameters=settings.form)
    return replace(record, prefix=settings.prefix)


def with_settings(record: Record, configuration: Configuration) -> Record:
    """A record with the prefix that a configuration has for its source.

    Without a sidecar, only the digest tells with which parameters a result was made: with those in
    the configuration, or with others that aren't known.
    """
    settings = configuration.settings_for(record.source)
    known = settings.form if record.digest == settings.digest else None
    return replace(
        record,
        prefix=settings.prefix,
        parameters=known if record.parameters is None else record.parameters,
    )


def signs_in_words(check: str) -> tuple[str, ...]:
    """The signs of trouble in `check`, in words; one that isn't known as it is."""
    return tuple(SIGNS.get(sign, sign) for sign in signs_in(check))


def is_report(key: str) -> bool:
    """Whether a key is that of an error report."""
    return key.endswith(REPORT_SUFFIX)


def without_sidecars(listing: Sequence[Found]) -> list[Found]:
    """The results and reports in a listing, the newest first."""
    sidecars = {sidecar_key(found.key) for found in listing}
    kept = [found for found in listing if is_report(found.key) or found.key not in sidecars]
    return sorted(kept, key=lambda found: (found.modified, found.key), reverse=True)


def _in_words(converted: Conversion | None) -> str:
    if converted is None:
        return ""
    width, height = converted.size
    form = converted.mime_type.partition("/")[2].upper()
    because = " and ".join(_REASONS.get(reason, reason) for reason in converted.reasons)
    return f"{form} of {width:,} x {height:,}, because {because}"


def _upright(metadata: Mapping[str, str]) -> Size | None:
    """The input's size with its orientation applied.

    Pixian doesn't say whether its header has it applied. The box has, so if the box fits into one
    of the two only, that one is right; otherwise the header is taken as it is.
    """
    size = size_in(metadata.get("pixian-input-size", ""))
    box = box_in(metadata.get("pixian-input-foreground", ""))
    turned = metadata.get("pixian-input-orientation", "")
    if size and box and turned.isdecimal() and int(turned) in _SWAPPED and min(box.gaps(size)) < 0:
        return Size(size.height, size.width)
    return size


def _seconds(value: Any) -> float | None:  # noqa: ANN401 - JSON
    return float(value) if isinstance(value, int | float) and value >= 0 else None


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = document.get(name)
    return part if isinstance(part, dict) else {}


def _texts(value: Any) -> Mapping[str, str] | None:  # noqa: ANN401 - JSON
    return {str(n): str(v) for n, v in value.items()} if isinstance(value, dict) else None
