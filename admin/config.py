"""Publish a configuration document: `make config FILE=config.json`."""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

from admin.errors import UserError, run
from admin.stack import Stack, add_stack_option, chosen
from pixian_s3.config.document import Configuration, parse
from pixian_s3.config.parameters import Value
from pixian_s3.errors import InvalidConfiguration

_POLL_SECONDS = 1
_PATIENCE_SECONDS = 120


def publish(document: bytes, stack: Stack) -> None:
    """Publish a checked document; return once the functions can read it."""
    appconfig, outputs = stack.client("appconfig"), stack.outputs
    version = appconfig.create_hosted_configuration_version(
        ApplicationId=outputs["ConfigurationApplication"],
        ConfigurationProfileId=outputs["ConfigurationProfile"],
        Content=document,
        ContentType="application/json",
    )
    deployment = appconfig.start_deployment(
        ApplicationId=outputs["ConfigurationApplication"],
        EnvironmentId=outputs["ConfigurationEnvironment"],
        ConfigurationProfileId=outputs["ConfigurationProfile"],
        ConfigurationVersion=str(version["VersionNumber"]),
        DeploymentStrategyId=outputs["ConfigurationStrategy"],
    )
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while deployment["State"] != "COMPLETE":
        if deployment["State"] == "ROLLED_BACK" or time.monotonic() > deadline:
            raise UserError(f"AppConfig didn't deploy the configuration: {deployment['State']}.")
        time.sleep(_POLL_SECONDS)
        deployment = appconfig.get_deployment(
            ApplicationId=outputs["ConfigurationApplication"],
            EnvironmentId=outputs["ConfigurationEnvironment"],
            DeploymentNumber=deployment["DeploymentNumber"],
        )


def check(document: bytes) -> Configuration:
    """Parse a configuration document.

    Raises:
        UserError: it has errors; the message lists them.
    """
    try:
        return parse(document)
    except InvalidConfiguration as error:
        faults = "\n".join(f"  {fault}" for fault in error.faults)
        raise UserError(f"The configuration has errors:\n{faults}") from error


def changes(old: Configuration, new: Configuration) -> Iterator[str]:
    """The differences, a line for each prefix and parameter."""
    for prefix in sorted({"", *old.prefixes, *new.prefixes}):
        before, after = old.settings_for(prefix), new.settings_for(prefix)
        for name in sorted(before.values.keys() | after.values.keys()):
            if before.get(name) != after.get(name):
                where = prefix or "(defaults)"
                yield f"{where}  {name}: {_shown(before.get(name))} -> {_shown(after.get(name))}"


def _shown(value: Value | None) -> str:
    return "not set" if value is None else json.dumps(value)


def in_force(stack: Stack) -> Configuration:
    """The configuration that the functions use now; an empty one if it is invalid."""
    appconfigdata, outputs = stack.client("appconfigdata"), stack.outputs
    session = appconfigdata.start_configuration_session(
        ApplicationIdentifier=outputs["ConfigurationApplication"],
        EnvironmentIdentifier=outputs["ConfigurationEnvironment"],
        ConfigurationProfileIdentifier=outputs["ConfigurationProfile"],
    )
    answer = appconfigdata.get_latest_configuration(
        ConfigurationToken=session["InitialConfigurationToken"]
    )
    try:
        return parse(answer["Configuration"].read())
    except InvalidConfiguration:
        return Configuration({}, {})


def main() -> None:
    """Check a document, show what it changes and publish it."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.config",
        usage="%(prog)s FILE [--stack NAME]\n       make config FILE=config.json [STACK=NAME]",
        description="Check a configuration document, show what it changes and publish it.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the document, as JSON")
    add_stack_option(parser)
    arguments = parser.parse_args()
    try:
        document = arguments.file.read_bytes()
    except OSError as error:
        raise UserError(f"Can't read {arguments.file}: {error.strerror}.") from error
    new = check(document)
    stack = chosen(arguments.stack)
    lines = list(changes(in_force(stack), new))
    print("\n".join(lines) or "Nothing changes.")
    if lines:
        publish(document, stack)
        print("Published. It applies to every image within two minutes.")


if __name__ == "__main__":
    run(main)
