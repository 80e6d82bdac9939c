"""Images through the deployed stack: uploaded to one bucket, read from the other."""

import io

from PIL import Image

from tests.e2e.conftest import PHOTOGRAPHS, World, picture


def test_photograph_comes_back_cut_out_with_what_pixian_said_about_it(deployed: World) -> None:
    # Given a real photograph
    photograph = (PHOTOGRAPHS / "coffee.png").read_bytes()
    # When it is uploaded
    ending = deployed.ending("menu/coffee.png", photograph)
    # Then its cutout is an image of the same size, transparent where the table was
    stored = deployed.result(ending.key)
    with Image.open(io.BytesIO(stored["Body"].read())) as cutout:
        assert cutout.size == (600, 400)
        assert cutout.getpixel((5, 5))[3] == 0  # type: ignore[index]
        assert cutout.getpixel((280, 150))[3] == 255  # type: ignore[index]
    assert stored["ContentType"] == "image/png"
    # And it carries all seven headers, and the mark of a test
    assert {name for name in ending.metadata if name.startswith("pixian-")} == {
        "pixian-test",
        "pixian-credits-charged",
        "pixian-credits-calculated",
        "pixian-input-orientation",
        "pixian-input-size",
        "pixian-result-size",
        "pixian-input-foreground",
        "pixian-result-foreground",
    }
    assert ending.metadata["pixian-credits-charged"] == "0"


def test_odd_keys_arrive_where_they_should(deployed: World) -> None:
    expected = {
        "prod ucts/été+50%/a b.JPG": "prod ucts/été+50%/a b.png",
        "100%25/ä&=?#~'()!*.png": "100%25/ä&=?#~'()!*.png",
        "without suffix/image": "without suffix/image.png",
        "..//double//slash/.jpg": "..//double//slash/.jpg.png",
    }
    endings = deployed.endings(*(deployed.upload(key, picture(len(key))) for key in expected))
    assert {key: ending.key for key, ending in endings.items()} == expected


def test_what_is_not_an_image_gets_a_report_until_an_image_replaces_it(deployed: World) -> None:
    # Given a file that is not an image
    ending = deployed.ending("notes.png", b"buy milk")
    # Then there is a report, and no call was made
    assert ending.key == "notes.png.error.json"
    assert ending.report is not None
    assert "not an image" in ending.report["error"]
    assert deployed.calls("notes.png") == []
    # And when an image is uploaded under the same key
    deployed.upload("notes.png", picture(77))
    # Then the report is gone by the time that the attempt is logged
    deployed.wait_for_attempts("notes.png", "processed")
    assert deployed.result_keys("notes") == ["notes.png"]


def test_uploading_the_same_again_costs_nothing(deployed: World) -> None:
    deployed.ending("again.png", picture(5))
    deployed.upload("again.png", picture(5))
    deployed.wait_for_attempts("again.png", "skipped")
    assert len(deployed.calls("again.png")) == 1


def test_a_file_of_the_same_stem_does_not_overwrite_anothers_result(deployed: World) -> None:
    # Given the result of twin.png
    deployed.ending("twin.png", picture(1))
    # When twin.gif, whose result would have the same key, is uploaded
    ending = deployed.ending("twin.gif", picture(2))
    # Then it gets a report and costs no call
    assert ending.key == "twin.gif.error.json"
    assert deployed.calls("twin.gif") == []


def test_twelve_images_at_once_are_each_charged_once(deployed: World) -> None:
    # Given a service that takes five calls at a time
    deployed.control("PUT", "settings", {"concurrency_limit": 5})
    # When twelve images are uploaded at once
    uploaded = [deployed.upload(f"paid/crowd-{n}.png", picture(n)) for n in range(12)]
    # Then there are twelve results
    endings = deployed.endings(*uploaded)
    assert all(ending.report is None for ending in endings.values())
    # And each was charged once
    for n in range(12):
        charged = [
            call["id"]
            for call in deployed.calls(f"crowd-{n}.png")
            if call["credits_charged"] != "0"
        ]
        assert len(charged) == 1
