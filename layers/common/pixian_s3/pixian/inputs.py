"""The three ways in which Pixian takes an image."""

import base64
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import parse_qsl, urlsplit

MAX_BASE64_CHARACTERS = 1 << 20
"""Pixian's limit for an image as text, 1 MB."""

type Fields = dict[str, str | tuple[str, IO[bytes], str]]

_SHORTEST_SECRET = 16  # characters; what is shorter in a signed address is a date or a version


@dataclass(frozen=True)
class Upload:
    """An image to send: an open file, its name and its content type."""

    file: IO[bytes]
    name: str
    mime_type: str

    def fields(self) -> Fields:
        """As a file part, streamed from the file's beginning."""
        self.file.seek(0)
        return {"image": (self.name, self.file, self.mime_type)}

    def secrets(self) -> list[str]:
        """What of it nobody may read in a log."""
        return []


@dataclass(frozen=True)
class Base64:
    """An image to send as text; `fits` tells whether it may be."""

    file: IO[bytes]

    def fields(self) -> Fields:
        """As a text field."""
        self.file.seek(0)
        return {"image.base64": base64.b64encode(self.file.read()).decode()}

    def secrets(self) -> list[str]:
        """What of it nobody may read in a log."""
        return []

    @staticmethod
    def fits(size: int) -> bool:
        """Whether a file of so many bytes stays within the 1 MB that Pixian takes as text."""
        return (size + 2) // 3 * 4 <= MAX_BASE64_CHARACTERS


@dataclass(frozen=True)
class Url:
    """An image for the service to fetch; the address is signed, so it doesn't show when printed."""

    url: str = field(repr=False)

    def fields(self) -> Fields:
        """As a text field."""
        return {"image.url": self.url}

    def secrets(self) -> list[str]:
        """What signs the address: its query, and each value in it."""
        query = urlsplit(self.url).query
        values = [value for _, value in parse_qsl(query)]
        return [query, *(value for value in values if len(value) >= _SHORTEST_SECRET)]


type Image = Upload | Base64 | Url
