"""What stands on a result, and what it says to the next job."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from pixian_s3.job import Job
from pixian_s3.output.metadata import StoredObject, Verdict, compare, encoded_key, result_metadata
from tests.builders import make_job, make_settings
from tests.integration.servers import CUT_OUT

WORDY = dict.fromkeys(CUT_OUT.headers, "25000 25000 25000 25000")
KEYS = st.text(st.sampled_from("a ß€😀/%+\"'"), max_size=1024).map(
    lambda s: (s * 8).encode()[:1024].decode(errors="ignore")
)


def stored(job: Job, **document: Any) -> StoredObject:
    """A result made from the job."""
    return StoredObject(
        '"etag"', "image/png", result_metadata(job, make_settings(**document), CUT_OUT.headers)
    )


def test_all_that_pixian_said_is_kept_as_it_said_it() -> None:
    written = result_metadata(make_job(), make_settings(), CUT_OUT.headers)
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
    written = result_metadata(make_job(), make_settings(), headers)
    assert written["pixian-credits-charged"] == "1"


def test_a_header_that_didnt_come_is_left_out() -> None:
    written = result_metadata(make_job(version_id=None), make_settings(), {})
    assert set(written) == {"source-key", "source-etag", "source-sequencer", "parameters"}


def test_the_source_is_named() -> None:
    job = make_job("é.jpg")
    written = result_metadata(job, make_settings(), {})
    assert written["source-key"] == "%C3%A9.jpg"
    assert written["source-etag"] == job.etag
    assert written["source-version-id"] == job.version_id
    assert written["source-sequencer"] == job.sequencer


@given(KEYS)
@example("€" * 341)
@example("é" * 180)
def test_metadata_of_any_key_is_what_s3_takes(key: str) -> None:
    job = make_job(key, version_id="v" * 64, sequencer="F" * 32, etag="0" * 38)
    written = result_metadata(job, make_settings(), WORDY)
    text = "".join(name + value for name, value in written.items())
    assert text.isascii()
    assert len(text) <= 2048


@given(KEYS, KEYS)
def test_two_keys_never_look_the_same(one: str, other: str) -> None:
    assert (encoded_key(one) == encoded_key(other)) == (one == other)


def test_long_keys_that_differ_at_their_end_look_different() -> None:
    assert encoded_key("€" * 341 + "1") != encoded_key("€" * 341 + "2")


@pytest.mark.parametrize(
    ("existing", "verdict"),
    [
        (None, Verdict.FREE),
        (stored(make_job()), Verdict.DONE),
        (stored(make_job(), defaults={"test": True}), Verdict.FREE),
        (stored(make_job(etag="other", sequencer="0055")), Verdict.FREE),
        (stored(make_job(etag="other")), Verdict.FREE),
        (stored(make_job(sequencer="1055AED6DCD90281E5")), Verdict.STALE),
        (stored(make_job("shoes/a.gif")), Verdict.COLLISION),
        (StoredObject('"etag"', "image/png", {}), Verdict.COLLISION),
    ],
    ids=[
        "nothing there",
        "this very job",
        "other parameters",
        "older event",
        "other content",
        "newer event",
        "other source",
        "not ours",
    ],
)
def test_what_stands_there_decides(existing: StoredObject | None, verdict: Verdict) -> None:
    assert compare(existing, make_job(), make_settings()) is verdict
