"""The dead-letter queue, redriven."""

import json
import time
from functools import partial

import pytest

from admin.redrive import Wanted, redrive
from tests.e2e.conftest import World, picture

KEY = "p/disabled/given-up.png"


def test_a_redrive_retries_what_can_be_read_and_leaves_the_rest(
    deployed: World, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given an image whose job is in the dead-letter queue, and a message that can't be read
    uploaded = deployed.upload(KEY, picture(3))
    deployed.wait_for_attempts(KEY, "skipped")
    bucket = deployed.stack.outputs["InputBucket"]
    job = {"bucket": bucket, "key": KEY, "etag": uploaded.etag, "sequencer": "0", "event_time": 0}
    sqs, queue = deployed.client("sqs"), deployed.stack.outputs["DeadLetterQueueUrl"]
    for body in (json.dumps(job), "no job"):
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    # When they are only listed, nothing is sent
    command = partial(redrive, deployed.stack, now=time.time())
    command(Wanted("p/disabled/"), dry_run=True, yes=False)
    listed = capsys.readouterr().out
    assert (KEY in listed, "Nothing was sent" in listed) == (True, True)
    # When the queue is redriven
    command(Wanted("p/disabled/"), dry_run=False, yes=True)
    assert "Sent 1 message" in capsys.readouterr().out
    # Then the image is retried, once
    deployed.wait_for_attempts(KEY, "skipped", 2)
    # And the other message is still there
    about = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    assert int(about["ApproximateNumberOfMessages"]) == 1
    sqs.purge_queue(QueueUrl=queue)
