"""How an assumption about Pixian is checked. The docstrings are docs/assumptions.md's third column.

A refusal of what a check sends counts as "does not hold": see `assumptions.verdict`.
"""

import base64
import io
from typing import Any

import numpy as np
import requests
from PIL import Image, ImageCms

from pixian_s3.config import parameters
from pixian_s3.errors import Rejected
from pixian_s3.images import delta_png
from pixian_s3.pixian.credentials import Credentials
from pixian_s3.pixian.inputs import MAX_BASE64_CHARACTERS
from tests.contract.caller import Answer, Caller, Pixels
from tests.contract.samples import (
    SIZE,
    Sample,
    cup,
    floating,
    followed,
    holed,
    inked,
    lying,
    padded,
    sample,
)
from tests.contract.samples import sixteen_bits as sixteen_bit_sample
from tests.contract.verdicts import Verdict

TOLERANCE = 8
"""Pixels by which two boxes around the same thing may differ: not all is found in all forms."""

COLOUR_TOLERANCE = 8
"""Steps of 255 by which a colour may differ, where two programs decode or convert it."""


def unknown_field(caller: Caller) -> Verdict:
    """Send the field `no_such_parameter`; a result comes back."""
    return _accepted(caller.cutout({"no_such_parameter": "x"}))


def out_of_range(caller: Caller) -> Verdict:
    """Send `output.jpeg_quality` 101; a 4xx comes back."""
    return _refused(caller, {"output.format": "jpeg", "output.jpeg_quality": "101"})


def decimal_px(caller: Caller) -> Verdict:
    """Send `result.margin` 2.5px; a result comes back."""
    return _accepted(caller.cutout({"result.margin": "2.5px"}))


def margin_spaces(caller: Caller) -> Verdict:
    """Send `result.margin` 1px and 2px with three spaces between them; a result comes back."""
    return _accepted(caller.cutout({"result.margin": "1px   2px"}))


def decimal_target(caller: Caller) -> Verdict:
    """Send `result.target_size` 200.5 100, which a public client lets pass; a 4xx comes back."""
    return _refused(caller, {"result.target_size": "200.5 100"})


def query_parameter(caller: Caller) -> Verdict:
    """Send `?max_pixels=15000` for 60000; the result has 15000 pixels at most."""
    response = caller.post({"image": sample().part}, query={"max_pixels": "15000"})
    if not _taken(response):
        return Verdict(holds=False, seen=f"status {response.status_code}")
    width, height = map(int, response.headers["X-Result-Size"].split(" "))
    return Verdict(width * height <= 15_000, f"{width} x {height}")


def query_unknown(caller: Caller) -> Verdict:
    """Send `?csrfToken=x`, as one client does; a result comes back."""
    return _answered(caller.post({"image": sample().part}, query={"csrfToken": "x"}))


def boolean_in_capitals(caller: Caller) -> Verdict:
    """Send `result.crop_to_foreground` True; the result is as large as the foreground."""
    answer = caller.cutout({"result.crop_to_foreground": "True"})
    return _equal(answer.numbers("X-Result-Size"), _box(answer)[2:])


def boolean_as_number(caller: Caller) -> Verdict:
    """Send `result.crop_to_foreground` 1; a 4xx comes back."""
    return _refused(caller, {"result.crop_to_foreground": "1"})


def empty_fields(caller: Caller) -> Verdict:
    """Send every parameter but `test` without a value; the result is the same as without them."""
    names = [row.name for row in parameters.PIXIAN if row.name != "test"]
    answer = caller.cutout(dict.fromkeys(names, ""))
    plain = caller.cutout()
    alike = answer.mime_type == plain.mime_type and np.array_equal(answer.pixels(), plain.pixels())
    return Verdict(alike, f"a result of {answer.headers['X-Result-Size']}, {answer.mime_type}")


def empty_images(caller: Caller) -> Verdict:
    """Send `image`, and `image.base64` and `image.url` without a value; a result comes back."""
    fields = {"image": sample().part, "image.base64": "", "image.url": ""}
    return _answered(caller.post(fields))


def base64_lines(caller: Caller) -> Verdict:
    """Send `image.base64` in lines of 76 characters; a result comes back."""
    text = base64.encodebytes(sample().data).decode()
    return _answered(caller.post({"image.base64": text}))


def base64_variants(caller: Caller) -> Verdict:
    """Send each of the four; a 4xx comes back."""
    whole = padded(400_000).data
    text = base64.b64encode(whole).decode()
    sent = {
        "URL-safe": ("image.base64", base64.urlsafe_b64encode(whole).decode()),
        "without padding": ("image.base64", text.rstrip("=")),
        "with data: before it": ("image.base64", f"data:image/png;base64,{text}"),
        "as a data: URL": ("image.url", f"data:image/png;base64,{text}"),
    }
    taken = [how for how, field in sent.items() if _taken(caller.post(dict([field])))]
    return Verdict(not taken, f"taken: {', '.join(taken) or 'none'}")


def margin_percent(caller: Caller) -> Verdict:
    """Send 300 x 200 with `result.margin` 10% 20%; the result is 420 x 240."""
    return _equal(caller.cutout({"result.margin": "10% 20%"}).numbers("X-Result-Size"), [420, 240])


def margin_percent_of_target(caller: Caller) -> Verdict:
    """Crop into 200 x 400 with `result.margin` 0% 20%; the foreground is 120 wide."""
    answer = caller.cutout(
        {
            "result.crop_to_foreground": "true",
            "result.target_size": "200 400",
            "result.margin": "0% 20%",
        }
    )
    width = answer.numbers("X-Result-Foreground")[2]
    return Verdict(abs(width - 120) <= 2, f"{width} wide")


def input_size(caller: Caller) -> Verdict:
    """Send a JPEG lying on its side; `X-Input-Size` is the upright size."""
    return _equal(caller.cutout(image=lying("jpeg")).numbers("X-Input-Size"), list(SIZE))


def input_box_upright(caller: Caller) -> Verdict:
    """Send a JPEG lying on its side; `X-Input-Foreground` is that of the upright image."""
    return _near(_box(caller.cutout(image=lying("jpeg"))), _box(caller.cutout()))


def input_box_before_shrinking(caller: Caller) -> Verdict:
    """Send `max_pixels` 15000 for 60000; `X-Input-Foreground` is that of the larger image."""
    return _near(_box(caller.cutout({"max_pixels": "15000"})), _box(caller.cutout()))


def no_orientation_left(caller: Caller) -> Verdict:
    """Send a JPEG lying on its side; the result has no EXIF orientation but 1."""
    tag = caller.cutout(image=lying("jpeg")).image().getexif().get(0x0112, 1)
    return Verdict(tag == 1, f"orientation {tag}")


def png_orientation(caller: Caller) -> Verdict:
    """Send a PNG with EXIF orientation 6; `X-Input-Orientation` is 6."""
    return _equal(caller.cutout(image=lying("png")).numbers("X-Input-Orientation"), [6])


def tiff_orientation(caller: Caller) -> Verdict:
    """Send a TIFF with orientation 6; `X-Input-Orientation` is 6."""
    return _equal(caller.cutout(image=lying("tiff")).numbers("X-Input-Orientation"), [6])


def unreadable_exif(caller: Caller) -> Verdict:
    """Send a PNG whose EXIF is gibberish; `X-Input-Orientation` is 1."""
    broken = sample(exif=b"Exif\0\0gibberish")
    return _equal(caller.cutout(image=broken).numbers("X-Input-Orientation"), [1])


def jpeg_ground(caller: Caller) -> Verdict:
    """Ask for a jpeg without `background.color`; its corner is white."""
    corner = caller.cutout({"output.format": "jpeg"}).pixels("RGB")[2, 2]
    return Verdict(bool(corner.min() >= 250), f"corner {corner.tolist()}")


def delta_of_shrunk(caller: Caller) -> Verdict:
    """Ask for a delta PNG with `max_pixels` 15000 for 60000; the PNG has 15000 pixels at most."""
    answer = caller.cutout({"output.format": "delta_png", "max_pixels": "15000"})
    width, height = answer.image().size
    return Verdict(width * height <= 15_000, f"{width} x {height}")


def delta_is_png(caller: Caller) -> Verdict:
    """Rebuild a delta PNG with the program's own code; its pixels are those of the plain PNG."""
    different = int((_rebuilt(caller, sample()) != caller.cutout().pixels()).any(axis=2).sum())
    return Verdict(different == 0, f"{different} pixels differ")


def gif_frames(caller: Caller) -> Verdict:
    """Send a GIF whose second frame is white; the result shows the first."""
    return _shows_cup(caller, followed("gif"))


def tiff_pages(caller: Caller) -> Verdict:
    """Send a TIFF whose second page is white; the result shows the first."""
    return _shows_cup(caller, followed("tiff"))


def sixteen_bits(caller: Caller) -> Verdict:
    """Send a PNG in grey of 16 bits; the result isn't clipped to white."""
    return _shows_cup(caller, sixteen_bit_sample())


def cmyk(caller: Caller) -> Verdict:
    """Send a JPEG in CMYK; the result isn't a negative of it."""
    return _shows_cup(caller, sample("jpeg", cup().convert("CMYK")))


def cmyk_profile(caller: Caller) -> Verdict:
    """Rebuild a delta PNG of a CMYK JPEG with a profile; its colours are those of the plain PNG."""
    return _rebuilt_alike(caller, inked())


def grey_of_32_bits(caller: Caller) -> Verdict:
    """Rebuild a delta PNG of a TIFF in grey of 32 bits; its colours are those of the plain PNG."""
    return _rebuilt_alike(caller, floating())


def transparency(caller: Caller) -> Verdict:
    """Send a PNG with a transparent square in its middle; the square is transparent still."""
    alpha = caller.cutout(image=holed()).pixels()[85:115, 135:165, 3]
    return Verdict(bool(alpha.max() == 0), f"alpha up to {alpha.max()}")


def profile(caller: Caller) -> Verdict:
    """Send a PNG with an sRGB profile; the result has the same."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    kept = caller.cutout(image=sample(icc_profile=srgb)).image().info.get("icc_profile")
    seen = "another profile" if kept else "no profile"
    return Verdict(kept == srgb, "the same profile" if kept == srgb else seen)


def nothing_found(caller: Caller) -> Verdict:
    """Send a white image, to be cropped; a result comes back."""
    white = sample(image=Image.new("RGB", SIZE, "white"))
    return _accepted(caller.cutout({"result.crop_to_foreground": "true"}, white))


def base64_limit(caller: Caller) -> Verdict:
    """Send an image whose base64 text has 1,048,576 characters; a result comes back."""
    return _accepted(caller.cut_out_text(padded(MAX_BASE64_CHARACTERS // 4 * 3)))


def url_out_of_reach(caller: Caller) -> Verdict:
    """Send an `image.url` whose host can't exist; a 4xx comes back."""
    try:
        return _accepted(caller.cut_out_url("https://pixian-s3.invalid/a.png"), wanted=False)
    except Rejected as error:
        return Verdict(holds=True, seen=str(error))


def challenge(caller: Caller) -> Verdict:
    """Send wrong credentials; the 401 has a `WWW-Authenticate` that begins with Basic."""
    response = caller.post({"image": sample().part}, Credentials("pixian-s3-nobody", "no-secret"))
    asked = response.headers.get("WWW-Authenticate", "nothing")
    return Verdict(asked.lower().startswith("basic "), f"{response.status_code}, asks for {asked}")


def credentials_first(caller: Caller) -> Verdict:
    """Send wrong credentials and no image; a 401 comes back."""
    status = caller.post({}, Credentials("pixian-s3-nobody", "no-secret")).status_code
    return Verdict(status == 401, f"status {status}")


def account(caller: Caller) -> Verdict:
    """Read `/account`; it is a JSON object with those four, and `state` one of those two."""
    response = caller.account()
    if response.status_code != 200:
        return Verdict(holds=False, seen=f"status {response.status_code}")
    document: Any = response.json()
    names = sorted(document) if isinstance(document, dict) else []
    wanted = {"creditPack", "state", "useBefore", "credits"}
    holds = wanted <= set(names) and document["state"] in {"active", "dormant"}
    return Verdict(holds, "has " + ", ".join(map(str, names)))


def _accepted(answer: Answer, *, wanted: bool = True) -> Verdict:
    return Verdict(wanted, f"a result of {answer.headers['X-Result-Size']}")


def _answered(response: requests.Response) -> Verdict:
    return Verdict(_taken(response), f"status {response.status_code}")


def _taken(response: requests.Response) -> bool:
    """Whether a result came back, or a 4xx; any other failure is no answer to the question."""
    if response.status_code >= 500 or response.status_code in {401, 402, 403, 429}:
        response.raise_for_status()
    return response.status_code == 200


def _refused(caller: Caller, form: dict[str, str]) -> Verdict:
    try:
        return _accepted(caller.cutout(form), wanted=False)
    except Rejected as error:
        return Verdict(holds=True, seen=str(error))


def _equal(seen: list[int], wanted: list[int]) -> Verdict:
    return Verdict(seen == wanted, " ".join(map(str, seen)))


def _box(answer: Answer) -> list[int]:
    return answer.numbers("X-Input-Foreground")


def _near(seen: list[int], wanted: list[int]) -> Verdict:
    furthest = max(abs(a - b) for a, b in zip(seen, wanted, strict=True))
    words = [" ".join(map(str, box)) for box in (seen, wanted)]
    return Verdict(furthest <= TOLERANCE, f"{words[0]} where the plain image has {words[1]}")


def _rebuilt(caller: Caller, image: Sample) -> Pixels:
    delta, rebuilt = caller.cutout({"output.format": "delta_png"}, image).body, io.BytesIO()
    delta_png.rebuild(io.BytesIO(delta), io.BytesIO(image.data), rebuilt)
    with Image.open(rebuilt) as whole:
        return np.asarray(whole.convert("RGBA"))


def _rebuilt_alike(caller: Caller, image: Sample) -> Verdict:
    """Compare with the plain PNG: alike up to what two decoders make of one image."""
    plain = caller.cutout(image=image).pixels().astype(int)
    furthest = int(np.abs(_rebuilt(caller, image) - plain).max())
    return Verdict(furthest <= COLOUR_TOLERANCE, f"the furthest differs by {furthest} of 255")


def _shows_cup(caller: Caller, image: Sample) -> Verdict:
    """Compare the greys of what is opaque: alike up to compression and the watermark."""
    result = caller.cutout(image=image).pixels()
    if result.shape[:2] != SIZE[::-1]:
        return Verdict(holds=False, seen=f"a result of {result.shape[1]} x {result.shape[0]}")
    solid = result[..., 3] == 255
    if not solid.any():
        return Verdict(holds=False, seen="nothing was found in it")
    grey = np.asarray(Image.fromarray(result).convert("L")).astype(int)
    difference = np.abs(grey - np.asarray(cup().convert("L")))[solid]
    median = float(np.median(difference))
    return Verdict(median < 16, f"half of the pixels differ by at most {median:g} of 255")
