"""Keys that S3 allows and nobody expects."""

_ODD = (
    "..",
    ".",
    ".jpg",
    "../up.jpg",
    "a/../b.jpg",
    "a/./c.jpg",
    "//d.jpg",
    "/e.jpg",
    "f//g.jpg",
    "two..dots.jpg",
    "no suffix",
    "ends with a dot.",
    "a.tar.gz.jpg",
    "{stem}.jpg",
    "{path}{suffix}",
    "{0}{}.jpg",
    "%s %(key)s %d.jpg",
    "100%+1.jpg",
    "a+b c%2Fd%20e.jpg",
    "%.jpg",
    "quote\"and'apostrophe.jpg",
    "semi;colon=1; filename=x.jpg",
    "back\\slash.jpg",
    "<b>&amp;.jpg",
    "?query=1#fragment.jpg",
    "$(id) `id` ${HOME}.jpg",
    "\u202egpj.txet.jpg",
    "שלום.jpg",
    "مرحبا/صورة.jpg",
    "👩🏽‍🚀.jpg",
    "\U0010ffff.jpg",
    "e\u0301te\u0301.jpg",
    "\ufeffbom.jpg",
    "\u2028line\u2029.jpg",
    "\xa0.jpg",
    "\xff\xfe.jpg",
    "日本語の写真.jpg",
    "UPPER.JPG",
    "x.error.json",
    "y.png",
    " spaces .jpg ",
    "CON.jpg",
    "folder/",
    "/",
    "deep/" * 200 + "z.jpg",
)
_CONTROLS = tuple(f"control {code:02x} {chr(code)}.jpg" for code in (*range(1, 32), 127, 133))
_LENGTHS = (1, 200, 255, 256, 1000, 1013, 1014, 1015, 1019, 1020, 1021, 1023, 1024)


def odd_keys() -> list[str]:
    """All of them; each has a result key of its own."""
    return [*_ODD, *_CONTROLS, *_long()]


def _long() -> list[str]:
    ascii_ones = [chr(97 + number) * length for number, length in enumerate(_LENGTHS)]
    with_suffix = [
        f"{number:x}".ljust(length - 4, "-") + ".jpg"
        for number, length in enumerate(_LENGTHS)
        if length > 9
    ]
    wide = ["é" * (length // 2) for length in _LENGTHS[1:]]
    wider = ["😀" * (length // 4) + "." * (length % 4) for length in _LENGTHS[1:]]
    return list(dict.fromkeys([*ascii_ones, *with_suffix, *wide, *wider]))
