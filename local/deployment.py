"""The real template, built and deployed by the real SAM CLI."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

from admin.errors import UserError
from admin.stack import LocalStack
from local.ministack import ROOT, ROOT_KEY, MiniStack

STACK_NAME = "pixian-s3"
_SAM = ROOT / ".tools/sam/bin/sam"


def deploy(aws: MiniStack, directory: Path, pixian_endpoint: str) -> LocalStack:
    """Build and deploy the stack.

    Args:
        aws: where to.
        directory: for the build and its log.
        pixian_endpoint: the template's PixianEndpoint.
    """
    built = directory / "build"
    _sam(aws, directory, "build", "--build-dir", str(built))
    _sam(
        aws,
        directory,
        "deploy",
        *("--template-file", str(built / "template.yaml"), "--stack-name", STACK_NAME),
        *("--parameter-overrides", f"PixianEndpoint={pixian_endpoint}"),
        *("--no-confirm-changeset", "--no-progressbar"),
    )
    stack = _describe(aws, pixian_endpoint)
    _complete(stack)
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


def _complete(stack: LocalStack) -> None:
    """Set what MiniStack makes of the template's concurrency, which isn't what AWS would."""
    functions = stack.client("lambda")
    # It leaves the reserved concurrency out …
    if reserved := int(_parameters(stack)["UploadConcurrency"]):
        functions.put_function_concurrency(
            FunctionName=stack.outputs["UploadFunction"], ReservedConcurrentExecutions=reserved
        )
    # … and keeps a parameter of type Number as text, over which its SQS poller stumbles.
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        concurrency = int(mapping["ScalingConfig"]["MaximumConcurrency"])
        functions.update_event_source_mapping(
            UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": concurrency}
        )


def _parameters(stack: LocalStack) -> dict[str, str]:
    [described] = stack.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
    return {given["ParameterKey"]: given["ParameterValue"] for given in described["Parameters"]}


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
