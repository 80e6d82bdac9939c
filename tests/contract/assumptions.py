"""The one list of what this program assumes about Pixian and no source settles.

`make reference` writes it into docs/assumptions.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pixian_s3.errors import Rejected
from tests.contract import checks
from tests.contract.caller import Caller
from tests.contract.verdicts import Verdict

ROOT = Path(__file__).parents[2]
PROGRAM = "layers/common/pixian_s3/"
_STAND_IN = "local/fake_pixian/"


@dataclass(frozen=True)
class Assumption:
    """One of them.

    Attributes:
        says: what is assumed.
        where: files that it lives in, each with a word to find there, like `a/b.py: name`.
        check: asks the service; its docstring says how.
        unchecked: why no check can ask the real service.
        stand_in_differs: why the stand-in does otherwise, where it does.
    """

    says: str
    where: tuple[str, ...]
    check: Callable[[Caller], Verdict] | None = None
    unchecked: str = ""
    stand_in_differs: str = ""


ASSUMPTIONS = (
    Assumption(
        "Pixian ignores a field whose name it doesn't know, so unknown names are refused here.",
        (PROGRAM + "config/document.py: unknown",),
        checks.unknown_field,
        stand_in_differs="It refuses the field with 400, so that a misspelt name fails a test.",
    ),
    Assumption(
        "A value out of its range is refused, not silently bent into it.",
        (PROGRAM + "config/parameters.py: Integer", _STAND_IN + "parameters.py: _integer"),
        checks.out_of_range,
    ),
    Assumption(
        "A margin in px may have a decimal part.",
        (PROGRAM + "config/parameters.py: _LENGTH", _STAND_IN + "parameters.py: LENGTH"),
        checks.decimal_px,
    ),
    Assumption(
        "Several spaces between the lengths of a margin count as one, as in CSS.",
        (_STAND_IN + "parameters.py: re.split",),
        checks.margin_spaces,
    ),
    Assumption(
        "A target size is in whole pixels; others are refused.",
        (PROGRAM + "config/parameters.py: target_size", _STAND_IN + "parameters.py: _size"),
        checks.decimal_target,
    ),
    Assumption(
        "Parameters in the URL's query count like those in the form: public clients send "
        "?test=true, and would be charged otherwise.",
        (_STAND_IN + "form.py: request.args",),
        checks.query_parameter,
    ),
    Assumption(
        "Other names in the query are ignored.",
        (_STAND_IN + "form.py: request.args",),
        checks.query_unknown,
    ),
    Assumption(
        "A boolean may be True or False, as Python clients write it.",
        (_STAND_IN + "parameters.py: text.lower",),
        checks.boolean_in_capitals,
    ),
    Assumption(
        "A boolean of another kind, such as 1, is refused.",
        (_STAND_IN + "parameters.py: _boolean",),
        checks.boolean_as_number,
    ),
    Assumption(
        "A parameter without a value counts as not sent.",
        (_STAND_IN + "parameters.py: def given",),
        checks.empty_fields,
    ),
    Assumption(
        "So do image, image.base64 and image.url: only one of them must have a value.",
        (_STAND_IN + "form.py: given",),
        checks.empty_images,
    ),
    Assumption(
        "image.base64 may have line breaks, as in MIME.",
        (_STAND_IN + "form.py: joined",),
        checks.base64_lines,
    ),
    Assumption(
        "URL-safe base64, base64 without its padding or with data: before it, and a data: URL as "
        "image.url are refused.",
        (_STAND_IN + "form.py: b64decode", _STAND_IN + "form.py: parts.scheme"),
        checks.base64_variants,
    ),
    Assumption(
        "A JSON document instead of a form is refused with 415, although some clients send one.",
        (_STAND_IN + "form.py: 415",),
        unchecked="If Pixian took the image from it but not test, it would cost a credit.",
    ),
    Assumption(
        "A margin in % is of the height for top and bottom and of the width for left and right "
        "(in CSS all four are of the width).",
        (_STAND_IN + "parameters.py: edges",),
        checks.margin_percent,
    ),
    Assumption(
        "With result.target_size, a margin in % is of the target size.",
        (_STAND_IN + "render.py: _inset",),
        checks.margin_percent_of_target,
    ),
    Assumption(
        "X-Input-Size is the size after the EXIF orientation was applied.",
        (
            PROGRAM + "output/documents.py: input_size",
            _STAND_IN + "remove_background.py: X-Input-Size",
        ),
        checks.input_size,
    ),
    Assumption(
        "X-Input-Foreground is a box in the upright image.",
        (PROGRAM + "output/documents.py: input_foreground",),
        checks.input_box_upright,
    ),
    Assumption(
        "X-Input-Foreground is a box in the image as it was before max_pixels shrank it.",
        (_STAND_IN + "remove_background.py: scaled_out",),
        checks.input_box_before_shrinking,
    ),
    Assumption(
        "The result's pixels stand upright, and no EXIF orientation asks to turn them again.",
        (PROGRAM + "images/delta_png.py: _upright",),
        checks.no_orientation_left,
    ),
    Assumption(
        "Pixian applies the EXIF orientation of a PNG.",
        (
            PROGRAM + "images/delta_png.py: orientation_of",
            _STAND_IN + "remove_background.py: _orientation_of",
        ),
        checks.png_orientation,
    ),
    Assumption(
        "Pixian applies the orientation of a TIFF.",
        (
            PROGRAM + "images/delta_png.py: orientation_of",
            _STAND_IN + "remove_background.py: _orientation_of",
        ),
        checks.tiff_orientation,
    ),
    Assumption(
        "An image whose EXIF can't be read counts as upright, and isn't refused.",
        (
            PROGRAM + "images/identify.py: orientation_of",
            _STAND_IN + "remove_background.py: _orientation_of",
        ),
        checks.unreadable_exif,
    ),
    Assumption(
        "A result may be of any size that result.target_size or result.margin asks for.",
        (PROGRAM + "config/parameters.py: target_size", _STAND_IN + "render.py: MAX_RESULT_PIXELS"),
        unchecked="It would put the service under load.",
        stand_in_differs="It refuses more than 50 million pixels, or 65,500 on a side, with 400.",
    ),
    Assumption(
        "A jpeg without background.color stands on white.",
        (_STAND_IN + "remove_background.py: WHITE",),
        checks.jpeg_ground,
    ),
    Assumption(
        "A delta PNG of an input that was shrunk has the shrunk size, by which it is found out.",
        (
            PROGRAM + "images/delta_png.py: _require_same_size",
            PROGRAM + "images/prepare.py: _pixel_limit",
        ),
        checks.delta_of_shrunk,
    ),
    Assumption(
        "A delta PNG leads to the very pixels of the plain PNG, the watermark included.",
        (PROGRAM + "images/delta_png.py: rebuild", _STAND_IN + "render.py: delta_png"),
        checks.delta_is_png,
    ),
    Assumption(
        "Of a GIF with several frames, the first is cut out.",
        (
            PROGRAM + "images/convert.py: first picture",
            _STAND_IN + "remove_background.py: _decoded",
        ),
        checks.gif_frames,
    ),
    Assumption(
        "Of a TIFF with several pages, the first is cut out.",
        (
            PROGRAM + "images/convert.py: first picture",
            _STAND_IN + "remove_background.py: _decoded",
        ),
        checks.tiff_pages,
    ),
    Assumption(
        "Images of 16 bits are taken as they are.",
        (
            PROGRAM + "images/identify.py: taken_as_is",
            _STAND_IN + "remove_background.py: _eight_bits",
        ),
        checks.sixteen_bits,
    ),
    Assumption(
        "Images in CMYK are taken as they are.",
        (
            PROGRAM + "images/identify.py: taken_as_is",
            _STAND_IN + "remove_background.py: _colored",
        ),
        checks.cmyk,
    ),
    Assumption(
        "CMYK becomes RGB through the image's ICC profile, as in the program.",
        (
            PROGRAM + "images/convert.py: _from_cmyk",
            _STAND_IN + "remove_background.py: _from_inks",
        ),
        checks.cmyk_profile,
    ),
    Assumption(
        "Grey of 32 bits is taken from its darkest value to its lightest, as in the program.",
        (
            PROGRAM + "images/convert.py: _stretched",
            _STAND_IN + "remove_background.py: _eight_bits",
        ),
        checks.grey_of_32_bits,
    ),
    Assumption(
        "What is transparent in the input stays transparent.",
        (_STAND_IN + "cutout.py: multiply",),
        checks.transparency,
    ),
    Assumption(
        "The result carries the input's ICC profile.",
        (PROGRAM + "images/delta_png.py: fitting_profile", _STAND_IN + "render.py: icc_profile"),
        checks.profile,
    ),
    Assumption(
        "An image in which nothing is found gets a result, not an error.",
        (_STAND_IN + "render.py: foreground_of",),
        checks.nothing_found,
    ),
    Assumption(
        "The 1 MB of image.base64 is 1,048,576 characters of base64 text.",
        (PROGRAM + "pixian/inputs.py: MAX_BASE64_CHARACTERS",),
        checks.base64_limit,
    ),
    Assumption(
        "Pixels are limited, bytes are not: an image of 400 MB is taken.",
        (PROGRAM + "aws/s3.py: MAX_SOURCE_BYTES", _STAND_IN + "server.py: MAX_BODY"),
        unchecked="It would put the service under load.",
        stand_in_differs="It refuses more than 100 MB with 413, because it holds them in memory.",
    ),
    Assumption(
        "An image.url that can't be fetched is answered with 4xx, so the image is rejected.",
        (PROGRAM + "pixian/client.py: _refusal", _STAND_IN + "form.py: fetch"),
        checks.url_out_of_reach,
    ),
    Assumption(
        "Pixian fetches image.url while the call lasts, and never after 15 minutes.",
        (PROGRAM + "aws/s3.py: _URL_SECONDS",),
        unchecked="It needs an address that Pixian can reach.",
    ),
    Assumption(
        "Whether Pixian follows a redirection from image.url doesn't matter: a presigned URL "
        "answers without one.",
        (PROGRAM + "aws/s3.py: presign", _STAND_IN + "form.py: allow_redirects"),
        unchecked="It needs an address that Pixian can reach.",
    ),
    Assumption(
        "A 429 may carry Retry-After; where it does in seconds, the longer wait holds.",
        (PROGRAM + "pixian/client.py: _retry_after", PROGRAM + "retry.py: delay_seconds"),
        unchecked="A 429 can't be had without flooding the service.",
    ),
    Assumption(
        "Five calls at a time are welcome from the start.",
        ("template.yaml: StartConcurrency",),
        unchecked="It would put the service under load.",
    ),
    Assumption(
        "Without usable credits the answer is 402, and the image isn't at fault.",
        (PROGRAM + "pixian/client.py: Blocked",),
        unchecked="It needs an account without credits, and a call that isn't a test.",
    ),
    Assumption(
        "A 401 asks for Basic credentials, so a client that waits for that sends them.",
        (_STAND_IN + "errors.py: CHALLENGE",),
        checks.challenge,
    ),
    Assumption(
        "Credentials are checked before the form, so a call without an image tells of them.",
        (_STAND_IN + "api.py: _authorize",),
        checks.credentials_first,
    ),
    Assumption(
        "/account has creditPack, state (active or dormant), useBefore and credits; only what "
        "is left of the credits depends on it.",
        (PROGRAM + "pixian/account.py: credits_left", _STAND_IN + "api.py: _account"),
        checks.account,
    ),
)


def verdict(assumption: Assumption, caller: Caller) -> Verdict:
    """Ask the service; that it refuses what was assumed to be taken is an answer, too."""
    if assumption.check is None:
        return Verdict(None, assumption.unchecked)
    try:
        return assumption.check(caller)
    except Rejected as error:
        return Verdict(holds=False, seen=str(error))
