"""The world that the tests in here share: the fake Pixian, the local AWS, the deployed stack."""

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from admin.stack import LocalStack
from local.attempts import follow
from local.outcomes import Output, Uploaded, wait_for
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
        "p/bare/": {"pipeline": {"copy_exif": "none"}},
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
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """The administrator's client of a service, made once."""
        if service not in self._clients:
            self._clients[service] = self.stack.client(service)
        return self._clients[service]

    def upload(self, key: str, body: bytes, **more: Any) -> Uploaded:
        bucket = self.stack.outputs["InputBucket"]
        put = self.client("s3").put_object(Bucket=bucket, Key=key, Body=body, **more)
        return Uploaded(key, put["ETag"].strip('"'))

    def endings(self, *uploaded: Uploaded) -> dict[str, Output]:
        """By the source's key; fails unless every image came to an ending."""
        found = {
            image.key: ending
            for image, ending in wait_for(list(uploaded), self.stack, PATIENCE_SECONDS)
        }
        assert sorted(found) == sorted(image.key for image in uploaded)
        return found

    def ending(self, key: str, body: bytes, **more: Any) -> Output:
        """Upload a file and wait for what becomes of it."""
        return self.endings(self.upload(key, body, **more))[key]

    def result(self, key: str) -> Any:
        return self.client("s3").get_object(Bucket=self.stack.outputs["OutputBucket"], Key=key)

    def result_keys(self, prefix: str) -> list[str]:
        found = self.client("s3").list_objects_v2(
            Bucket=self.stack.outputs["OutputBucket"], Prefix=prefix
        )
        return [item["Key"] for item in found.get("Contents", [])]

    def fault(self, **fault: Any) -> None:
        self.control("POST", "faults", fault)

    def calls(self, file_name: str) -> list[dict[str, Any]]:
        """The fake Pixian's ledger for one file, in the order of arrival."""
        requests_seen = self.control("GET", "ledger")["requests"]
        return [call for call in requests_seen if call["filename"] == file_name]

    def attempts(self, key: str) -> list[dict[str, Any]]:
        """What the functions logged about one key so far."""
        ended = threading.Event()
        ended.set()
        images = [record["image"] for record in follow(self.stack, ended)]
        return [image for image in images if image["key"] == key]

    def wait_for_attempts(self, key: str, outcome: str, number: int = 1) -> None:
        """Until the functions logged an outcome of a key so many times."""
        self.wait(lambda: [each["outcome"] for each in self.attempts(key)].count(outcome) >= number)

    def wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not until():
            assert time.monotonic() < deadline, "It never happened."
            time.sleep(0.2)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        url = f"{self.stack.pixian_endpoint}/_control/{path}"
        response = requests.request(method, url, json=body, timeout=10)
        response.raise_for_status()
        return response.json() if response.content else None

    def lanes(self) -> tuple[int, int]:
        """How many UploadFunction and RetryFunction may have."""
        return lanes(self.stack)

    @contextmanager
    def retries_paused(self) -> Iterator[None]:
        """Nothing takes a message from the retry queue, which is empty afterwards."""
        functions, sqs = self.client("lambda"), self.client("sqs")
        mapping = functions.list_event_source_mappings(
            FunctionName=self.stack.outputs["RetryFunction"]
        )["EventSourceMappings"][0]["UUID"]
        functions.update_event_source_mapping(UUID=mapping, Enabled=False)
        try:
            yield
        finally:
            sqs.purge_queue(QueueUrl=self.stack.outputs["RetryQueueUrl"])
            functions.update_event_source_mapping(UUID=mapping, Enabled=True)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    configuration = json.dumps(CONFIGURATION).encode()
    directory = tmp_path_factory.mktemp("world")
    with world(directory, configuration=configuration) as stack:
        yield World(stack, directory / "build", lanes(stack))


@pytest.fixture
def deployed(shared: World) -> World:
    """The world with the fake Pixian as it was at the start."""
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


def environment(stack: LocalStack) -> dict[str, str]:
    """Environment variables with which boto3 and the SAM CLI use the local stack."""
    return {
        "AWS_ENDPOINT_URL": stack.endpoint_url,
        "AWS_CA_BUNDLE": stack.ca_bundle,
        "AWS_ACCESS_KEY_ID": stack.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": stack.aws_secret_access_key,
        "AWS_DEFAULT_REGION": stack.region,
        "SAM_CLI_TELEMETRY": "0",
    }


def picture(seed: int) -> bytes:
    """A small image unlike any with another seed: a disc on a plain ground."""
    image = Image.new("RGB", (96, 64), (240, 240, 240))
    image.paste((seed % 256, 40, 90), (24, 12, 72, 52))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
