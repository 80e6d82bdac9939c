"""The real template, built and deployed by the real SAM CLI."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from admin.errors import UserError
from admin.stack import LocalStack
from local.ministack import ROOT, ROOT_KEY, MiniStack

STACK_NAME = "pixian-s3"
_SAM = ROOT / ".tools/sam/bin/sam"


def deploy(
    aws: MiniStack, directory: Path, pixian_endpoint: str, parameters: Sequence[str] = ()
) -> LocalStack:
    """Build and deploy the stack.

    Args:
        aws: where to.
        directory: for the build and its log.
        pixian_endpoint: the template's PixianEndpoint.
        parameters: others of the template's, each as Name=value.
    """
    built = directory / "build"
    _sam(aws, directory, "build", "--build-dir", str(built))
    _sam(
        aws,
        directory,
        "deploy",
        *("--template-file", str(built / "template.yaml"), "--stack-name", STACK_NAME),
        *("--parameter-overrides", f"PixianEndpoint={pixian_endpoint}", *parameters),
        *("--no-confirm-changeset", "--no-progressbar"),
    )
    stack = _describe(aws, pixian_endpoint)
    _set_first_pace(stack)
    return stack


def _describe(aws: MiniStack, pixian_endpoint: str) -> LocalStack:
    stack = LocalStack(
        endpoint_url=aws.endpoint_url,
        ca_bundle=str(aws.ca_bundle),
        region=aws.region,
        stack_name=STACK_NAME,
        pixian_endpoint=pixian_endpoint,
        aws_access_key_id=ROOT_KEY,
        aws_secret_access_key=ROOT_KEY,
        outputs={},
    )
    [described] = stack.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
    return replace(stack, outputs=outputs)


def _set_first_pace(stack: LocalStack) -> None:
    """Limit the lanes at once; the schedule would do so within a minute."""
    answer = stack.client("lambda").invoke(FunctionName=stack.outputs["PaceFunction"])
    if "FunctionError" in answer:
        raise UserError(f"PaceFunction failed: {answer['Payload'].read().decode()}")


def _sam(aws: MiniStack, directory: Path, *arguments: str) -> None:
    log = directory / f"sam-{arguments[0]}.log"
    with log.open("wb") as output:
        done = subprocess.run(
            # Named, because SAM looks for it beside the built template.
            [_SAM, *arguments, "--config-file", str(ROOT / "samconfig.toml")],
            cwd=ROOT,
            env=os.environ | aws.environment | {"SAM_CLI_TELEMETRY": "0"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise UserError(f"sam {arguments[0]} failed; the end of {log}:\n{end}")
