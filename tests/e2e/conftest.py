"""The world that the tests in here share: the stand-in, the local AWS, the deployed stack."""

import io
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from admin.stack import LocalStack
from local.endings import Dropped, Ending, wait_for
from local.stories import follow
from local.world import world

PHOTOGRAPHS = Path(__file__).parents[2] / ".tools/photographs/skimage/data"
PATIENCE_SECONDS = 120
CONFIGURATION: dict[str, Any] = {
    "defaults": {"test": True},
    "prefixes": {
        "paid/": {"test": False},
        # One for each parameter, for test_parameters.py.
        "p/": {"test": False},
        "p/test/": {"test": True},
        "p/max_pixels/": {"max_pixels": 1000},
        "p/background/": {"background.color": "#00FF00"},
        "p/crop/": {"result.crop_to_foreground": True},
        "p/margin/": {"result.margin": "10px 20px"},
        "p/target/": {"result.target_size": "300 100"},
        "p/bottom/": {
            "result.crop_to_foreground": True,
            "result.target_size": "100 400",
            "result.vertical_alignment": "bottom",
        },
        "p/jpeg/": {"output.format": "jpeg", "output.jpeg_quality": 95},
        "p/quality/": {"output.format": "jpeg", "output.jpeg_quality": 5},
        "p/rebuild/": {"output.format": "delta_png"},
        "p/keep/": {"output.format": "delta_png", "pipeline": {"delta_png": "keep"}},
        "p/url/": {"pipeline": {"input": "url"}},
        "p/base64/": {"pipeline": {"input": "base64"}},
        "p/as-is/": {"pipeline": {"convert": False}},
        "p/named/": {"pipeline": {"result_key": "{path}done/{stem}-cut{suffix}"}},
        "p/sidecar/": {"pipeline": {"sidecar": True}},
        "p/own/": {"pipeline": {"copy_metadata": True, "copy_tags": True}},
        "p/disabled/": {"pipeline": {"enabled": False}},
    },
}


@dataclass(frozen=True)
class World:
    """What a test does with the stack and sees of it.

    Attributes:
        built: what SAM made of the template.
        first_lanes: as they were once the stack was deployed.
    """

    stack: LocalStack
    built: Path
    first_lanes: tuple[int, int]

    def drop(self, key: str, body: bytes, **more: Any) -> Dropped:
        put = self.stack.client("s3").put_object(
            Bucket=self.stack.outputs["InputBucket"], Key=key, Body=body, **more
        )
        return Dropped(key, put["ETag"].strip('"'))

    def endings(self, *dropped: Dropped) -> dict[str, Ending]:
        """By the source's key; fails unless every image came to an ending."""
        found = {
            image.key: ending
            for image, ending in wait_for(list(dropped), self.stack, PATIENCE_SECONDS)
        }
        assert sorted(found) == sorted(image.key for image in dropped)
        return found

    def result(self, key: str) -> Any:
        return self.stack.client("s3").get_object(
            Bucket=self.stack.outputs["OutputBucket"], Key=key
        )

    def fault(self, **fault: Any) -> None:
        self.control("POST", "faults", fault)

    def calls(self, file_name: str) -> list[dict[str, Any]]:
        """The stand-in's ledger for one file, in the order of arrival."""
        requests_seen = self.control("GET", "ledger")["requests"]
        return [call for call in requests_seen if call["filename"] == file_name]

    def stories(self, key: str) -> list[dict[str, Any]]:
        """What the functions logged about one key so far."""
        ended = threading.Event()
        ended.set()
        images = [record["image"] for record in follow(self.stack, ended)]
        return [image for image in images if image["key"] == key]

    def wait_for_story(self, key: str, outcome: str) -> None:
        """Until the functions logged an outcome of a key."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while outcome not in [story["outcome"] for story in self.stories(key)]:
            assert time.monotonic() < deadline, f"{key} was never {outcome}"
            time.sleep(0.2)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.stack.pixian_endpoint}/_control/{path}"
        response = requests.request(method, url, json=body, timeout=10)
        response.raise_for_status()
        return response.json() if response.content else None


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    configuration = json.dumps(CONFIGURATION).encode()
    directory = tmp_path_factory.mktemp("world")
    with world(directory, configuration=configuration) as stack:
        yield World(stack, directory / "build", lanes(stack))


@pytest.fixture
def deployed(shared: World) -> World:
    """The world with the stand-in as it was at the start."""
    shared.control("POST", "reset")
    return shared


def lanes(stack: LocalStack) -> tuple[int, int]:
    """How many UploadFunction and RetryFunction may have."""
    functions = stack.client("lambda")
    reserved = functions.get_function_concurrency(FunctionName=stack.outputs["UploadFunction"])
    [source] = functions.list_event_source_mappings(FunctionName=stack.outputs["RetryFunction"])[
        "EventSourceMappings"
    ]
    return reserved["ReservedConcurrentExecutions"], source["ScalingConfig"]["MaximumConcurrency"]


def picture(seed: int) -> bytes:
    """A small image unlike any with another seed: a disc on a plain ground."""
    image = Image.new("RGB", (96, 64), (240, 240, 240))
    image.paste((seed % 256, 40, 90), (24, 12, 72, 52))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
