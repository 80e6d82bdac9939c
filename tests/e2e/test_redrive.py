"""Dead letters sent round again."""

import json
import time

from admin.redrive import redrive
from tests.e2e.conftest import PATIENCE_SECONDS, World, picture

KEY = "p/disabled/buried.png"


def test_a_dead_letter_goes_round_again(deployed: World) -> None:
    # Given an image that was looked at once, and its job as a dead letter
    deployed.drop(KEY, picture(3))
    deployed.wait_for_story(KEY, "skipped")
    [story] = deployed.stories(KEY)
    job = {name: story[name] for name in ("bucket", "key", "etag", "version_id")}
    letter = json.dumps(job | {"sequencer": "0", "event_time": 0})
    queue = deployed.stack.outputs["DeadLetterQueueUrl"]
    deployed.stack.client("sqs").send_message(QueueUrl=queue, MessageBody=letter)
    # When dead letters are sent round again
    assert redrive(deployed.stack) == (1, 0)
    # Then it is looked at once more
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(deployed.stories(KEY)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_without_dead_letters_nothing_goes_round(deployed: World) -> None:
    assert redrive(deployed.stack) == (0, 0)


def test_a_letter_that_cannot_be_read_stays(deployed: World) -> None:
    sqs, queue = deployed.stack.client("sqs"), deployed.stack.outputs["DeadLetterQueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="no job")
    assert redrive(deployed.stack) == (0, 1)
    sqs.purge_queue(QueueUrl=queue)
