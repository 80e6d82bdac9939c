"""The data of the page: from metadata, sidecars, reports and listings."""

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from admin.errors import UserError
from admin.look import __main__, records
from admin.look.fetch import KINDS, Folder, described, newest, with_pictures
from admin.look.page import MARK, Heading, page
from admin.look.records import (
    Found,
    Outcome,
    Place,
    Record,
    missing,
    of_report,
    of_result,
    with_settings,
    without_sidecars,
)
from admin.look.write import write
from admin.stack import LocalStack
from pixian_s3.geometry import Size
from pixian_s3.images import check
from tests.looking import (
    CONFIGURATION,
    HOSTILE,
    Buckets,
    configuration,
    cutout,
    fill,
    picture,
    said,
)
from tests.unit.pictures import encoded, flag, oriented

NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
FOUND = Found("shoes/a.png", NOW, 1000)
SOURCE = {"source-key": "shoes/a%20b.jpg", "source-etag": "e", "source-version-id": "v"}


def metadata(**said: str) -> dict[str, str]:
    return SOURCE | {name.replace("_", "-"): value for name, value in said.items()}


def result(**said: str) -> Record:
    record = of_result(FOUND, metadata(**said))
    assert record
    return record


# ---- records ------------------------------------------------------------------------------------


def test_a_result_says_what_pixian_said() -> None:
    record = result(
        pixian_input_size="600 400",
        pixian_result_size="200 100",
        pixian_input_foreground="1 2 30 40",
        pixian_result_foreground="0 0 100 50",
        pixian_credits_charged="0.5",
        source_size="6000x4000",
    )
    assert (record.source, record.version, record.result) == ("shoes/a b.jpg", "v", "shoes/a.png")
    assert record.outcome is Outcome.PROCESSED
    assert (record.source_size, record.input_size) == ((6000, 4000), (600, 400))
    assert (record.source_box, record.credits) == ((1, 2, 30, 40), "0.5")
    assert record.share == 0.25
    assert not record.test


def test_a_result_says_what_was_sent_in_place_of_the_source_and_why() -> None:
    assert result().converted == ""
    assert result(source_converted="image/jpeg 5773x4330 format,pixels").converted == (
        "JPEG of 5,773 x 4,330, because Pixian doesn't take its file type and Pixian processes at "
        "most 25 million pixels"
    )


def test_the_latency_is_the_sidecars_or_else_the_time_between_the_objects() -> None:
    uploaded = NOW - timedelta(seconds=7)
    sidecar = {"seconds": {"end_to_end": 6.5, "pixian": 2.0}, "parameters": {"test": "true"}}
    listed = of_result(FOUND, metadata(), None, uploaded)
    timed = of_result(FOUND, metadata(), sidecar, uploaded)
    assert listed
    assert (listed.seconds, listed.pixian_seconds, listed.parameters) == (7, None, None)
    assert timed
    assert (timed.seconds, timed.pixian_seconds, timed.parameters) == (6.5, 2, {"test": "true"})


def test_a_result_that_is_older_than_its_upload_has_no_latency() -> None:
    again = of_result(FOUND, metadata(), None, NOW + timedelta(days=1))
    assert again
    assert again.seconds is None


def test_a_source_whose_key_was_too_long_to_note_is_found_in_the_sidecar() -> None:
    about = metadata() | {"source-key": "sha256:00"}
    named = of_result(FOUND, about, {"source": {"key": "x" * 1024}})
    unnamed = of_result(FOUND, about)
    assert named
    assert named.source == "x" * 1024
    assert unnamed
    assert unnamed.source == ""


@pytest.mark.parametrize("about", [{}, {"source-key": "a.jpg"}, {"source-etag": "e"}])
def test_objects_of_others_and_sidecars_have_no_record(about: dict[str, str]) -> None:
    assert of_result(FOUND, about) is None


@pytest.mark.parametrize(
    ("said", "signs"),
    [
        ("", ()),
        ("ok", ()),
        ("nothing-kept", ("the result is empty",)),
        ("touches-border,<b>", ("the subject is cut off", "<b>")),
    ],
)
def test_signs_of_trouble_are_words(said: str, signs: tuple[str, ...]) -> None:
    assert result(check=said).check == signs


def test_every_sign_has_words() -> None:
    assert set(records.SIGNS) == set(check.SIGNS)


def test_a_report_says_why_and_what_now() -> None:
    document = {
        "error": "The file is empty.",
        "what_now": "Upload it again.",
        "pixian": {"status": 400, "code": 7},
        "source": {"key": "a.jpg", "etag": "e", "version_id": None},
        "parameters": {"test": "true"},
    }
    found = Found("a.jpg.error.json", NOW, 1)
    rejected = of_report(found, document, {"final": "true"})
    given_up = of_report(found, document, {"final": "false"})
    assert rejected
    assert (rejected.outcome, rejected.error, rejected.what_now, rejected.status) == (
        "rejected",
        "The file is empty.",
        "Upload it again.",
        400,
    )
    assert given_up
    assert given_up.outcome is Outcome.GIVEN_UP


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["error", "source", "key", "pixian", "status", "parameters", "x"]),
            inner,
        )
    ),
)


@given(json_values)
def test_any_json_is_a_report_or_none(document: Any) -> None:
    of_report(FOUND, document, {})
    of_result(FOUND, metadata(), document if isinstance(document, dict) else None, NOW)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "pixian-input-size",
                "pixian-result-size",
                "pixian-input-foreground",
                "pixian-result-foreground",
                "pixian-input-orientation",
                "check",
                "source-key",
            ]
        ),
        st.text("0123456789 ²x.-%", max_size=20),
    )
)
def test_any_metadata_makes_a_record_that_the_page_can_read(said: dict[str, str]) -> None:
    record = of_result(FOUND, SOURCE | said)
    assert record
    json.dumps(record.as_json(), allow_nan=False)


def test_a_result_is_placed_where_it_was_cut_out() -> None:
    whole = result(pixian_input_size="600 400", pixian_result_size="600 400")
    assert whole.place == Place(0, 0, 1, 1)
    # Cropped to the foreground, with a margin of 10, and scaled to a half.
    cropped = result(
        pixian_input_size="600 400",
        pixian_input_foreground="100 200 200 100",
        pixian_result_size="120 70",
        pixian_result_foreground="10 10 100 50",
    )
    assert cropped.place == Place(180 / 600, 80 / 400, 240 / 600, 140 / 400)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"pixian_input_size": "0 0", "pixian_result_size": "0 0"},
        {"pixian_input_size": "6 4", "pixian_result_size": "3 2"},
        {
            "pixian_input_size": "6 4",
            "pixian_result_size": "3 2",
            "pixian_input_foreground": "0 0 0 0",
            "pixian_result_foreground": "0 0 0 0",
        },
    ],
)
def test_without_boxes_nobody_knows_where_a_result_belongs(said: dict[str, str]) -> None:
    assert result(**said).place is None


def test_a_size_that_lies_on_its_side_is_turned_if_the_box_does_not_fit_it() -> None:
    lying = {"pixian_input_size": "600 400", "pixian_input_orientation": "6"}
    assert result(**lying, pixian_input_foreground="500 0 400 90").input_size == (400, 600)
    assert result(**lying, pixian_input_foreground="0 0 600 90").input_size == (600, 400)


def test_parameters_without_a_sidecar_are_known_if_the_digest_is_that_of_the_configuration() -> (
    None
):
    settings = configuration().settings_for("shoes/a b.jpg")
    same = with_settings(result(parameters=settings.digest), configuration())
    other = with_settings(result(parameters="0" * 16), configuration())
    assert (same.prefix, same.parameters) == ("shoes/", {"test": "false"})
    assert (other.prefix, other.parameters) == ("shoes/", None)


def test_an_upload_without_a_trace_has_a_record_too() -> None:
    record = missing("shoes/a.jpg", "e", "Nothing came.", configuration())
    assert (record.outcome, record.prefix, record.error) == ("missing", "shoes/", "Nothing came.")


def test_a_listing_is_sorted_newest_first_without_sidecars() -> None:
    keys = ["a.png", "a.png.json", "b.jpg.error.json", "c.json"]
    found = [Found(key, NOW + timedelta(seconds=i), 1) for i, key in enumerate(keys)]
    assert [each.key for each in without_sidecars(found)] == ["c.json", "b.jpg.error.json", "a.png"]


# ---- the buckets --------------------------------------------------------------------------------


@pytest.fixture
def stack(aws: None) -> Buckets:  # noqa: ARG001 - the AWS that they are in
    return Buckets.create()


def look(stack: Buckets, prefix: str = "", last: int = 50, *, failed: bool = False) -> set[str]:
    records = newest(stack, configuration(), prefix, last, failed=failed)
    return {record.source for record in records}


def test_results_and_reports_are_found_by_prefix_number_and_outcome(stack: Buckets) -> None:
    fill(stack)
    shoes = {"shoes/plain.jpg", "shoes/cropped.jpg", "shoes/late.jpg"}
    assert look(stack) == shoes | {"odd.jpg", "scan.tif", HOSTILE}
    assert look(stack, "shoes/") == shoes
    assert look(stack, failed=True) == {"shoes/late.jpg", HOSTILE}
    assert len(look(stack, last=2)) == 2


def test_results_in_another_folder_are_found_by_the_prefix_of_their_originals(
    stack: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = {"pipeline": {"result_key": "done/{path}{stem}{suffix}"}}
    monkeypatch.setitem(CONFIGURATION["prefixes"], "bags/", elsewhere)
    stack.add_result(stack.upload("bags/a.jpg", picture()), "done/bags/a.png", cutout())
    stack.add_result(stack.upload("b.jpg", picture()), "done/b.png", cutout())
    assert look(stack, "bags/") == {"bags/a.jpg"}


def shown(stack: Buckets, out: Path, limit: int = 10**9) -> dict[str, Record]:
    records = newest(stack, configuration(), "", 50, failed=False)
    found = with_pictures(records, stack, Folder(out), limit)
    return {record.source: record for record in found}


def test_what_is_removed_after_it_was_listed_is_left_out(stack: Buckets) -> None:
    kept, gone = Found("shoes/plain.png", NOW, 1), Found("gone.png", NOW, 1)
    fill(stack)
    [record] = described(stack, configuration(), [gone, kept], set())
    assert record.result == "shoes/plain.png"


def test_nothing_but_the_page_and_its_pictures_remains(stack: Buckets, tmp_path: Path) -> None:
    fill(stack)
    records = newest(stack, configuration(), "", 50, failed=False)
    found = with_pictures(records, stack, Folder(tmp_path), 10**9)
    next(found)
    found.close()  # as if it was stopped
    assert {each.name for each in tmp_path.iterdir()} <= set(KINDS)


def test_pictures_get_a_thumbnail_and_a_preview_if_browsers_cannot_show_them(
    stack: Buckets, tmp_path: Path
) -> None:
    big = stack.upload("big.jpg", picture((3000, 2000)))
    stack.add_result(big, "big.png", cutout((3000, 2000)), **said((3000, 2000)))
    for key, form in (("a.tif", "TIFF"), ("b.heic", "HEIF")):
        stack.add_result(stack.upload(key, picture(form=form)), f"{key}.png", cutout(), **said())
    records = shown(stack, tmp_path)
    after = records["big.jpg"].after
    assert after
    assert (after.full, after.size, after.preview) == ("after/big.png", (3000, 2000), None)
    with Image.open(tmp_path / after.thumbnail) as small:
        assert small.width < 600
        assert small.mode == "RGBA"
    for key, form in (("a.tif", "TIFF"), ("b.heic", "HEIF")):
        before = records[key].before
        assert before
        assert (before.preview, before.size) == (form, (600, 400))
        with Image.open(tmp_path / before.full) as preview:
            assert (preview.format, preview.size) == ("JPEG", (600, 400))


def test_the_size_of_a_turned_original_is_upright(stack: Buckets, tmp_path: Path) -> None:
    turned = encoded(flag((96, 64)), "JPEG", exif=oriented(6))
    stack.add_result(stack.upload("a.jpg", turned), "a.png", cutout(), **said())
    before = shown(stack, tmp_path)["a.jpg"].before
    assert before
    assert before.size == Size(64, 96)


def test_why_a_picture_is_not_shown(stack: Buckets, tmp_path: Path) -> None:
    fill(stack)
    gone = stack.upload("gone.jpg", picture((30, 20)))
    stack.add_result(gone, "gone.png", cutout(), **said())
    stack.client("s3").delete_object(
        Bucket="input", Key="gone.jpg", VersionId=gone["source-version-id"]
    )
    records = shown(stack, tmp_path)
    assert "no longer exists" in records["gone.jpg"].before_missing
    assert records["gone.jpg"].after
    assert "not an image" in records[HOSTILE].before_missing


def test_an_original_that_was_replaced_is_not_shown_as_the_one_before(
    stack: Buckets, tmp_path: Path
) -> None:
    first = stack.upload("a.jpg", picture())
    del first["source-version-id"]
    stack.add_result(first, "a.png", cutout(), **said())
    stack.upload("a.jpg", picture((300, 200)))
    record = shown(stack, tmp_path)["a.jpg"]
    assert record.before is None
    assert "was replaced" in record.before_missing


def test_no_more_is_downloaded_than_allowed(stack: Buckets, tmp_path: Path) -> None:
    body = cutout()
    for key in "abc":
        stack.add_result(stack.upload(f"{key}.jpg", b"x"), f"{key}.png", body, **said())
    records = shown(stack, tmp_path, limit=2 * len(body) + 2).values()
    assert sum(record.after is not None for record in records) < 3
    assert any("MEGABYTES=" in record.after_missing for record in records)


def test_files_get_names_of_their_own_that_cannot_leave_the_folder(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    keys = ["a.jpg", "A.jpg", "a.jpg/b.jpg", "../../x.jpg", "/etc/passwd", "..", ".hidden"]
    keys += ["CON?.png", "ü" * 500 + ".jpg", HOSTILE, "a\n\\b.jpg", "b/c.jpg", "b"]
    files = [folder.file("before", key) for key in keys]
    for file in files:
        assert file.resolve().is_relative_to(tmp_path / "before")
        assert not file.name.startswith(".")
        file.write_text("it can be written")
    assert len({str(file).lower() for file in files}) == len(keys)


def test_a_page_that_was_uploaded_as_a_picture_is_not_kept(stack: Buckets, tmp_path: Path) -> None:
    html = b"<script>alert(1)</script>"
    stack.add_report("a.html", stack.upload("a.html", html), "It is not an image.")
    png = stack.upload("b.html", cutout())
    stack.add_result(png, "b.png", cutout(), **said())
    records = shown(stack, tmp_path)
    before = records["b.html"].before
    assert before
    assert before.full == "before/b.html.png"
    assert not list(tmp_path.rglob("*.html"))


def test_a_new_page_replaces_the_pictures_of_the_one_before(stack: Buckets, tmp_path: Path) -> None:
    def write_page() -> None:
        records = newest(stack, configuration(), "", 50, failed=False)
        write(records, stack, tmp_path, "Results", now=NOW, limit_bytes=10**9)

    (tmp_path / "after").mkdir()
    (tmp_path / "after/mine.txt").touch()
    fill(stack)
    write_page()
    assert (tmp_path / "after/odd.png").exists()
    assert (tmp_path / "after/mine.txt").exists()
    stack.client("s3").delete_object(Bucket="output", Key="odd.png")
    write_page()
    assert not (tmp_path / "after/odd.png").exists()


def test_images_without_a_picture_are_not_said_to_be_fetched(
    stack: Buckets, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(stack)
    records = newest(stack, configuration(), "", 50, failed=False)
    gone = missing("gone.jpg", "e", "Nothing came back.", configuration())
    write([records[0], gone], stack, tmp_path, "Results", now=NOW, limit_bytes=10**9)
    assert capsys.readouterr().err == (
        "Fetched the pictures of 1 of 2 images. The page says why the rest is missing.\n"
    )


def run(monkeypatch: pytest.MonkeyPatch, stack: Buckets, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["look", *arguments])
    monkeypatch.setattr(__main__, "chosen", lambda _: stack)
    monkeypatch.setattr(__main__, "in_force", lambda _: configuration())
    __main__.main()


def test_the_command_prints_where_the_page_is_if_there_is_no_screen(
    stack: Buckets,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fill(stack)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    run(monkeypatch, stack, "--out", str(tmp_path), "--failed")
    assert (tmp_path / "index.html").exists()
    printed = capsys.readouterr().out
    assert "2 images, 2 of them without a result." in printed
    assert f"Open {tmp_path / 'index.html'} in a browser." in printed


def test_the_command_opens_the_page_on_a_screen(
    stack: Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(stack)
    opened = list[str]()
    monkeypatch.setenv("DISPLAY", ":0")

    def open_url(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr("webbrowser.open", open_url)
    run(monkeypatch, stack, "--out", str(tmp_path))
    assert opened == [(tmp_path / "index.html").as_uri()]


def test_the_command_says_if_there_is_nothing_to_show(
    stack: Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="no result or error report of an original under bags/"):
        run(monkeypatch, stack, "--out", str(tmp_path), "--prefix", "bags/")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("endpoint", "real"), [("https://127.0.0.1:1", "false"), ("https://api.pixian.ai", "true")]
)
def test_a_page_of_the_fake_pixian_says_that_its_prices_are_made_up(
    tmp_path: Path, endpoint: str, real: str
) -> None:
    outputs = {"InputBucket": "input", "OutputBucket": "output"}
    stack = LocalStack(
        "http://localhost", "ca.pem", "eu-central-1", "s", endpoint, "x", "x", outputs
    )
    index = write([], stack, tmp_path, "Results", now=NOW, limit_bytes=1)
    assert f'"pricesAreReal": {real}' in index.read_text()


# ---- the page -----------------------------------------------------------------------------------


def html(*records: Record, real: bool = True) -> str:
    return page(records, Heading("Results", NOW, real))


def test_no_text_from_outside_can_end_the_data_or_fill_a_placeholder() -> None:
    text = "</script><script>alert(1)</script><!--{{SCRIPT}}&"
    record = missing(text, "e", text, configuration())
    made = html(record)
    assert text not in made
    [data] = re.findall('<script type="application/json" id="data">(.*?)</script>', made, re.DOTALL)
    assert json.loads(data)["records"][0]["source"] == text
    assert made.count("<script") == 2


def test_the_page_loads_nothing_but_pictures() -> None:
    made = html()
    assert MARK in made
    assert "default-src 'none'; img-src" in made
    assert not re.findall(r"(?:src|href)=|https?://|@import|url\(", made)
