"""Where things are written: the keys in the output bucket."""

import hashlib
from pathlib import PurePosixPath

from pixian_s3.errors import Rejected

MAX_KEY_BYTES = 1024
"""S3's limit for a key."""

REPORT_SUFFIX = ".error.json"


def result_key(source_key: str, suffix: str) -> str:
    """The source's path with the suffix of what came back: `shoes/a.jpg` -> `shoes/a.png`.

    Raises:
        Rejected: the key would be longer than S3 allows.
    """
    key = source_key.removesuffix(PurePosixPath(source_key).suffix) + suffix
    if len(key.encode()) > MAX_KEY_BYTES:
        raise Rejected(
            f"The name is too long: with {suffix} it would have more than the {MAX_KEY_BYTES} "
            "bytes that S3 allows. Give the file a shorter name."
        )
    return key


def report_key(source_key: str) -> str:
    """The source's key with `.error.json` behind it; very long keys are cut and made unique."""
    key = source_key + REPORT_SUFFIX
    if len(key.encode()) <= MAX_KEY_BYTES:
        return key
    unique = "-" + hashlib.sha256(source_key.encode()).hexdigest() + REPORT_SUFFIX
    return source_key.encode()[: MAX_KEY_BYTES - len(unique)].decode(errors="ignore") + unique


def file_name(source_key: str) -> str:
    """The last part of the key."""
    return source_key.rsplit("/", 1)[-1]
