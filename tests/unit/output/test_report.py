"""The error report."""

import json

from pixian_s3.errors import PixianS3Error, Rejected
from pixian_s3.output.report import error_report
from pixian_s3.story import Story
from tests.builders import make_job


def test_it_tells_what_was_tried_on_what() -> None:
    story = Story(make_job("ü.jpg", failures=2), parameters={"test": "true"})
    story.status = 400
    report = error_report(story, Rejected("Unreadable.", status=400, code=1006))
    assert report == {
        "error": "Unreadable.",
        "pixian": {"status": 400, "code": 1006},
        "source": {
            "bucket": "dropped",
            "key": "ü.jpg",
            "version_id": "version-1",
            "etag": story.job.etag,
            "dropped_at": "2026-09-21T14:13:20+00:00",
        },
        "parameters": {"test": "true"},
        "attempts": 3,
        "what_now": "Mend the file or the configuration and drop the file again.",
    }


def test_an_unknown_time_is_none() -> None:
    report = error_report(Story(make_job(event_time=0.0)), Rejected("No image."))
    assert report["source"]["dropped_at"] is None


def test_where_pixian_wasnt_asked_it_says_nothing_of_it() -> None:
    assert error_report(Story(make_job()), Rejected("No image."))["pixian"] is None


def test_what_ended_in_the_dead_letter_queue_says_so() -> None:
    report = error_report(Story(make_job()), PixianS3Error("Too often."))
    assert "dead-letter queue" in report["what_now"]


def test_it_is_json() -> None:
    report = error_report(Story(make_job()), Rejected("No image."))
    assert json.loads(json.dumps(report)) == report
