"""The keys in the output bucket."""

import hashlib
import re
from pathlib import PurePosixPath

from pixian_s3.config.document import Settings
from pixian_s3.errors import Rejected

MAX_KEY_BYTES = 1024
"""S3's limit for the length of a key."""

REPORT_SUFFIX = ".error.json"

_OF_WINDOWS = {"thumbs.db", "desktop.ini"}  # which doesn't tell upper from lower case

# What `report_key` makes of a long key: its beginning, and a hash.
_SHORTENED = re.compile(r"-[0-9a-f]{64}")


def result_key(source_key: str, suffix: str, settings: Settings) -> str:
    """The key of a source's result.

    Args:
        source_key: The source's key, such as `shoes/a.jpg`.
        suffix: The result's suffix, such as `.png`.
        settings: The settings, which include `pipeline.result_key`.

    Raises:
        Rejected: The key, or that of the sidecar, would be longer than S3 allows.
    """
    path, _, name = source_key.rpartition("/")
    source_suffix = PurePosixPath(name).suffix
    parts = {
        "{path}": path + "/" if path or "/" in source_key else "",
        "{stem}": name.removesuffix(source_suffix),
        "{source_suffix}": source_suffix,
        "{suffix}": suffix,
    }
    # Replace all in one pass, so that braces in a name are left alone.
    key = re.sub(r"\{\w+\}", lambda part: parts[part[0]], settings.text("pipeline.result_key"))
    _require_length(sidecar_key(key) if settings.flag("pipeline.sidecar") else key)
    return key


def sidecar_key(result_key: str) -> str:
    """The key of a result's sidecar."""
    return result_key + ".json"


def report_key(source_key: str) -> str:
    """The source's key followed by `.error.json`; a very long key is shortened and made unique.

    A key that looks like a shortened one is shortened, too. Otherwise, two keys could have the
    same report.
    """
    key = source_key + REPORT_SUFFIX
    if len(key.encode()) <= MAX_KEY_BYTES and not _SHORTENED.match(source_key[-65:]):
        return key
    unique = "-" + hashlib.sha256(source_key.encode()).hexdigest() + REPORT_SUFFIX
    return source_key.encode()[: MAX_KEY_BYTES - len(unique)].decode(errors="ignore") + unique


def file_name(source_key: str) -> str:
    """The part of the key after its last slash."""
    return source_key.rsplit("/", 1)[-1]


def why_not_an_image(source_key: str) -> str | None:
    """Why a key can't be that of an image: a folder marker, or a file that a system adds; or None.

    Windows writes Thumbs.db and desktop.ini into folders, and macOS .DS_Store and, with the
    properties of a file that another system can't hold, `._` and its name.
    """
    if source_key.endswith("/"):
        return "The key is a folder marker."
    name = file_name(source_key)
    if name.lower() in _OF_WINDOWS or name == ".DS_Store" or name.startswith("._"):
        return "The file was added by Windows or macOS and isn't an image."
    return None


def _require_length(key: str) -> None:
    if len(key.encode()) > MAX_KEY_BYTES:
        raise Rejected(
            f"The name is too long: the result's name, which ends in {key[-40:]}, would exceed the "
            f"{MAX_KEY_BYTES:,} bytes that S3 allows. Give the file a shorter name, then upload it "
            "again."
        )
