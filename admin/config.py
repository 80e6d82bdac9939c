"""Publish a configuration document: `make config FILE=config.json`."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from admin.errors import UserError, run
from admin.review import changes, costs, unstated_tests, warnings
from admin.stack import STACK_FILE, Stack, add_stack_option, chosen, running_here
from admin.terminal import confirm
from pixian_s3.config.document import Budget, Configuration, parse
from pixian_s3.errors import Fault, InvalidConfiguration
from pixian_s3.output.loops import loops

_POLL_SECONDS = 1
_PATIENCE_SECONDS = 120
_QUESTION = "Publish this configuration?"

IMAGES_CONTINUE = (
    "Images that wait continue automatically within 17 minutes, because each is tried every 15. To "
    "start them sooner, run `make backfill` two minutes from now: it shows what it sends and what "
    "that costs. No image is paid for twice. It leaves out those that it sent before and that wait."
)
"""What to expect once images aren't held back any more: see `retry.MAX_DELAY_SECONDS`."""


@dataclass(frozen=True)
class Deployment:
    """A version of the document that was put in force.

    Attributes:
        version: AppConfig's number of the document.
        at: When it was in force everywhere; None if AppConfig doesn't say.
    """

    version: int
    at: datetime | None


@dataclass(frozen=True)
class History:
    """What was deployed.

    Attributes:
        latest: The number of the latest deployment, even if it failed; 0 if there was none.
        deployments: The successful ones, oldest first.
    """

    latest: int
    deployments: tuple[Deployment, ...]

    @property
    def in_force(self) -> Deployment:
        """The deployment whose version the functions use.

        Raises:
            UserError: There is none.
        """
        if not self.deployments:
            raise UserError("No configuration has been published to this stack yet.")
        return self.deployments[-1]

    @property
    def earlier(self) -> tuple[int, ...]:
        """The versions before the one in force, the latest first.

        One that was rolled back isn't among them.
        """
        versions = list[int]()
        for deployment in self.deployments:
            if deployment.version in versions:
                # It was published again: forget what it replaced.
                del versions[versions.index(deployment.version) :]
            versions.append(deployment.version)
        return tuple(versions[-2::-1])


def history(stack: Stack) -> History:
    """What was deployed to a stack so far."""
    deployments = sorted(_deployments(stack), key=lambda each: int(each["DeploymentNumber"]))
    return History(
        deployments[-1]["DeploymentNumber"] if deployments else 0,
        tuple(
            Deployment(int(each["ConfigurationVersion"]), each.get("CompletedAt"))
            for each in deployments
            if each["State"] == "COMPLETE"
        ),
    )


def _deployments(stack: Stack) -> Iterator[dict[str, Any]]:
    """All deployments, in any order."""
    appconfig, environment = stack.client("appconfig"), _environment(stack)
    latest = 0
    for page in appconfig.get_paginator("list_deployments").paginate(**environment):
        for listed in page["Items"]:
            latest = max(latest, listed["DeploymentNumber"])
            yield listed
    # The local AWS lists only the first fifty.
    while True:
        latest += 1
        try:
            yield appconfig.get_deployment(**environment, DeploymentNumber=latest)
        except appconfig.exceptions.ResourceNotFoundException:
            return


def publish(document: bytes, stack: Stack, *, after: int | None = None) -> int:
    """Publish a checked document; return its version once the functions can read it.

    Args:
        document: As JSON.
        stack: Where to.
        after: The number of the latest deployment that the caller knows of. If there is a later
            one, nothing is published.

    Raises:
        UserError: There was a later deployment, or AppConfig didn't deploy the document.
    """
    created = stack.client("appconfig").create_hosted_configuration_version(
        **_profile(stack), Content=document, ContentType="application/json"
    )
    version = int(created["VersionNumber"])
    deploy(version, stack, after=after)
    return version


def deploy(version: int, stack: Stack, *, after: int | None = None) -> None:
    """Put a version in force; arguments and errors as for `publish`."""
    appconfig = stack.client("appconfig")
    try:
        deployment = appconfig.start_deployment(
            **_environment(stack),
            ConfigurationProfileId=stack.outputs["ConfigurationProfile"],
            ConfigurationVersion=str(version),
            DeploymentStrategyId=stack.outputs["ConfigurationStrategy"],
            **({} if after is None else {"LatestDeploymentNumber": after}),
        )
    except appconfig.exceptions.ConflictException as error:
        raise UserError(
            "Somebody else published a configuration in the meantime. Nothing was changed. "
            "Run the command again."
        ) from error
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while deployment["State"] != "COMPLETE":
        if deployment["State"] == "ROLLED_BACK" or time.monotonic() > deadline:
            raise UserError(f"AppConfig didn't deploy the configuration: {deployment['State']}.")
        time.sleep(_POLL_SECONDS)
        deployment = appconfig.get_deployment(
            **_environment(stack), DeploymentNumber=deployment["DeploymentNumber"]
        )


def check(document: bytes) -> Configuration:
    """Parse a configuration document.

    Raises:
        UserError: it has errors; the message lists them.
    """
    try:
        return parse(document)
    except InvalidConfiguration as error:
        raise _refusal(error.faults) from error


def require_stated_tests(configuration: Configuration) -> None:
    """Check that the document itself says where images cost credits.

    Raises:
        UserError: it doesn't.
    """
    if faults := list(unstated_tests(configuration)):
        raise _refusal(faults)


def require_no_loops(configuration: Configuration, stack: Stack) -> None:
    """Check that results don't become images, in a stack that has one bucket for both.

    Raises:
        UserError: they do.
    """
    if stack.outputs["InputBucket"] != stack.outputs["OutputBucket"]:
        return
    if faults := list(loops(configuration, stack.outputs.get("InputPrefix", ""))):
        raise _refusal(faults)


def _refusal(faults: list[Fault]) -> UserError:
    lines = "\n".join(f"  {fault}" for fault in faults)
    return UserError(f"The configuration has errors:\n{lines}")


def in_force(stack: Stack) -> Configuration:
    """The configuration that the functions use now; an empty one if it is invalid."""
    try:
        return parse(document_in_force(stack))
    except InvalidConfiguration:
        return Configuration({}, {})


def document_in_force(stack: Stack) -> bytes:
    """The document that the functions read now, as it was published."""
    appconfigdata, outputs = stack.client("appconfigdata"), stack.outputs
    session = appconfigdata.start_configuration_session(
        ApplicationIdentifier=outputs["ConfigurationApplication"],
        EnvironmentIdentifier=outputs["ConfigurationEnvironment"],
        ConfigurationProfileIdentifier=outputs["ConfigurationProfile"],
    )
    answer = appconfigdata.get_latest_configuration(
        ConfigurationToken=session["InitialConfigurationToken"]
    )
    document: bytes = answer["Configuration"].read()
    return document


def _document(version: int, stack: Stack) -> bytes:
    """A version as it was published."""
    appconfig = stack.client("appconfig")
    try:
        answer = appconfig.get_hosted_configuration_version(
            **_profile(stack), VersionNumber=version
        )
    except appconfig.exceptions.ResourceNotFoundException as error:
        raise UserError(f"Version {version} was deleted from AppConfig.") from error
    document: bytes = answer["Content"].read()
    return document


def _environment(stack: Stack) -> dict[str, str]:
    return {
        "ApplicationId": stack.outputs["ConfigurationApplication"],
        "EnvironmentId": stack.outputs["ConfigurationEnvironment"],
    }


def _profile(stack: Stack) -> dict[str, str]:
    return {
        "ApplicationId": stack.outputs["ConfigurationApplication"],
        "ConfigurationProfileId": stack.outputs["ConfigurationProfile"],
    }


def pretty(document: bytes) -> str:
    """A document with an indentation; as it is if it isn't JSON."""
    try:
        return json.dumps(json.loads(document), indent=2, ensure_ascii=False)
    except ValueError:
        return document.decode(errors="replace")


def print_differences(old: Configuration, new: Configuration) -> bool:
    """Print what changes and what that costs; return whether anything does."""
    lines = list(changes(old, new))
    print("\n".join(lines) or "Nothing changes.")
    if spending := str(costs(old, new)):
        print(spending)
    return bool(lines)


def _publish_file(file: Path, name: str | None, *, only_check: bool, yes: bool) -> None:
    try:
        document = file.read_bytes()
    except OSError as error:
        raise UserError(f"Can't read {file}: {error.strerror}.") from error
    new = check(document)
    require_stated_tests(new)
    for warning in warnings(new):
        print(f"Warning: {warning}")
    stack = running_here(STACK_FILE) if only_check and not name else chosen(name)
    if stack is None:
        print("The configuration is valid.")
        return
    require_no_loops(new, stack)
    latest = history(stack).latest
    if only_check:
        print_differences(in_force(stack), new)
        print("The configuration is valid. Nothing was published.")
    elif print_differences(old := in_force(stack), new):
        confirm(_QUESTION, yes=yes)
        _print_published(publish(document, stack, after=latest), old, new)


def _show(stack: Stack) -> None:
    """Print the document on standard output, so that it can be saved, and its version on error."""
    deployment = history(stack).in_force
    at = f", published {deployment.at.astimezone(UTC):%F %H:%M} UTC" if deployment.at else ""
    print(f"Version {deployment.version}{at}:", file=sys.stderr, flush=True)
    print(pretty(_document(deployment.version, stack)))


def _roll_back(stack: Stack, *, yes: bool) -> None:
    known = history(stack)
    current = _but_for_pauses(_document(known.in_force.version, stack))
    for version in known.earlier:
        document = _document(version, stack)
        if _but_for_pauses(document) != current:
            break
    else:
        raise UserError(
            "There is no version before the one in force, except for those that pause and resume."
        )
    try:
        new = check(document)
        require_stated_tests(new)
        require_no_loops(new, stack)
    except UserError as error:
        raise UserError(
            f"Version {version} can't be published again. {error}\n"
            f"Fix it and publish it as a file:\n{pretty(document)}"
        ) from error
    print(f"Back to version {version} from version {known.in_force.version}:")
    old = in_force(stack)
    print_differences(old, new)
    confirm(_QUESTION, yes=yes)
    deploy(version, stack, after=known.latest)
    _print_published(version, old, new)


def without_pause(given: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a prefix, or the defaults, without a pause; empty if that was all."""
    own = {name: value for name, value in given.get("pipeline", {}).items() if name != "paused"}
    others = {name: value for name, value in given.items() if name != "pipeline"}
    return others | ({"pipeline": own} if own else {})


def _but_for_pauses(document: bytes) -> object:
    """A document without what `make pause` and `make resume` change; as it is if it is invalid."""
    try:
        check(document)
    except UserError:
        return document
    parts = json.loads(document)
    given = {"": parts.get("defaults", {}), **parts.get("prefixes", {})}
    left = {name: own for name, value in given.items() if (own := without_pause(value))}
    return left, parts.get("budget")


def _print_published(version: int, old: Configuration, new: Configuration) -> None:
    print(f"Published version {version}. It applies to every image within two minutes.")
    if _is_raised(old.budget, new.budget):
        print(IMAGES_CONTINUE)


def _is_raised(old: Budget, new: Budget) -> bool:
    pairs = (
        (old.credits_per_day, new.credits_per_day),
        (old.credits_per_month, new.credits_per_month),
    )
    return any(was is not None and (now is None or now > was) for was, now in pairs)


def main() -> None:
    """Check a document, show what it changes, ask, and publish it."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.config",
        usage="%(prog)s (FILE [--check] | --show | --rollback) [--yes] [--stack NAME]\n"
        "       make config FILE=config.json [CHECK=1] [YES=1] [STACK=NAME]\n"
        "       make config SHOW=1 [STACK=NAME]\n"
        "       make config ROLLBACK=1 [YES=1] [STACK=NAME]",
        description="Check a configuration document, show what it changes, ask, and publish it.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, nargs="?", help="the document, as JSON")
    parser.add_argument("--check", action="store_true", help="check FILE and publish nothing")
    parser.add_argument("--show", action="store_true", help="show what is in force")
    parser.add_argument(
        "--rollback", action="store_true", help="publish the version before the one in force again"
    )
    parser.add_argument("--yes", action="store_true", help="publish without a question")
    add_stack_option(parser)
    given = parser.parse_args()
    if [given.file is not None, given.show, given.rollback].count(True) != 1:
        parser.error("give one of FILE=config.json, SHOW=1 and ROLLBACK=1")
    if given.check and given.file is None:
        parser.error("CHECK=1 needs FILE=config.json")
    if given.show:
        _show(chosen(given.stack))
    elif given.rollback:
        _roll_back(chosen(given.stack), yes=given.yes)
    else:
        _publish_file(given.file, given.stack, only_check=given.check, yes=given.yes)


if __name__ == "__main__":
    run(main)
