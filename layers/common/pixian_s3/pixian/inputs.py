"""The three ways to pass an image to Pixian: upload, base64 text or URL."""

import base64
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import parse_qsl, urlsplit

MAX_BASE64_CHARACTERS = 1 << 20
"""Pixian's limit for an image as base64 text, 1 MB."""

type Fields = dict[str, str | tuple[str, IO[bytes], str]]

_SHORTEST_SECRET = 16  # characters; shorter values in a presigned URL are dates or versions


@dataclass(frozen=True)
class Upload:
    """An image sent as a file: an open file, its name and its MIME type."""

    file: IO[bytes]
    name: str
    mime_type: str

    def fields(self) -> Fields:
        """The form fields: a file part, streamed from the start of the file."""
        self.file.seek(0)
        return {"image": (self.name, self.file, self.mime_type)}

    def secrets(self) -> list[str]:
        """The parts to redact in logs: none."""
        return []


@dataclass(frozen=True)
class Base64:
    """An image sent as base64 text; check `fits` first."""

    file: IO[bytes]

    def fields(self) -> Fields:
        """The form fields: a text field."""
        self.file.seek(0)
        return {"image.base64": base64.b64encode(self.file.read()).decode()}

    def secrets(self) -> list[str]:
        """The parts to redact in logs: none."""
        return []

    @staticmethod
    def fits(size: int) -> bool:
        """Whether a file of `size` bytes stays within Pixian's limit for base64 text."""
        return (size + 2) // 3 * 4 <= MAX_BASE64_CHARACTERS


@dataclass(frozen=True)
class Url:
    """An image that Pixian fetches from a presigned URL, which is hidden from `repr`; check `fits`
    first.
    """

    url: str = field(repr=False)

    def fields(self) -> Fields:
        """The form fields: a text field."""
        return {"image.url": self.url}

    def secrets(self) -> list[str]:
        """The parts to redact: the query, which signs the URL, and the values in it."""
        query = urlsplit(self.url).query
        values = [value for _, value in parse_qsl(query)]
        return [query, *(value for value in values if len(value) >= _SHORTEST_SECRET)]

    @staticmethod
    def fits(key: str) -> bool:
        """Whether HTTP clients fetch the URL of an object as it was signed.

        They remove the segments `.` and `..` of a path (RFC 3986, 5.2.4; encoding them doesn't
        help, as the WHATWG's URL standard removes `%2e`, too), and some remove a slash at its
        start. S3 refuses the changed URL.
        """
        return not key.startswith("/") and {".", ".."}.isdisjoint(key.split("/"))


type Image = Upload | Base64 | Url
