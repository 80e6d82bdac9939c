"""Build the stack and deploy it to AWS: `make deploy`."""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from admin.errors import UserError, run

ROOT = Path(__file__).parent.parent
ARCHITECTURES = ("x86_64", "arm64")
BUILT = ROOT / ".aws-sam/build"
ANSWERS = ROOT / "samconfig.local.toml"
"""The answers of the last deployment, defaults of the next; not in version control."""

_SAM = ROOT / ".tools/sam/bin/sam"


def build(architecture: str) -> None:
    """Build for one architecture.

    The questions come after the build, and they include the architecture. The built template allows
    only the one that its packages were fetched for, or functions would fail to import them.
    """
    overrides = ("--parameter-overrides", f"Architecture={architecture}")
    _sam("build", "--build-dir", str(BUILT), *overrides)
    template = BUILT / "template.yaml"
    template.write_text(only(architecture, template.read_text()))


def only(architecture: str, template: str) -> str:
    """A built template that allows one architecture."""
    both = "    AllowedValues:\n" + "".join(f"    - {each}\n" for each in ARCHITECTURES)
    one = f"    AllowedValues:\n    - {architecture}\n"
    if both not in template:
        raise ValueError(f"no parameter allows {ARCHITECTURES}")
    return template.replace(both, one)


def answers(config: str) -> dict[str, str]:
    """The template's parameters in a configuration file of SAM."""
    deploy = tomllib.loads(config).get("default", {}).get("deploy", {}).get("parameters", {})
    pairs = (each.partition("=") for each in shlex.split(deploy.get("parameter_overrides", "")))
    return {name: value for name, _, value in pairs if value}


def require_aws() -> str:
    """The account and region to deploy to, in words.

    Raises:
        UserError: AWS can't be reached with the settings of this shell, or it isn't AWS.
    """
    if redirected := [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]:
        raise UserError(
            f"{redirected[0]} is set, so this command wouldn't deploy to AWS. "
            f"Unset it first: unset {' '.join(redirected)}"
        )
    session = boto3.Session()
    if not session.region_name:
        raise UserError("No AWS region is set. Set one: export AWS_DEFAULT_REGION=eu-central-1")
    try:
        identity = session.client("sts").get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise UserError(
            f"Can't use your AWS credentials: {error}\n"
            "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        ) from error
    return f"account {identity['Account']} in {session.region_name}"


def main() -> None:
    """Check the credentials, build, ask for the parameters and deploy."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.deploy",
        usage="%(prog)s [--architecture x86_64|arm64]\n       make deploy [ARCHITECTURE=arm64]",
        description="Build the stack and deploy it to AWS, asking for its parameters.",
    )
    parser.add_argument(
        "--architecture",
        choices=ARCHITECTURES,
        help="processor of the functions; default: that of the last deployment, or x86_64",
    )
    arguments = parser.parse_args()
    where = require_aws()
    if not sys.stdin.isatty():
        raise UserError(
            "`make deploy` asks for the parameters, so it needs a terminal. Without one, run\n"
            "`sam build` and `sam deploy --resolve-s3 --capabilities CAPABILITY_IAM`, each with\n"
            "--parameter-overrides."
        )
    if not ANSWERS.exists():
        shutil.copyfile(ROOT / "samconfig.toml", ANSWERS)
    parameters = answers(ANSWERS.read_text())
    parameters["Architecture"] = (
        arguments.architecture or parameters.get("Architecture") or ARCHITECTURES[0]
    )
    print(f"Deploying to {where}. Building for {parameters['Architecture']} first …", flush=True)
    build(parameters["Architecture"])
    overrides = [f"{name}={value}" for name, value in parameters.items()]
    template = str(BUILT / "template.yaml")
    _sam("deploy", "--guided", "--template-file", template, "--parameter-overrides", *overrides)


def _sam(*arguments: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [_SAM, *arguments, "--config-file", str(ANSWERS)],
        cwd=ROOT,
        env=os.environ | {"PATH": path},  # `sam build` looks for a python3.13 that has pip
        check=False,
    )
    if done.returncode:
        raise UserError(f"sam {arguments[0]} failed.")


if __name__ == "__main__":
    run(main)
