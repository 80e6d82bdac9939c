"""What `make outputs` prints."""

import boto3
import pytest

from admin.errors import UserError
from admin.outputs import print_outputs
from admin.stack import AwsStack, LocalStack
from tests.unit.admin.stacks import LOCAL, NAME, FakeCloudFormation, FakeStack


def _stack(*outputs: dict[str, str]) -> FakeStack:
    return FakeStack({}, FakeCloudFormation({"StackStatus": "X", "Outputs": list(outputs)}))


def test_each_output_is_printed_with_its_description(capsys: pytest.CaptureFixture[str]) -> None:
    stack = _stack(
        {"OutputKey": "OutputBucket", "OutputValue": "out", "Description": "Cutouts appear here"},
        {"OutputKey": "Input", "OutputValue": "in"},
    )
    print_outputs(stack)
    assert capsys.readouterr().out == (
        "Input         in\nOutputBucket  out\n              (Cutouts appear here)\n"
    )


def test_the_local_stack_has_no_dashboard(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = {"DashboardUrl": "https://eu-central-1.console.aws.amazon.com/…", "InputBucket": "in"}
    described = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    fake = FakeCloudFormation({"StackStatus": "X", "Outputs": described})
    monkeypatch.setattr(LocalStack, "client", lambda *_: fake)
    print_outputs(LocalStack(**dict.fromkeys(LOCAL, "x"), outputs=outputs))
    assert capsys.readouterr().out == ("DashboardUrl  (not on the local stack)\nInputBucket   in\n")


def test_a_stack_whose_deployment_failed_has_none() -> None:
    with pytest.raises(UserError, match=f"make deploy STACK={NAME}"):
        print_outputs(_stack())


def test_a_stack_without_outputs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    described = {"StackName": NAME, "StackStatus": "ROLLBACK_COMPLETE"}
    monkeypatch.setattr(boto3, "client", lambda _: FakeCloudFormation(described))
    assert AwsStack.find(NAME) == AwsStack(NAME, {})
