"""The dead-letter queue, redriven."""

import json

from admin.redrive import redrive
from tests.e2e.conftest import World, picture

KEY = "p/disabled/given-up.png"


def test_a_redrive_retries_what_can_be_read_and_leaves_the_rest(deployed: World) -> None:
    # Given an image whose job is in the dead-letter queue, and a message that can't be read
    uploaded = deployed.upload(KEY, picture(3))
    deployed.wait_for_attempts(KEY, "skipped")
    bucket = deployed.stack.outputs["InputBucket"]
    job = {"bucket": bucket, "key": KEY, "etag": uploaded.etag, "sequencer": "0", "event_time": 0}
    sqs, queue = deployed.client("sqs"), deployed.stack.outputs["DeadLetterQueueUrl"]
    for body in (json.dumps(job), "no job"):
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    # When the queue is redriven
    redriven = [message.keys for message in redrive(deployed.stack)]
    assert sorted(redriven, key=str) == [(KEY,), None]
    # Then the image is retried, once
    deployed.wait_for_attempts(KEY, "skipped", 2)
    # And the other message is still there, hidden for a while because it was received
    about = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    assert sum(int(about[name]) for name in names) == 1
    sqs.purge_queue(QueueUrl=queue)
