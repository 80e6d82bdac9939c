"""What PaceFunction sets and tells on the deployed stack; tests/unit has how it decides."""

import json
import re
import time
from pathlib import Path
from typing import Any

from pixian_s3.aws.throttles import ID
from tests.e2e.conftest import World
from tests.template import TABLE

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"


def set_pace(world: World) -> None:
    """Have PaceFunction look as if for the first time."""
    key = {"id": {"S": ID}}
    world.client("dynamodb").delete_item(TableName=world.stack.outputs[TABLE], Key=key)
    done = world.client("lambda").invoke(FunctionName=world.stack.outputs["PaceFunction"])
    assert "FunctionError" not in done, done["Payload"].read()


def test_the_lanes_are_limited_as_soon_as_the_stack_is_deployed(shared: World) -> None:
    assert shared.first_lanes == (3, 2)


def test_a_backlog_gives_the_retry_function_all_lanes_but_one(shared: World) -> None:
    # Given a backlog
    with shared.retries_paused():
        queue = shared.stack.outputs["RetryQueueUrl"]
        shared.client("sqs").send_message(QueueUrl=queue, MessageBody="{}")
        # When PaceFunction looks
        set_pace(shared)
        # Then the retry function has all lanes but one
        assert shared.lanes() == (1, 4)
    # And without a backlog the lanes are split as before
    set_pace(shared)
    assert shared.lanes() == (3, 2)


def test_a_finished_batch_reaches_who_subscribed_as_documented(shared: World) -> None:
    # Given a rule with the documented pattern
    [pattern] = re.findall(r'```json\n({"source": \[.*?)```', OPERATIONS.read_text(), re.DOTALL)
    pattern = pattern.replace('"stack": ["pixian-s3"]', f'"stack": ["{shared.stack.stack_name}"]')
    sqs, events = shared.client("sqs"), shared.client("events")
    told = sqs.create_queue(QueueName="told")["QueueUrl"]
    [arn] = sqs.get_queue_attributes(QueueUrl=told, AttributeNames=["QueueArn"])[
        "Attributes"
    ].values()
    events.put_rule(Name="told", EventPattern=pattern)
    events.put_targets(Rule="told", Targets=[{"Id": "queue", "Arn": arn}])
    # And a batch whose last message was seen five minutes ago
    now = time.time()
    batch = {"since": now - 1000, "until": now - 300, "largest": 120, "credits": 0}
    fields = {name: {"N": str(value)} for name, value in batch.items()}
    shared.client("dynamodb").put_item(
        TableName=shared.stack.outputs[TABLE],
        Item={
            "id": {"S": ID},
            "current_batch": {"M": fields | {"finished": {"BOOL": False}}},
            "batch_change": {"S": "before"},
        },
    )
    # When PaceFunction looks twice
    for _ in range(2):
        done = shared.client("lambda").invoke(FunctionName=shared.stack.outputs["PaceFunction"])
        assert "FunctionError" not in done, done["Payload"].read()
    # Then one event has arrived
    received: list[dict[str, Any]] = []
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and len(received) < 2:
        received += sqs.receive_message(QueueUrl=told, WaitTimeSeconds=1).get("Messages", [])
    [message] = received
    event = json.loads(message["Body"])
    assert (event["source"], event["detail-type"]) == ("pixian-s3", "BatchFinished")
    detail = event["detail"]
    assert (detail["largest_backlog"], detail["seconds"]) == (120, 700)
    assert detail["id"] == f"{shared.stack.stack_name}-{now - 1000:.0f}"
    assert detail["images"] is None
