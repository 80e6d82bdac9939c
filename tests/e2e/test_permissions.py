"""What nobody but an administrator may do is refused to the functions and to uploaders.

That nothing of what the functions may do is spare, test_privileges.py shows.
"""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e import callers
from tests.e2e.callers import ALLOWED, REFUSED, Call
from tests.e2e.conftest import World, picture
from tests.e2e.temptations import (
    COLLECTING,
    PACING,
    POLLING,
    PROCESSING,
    REMEMBERING,
    TEMPTATIONS,
    Temptation,
    results,
)

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"
WORK = POLLING + PROCESSING + PACING + REMEMBERING
HARMLESS = [tried for tried in TEMPTATIONS + WORK + COLLECTING if tried.harmless]


@pytest.fixture(scope="module")
def names(shared: World) -> dict[str, str]:
    return callers.things(shared)


@pytest.fixture(scope="module", params=["UploadFunction", "RetryFunction"])
def function(
    request: pytest.FixtureRequest, shared: World, names: dict[str, str]
) -> Iterator[Call]:
    with callers.with_the_role_of(request.param, shared, names) as call:
        yield call


@pytest.fixture(scope="module")
def pace_function(shared: World, names: dict[str, str]) -> Iterator[Call]:
    with callers.with_the_role_of("PaceFunction", shared, names) as call:
        yield call


@pytest.fixture(scope="module")
def uploader(shared: World) -> World:
    """The world with the keys of a user who has the policy from the documentation."""
    policy = documented_policy()
    for output in ("InputBucket", "OutputBucket"):
        policy = policy.replace(f"<{output}>", shared.stack.outputs[output])
    iam = shared.stack.client("iam")
    iam.create_user(UserName="uploader")
    iam.put_user_policy(UserName="uploader", PolicyName="drop-images", PolicyDocument=policy)
    key = iam.create_access_key(UserName="uploader")["AccessKey"]
    return replace(
        shared,
        stack=replace(
            shared.stack,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        ),
    )


def documented_policy() -> str:
    _, _, section = OPERATIONS.read_text().partition("## Who may drop images")
    found = re.search("```json\n(.*?)```", section, re.DOTALL)
    assert found
    return found[1]


def test_a_function_may_write_results(function: Call) -> None:
    """Without this, every refusal below could be the fault of how it is asked."""
    assert function(results.try_("put_object", Key="probe", Body="")) == ALLOWED
    assert function(results.try_("delete_object", Key="a.png.error.json")) == ALLOWED


@pytest.mark.parametrize("tried", PACING + REMEMBERING, ids=str)
def test_the_pace_function_may_set_the_pace(pace_function: Call, tried: Temptation) -> None:
    """As above."""
    assert pace_function(tried) == ALLOWED


@pytest.mark.parametrize("tried", HARMLESS, ids=str)
def test_an_administrator_may(shared: World, names: dict[str, str], tried: Temptation) -> None:
    """So what is refused to others is refused for who they are."""
    assert callers.with_the_keys_of(shared.stack, names)(tried) == ALLOWED


@pytest.mark.parametrize("tried", TEMPTATIONS + PACING, ids=str)
def test_a_function_may_not(function: Call, tried: Temptation) -> None:
    assert function(tried) in REFUSED


@pytest.mark.parametrize("tried", TEMPTATIONS + POLLING + PROCESSING + COLLECTING, ids=str)
def test_the_pace_function_may_not(pace_function: Call, tried: Temptation) -> None:
    assert pace_function(tried) in REFUSED


@pytest.mark.parametrize("tried", TEMPTATIONS + WORK, ids=str)
def test_an_uploader_may_not(uploader: World, names: dict[str, str], tried: Temptation) -> None:
    assert callers.with_the_keys_of(uploader.stack, names)(tried) in REFUSED


@pytest.mark.parametrize("tried", POLLING, ids=str)
def test_only_the_retry_function_receives_retries(
    shared: World, names: dict[str, str], tried: Temptation
) -> None:
    with callers.with_the_role_of("UploadFunction", shared, names) as call:
        assert call(tried) in REFUSED


def test_an_uploader_drops_an_image_and_collects_its_result(shared: World, uploader: World) -> None:
    ending = shared.endings(uploader.drop("uploaded.png", picture(8)))["uploaded.png"]
    with Image.open(io.BytesIO(uploader.result(ending.key)["Body"].read())) as cut_out:
        assert cut_out.mode == "RGBA"


def test_the_documented_policy_allows_two_actions() -> None:
    statements = json.loads(documented_policy())["Statement"]
    assert [(s["Effect"], s["Action"]) for s in statements] == [
        ("Allow", "s3:PutObject"),
        ("Allow", "s3:GetObject"),
    ]
