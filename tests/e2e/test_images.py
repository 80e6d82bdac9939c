"""Images through the deployed stack: dropped into one bucket, read from the other."""

import io

import pytest
from PIL import Image

from tests.e2e.conftest import PHOTOGRAPHS, World, picture


def test_photograph_comes_back_cut_out_with_what_pixian_said_about_it(deployed: World) -> None:
    # Given a real photograph
    photograph = (PHOTOGRAPHS / "coffee.png").read_bytes()
    # When it is dropped
    ending = deployed.endings(deployed.drop("menu/coffee.png", photograph))["menu/coffee.png"]
    # Then its cut-out is an image of the same size, transparent where the table was
    stored = deployed.result(ending.key)
    with Image.open(io.BytesIO(stored["Body"].read())) as cut_out:
        assert cut_out.size == (600, 400)
        assert cut_out.getpixel((5, 5))[3] == 0  # type: ignore[index]
        assert cut_out.getpixel((280, 150))[3] == 255  # type: ignore[index]
    assert stored["ContentType"] == "image/png"
    # And it carries all seven headers
    assert {name for name in ending.metadata if name.startswith("pixian-")} == {
        "pixian-credits-charged",
        "pixian-credits-calculated",
        "pixian-input-orientation",
        "pixian-input-size",
        "pixian-result-size",
        "pixian-input-foreground",
        "pixian-result-foreground",
    }
    assert ending.metadata["pixian-credits-charged"] == "0"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("prod ucts/été+50%/a b.JPG", "prod ucts/été+50%/a b.png"),
        ("100%25/ä&=?#~'()!*.png", "100%25/ä&=?#~'()!*.png"),
        ("without suffix/image", "without suffix/image.png"),
        ("..//double//slash/.jpg", "..//double//slash/.jpg.png"),
    ],
)
def test_odd_key_arrives_where_it_should(deployed: World, key: str, expected: str) -> None:
    ending = deployed.endings(deployed.drop(key, picture(len(key))))[key]
    assert ending.key == expected


def test_what_is_no_image_gets_a_report(deployed: World) -> None:
    ending = deployed.endings(deployed.drop("notes.png", b"buy milk"))["notes.png"]
    assert ending.key == "notes.png.error.json"
    assert ending.report is not None
    assert "not an image" in ending.report["error"]
    assert deployed.calls("notes.png") == []


def test_dropping_an_image_in_place_of_a_bad_file_removes_the_report(deployed: World) -> None:
    # Given a report
    deployed.endings(deployed.drop("mended.png", b"oops"))
    # When an image is dropped under the same key
    deployed.endings(deployed.drop("mended.png", picture(77)))
    # Then the report is gone by the time that the story is told
    deployed.wait_for_story("mended.png", "processed")
    found = deployed.stack.client("s3").list_objects_v2(
        Bucket=deployed.stack.outputs["OutputBucket"], Prefix="mended"
    )
    assert [item["Key"] for item in found["Contents"]] == ["mended.png"]


def test_dropping_the_same_again_costs_nothing_and_is_noted_on_the_result(deployed: World) -> None:
    # Given a result, with tags
    def drop() -> str:
        dropped = deployed.drop("p/own/again.png", picture(5), Tagging="owner=studio")
        deployed.endings(dropped)
        return dropped.key

    drop()
    first = deployed.result("p/own/again.png")["Metadata"]["source-version-id"]
    # When the same is dropped again
    deployed.wait_for_story(drop(), "skipped")
    # Then the result is the newer drop's, tags and all, and there was one call
    noted = deployed.result("p/own/again.png")
    assert noted["Metadata"]["source-version-id"] != first
    assert noted["TagCount"] == 1
    assert len(deployed.calls("again.png")) == 1


def test_a_file_of_the_same_stem_does_not_overwrite_anothers_result(deployed: World) -> None:
    # Given the result of twin.png
    deployed.endings(deployed.drop("twin.png", picture(1)))
    # When twin.gif, whose result would have the same key, is dropped
    ending = deployed.endings(deployed.drop("twin.gif", picture(2)))["twin.gif"]
    # Then it gets a report and costs no call
    assert ending.key == "twin.gif.error.json"
    assert len(deployed.calls("twin.gif")) == 0


def test_twenty_images_at_once_are_each_charged_once(deployed: World) -> None:
    # Given a service that takes five calls at a time
    deployed.control("PUT", "settings", {"concurrency_limit": 5})
    # When twenty images are dropped at once
    dropped = [deployed.drop(f"paid/crowd-{n}.png", picture(n)) for n in range(20)]
    # Then there are twenty results
    endings = deployed.endings(*dropped)
    assert all(ending.report is None for ending in endings.values())
    # And each was charged once
    for n in range(20):
        charged = [
            call["id"]
            for call in deployed.calls(f"crowd-{n}.png")
            if call["credits_charged"] != "0"
        ]
        assert len(charged) == 1
