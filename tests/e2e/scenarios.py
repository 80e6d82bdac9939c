"""What the functions do for an image; each scenario tells the outcome.

With every permission, ENDINGS says which it is.
"""

import copy
import json
import time
from collections.abc import Callable
from urllib.parse import unquote_plus

from tests.e2e.conftest import picture
from tests.e2e.direct import CRASHED, PACED, Direct, Event, polling

type Scenario = Callable[[Direct], str]

PATIENCE_SECONDS = 15
UNSEEN = "unseen"


def an_image(direct: Direct) -> str:
    return direct.upload(direct.drop())


def an_image_to_a_function_just_started(direct: Direct) -> str:
    direct.cool()
    return an_image(direct)


def an_image_without_a_version(direct: Direct) -> str:
    """As from a bucket whose versioning was suspended."""
    return direct.upload(_without_version(direct.drop()))


def a_tagged_image(direct: Direct) -> str:
    return direct.upload(direct.drop("p/own/", Tagging="owner=studio"))


def a_tagged_image_without_a_version(direct: Direct) -> str:
    return direct.upload(_without_version(direct.drop("p/own/", Tagging="owner=studio")))


def a_tagged_image_again(direct: Direct) -> str:
    """Its result is copied onto itself, to note the newer drop."""
    event = direct.drop("p/own/", body=picture(55), Tagging="owner=studio")
    direct.upload(event)
    again = direct.drop(key=_key(event), body=picture(55), Tagging="owner=studio")
    return direct.upload(again)


def an_image_in_place_of_a_bad_file(direct: Direct) -> str:
    bad = direct.drop(body=b"oops")
    direct.upload(bad)
    return direct.upload(direct.drop(key=_key(bad)))


def an_image_again_without_its_result(direct: Direct) -> str:
    """Only the claim knows then that it was paid for."""
    event = direct.drop()
    direct.upload(event)
    bucket = direct.world.stack.outputs["OutputBucket"]
    direct.world.stack.client("s3").delete_object(Bucket=bucket, Key=_key(event))
    return direct.upload(event)


def a_throttled_image(direct: Direct) -> str:
    direct.world.fault(status=429)
    return direct.upload(direct.drop())


def a_throttled_image_again(direct: Direct) -> str:
    direct.world.fault(status=429)
    event = direct.drop()
    direct.upload(event)
    return direct.retry(event)


def an_image_whose_every_try_crashed(direct: Direct) -> str:
    return direct.retry(direct.drop(), receipts=6)


def a_story_of_an_upload(direct: Direct) -> str:
    """As the log has it: of a function just started, so that it begins a log stream."""
    direct.cool("UploadFunction")
    event = direct.drop("p/disabled/")
    direct.upload(event)
    return _logged(direct, _key(event))


def a_story_of_a_retry(direct: Direct) -> str:
    direct.cool("RetryFunction")
    event = direct.drop("p/disabled/")
    direct.retry(event)
    return _logged(direct, _key(event))


def a_message_in_the_queue(direct: Direct) -> str:
    """Received, handled and deleted."""
    event = direct.drop("p/disabled/")
    sqs, queue = direct.world.stack.client("sqs"), direct.world.stack.outputs["RetryQueueUrl"]
    sqs.purge_queue(QueueUrl=queue)
    with polling(direct.world):
        sqs.send_message(QueueUrl=queue, MessageBody=json.dumps({"requestPayload": event}))
        outcome = _logged(direct, _key(event))
        return outcome if _within(lambda: _is_empty(direct)) else UNSEEN


def a_look_that_sets_both_limits(direct: Direct) -> str:
    """PaceFunction sets them only if they change, or if it knows of no look before."""
    direct.forget_pace()
    return PACED if direct.look() else CRASHED


def a_line_of_a_look(direct: Direct) -> str:
    direct.cool("PaceFunction")
    before = _looks(direct)
    direct.look()
    return PACED if _within(lambda: _looks(direct) > before) else UNSEEN


ENDINGS: dict[Scenario, str] = {
    an_image: "processed",
    an_image_to_a_function_just_started: "processed",
    an_image_without_a_version: "processed",
    a_tagged_image: "processed",
    a_tagged_image_without_a_version: "processed",
    a_tagged_image_again: "skipped",
    an_image_in_place_of_a_bad_file: "processed",
    an_image_again_without_its_result: "skipped",
    a_throttled_image: "postponed",
    a_throttled_image_again: "processed",
    an_image_whose_every_try_crashed: "exhausted",
    a_story_of_an_upload: "skipped",
    a_story_of_a_retry: "skipped",
    a_message_in_the_queue: "skipped",
    a_look_that_sets_both_limits: PACED,
    a_line_of_a_look: PACED,
}


def _key(event: Event) -> str:
    return unquote_plus(event["Records"][0]["s3"]["object"]["key"])


def _without_version(event: Event) -> Event:
    changed = copy.deepcopy(event)
    del changed["Records"][0]["s3"]["object"]["versionId"]
    return changed


def _logged(direct: Direct, key: str) -> str:
    found = _within(lambda: direct.world.stories(key))
    return str(found[-1]["outcome"]) if found else UNSEEN


def _looks(direct: Direct) -> int:
    """The number of them in the log."""
    logs = direct.world.stack.client("logs").get_paginator("filter_log_events")
    pages = logs.paginate(logGroupName=direct.world.stack.outputs["PaceLog"])
    return sum("LanesAllowed" in event["message"] for page in pages for event in page["events"])


def _is_empty(direct: Direct) -> bool:
    attributes = direct.world.stack.client("sqs").get_queue_attributes(
        QueueUrl=direct.world.stack.outputs["RetryQueueUrl"], AttributeNames=["All"]
    )["Attributes"]
    return all(int(n) == 0 for name, n in attributes.items() if name.startswith("Approximate"))


def _within[T](look: Callable[[], T]) -> T:
    """What was found as soon as there was something, or the nothing that was found to the end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found
