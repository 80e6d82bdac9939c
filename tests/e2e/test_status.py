"""What `make status` says of the deployed stack."""

import json
import time

from admin import status
from tests.e2e.conftest import World, picture
from tests.e2e.test_pace import set_pace


def test_the_status_of_a_stack_on_this_machine(deployed: World) -> None:
    """Nothing is missing but what only CloudWatch knows."""
    deployed.control("PUT", "settings", {"credits": "123.5"})
    # Given one image that was paid for, a message that waits, and a look of PaceFunction
    before = status.status(deployed.stack, time.time())
    deployed.upload("paid/status.png", picture(201))
    deployed.wait_for_attempts("paid/status.png", "processed")
    with deployed.retries_paused():
        queue = deployed.stack.outputs["RetryQueueUrl"]
        deployed.client("sqs").send_message(QueueUrl=queue, MessageBody="{}")
        set_pace(deployed)
        document = status.status(deployed.stack, time.time())
    set_pace(deployed)
    # Then every section says what it should
    parts = {name: part for name, part in document.items() if isinstance(part, dict)}
    assert [name for name, part in parts.items() if "error" in part] == ["oldest_message"]
    assert document["stack"] == deployed.stack.stack_name
    assert document["prices"] == "made up"
    assert (document["lanes"]["upload"], document["lanes"]["retry"]) == (1, 4)
    assert document["queue"]["waiting"] == 1
    assert document["last_hour"]["source"] == "logs"
    [call] = deployed.calls("status.png")
    spent = document["credits"]["today"] - before["credits"]["today"]
    assert round(spent, 6) == float(call["credits_charged"]) > 0
    # The fake Pixian was asked for its balance.
    left = 123.5 - float(call["credits_charged"])
    assert round(document["balance"]["credits"] - left, 6) == 0
    assert document["paused"] == {"stack": False, "prefixes": []}
    assert json.loads(json.dumps(document)) == document
