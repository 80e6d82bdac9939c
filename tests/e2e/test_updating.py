"""The stack is updated while images are under way."""

import json
import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from local.ministack import ROOT
from pixian_s3.aws.queues import depth_of
from tests.e2e.conftest import World, environment, picture

SAM = ROOT / ".tools/sam/bin/sam"
IMAGES = 50
SECONDS = 20
LONGEST_SECONDS = 900
"""The functions' timeout, and so how long a lease lasts."""

FUNCTIONS = ("UploadFunction", "RetryFunction")


@pytest.fixture
def impatient(deployed: World) -> Iterator[World]:
    """With a queue that delivers a message again soon after its function was killed."""
    sqs, queue = deployed.client("sqs"), deployed.stack.outputs["RetryQueueUrl"]
    hidden = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["VisibilityTimeout"])
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": str(SECONDS)})
    yield deployed
    sqs.set_queue_attributes(QueueUrl=queue, Attributes=hidden["Attributes"])


@pytest.fixture
def changed(shared: World, tmp_path: Path) -> Path:
    """What SAM built, with another version of the common layer and of both functions."""
    built = tmp_path / "build"
    shutil.copytree(shared.built, built, copy_function=os.link)
    for part in ("CommonLayer/python", *FUNCTIONS):
        (built / part / "changed.txt").write_text("another version")
    return built


def test_an_update_amid_a_backlog_loses_nothing(impatient: World, changed: Path) -> None:
    deployed = impatient
    # Given 50 images and a service that is slow, so that they take a while
    deployed.fault(delay_seconds=4, times=None)
    began, given_up = time.time(), _dead_letters(deployed)
    uploaded = [
        deployed.upload(f"paid/updated/{number}.png", picture(number)) for number in range(IMAGES)
    ]
    deployed.wait(lambda: len(_charged(deployed)) > 2)
    # When the stack is updated
    before = _versions(deployed)
    _deploy(deployed, changed)
    assert len(_charged(deployed)) < IMAGES, "All images were done before the update was."
    deployed.control("DELETE", "faults")
    _expire_leases(deployed)
    after = _versions(deployed)
    assert all(old != new for old, new in zip(before, after, strict=True))
    # Then each image has its result
    endings = deployed.endings(*uploaded)
    assert [each.key for each in endings.values() if each.report] == []
    # And was paid for once, but for calls that were cut short and counted
    charged = Counter(_charged(deployed))
    assert len(charged) == IMAGES
    assert charged.total() - IMAGES <= _counted(deployed, began)
    # And nothing was given up
    assert _dead_letters(deployed) == given_up


def _deploy(world: World, built: Path) -> None:
    done = subprocess.run(
        [
            *(SAM, "deploy", "--stack-name", world.stack.stack_name, "--no-confirm-changeset"),
            *("--template-file", built / "template.yaml"),
            *("--config-file", ROOT / "samconfig.toml"),
        ],
        env=os.environ | environment(world.stack),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _expire_leases(world: World) -> None:
    """Let 15 minutes pass for the leases of what was killed.

    The local AWS kills what runs when its function is updated; AWS lets it finish.
    """
    updated = time.time()
    # What was begun with the new version ends meanwhile.
    world.wait(lambda: time.time() > updated + SECONDS)
    table, dynamodb = world.stack.outputs["LeaseTable"], world.client("dynamodb")
    for page in dynamodb.get_paginator("scan").paginate(TableName=table):
        for item in page["Items"]:
            if "holder" in item and float(item["until"]["N"]) < updated + LONGEST_SECONDS:
                dynamodb.update_item(
                    TableName=table,
                    Key={"id": item["id"]},
                    UpdateExpression="SET #until = :past",
                    ExpressionAttributeNames={"#until": "until"},
                    ExpressionAttributeValues={":past": {"N": "1"}},
                )


def _versions(world: World) -> list[tuple[str, list[str]]]:
    """The hash of the code and the layers of each function."""
    found = [
        world.client("lambda").get_function_configuration(FunctionName=world.stack.outputs[name])
        for name in FUNCTIONS
    ]
    return [(each["CodeSha256"], [layer["Arn"] for layer in each["Layers"]]) for each in found]


def _charged(world: World) -> list[str]:
    """The file name of each image that a credit was charged for, once for each charge."""
    calls = world.control("GET", "ledger")["requests"]
    return [call["filename"] for call in calls if Decimal(call["credits_charged"])]


def _dead_letters(world: World) -> int:
    queue = world.stack.outputs["DeadLetterQueueUrl"]
    return depth_of(world.client("sqs"), queue).total


def _counted(world: World, since: float) -> int:
    """The calls that the functions told of as MaybeCharged."""
    logs = world.client("logs")
    told = 0.0
    for group in ("UploadLog", "RetryLog"):
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=world.stack.outputs[group], startTime=int(since * 1000)
        )
        for event in (event for page in pages for event in page["events"]):
            if event["message"].startswith("{"):
                told += sum(json.loads(event["message"]).get("MaybeCharged", []))
    return int(told)
