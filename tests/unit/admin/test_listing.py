"""Which objects have no ending."""

import gzip
import json
import random
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from admin.errors import UserError
from admin.listing import Object, Wanted, Work, find, inventoried, listed
from pixian_s3.config.document import Configuration, parse
from pixian_s3.output import keys
from tests.builders import fresh_seed

UPLOADED, LATER = 1_000, 2_000


_opened: list[Work] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def work(file: Path | str = ":memory:") -> Work:
    _opened.append(Work(sqlite3.connect(file)))
    return _opened[-1]


def configuration(**document: Any) -> Configuration:
    return parse(json.dumps({"defaults": {"test": False}} | document))


def source(key: str, etag: str = "e1", modified: int = UPLOADED) -> Object:
    return Object(key, etag, 100, modified)


def missing(  # noqa: PLR0913 - a world in a call
    sources: Iterable[Object | str],
    outputs: Iterable[Object | str] = (),
    settings: Configuration | None = None,
    metadata: Mapping[str, Mapping[str, str]] | None = None,
    wanted: Wanted | None = None,
    *,
    same_bucket: bool = False,
) -> list[str]:
    """The keys that are found; texts are objects, and those in the output bucket are younger."""
    found = work()
    found.set_outputs(source(o, "", LATER) if isinstance(o, str) else o for o in outputs)
    find(
        [source(s) if isinstance(s, str) else s for s in sources],
        found,
        settings or configuration(),
        lambda key: (metadata or {})[key],
        wanted or Wanted(),
        same_bucket=same_bucket,
    )
    return unsent(found)


def unsent(found: Work) -> list[str]:
    return [image.object.key for image in found.unsent("", 10_000)]


def test_an_image_with_neither_a_result_nor_a_report_is_found() -> None:
    assert missing(["a.jpg", "b.jpg", "c.jpg"], ["a.png", "c.jpg.error.json"]) == ["b.jpg"]


def test_reports_can_be_taken_too() -> None:
    outputs = ["a.png", "c.jpg.error.json"]
    assert missing(["a.jpg", "c.jpg"], outputs, wanted=Wanted(reports=True)) == ["c.jpg"]


def test_folder_markers_and_disabled_and_paused_prefixes_are_left_out() -> None:
    settings = configuration(
        prefixes={"off/": {"pipeline": {"enabled": False}}, "held/": {"pipeline": {"paused": True}}}
    )
    assert missing(["on/", "on/a.jpg", "off/a.jpg", "held/a.jpg"], settings=settings) == [
        "on/a.jpg"
    ]


def test_files_of_windows_and_macos_are_left_out() -> None:
    keys = ["a.jpg", "Thumbs.db", "shoes/desktop.ini", "shoes/.DS_Store", "shoes/._a.jpg"]
    assert missing(keys) == ["a.jpg"]


def test_the_result_is_looked_for_where_the_configuration_puts_it() -> None:
    settings = configuration(
        prefixes={
            "white/": {"background.color": "#FFFFFF"},
            "moved/": {"pipeline": {"result_key": "done/{path}{stem}-cut{suffix}"}},
        }
    )
    outputs = ["white/a.jpg", "done/moved/a-cut.png"]
    sources = ["white/a.tif", "white/b.tif", "moved/a.tif", "moved/b.tif"]
    assert missing(sources, outputs, settings) == ["moved/b.tif", "white/b.tif"]


@pytest.mark.parametrize("seed", [fresh_seed()])
def test_exactly_the_images_without_an_ending_are_found_in_any_mixture_of_keys(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - not for security
    settings = configuration(
        prefixes={
            "a/": {"background.color": "#FFFFFF"},
            "a/b/": {"pipeline": {"result_key": "{stem}{source_suffix}/é{suffix}"}},
        }
    )
    letters = ["a", "b", "/", ".", "é", "\U0001f600", "\uffff", "+", " ", "\n", "-"]
    sources = {
        "".join(rng.choices(letters, k=rng.randint(1, 12))) + f"{n}.jpg" for n in range(2_500)
    }
    outputs, expected = set(), set()
    for key in sources:
        of_key = settings.settings_for(key)
        result = keys.result_key(key, of_key.result_suffix, of_key)
        ending = rng.choice([result, keys.report_key(key), None])
        outputs |= {ending} - {None}
        expected |= {key} if ending is None else set()
    # Two sources may have the same result.
    expected = {
        key
        for key in expected
        if keys.result_key(key, (s := settings.settings_for(key)).result_suffix, s) not in outputs
    }
    metadata = {key: {"source-etag": ""} for key in outputs if key}
    found = missing(sources, (o for o in outputs if o), settings, metadata)
    assert sorted(found) == sorted(expected)


def test_a_result_of_an_unexpected_type_counts_if_it_was_made_with_the_same_parameters() -> None:
    settings = configuration()
    mine = {
        "source-key": "a.tif",
        "source-etag": "e1",
        "parameters": settings.settings_for("a.tif").digest,
    }
    assert missing(["a.tif"], ["a.jpg"], settings, {"a.jpg": mine}) == []
    for other in ({"parameters": "0"}, {"source-etag": "e2"}, {"source-key": "a.gif"}):
        assert missing(["a.tif"], ["a.jpg"], settings, {"a.jpg": mine | other}) == ["a.tif"]


@pytest.mark.parametrize("output", ["a.png", "a.jpg.error.json"])
def test_an_image_that_was_replaced_after_its_ending_is_found(output: str) -> None:
    newer = source("a.jpg", "e2", LATER + 1)
    assert missing([newer], [output], metadata={output: {"source-etag": "e1"}}) == ["a.jpg"]
    assert missing([newer], [output], metadata={output: {"source-etag": "e2"}}) == []


def test_results_of_test_mode_can_be_taken_too_where_test_mode_is_over() -> None:
    settings = configuration(prefixes={"drafts/": {"test": True}})
    metadata = {
        "marked.png": {"pixian-test": "true"},
        "old.png": {"pixian-credits-calculated": "0.2"},
        "live.png": {"pixian-credits-charged": "0.2"},
    }
    sources = ["marked.jpg", "old.jpg", "live.jpg", "drafts/marked.jpg"]
    outputs = [*metadata, "drafts/marked.png"]
    assert missing(sources, outputs, settings, metadata) == []
    found = missing(sources, outputs, settings, metadata, Wanted(tests=True))
    assert found == ["marked.jpg", "old.jpg"]


def test_in_one_bucket_our_own_results_sidecars_and_reports_are_not_images() -> None:
    settings = configuration(
        defaults={"test": False, "pipeline": {"result_key": "{path}cut/{stem}{suffix}"}}
    )
    objects = ["p/a.jpg", "p/b.jpg", "p/cut/a.png", "p/cut/a.png.json", "p/c.jpg.error.json"]
    assert missing(objects, objects, settings, same_bucket=True) == ["p/b.jpg"]


def test_a_name_that_is_too_long_for_a_result_is_found_until_it_has_its_report() -> None:
    settings = configuration(
        defaults={"test": False, "pipeline": {"result_key": "{stem}-cut{suffix}"}}
    )
    key = "a" * 1020 + ".jpg"
    assert missing([key], [], settings) == [key]
    assert missing([key], [keys.report_key(key)], settings) == []


def test_what_was_sent_is_not_sent_again_unless_it_was_replaced_or_ended(tmp_path: Path) -> None:
    file = tmp_path / "sent.sqlite"

    def look(*objects: Object, outputs: tuple[str, ...] = ()) -> Work:
        found = work(file)
        found.set_outputs(source(each, "", LATER) for each in outputs)
        wanted = Wanted(reports=True)
        find(objects, found, configuration(), lambda _: {}, wanted, same_bucket=False)
        return found

    first = look(source("a.jpg"), source("b.jpg"))
    first.mark_sent(first.unsent("", 1), at=5.0)
    assert unsent(first) == ["b.jpg"]
    assert first.counts() == (1, 1)
    assert unsent(look(source("a.jpg"), source("b.jpg"))) == ["b.jpg"]
    assert unsent(look(source("a.jpg", "e2"))) == ["a.jpg"]
    assert unsent(look(source("a.jpg"), outputs=("a.jpg.error.json",))) == ["a.jpg"]
    again = look(source("a.jpg"))
    again.forget_sent(before=6.0)
    assert unsent(again) == ["a.jpg"]


@pytest.fixture
def s3(aws: None) -> Any:  # noqa: ARG001 - it sets the environment
    client = boto3.client("s3")
    for bucket in ("input", "inventories"):
        client.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
    return client


def test_a_listing_has_every_object_under_the_prefix(s3: Any) -> None:
    for key in ("a b/é+.jpg", "a b/x", "c"):
        s3.put_object(Bucket="input", Key=key, Body=b"123")
    assert [(each.key, each.bytes) for each in listed(s3, "input", "a b/")] == [
        ("a b/x", 3),
        ("a b/é+.jpg", 3),
    ]
    etags = {each.etag for each in listed(s3, "input", "")}
    assert etags == {"202cb962ac59075b964b07152d234b70"}


SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag"
ROWS = """\
"input","a+b%2B%C3%A9/1.jpg","v1","true","false","12","1970-01-01T00:16:40.000Z","e1"
"input","a+b%2B%C3%A9/2.jpg","v1","false","false","12","1970-01-01T00:16:40.000Z","e1"
"input","a+b%2B%C3%A9/3.jpg","v1","true","true","","1970-01-01T00:16:40.000Z",""
"input","other.jpg","v1","true","false","12","1970-01-01T00:16:40.000Z","e1"
"""


def inventory(s3: Any, rows: bytes | None = None, **changes: Any) -> list[Object]:
    manifest = {
        "sourceBucket": "input",
        "destinationBucket": "arn:aws:s3:::inventories",
        "fileFormat": "CSV",
        "fileSchema": SCHEMA,
        "files": [{"key": "data/1.csv.gz", "size": 1, "MD5checksum": "x"}],
    }
    body = gzip.compress(ROWS.encode()) if rows is None else rows
    s3.put_object(Bucket="inventories", Key="data/1.csv.gz", Body=body)
    s3.put_object(
        Bucket="inventories", Key="x/manifest.json", Body=json.dumps(manifest | changes).encode()
    )
    return list(inventoried(s3, "s3://inventories/x/manifest.json", "input", "a b+é/"))


def test_an_inventory_has_the_current_objects_under_the_prefix(s3: Any) -> None:
    assert inventory(s3) == [Object("a b+é/1.jpg", "e1", 12, 1000)]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sourceBucket": "another"}, "about the bucket another"),
        ({"fileFormat": "ORC"}, "format CSV"),
        ({"fileSchema": "Bucket, Key"}, "fields Size, Last modified and ETag"),
        ({"files": None}, "isn't the manifest.json"),
    ],
)
def test_an_inventory_that_cannot_be_used_is_refused(
    s3: Any, changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        inventory(s3, **changes)


@pytest.mark.parametrize("rows", [b"no gzip", gzip.compress(ROWS.encode())[:-20]])
def test_an_inventory_file_that_is_damaged_is_refused(s3: Any, rows: bytes) -> None:
    with pytest.raises(UserError, match=r"s3://inventories/data/1\.csv\.gz can't be read"):
        inventory(s3, rows)


def test_a_manifest_must_be_a_url(s3: Any) -> None:
    with pytest.raises(UserError, match="s3://bucket/"):
        list(inventoried(s3, "x/manifest.json", "input", ""))
