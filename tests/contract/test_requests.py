"""What the client sends arrives, and what comes back is whole."""

import hashlib
import io
from pathlib import Path

import pytest
from PIL import Image

from pixian_s3.config import parameters
from pixian_s3.errors import Unauthorized
from pixian_s3.pixian.client import Pixian
from pixian_s3.pixian.credentials import Credentials
from pixian_s3.pixian.inputs import Upload
from tests.builders import make_settings, picture
from tests.contract.conftest import Service

COFFEE = Path(__file__).parents[2] / ".tools/photographs/skimage/data/coffee.png"
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
    with service.client.remove_background(service.credentials, upload, form) as cut_out:
        assert cut_out.mime_type == "image/jpeg"
    (call,) = service.calls()
    assert call["parameters"] == form


def test_these_are_all_parameters_there_are() -> None:
    assert set(EVERYTHING) == {row.name for row in parameters.PIXIAN}


def test_test_mode_reaches_the_service(service: Service) -> None:
    with service.cut_out() as cut_out:
        assert cut_out.headers["X-Credits-Charged"] == "0"
    assert service.calls()[0]["test"] is True


def test_the_image_arrives_byte_for_byte(service: Service) -> None:
    with service.cut_out():
        pass
    assert service.calls()[0]["sha256"] == hashlib.sha256(picture()).hexdigest()


@pytest.mark.parametrize("name", ["a.png", "été ü 😀.png", "it's 100% + & ;.png"])
def test_a_file_name_of_any_kind_arrives(service: Service, name: str) -> None:
    with service.cut_out(name=name):
        pass
    assert service.calls()[0]["filename"] == name


@pytest.mark.parametrize("name", ['a"b.png', "a\r\nX: y.png"])
def test_a_file_name_cant_break_out_of_its_header(service: Service, name: str) -> None:
    with service.cut_out(name=name):
        pass
    (call,) = service.calls()
    assert call["parameters"] == {"test": "true"}
    assert call["filename"].endswith(".png")


def test_the_headers_come_back(service: Service) -> None:
    with service.cut_out() as cut_out:
        headers = cut_out.headers
    assert (headers["x-input-size"], headers["X-Result-Size"]) == ("40 30", "40 30")
    assert headers["X-Input-Orientation"] == "1"
    assert len(headers["X-Input-Foreground"].split()) == 4
    assert len(headers["X-Result-Foreground"].split()) == 4


def test_only_numbers_come_back_in_headers(service: Service) -> None:
    service.fault(headers={"X-Credits-Charged": "s3cret", "X-Input-Size": "40 30 ü"})
    with service.cut_out() as cut_out:
        assert not {"X-Credits-Charged", "X-Input-Size"} & set(cut_out.headers)
        assert cut_out.headers["X-Result-Size"] == "40 30"


def test_a_real_photograph_comes_back_cut_out(service: Service) -> None:
    with COFFEE.open("rb") as file:
        upload = Upload(file, COFFEE.name, "image/png")
        call = service.client.remove_background(service.credentials, upload, {})
        with call as cut_out, Image.open(cut_out.file) as image:
            alpha = image.getchannel("A").getextrema()
            assert (cut_out.suffix, alpha) == (".png", (0, 255))
    assert service.calls()[0]["credits_charged"] == cut_out.headers["X-Credits-Charged"]


def test_the_body_is_whole_and_at_its_beginning(service: Service) -> None:
    with service.cut_out() as cut_out:
        assert cut_out.file.tell() == 0
        assert len(cut_out.file.read()) == cut_out.size == int(cut_out.headers["Content-Length"])


def test_the_body_goes_with_the_context(service: Service) -> None:
    with service.cut_out() as cut_out:
        pass
    assert cut_out.file.closed


def test_the_latency_is_taken_from_the_clock_passed_in(service: Service) -> None:
    clock = iter([100.0, 102.5])
    client = Pixian(service.stand_in.url, service.session, lambda: next(clock))
    upload = Upload(io.BytesIO(picture()), "a.png", "image/png")
    with client.remove_background(service.credentials, upload, {"test": "true"}) as cut_out:
        assert cut_out.seconds == 2.5


@pytest.mark.parametrize("path", ["/", "/api/v2/remove-background"])
def test_an_endpoint_may_have_its_path_or_none(service: Service, path: str) -> None:
    client = Pixian(service.stand_in.url + path, service.session)
    upload = Upload(io.BytesIO(picture()), "a.png", "image/png")
    with client.remove_background(service.credentials, upload, {"test": "true"}):
        pass
    assert service.calls()[0]["status"] == 200


@pytest.mark.parametrize(("api_id", "api_secret"), [("someone", None), (None, "pass-me-by")])
def test_wrong_credentials_are_unauthorized_and_not_shown(
    service: Service, api_id: str | None, api_secret: str | None
) -> None:
    good = service.credentials
    wrong = Credentials(api_id or good.api_id, api_secret or good.api_secret)
    with pytest.raises(Unauthorized) as refusal, service.cut_out(credentials=wrong):
        pass
    assert refusal.value.status == 401
    assert wrong.api_secret not in repr(refusal.value)
