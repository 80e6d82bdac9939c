"""The error report and the sidecar."""

import json
from decimal import Decimal
from typing import Any

import pytest

from pixian_s3.attempt import Answer, Source
from pixian_s3.errors import Exhausted, NotFound, Rejected
from pixian_s3.output.documents import error_report, sidecar
from tests.builders import NOON, make_job

METADATA = {
    "pixian-credits-charged": "0.2209",
    "pixian-input-orientation": "6",
    "pixian-input-size": "600 400",
    "pixian-result-size": "1200 1200",
    "pixian-input-foreground": "17 75 406 374",
    "pixian-result-foreground": "102 60 1080 995",
}


def test_a_report_says_why_and_what_to_do_about_which_upload() -> None:
    job = make_job("ü.jpg", failures=2)
    error = Rejected("Unreadable.", status=400, code=1006)
    assert error_report(job, error, {"test": "true"}) == {
        "error": "Unreadable.",
        "what_now": "Correct the file or its parameters, as Pixian's message says. "
        "The file isn't processed again until you upload it again.",
        "more": "https://pixian.ai/api",
        "pixian": {"status": 400, "code": 1006},
        "source": {
            "bucket": "input",
            "key": "ü.jpg",
            "version_id": "version-1",
            "etag": job.etag,
            "uploaded_at": "2026-09-21T14:13:20+00:00",
        },
        "parameters": {"test": "true"},
        "attempts": 3,
        "version": 1,
    }


def test_what_is_unknown_is_null() -> None:
    report = error_report(make_job(event_time=0.0), Rejected("No image."), {})
    assert (report["source"]["uploaded_at"], report["pixian"]) == (None, None)
    assert json.loads(json.dumps(report)) == report


def test_a_report_on_an_image_that_pixian_never_saw_leaves_the_advice_to_the_error() -> None:
    report = error_report(make_job(), Rejected("It would overwrite b. Rename one of the two."), {})
    assert report["what_now"] == (
        "Do what the error says. The file isn't processed again until you upload it again."
    )
    assert report["more"] is None


def test_only_a_report_on_a_dead_letter_says_so() -> None:
    report = error_report(make_job(), Exhausted("Too often."), {})
    assert "dead-letter queue" in report["what_now"]
    assert report["more"] is None
    assert "queue" not in error_report(make_job(), NotFound("It is gone."), {})["what_now"]


def written(metadata: dict[str, str]) -> dict[str, Any]:
    source, answer = Source("image/jpeg", (600, 400), 1000), Answer({}, 1.5, 500)
    return sidecar(make_job(), {}, "shoes/a.png", metadata, source, answer, NOON + 4)


def test_a_sidecar_has_boxes_and_sizes_as_named_numbers() -> None:
    document = written(METADATA)
    assert document["input_size"] == {"width": 600, "height": 400}
    # Pixian's boxes come top first.
    assert document["result_foreground"] == {"top": 102, "left": 60, "width": 1080, "height": 995}
    assert document["input_orientation"] == 6
    assert document["seconds"] == {"pixian": 1.5, "end_to_end": 4}


def test_a_sidecar_tells_the_size_of_the_source_and_what_became_of_it() -> None:
    said = {"source-size": "8000x6000", "source-converted": "image/jpeg 5773x4330 format,pixels"}
    document = written(METADATA | said)
    assert document["source_size"] == {"width": 8000, "height": 6000}
    assert document["source_converted"] == {
        "type": "image/jpeg",
        "size": {"width": 5773, "height": 4330},
        "reasons": ["format", "pixels"],
    }
    assert written(METADATA)["source_size"] is written(METADATA)["source_converted"] is None


def test_its_credits_are_decimals() -> None:
    assert written(METADATA)["credits"] == {"charged": Decimal("0.2209"), "calculated": None}


@pytest.mark.parametrize("said", ["", "1 2 3", "a b c d", "1 2 3 4 5", "-1 2 3 4"])
def test_a_box_that_isnt_one_is_null(said: str) -> None:
    assert written(METADATA | {"pixian-input-foreground": said})["input_foreground"] is None


@pytest.mark.parametrize("said", ["", "free", "NaN", "Infinity"])
def test_credits_that_are_no_number_are_null(said: str) -> None:
    assert written({"pixian-credits-charged": said})["credits"]["charged"] is None


@pytest.mark.parametrize(
    ("check", "signs"),
    [("", None), ("ok", []), ("all-kept", ["all-kept"]), ("one,two", ["one", "two"])],
)
def test_a_sidecar_lists_signs_of_trouble_and_tells_checked_from_unchecked(
    check: str, signs: list[str] | None
) -> None:
    assert written(METADATA | {"check": check})["check"] == signs


def test_what_only_the_first_attempt_knew_is_null() -> None:
    document = sidecar(make_job(), None, "shoes/a.png", METADATA)
    assert document["credits"]["charged"] == Decimal("0.2209")
    assert document["seconds"] == {"pixian": None, "end_to_end": None}
    assert document["source"]["bytes"] is document["parameters"] is None
