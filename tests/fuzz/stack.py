"""One file after another through the upload function's handler, and how each ended."""

import io
import json
import os
import runpy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch
from urllib.parse import quote_plus

from moto import mock_aws

from pixian_s3 import wiring
from pixian_s3.config.document import NO_SETTINGS
from pixian_s3.output import keys, metadata
from tests.builders import make_job
from tests.integration.servers import FakeAppConfig, FakePixian
from tests.integration.world import INPUT, OUTPUT, Context, World

_UPLOAD = Path(__file__).parents[2] / "functions/upload/app.py"
_ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Ending(StrEnum):
    """What became of a file."""

    RESULT = "results"
    REPORT = "reports"
    SKIPPED = "skipped"
    CRASHED = "crashed"
    NONE = "without ending"


@dataclass(frozen=True)
class Written:
    """An object that was found in the output bucket."""

    key: str
    about: Mapping[str, str]
    body: bytes


class Stack:
    """The function with all that it needs, kept from file to file."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._handler = runpy.run_path(str(_UPLOAD))["handler"]
        self._numbers = count(1)
        # One for all: the program's logger keeps the first that it meets.
        self._told = io.StringIO()

    def drop(self, key: str, body: bytes) -> tuple[Ending, str]:
        """Bring a file to its ending; the text says more about it."""
        self._told.seek(0)
        self._told.truncate()
        put = self._world.s3.put_object(Bucket=INPUT, Key=key, Body=body)
        event = _event(key, put["ETag"], put["VersionId"], next(self._numbers))
        try:
            with redirect_stdout(self._told):
                self._handler(event, Context())
        except Exception as crash:
            return Ending.CRASHED, f"{getattr(crash, 'exceptions', crash)!r}"
        finally:
            found = self._take(OUTPUT)
            self._take(INPUT)
        return _ending(key, found), self._reason()

    def _take(self, bucket: str) -> list[Written]:
        """What is in a bucket, which is empty afterwards, older versions included."""
        s3 = self._world.s3
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        found = []
        for key in keys:
            got = s3.get_object(Bucket=bucket, Key=key)
            found.append(Written(key, got["Metadata"], got["Body"].read()))
            s3.delete_object(Bucket=bucket, Key=key, VersionId=got["VersionId"])
        return found

    def _reason(self) -> str:
        stories = [json.loads(line) for line in self._told.getvalue().split("\n") if line]
        (story,) = [story["image"] for story in stories if "image" in story]
        return f"{story['outcome']}: {story.get('reason', '')}"


@contextmanager
def stack(pixian_url: str, appconfig_url: str) -> Iterator[Stack]:
    """The function in this process, AWS in memory, and the two services at their addresses."""
    pixian, appconfig = FakePixian(), FakeAppConfig()
    pixian.url = pixian_url
    others = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    account = _ACCOUNT | {"AWS_ENDPOINT_URL_APPCONFIGDATA": appconfig_url}
    with patch.dict(os.environ, others | account, clear=True), mock_aws():
        # What it writes to standard output is looked at here.
        world = World(pixian, appconfig, cast(Any, None))
        os.environ |= world.variables()
        wiring._processor.cache_clear()
        try:
            yield Stack(world)
        finally:
            wiring._processor.cache_clear()
            world.close()


def _source_key(key: str) -> str:
    return metadata.of_result(make_job(key), NO_SETTINGS, {}, {})["source-key"]


def _ending(key: str, found: list[Written]) -> Ending:
    match found:
        case [] if key.endswith("/"):
            return Ending.SKIPPED
        case [one] if one.key == keys.report_key(key):
            whole = json.loads(one.body)["source"]["key"] == key
            return Ending.REPORT if whole else Ending.NONE
        case [one] if one.about.get("source-key") == _source_key(key):
            return Ending.RESULT if one.body else Ending.NONE
        case _:
            return Ending.NONE


def _event(key: str, etag: str, version_id: str, number: int) -> dict[str, Any]:
    thing = {
        "key": quote_plus(key),
        "eTag": etag.strip('"'),
        "versionId": version_id,
        "sequencer": f"{number:018X}",
    }
    record = {
        "eventTime": datetime.now(UTC).isoformat(),
        "s3": {"bucket": {"name": INPUT}, "object": thing},
    }
    return {"Records": [record]}
