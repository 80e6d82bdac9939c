"""Build the stack and deploy it to AWS: `make deploy`."""

import argparse
import os
import subprocess
import sys
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path

import boto3

from admin import preflight
from admin.cloudformation import Described, values
from admin.errors import NeedsAnswer, UserError, run
from admin.outputs import print_outputs
from admin.parameters import Answers, Parameter, as_words, from_words, of_template, resolve
from admin.preflight import Target
from admin.terminal import confirm

ROOT = Path(__file__).parent.parent
ARCHITECTURES = ("x86_64", "arm64")
BUILT = ROOT / ".aws-sam/build"
ANSWERS = ROOT / "samconfig.local.toml"
"""The answers of the last deployment, defaults of the next; not in version control."""

_SAM = ROOT / ".tools/sam/bin/sam"
_DEFAULT_NAME = "pixian-s3"
_TOLD_OF_ALARMS = ("AlarmEmail", "AlarmTopicArn")
"""Nobody is a bad default for notifications. The first one is asked for, unless either is known."""


def build(architecture: str) -> None:
    """Build for one architecture.

    The built template allows only the one that its packages were fetched for, or functions would
    fail to import them.
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


def to_ask(known: Mapping[str, Parameter], answered: Container[str]) -> list[Parameter]:
    """The parameters without a good default whose values aren't known yet."""
    chosen = None if any(name in answered for name in _TOLD_OF_ALARMS) else _TOLD_OF_ALARMS[0]
    return [
        each
        for each in known.values()
        if (each.default is None and each.name not in answered) or each.name == chosen
    ]


def ask(parameter: Parameter) -> str:
    """Ask a person for a value until it is a possible one.

    Raises:
        UserError: There are no more answers.
    """
    print(f"\n{parameter.description}")
    while True:
        try:
            value = input(f"{parameter.name}: ").strip()
        except EOFError:
            raise UserError("\nNothing was deployed.") from None
        if not (fault := parameter.fault(value)):
            return value
        print(f"It {fault}.")


def plan(
    target: Target,
    stack: Described | None,
    known: Mapping[str, Parameter],
    before: Mapping[str, str],
    after: Mapping[str, str],
) -> Iterator[str]:
    """What the deployment does, a line each.

    Args:
        target: Where it goes.
        stack: The stack as it is; None if there is none.
        known: The template's parameters.
        before: Their values in the stack, or else the defaults.
        after: Their values in the deployment.
    """
    if stack is None:
        parts = "buckets, queues, functions, alarms and a dashboard"
        yield f"Creates the stack {target.stack_name}: {parts}."
        yield "It spends no credits until you publish a configuration that does."
    else:
        yield f"Updates the stack {target.stack_name}. Published configurations and files stay."
    for name, value in after.items():
        if stack is not None and name not in before:
            # Its default may change what the stack does, so say what it is for.
            yield f"  {name}: {value or '(empty)'}, a new parameter. {known[name].description}"
        elif before.get(name) != value:
            old = f"{before[name] or '(empty)'} -> " if name in before else ""
            yield f"  {name}: {old}{value or '(empty)'}"


def faults(known: Mapping[str, Parameter], given: Mapping[str, str]) -> Iterator[str]:
    """The values that CloudFormation would refuse."""
    for name, value in given.items():
        if fault := known[name].fault(value):
            yield f"{name} is {value or 'empty'}, but {fault}."


def require_answers(missing: Iterable[Parameter], *, yes: bool) -> None:
    """Check that nothing must be asked for.

    Raises:
        NeedsAnswer: Something must; says all of it.
    """
    lines = [f'- PARAMETERS="{each.name}=…": {each.description}' for each in missing]
    if not yes:
        lines.append("- YES=1: deploy without a question")
    if lines:
        options = "\n".join(lines)
        raise NeedsAnswer(
            f"Without a terminal, nothing can be asked. Nothing was deployed. Add:\n{options}"
        )


def deploy(
    name: str | None, architecture: str | None, words: str, *, yes: bool
) -> tuple[Target, dict[str, str]]:
    """Check, ask, build and deploy; return where to, and the values of the parameters.

    Args:
        name: The stack's; None for that of the last deployment.
        architecture: Of the functions; None for that of the stack or the last deployment.
        words: Parameters, as `Name=value Name=value`.
        yes: Whether to deploy without a question.
    """
    preflight.require_no_redirection(os.environ)
    answers = Answers.load(ANSWERS)
    name = name or answers.stack_name or _DEFAULT_NAME
    if answers.stack_name != name:
        answers = Answers(name)
    target = preflight.find_target(name, answers.region)
    print(f"Deploying to account {target.account} in {target.region}.", flush=True)
    if answers.region not in ("", target.region):
        print(f"Note: {name} was last deployed in {answers.region}, where it stays unchanged.")
    stack = preflight.current(target)
    known = of_template((ROOT / "template.yaml").read_text())
    given = from_words(words, known) | ({"Architecture": architecture} if architecture else {})
    deployed = values(stack)
    wanted = resolve(known.values(), given, deployed, answers.values)
    if found := [*preflight.problems(target, stack, wanted), *faults(known, wanted)]:
        raise UserError("\n".join(found))
    for note in preflight.notes(target, stack, wanted):
        print(f"Note: {note}")
    answered = {*given, *answers.values, *deployed}
    missing = to_ask(known, answered)
    if not sys.stdin.isatty():
        require_answers(missing, yes=yes)
    wanted |= {each.name: ask(each) for each in missing}
    defaults = {each.name: each.default for each in known.values() if each.default is not None}
    print("\n".join(plan(target, stack, known, deployed if stack else defaults, wanted)))
    confirm("Deploy?", yes=yes)
    Answers(name, target.region, wanted).save(ANSWERS)
    build(wanted["Architecture"])
    _sam(
        "deploy",
        *("--template-file", str(BUILT / "template.yaml"), "--stack-name", name),
        *("--region", target.region, "--resolve-s3", "--capabilities", "CAPABILITY_IAM"),
        *("--no-confirm-changeset", "--no-fail-on-empty-changeset"),
        *("--parameter-overrides", *as_words(wanted)),
    )
    return target, wanted


def _next_steps(target: Target, parameters: Mapping[str, str]) -> str:
    stack = f"STACK={target.stack_name}"
    if boto3.Session().region_name != target.region:
        stack += f" REGION={target.region}"
    attach = f"  make attach {stack}   lets your input bucket send its events to the stack\n"
    return (
        "\nNext:\n"
        f"{attach if parameters.get('ExistingInputBucket') else ''}"
        f"  make credentials {stack}   asks for Pixian's API ID and secret, and tries them\n"
        f"  make check-stack {stack}   sends one picture through the stack, for free\n"
    )


def main() -> None:
    """Check, ask, build and deploy, and print the outputs."""
    parser = argparse.ArgumentParser(
        prog="python -m admin.deploy",
        usage="%(prog)s [--stack NAME] [--architecture x86_64|arm64] [--parameters WORDS] [--yes]\n"
        "       make deploy [STACK=NAME] [REGION=eu-central-1] [ARCHITECTURE=arm64]\n"
        '                   [PARAMETERS="MaxConcurrency=50 RampMinutes=5"] [YES=1]',
        description="Check the account, then build the stack and deploy it to AWS.",
    )
    parser.add_argument(
        "--stack", metavar="NAME", help="default: that of the last deployment, or pixian-s3"
    )
    parser.add_argument(
        "--architecture",
        choices=ARCHITECTURES,
        help="processor of the functions; default: that of the stack, or x86_64",
    )
    parser.add_argument(
        "--parameters",
        default="",
        help="of the template, each as Name=value; default: those of the stack",
    )
    parser.add_argument("--yes", action="store_true", help="deploy without a question")
    given = parser.parse_args()
    target, parameters = deploy(given.stack, given.architecture, given.parameters, yes=given.yes)
    print_outputs(target)
    print(_next_steps(target, parameters))


def _sam(*arguments: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [_SAM, *arguments, "--config-file", str(ROOT / "samconfig.toml")],
        cwd=ROOT,
        env=os.environ | {"PATH": path},  # `sam build` looks for a python3.13 that has pip
        check=False,
    )
    if done.returncode:
        raise UserError(
            f"sam {arguments[0]} failed. Run `make deploy` again, which says what to do if the "
            "stack was left unfinished."
        )


if __name__ == "__main__":
    run(main)
