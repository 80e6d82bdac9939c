"""The metadata of a result, and what it says to the next job."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from pixian_s3.attempt import Conversion, Source
from pixian_s3.errors import AlreadyDone, Rejected, Skipped
from pixian_s3.images.check import SIGNS
from pixian_s3.job import Job
from pixian_s3.output.metadata import (
    of_result,
    require_replaceable,
    source_converted,
    source_size,
)
from tests.builders import make_job, make_settings
from tests.integration.servers import CUT_OUT

WORDY = dict.fromkeys(CUT_OUT.headers, "25000 25000 25000 25000")
KEYS = st.text(st.sampled_from("a ß€😀/%+\"'"), max_size=1024).map(
    lambda s: (s * 8).encode()[:1024].decode(errors="ignore")
)


def stored(job: Job, **document: Any) -> dict[str, str]:
    """The metadata of a result made from the job."""
    return of_result(job, make_settings(**document), CUT_OUT.headers, {})


LARGEST = (999_999_999, 999_999_999)
CONVERTED = Conversion("image/jpeg", (5773, 4330), ("format", "pixels"))
LONGEST = Conversion("image/jpeg", LARGEST, ("format", "max_pixels"))
LONG_TOLD = Source("image/heif", LARGEST, 1, LONGEST)


def source_key(key: str) -> str:
    return of_result(make_job(key), make_settings(), {}, {}).get("source-key", "")


def test_all_that_pixian_said_is_kept_as_it_said_it() -> None:
    written = of_result(make_job(), make_settings(), CUT_OUT.headers, {})
    said = {name: value for name, value in written.items() if name.startswith("pixian-")}
    assert said == {
        "pixian-credits-charged": "0.5",
        "pixian-credits-calculated": "0.5",
        "pixian-input-orientation": "1",
        "pixian-input-size": "40 30",
        "pixian-result-size": "20 10",
        "pixian-input-foreground": "1 2 3 4",
        "pixian-result-foreground": "5 6 7 8",
    }


def test_the_case_of_the_headers_doesnt_matter() -> None:
    headers = CaseInsensitiveDict({"x-credits-charged": "1"})
    written = of_result(make_job(), make_settings(), headers, {})
    assert written["pixian-credits-charged"] == "1"


def test_a_header_that_didnt_come_is_left_out() -> None:
    written = of_result(make_job(version_id=None), make_settings(), {}, {})
    source = {"source-key", "source-etag", "source-sequencer", "source-time"}
    assert set(written) == source | {"parameters"}


def test_the_source_is_named() -> None:
    job = make_job("é.jpg")
    written = of_result(job, make_settings(), {}, {})
    assert written["source-key"] == "%C3%A9.jpg"
    assert written["source-etag"] == job.etag
    assert written["source-version-id"] == job.version_id
    assert written["source-sequencer"] == job.sequencer


@given(KEYS)
@example("€" * 341)
@example("é" * 180)
def test_metadata_of_any_key_is_what_s3_takes(key: str) -> None:
    job = make_job(key, version_id="v" * 64, sequencer="F" * 32, etag="0" * 38)
    written = of_result(job, make_settings(), WORDY, {}, uploaded=LONG_TOLD, check=",".join(SIGNS))
    text = "".join(name + value for name, value in written.items())
    assert text.isascii()
    assert len(text) <= 2048


def test_the_size_of_the_source_is_told_and_what_became_of_it() -> None:
    source = Source("image/heif", (8000, 6000), 1000, CONVERTED)
    written = of_result(make_job(), make_settings(), {}, {}, uploaded=source)
    assert written["source-size"] == "8000x6000"
    assert written["source-converted"] == "image/jpeg 5773x4330 format,pixels"
    assert (source_size(written), source_converted(written)) == (source.size, CONVERTED)


@pytest.mark.parametrize("text", ["", "yes", "image/jpeg 0 pixels", "a b c", "a 1x1", "1x1 1x"])
def test_others_metadata_are_no_size_and_no_conversion(text: str) -> None:
    other = {"source-size": text, "source-converted": text}
    assert (source_size(other), source_converted(other)) == (None, None)


@given(KEYS, KEYS)
def test_two_keys_never_look_the_same(one: str, other: str) -> None:
    assert (source_key(one) == source_key(other)) == (one == other)


def test_long_keys_that_differ_at_their_end_look_different() -> None:
    assert source_key("€" * 341 + "1") != source_key("€" * 341 + "2")


@pytest.mark.parametrize(
    "existing",
    [
        None,
        stored(make_job(version_id="version-0"), defaults={"test": True}),
        stored(make_job(version_id="version-0", etag="other", sequencer="0055")),
        stored(make_job(version_id="version-0", etag="other")),
    ],
    ids=["no result", "other parameters", "older upload", "other content"],
)
def test_what_may_be_replaced(existing: dict[str, str] | None) -> None:
    require_replaceable("a.png", existing, make_job(), make_settings())


@pytest.mark.parametrize(
    ("existing", "error"),
    [
        (stored(make_job()), AlreadyDone),
        (stored(make_job(), defaults={"test": True}), AlreadyDone),
        (stored(make_job(sequencer="0055")), AlreadyDone),
        (stored(make_job(version_id="2", etag="other", sequencer="1055AED6DCD90281E5")), Skipped),
        (stored(make_job("shoes/a.gif")), Rejected),
        ({}, Rejected),
    ],
    ids=[
        "this job",
        "this job with other parameters",
        "same content before",
        "newer upload",
        "other source",
        "not ours",
    ],
)
def test_what_may_not(existing: dict[str, str], error: type[Exception]) -> None:
    with pytest.raises(error) as raised:
        require_replaceable("a.png", existing, make_job(), make_settings())
    assert raised.type is error


def test_own_metadata_is_copied_as_far_as_it_fits() -> None:
    own = {"sku": "7", "source-key": "mine", "long": "x" * 2048, "word": "é"}
    own["source-converted"] = "image/jpeg 1x1 format"
    copying = make_settings(defaults={"pipeline": {"copy_metadata": True}})
    copied = of_result(make_job(), copying, {}, own)
    assert copied == of_result(make_job(), make_settings(), {}, own) | {"sku": "7"}


@pytest.mark.parametrize(
    "name",
    [
        *("source-key", "source-sequencer", "source-version-id", "source-etag", "source-time"),
        *("source-again", "source-size", "source-converted", "parameters", "pixian-test", "check"),
        *("final", "pixian-credits-charged", "pixian-result-foreground"),
    ],
)
def test_metadata_of_the_source_under_our_names_is_not_copied(name: str) -> None:
    # As after `make backfill`, which knows neither version nor sequencer.
    job = make_job(version_id=None, sequencer="")
    copying = make_settings(defaults={"pipeline": {"copy_metadata": True}})
    assert of_result(job, copying, {}, {name: "theirs"}) == of_result(job, copying, {}, {})


@pytest.mark.parametrize("check", ["", "ok", "all-kept"])
def test_only_our_own_check_is_in_the_metadata_of_a_result(check: str) -> None:
    copying = make_settings(defaults={"pipeline": {"copy_metadata": True}})
    written = of_result(make_job(), copying, {}, {"check": "passed"}, check=check)
    assert written.get("check", "") == check
