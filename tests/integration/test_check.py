"""The second look at each result: what it tells, and that it never costs one."""

import io
import json
import zlib
from typing import Any

import pytest
from PIL import Image, ImageDraw

from pixian_s3 import process
from pixian_s3.images.check import CannotLook
from tests.builders import picture
from tests.integration.servers import Answer
from tests.integration.world import World

BOXES = {
    "X-Credits-Charged": "0.5",
    "X-Input-Size": "40 30",
    "X-Result-Size": "40 30",
    "X-Input-Foreground": "5 10 20 20",
    "X-Result-Foreground": "5 10 20 20",
}


def cutout(alpha: int = 255) -> Answer:
    image = Image.new("RGBA", (40, 30))
    ImageDraw.Draw(image).ellipse((10, 5, 29, 24), fill=(200, 60, 10, alpha))
    file = io.BytesIO()
    image.save(file, "PNG")
    return Answer(body=file.getvalue(), headers=BOXES)


def test_a_good_result_is_marked_as_checked(world: World) -> None:
    world.configure(defaults={"pipeline": {"sidecar": True}})
    world.pixian.answers = [cutout()]
    log = world.process(world.upload())
    assert world.metadata("shoes/a.png")["check"] == log.facts()["check"] == "ok"
    assert sidecar(world)["check"] == []
    assert "ResultsSuspicious" not in log.counted()


def test_signs_of_trouble_are_in_metadata_sidecar_log_and_metric(world: World) -> None:
    world.configure(defaults={"pipeline": {"sidecar": True}})
    world.pixian.answers = [cutout(alpha=0)]
    log = world.process(world.upload())
    assert world.metadata("shoes/a.png")["check"] == log.facts()["check"] == "nothing-kept"
    assert sidecar(world)["check"] == ["nothing-kept"]
    assert (log.total("ImagesProcessed"), log.total("ResultsSuspicious")) == (1, 1)


def sidecar(world: World) -> dict[str, Any]:
    document = json.loads(world.output("shoes/a.png.json"))
    assert isinstance(document, dict)
    return document


def test_thresholds_are_those_of_the_prefix(world: World) -> None:
    # The box covers a third of the picture.
    world.configure(
        defaults={"pipeline": {"check_min_fill": 50}},
        prefixes={"tiny/": {"pipeline": {"check_min_fill": None}}},
    )
    world.pixian.answers = [cutout(), cutout()]
    world.process(world.upload("a.jpg"))
    world.process(world.upload("tiny/a.jpg"))
    assert world.metadata("a.png")["check"] == "small-subject"
    assert world.metadata("tiny/a.png")["check"] == "ok"


def test_it_can_be_turned_off(world: World) -> None:
    world.configure(defaults={"pipeline": {"check": False, "sidecar": True}})
    world.pixian.answers = [cutout(alpha=0)]
    log = world.process(world.upload())
    assert "check" not in world.metadata("shoes/a.png")
    assert "check" not in log.facts()
    assert sidecar(world)["check"] is None
    assert "ResultsSuspicious" not in log.counted()


def test_a_rebuilt_result_is_checked(world: World) -> None:
    world.configure(defaults={"output.format": "delta_png"})
    delta = Image.new("RGBA", (40, 30))
    ImageDraw.Draw(delta).ellipse((10, 5, 29, 24), fill=(255, 255, 255, 0))
    file = io.BytesIO()
    delta.save(file, "PNG")
    world.pixian.answers = [Answer(body=file.getvalue(), headers=BOXES)]
    world.process(world.upload(body=picture((40, 30))))
    assert world.metadata("shoes/a.png")["check"] == "ok"
    stored = Image.open(io.BytesIO(world.output("shoes/a.png")))
    assert stored.getpixel((20, 15)) == (0, 0, 0, 255)


# ---- a result that was paid for is never lost ---------------------------------------------------


@pytest.mark.parametrize("error", [CannotLook("No."), MemoryError(), ValueError("?"), OSError(5)])
def test_a_failing_check_costs_no_result(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(process, "signs_of", fail)
    job = world.upload()
    log = world.process(job)
    world.process(job)
    assert_stored_unchecked(world, log.text)


def test_nor_does_a_result_that_cannot_be_decoded_here(world: World) -> None:
    # Its checksums are right, so it is whole as far as we can tell; its pixels aren't compressed.
    body = Answer().body
    start = body.index(b"IDAT")
    length = int.from_bytes(body[start - 4 : start])
    pixels = b"IDAT" + b"?" * length
    body = body[:start] + pixels + zlib.crc32(pixels).to_bytes(4) + body[start + 8 + length :]
    world.pixian.answers = [Answer(body=body, headers=BOXES)]
    job = world.upload()
    log = world.process(job)
    world.process(job)
    assert world.output("shoes/a.png") == body
    assert_stored_unchecked(world, log.text)


def assert_stored_unchecked(world: World, log: str) -> None:
    assert world.output_keys() == ["shoes/a.png"]
    assert "check" not in world.metadata("shoes/a.png")
    assert len(world.pixian.calls) == 1
    assert "wasn't checked for signs of trouble" in log
