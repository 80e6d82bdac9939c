"""What the client sends arrives, and what comes back is whole."""

import hashlib
import io

import pytest

from pixian_s3.config import parameters
from pixian_s3.output import metadata
from pixian_s3.pixian.client import Pixian
from pixian_s3.pixian.inputs import Upload
from tests.builders import make_job, make_settings, picture
from tests.contract.conftest import Service

EVERYTHING = {
    "test": True,
    "max_pixels": 1000,
    "background.color": "#12aBcD",
    "result.crop_to_foreground": True,
    "result.margin": "1px 2% 3px 4.5%",
    "result.target_size": "64 48",
    "result.vertical_alignment": "bottom",
    "output.format": "jpeg",
    "output.jpeg_quality": 80,
}


def test_every_parameter_arrives_as_sent(service: Service) -> None:
    form = make_settings(defaults=EVERYTHING).form
    upload = Upload(io.BytesIO(picture()), "a.png", "image/png")
    cutout = service.client.remove_background(upload, form, io.BytesIO(), service.credentials)
    assert cutout.mime_type == "image/jpeg"
    (call,) = service.calls()
    assert call["parameters"] == form


def test_these_are_all_parameters_there_are() -> None:
    assert set(EVERYTHING) == {row.name for row in parameters.PIXIAN}


def test_the_image_arrives_byte_for_byte(service: Service) -> None:
    with service.cutout():
        pass
    assert service.calls()[0]["sha256"] == hashlib.sha256(picture()).hexdigest()


@pytest.mark.parametrize("name", ["a.png", "été ü 😀.png", "it's 100% + & ;.png"])
def test_a_file_name_of_any_kind_arrives(service: Service, name: str) -> None:
    with service.cutout(name=name):
        pass
    assert service.calls()[0]["filename"] == name


@pytest.mark.parametrize("name", ['a"b.png', "a\r\nX: y.png"])
def test_a_file_name_cant_break_out_of_its_header(service: Service, name: str) -> None:
    with service.cutout(name=name):
        pass
    (call,) = service.calls()
    assert call["parameters"] == {"test": "true"}
    assert call["filename"].endswith(".png")


def test_only_numbers_come_back_in_headers(service: Service) -> None:
    service.fault(headers={"X-Credits-Charged": "s3cret", "X-Input-Size": "40 30 ü"})
    with service.cutout() as cutout:
        assert not {"X-Credits-Charged", "X-Input-Size"} & set(cutout.answer.headers)
        assert cutout.answer.headers["X-Result-Size"] == "40 30"


@pytest.mark.parametrize(
    "said", ["9" * 400, "1." + "9" * 400, "1 2 3 4 5", "1" + " " * 400 + "2", ".", "1.2.3", "1e9"]
)
def test_a_number_that_is_none_or_too_long_is_left_out(service: Service, said: str) -> None:
    service.fault(headers={"X-Credits-Charged": said})
    with service.cutout() as cutout:
        assert "X-Credits-Charged" not in cutout.answer.headers


def test_the_longest_numbers_fit_into_metadata(service: Service) -> None:
    decimal, box = f"{'9' * 9}.{'9' * 20}", " ".join(["9" * 9] * 4)
    sizes = ("Input-Size", "Result-Size", "Input-Foreground", "Result-Foreground")
    longest = dict.fromkeys((f"X-{name}" for name in sizes), box)
    longest |= {"X-Credits-Charged": decimal, "X-Credits-Calculated": decimal}
    longest |= {"X-Input-Orientation": box}
    service.fault(headers=longest)
    job = make_job("a" * 1024, version_id="v" * 32, etag="e" * 36, sequencer="0" * 32)
    with service.cutout() as cutout:
        headers = cutout.answer.headers
    assert longest.items() <= dict(headers).items()
    about = metadata.of_result(job, make_settings(), headers, {})
    size = sum(len(name) + len(value) for name, value in about.items())
    assert size <= metadata.MAX_METADATA_BYTES


def test_the_body_is_whole_and_goes_with_the_context(service: Service) -> None:
    with service.cutout() as cutout:
        assert cutout.file.tell() == 0
        told = int(cutout.answer.headers["Content-Length"])
        assert len(cutout.file.read()) == cutout.answer.bytes == told


def test_the_latency_is_taken_from_the_clock_passed_in(service: Service) -> None:
    clock = iter([100.0, 102.5])
    client = Pixian(service.stand_in.url, service.session, lambda: next(clock))
    upload = Upload(io.BytesIO(picture()), "a.png", "image/png")
    form = {"test": "true"}
    cutout = client.remove_background(upload, form, io.BytesIO(), service.credentials)
    assert cutout.answer.seconds == 2.5


@pytest.mark.parametrize("path", ["/", "/api/v2/remove-background"])
def test_an_endpoint_may_have_its_path_or_none(service: Service, path: str) -> None:
    client = Pixian(service.stand_in.url + path, service.session)
    upload = Upload(io.BytesIO(picture()), "a.png", "image/png")
    client.remove_background(upload, {"test": "true"}, io.BytesIO(), service.credentials)
    assert service.calls()[0]["status"] == 200
