"""The operator's commands, from `make deploy` to `make delete`, with a second stack."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from admin import check_stack, credentials, delete, deploy, outputs, preflight
from admin.errors import UserError
from tests.e2e.conftest import World, environment

NAME = "second"


@pytest.fixture
def command(
    deployed: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., str]:
    """Runs a command as in AWS, without a terminal; returns what it and the SAM CLI printed."""
    for name, value in environment(deployed.stack).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    # Only here may a deployment go to the local stack.
    monkeypatch.setattr(preflight, "require_no_redirection", lambda _: None)
    monkeypatch.setattr(deploy, "ANSWERS", tmp_path / "samconfig.local.toml")
    monkeypatch.setattr(deploy, "BUILT", tmp_path / "build")
    monkeypatch.setattr(delete, "_QUIET_SECONDS", 1)

    def ran(main: Callable[[], None], *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["command", "--stack", NAME, *arguments])
        main()
        return capfd.readouterr().out

    return ran


def test_a_stack_is_deployed_checked_and_deleted(
    deployed: World,
    command: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # Given a stack that was deployed to an account which has another one
    parameters = (
        f"AlarmEmail=me@example.org MaxConcurrency=9 LowCreditsThreshold=100 KeepSourcesDays=90 "
        f"PixianEndpoint={deployed.stack.pixian_endpoint}"
    )
    told = command(deploy.main, "--yes", "--parameters", parameters)
    assert f"Creates the stack {NAME}" in told
    assert "  MaxConcurrency: 25 -> 9\n" in told
    assert f"make check-stack STACK={NAME}" in told
    bucket = preflight.find_target(NAME, "").buckets["ExistingInputBucket"]
    printed = command(outputs.main)
    assert f"  {bucket}\n" in printed
    # With a dashboard whose names are all filled in, and somebody who is told of alarms
    cloudwatch, dashboard = boto3.client("cloudwatch"), f"{NAME}-{deployed.stack.region}"
    assert f"#dashboards/dashboard/{dashboard}\n" in printed
    text = cloudwatch.get_dashboard(DashboardName=dashboard)["DashboardBody"]
    assert set(re.findall(r"\$\{.*?\}", text)) == {"${PROP('Dim.prefix')}"}
    shown = next(each for each in json.loads(text)["widgets"] if each["type"] == "alarm")
    alarms = cloudwatch.describe_alarms(AlarmNamePrefix=f"{NAME}-")["MetricAlarms"]
    assert {each["AlarmArn"] for each in alarms} == set(shown["properties"]["alarms"])
    [topic] = {arn for each in alarms for arn in each["AlarmActions"] + each["OKActions"]}
    [subscription] = boto3.client("sns").list_subscriptions_by_topic(TopicArn=topic)[
        "Subscriptions"
    ]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", "me@example.org")
    # Without credentials it says so
    with pytest.raises(UserError, match=f"make credentials STACK={NAME}"):
        command(check_stack.main)
    # When they are stored
    secret = deployed.client("secretsmanager").get_secret_value(
        SecretId=deployed.stack.outputs["CredentialsSecretArn"]
    )
    pair = json.loads(secret["SecretString"])
    monkeypatch.setenv(credentials.ID, pair["api_id"])
    monkeypatch.setenv(credentials.SECRET, pair["api_secret"])
    capfd.readouterr()
    told = command(credentials.main)
    assert "Pixian accepts them" in told
    assert pair["api_secret"] not in told
    # Then a picture comes to its result, for free
    told = command(check_stack.main)
    assert "The stack works." in told
    [call] = [each for each in deployed.control("GET", "ledger")["requests"] if each["test"]][1:]
    assert call["credits_charged"] == "0"
    # And what waits is saved when the stack is deleted, with its buckets only
    stack = boto3.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"][0]
    queues = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    deployed.client("sqs").send_message(QueueUrl=queues["DeadLetterQueueUrl"], MessageBody="no job")
    monkeypatch.setattr(delete, "_type_name", lambda _: None)
    file = tmp_path / "messages.jsonl"
    command(delete.main, "--yes", "--buckets", "--file", str(file))
    assert json.loads(file.read_text())["body"] == "no job"
    assert preflight.current(preflight.find_target(NAME, "")) is None
    assert not cloudwatch.list_dashboards(DashboardNamePrefix=dashboard)["DashboardEntries"]
    assert topic not in str(boto3.client("sns").list_topics()["Topics"])
    left = {each["Name"] for each in boto3.client("s3").list_buckets()["Buckets"]}
    assert not {each for each in left if each.startswith(f"{NAME}-")}
    assert deployed.stack.outputs["InputBucket"] in left
