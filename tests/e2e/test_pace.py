"""What PaceFunction sets on the deployed stack; how it decides is tested in tests/unit."""

from pixian_s3.aws.throttles import ID
from tests.e2e.conftest import World
from tests.template import TABLE


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
