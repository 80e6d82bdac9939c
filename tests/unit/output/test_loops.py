"""No result becomes a source."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixian_s3.config.document import parse
from pixian_s3.errors import Blocked, Rejected, Skipped
from pixian_s3.job import Job
from pixian_s3.output import metadata
from pixian_s3.output.keys import report_key, result_key, sidecar_key
from pixian_s3.output.loops import loops, require_no_loop
from tests.builders import make_job, make_settings

APART = "cutouts/{path}{stem}{suffix}"
NEXT_TO_THEM = "{path}{stem}-cut{suffix}"
KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)


def check(
    job: Job, result_key: str = APART, *, output_bucket: str = "shop", input_prefix: str = "photos/"
) -> None:
    settings = make_settings(job.key, defaults={"pipeline": {"result_key": result_key}})
    require_no_loop(job, settings, output_bucket, input_prefix)


def photo(key: str) -> Job:
    return make_job(key, bucket="shop")


def test_a_result_outside_the_input_prefix_is_no_loop() -> None:
    check(photo("photos/a.jpg"))


def test_a_result_in_the_input_prefix_blocks_its_image_and_no_other() -> None:
    with pytest.raises(Blocked, match=r"photos/a-cut\.png .*pipeline\.result_key") as caught:
        check(photo("photos/a.jpg"), NEXT_TO_THEM)
    assert not caught.value.for_all


def test_without_an_input_prefix_every_result_is_in_the_input() -> None:
    with pytest.raises(Blocked):
        check(photo("photos/a.jpg"), input_prefix="")


def test_two_buckets_are_no_loop() -> None:
    for key in ("photos/a.jpg", "photos/a.jpg.error.json"):
        check(photo(key), NEXT_TO_THEM, output_bucket="another")


@given(KEYS.map(lambda key: "photos/" + key * 3))
def test_no_report_or_sidecar_becomes_an_image(key: str) -> None:
    settings = make_settings(key, defaults={"pipeline": {"result_key": APART}})
    try:
        documents = [report_key(key), sidecar_key(result_key(key, ".png", settings))]
    except Rejected:
        documents = [report_key(key)]
    for document in documents:
        with pytest.raises(Skipped, match="sidecar or an error report"):
            check(photo(document))


def test_a_result_is_known_by_its_metadata() -> None:
    job, settings = make_job(), make_settings()
    own = metadata.of_result(job, settings, {"X-Credits-Charged": "1"}, {})
    with pytest.raises(Skipped, match="result of this program"):
        metadata.require_source(own)


@pytest.mark.parametrize("own", [{}, {"source-key": "a"}, {"parameters": "a", "artist": "b"}])
def test_an_image_is_not_taken_for_a_result(own: dict[str, str]) -> None:
    metadata.require_source(own)


def faults(input_prefix: str = "photos/", **document: Any) -> list[str]:
    found = loops(parse(json.dumps(document)), input_prefix)
    return [fault.path for fault in found]


def to(result_key: str, **more: Any) -> dict[str, Any]:
    return {"pipeline": {"result_key": result_key, **more}}


def test_a_configuration_that_keeps_results_apart_has_no_loop() -> None:
    assert faults(defaults=to(APART), prefixes={"photos/shoes/": {"test": True}}) == []


def test_the_key_that_results_have_by_default_is_a_loop() -> None:
    assert faults() == ["defaults.pipeline.result_key"]


def test_a_prefix_that_leads_back_is_a_loop() -> None:
    prefixes = {"photos/": to(APART), "photos/shoes/": to(NEXT_TO_THEM)}
    assert faults(prefixes=prefixes) == ['prefixes["photos/shoes/"].pipeline.result_key']


def test_prefixes_that_are_not_processed_are_no_loop() -> None:
    prefixes = {"cutouts/": to(NEXT_TO_THEM), "photos/old/": to(NEXT_TO_THEM, enabled=False)}
    assert faults(defaults=to(APART), prefixes=prefixes) == []


def test_an_input_prefix_without_a_slash_is_found_in_a_name() -> None:
    assert faults("photo", defaults=to("{stem}{suffix}")) == ["defaults.pipeline.result_key"]
