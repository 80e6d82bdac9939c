"""The real template, built and deployed by the real SAM CLI."""

import os
import platform
import shutil
import subprocess
import sys
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
    """Build and deploy the stack, for this machine's architecture.

    Args:
        aws: where to.
        directory: for the build and its log.
        pixian_endpoint: the template's PixianEndpoint.
        parameters: others of the template's, each as Name=value.
    """
    built = directory / "build"
    parameters = (
        f"PixianEndpoint={pixian_endpoint}",
        f"Architecture={_architecture()}",
        *parameters,
    )
    _sam(aws, directory, "build", "--build-dir", str(built), "--parameter-overrides", *parameters)
    if sys.platform != "linux":
        _install_here(built / "DependenciesLayer/python")
    _sam(
        aws,
        directory,
        "deploy",
        *("--template-file", str(built / "template.yaml"), "--stack-name", STACK_NAME),
        *("--parameter-overrides", *parameters),
        *("--no-confirm-changeset", "--no-progressbar"),
    )
    stack = _describe(aws, pixian_endpoint)
    _set_first_pace(stack)
    return stack


def _architecture() -> str:
    """What Lambda calls this machine's processor."""
    return "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


def _install_here(layer: Path) -> None:
    """Replace the layer's packages, built for Lambda's Linux, by those for this system.

    MiniStack runs the functions as processes of this system.
    """
    shutil.rmtree(layer)
    requirements = ROOT / "layers/dependencies/requirements.txt"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes"),
            *("--target", str(layer), "--requirement", str(requirements)),
        ],
        check=True,
    )


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
    # `sam build` looks for a python3.13 that has pip, as ours has.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with log.open("wb") as output:
        done = subprocess.run(
            # Named explicitly, because SAM looks for it next to the built template.
            [_SAM, *arguments, "--config-file", str(ROOT / "samconfig.toml")],
            cwd=ROOT,
            env=os.environ | aws.environment | {"PATH": path, "SAM_CLI_TELEMETRY": "0"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise UserError(f"sam {arguments[0]} failed; the end of {log}:\n{end}")
