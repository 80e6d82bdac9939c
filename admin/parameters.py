"""The template's parameters, and where their values come from."""

import difflib
import json
import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml  # type: ignore[import-untyped]

from admin.errors import UserError


@dataclass(frozen=True)
class Parameter:
    """A parameter of the template.

    Attributes:
        name: Its name.
        description: What it is for.
        default: None if it must be given.
        rules: The other fields in the template, such as AllowedValues.
    """

    name: str
    description: str
    default: str | None
    rules: Mapping[str, Any] = field(default_factory=dict)

    def fault(self, value: str) -> str | None:
        """Why CloudFormation would refuse a value; None if it wouldn't."""
        allowed, pattern = self.rules.get("AllowedValues"), self.rules.get("AllowedPattern")
        if allowed and value not in allowed:
            return f"must be one of {', '.join(allowed)}"
        if pattern and not re.fullmatch(pattern, value):
            return str(self.rules.get("ConstraintDescription") or f"must match {pattern}")
        if self.rules.get("Type") == "Number" and not self._is_in_range(value):
            least, most = self.rules.get("MinValue", "any"), self.rules.get("MaxValue", "any")
            return f"must be a number from {least} to {most}"
        return None

    def _is_in_range(self, value: str) -> bool:
        try:
            number = float(value)
        except ValueError:
            return False
        least = float(self.rules.get("MinValue", "-inf"))
        return least <= number <= float(self.rules.get("MaxValue", "inf"))


def of_template(text: str) -> dict[str, Parameter]:
    """The parameters of a template in YAML, by name and in its order."""
    # It ignores CloudFormation's tags, and leaves all scalars as they are written.
    template = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - it only makes strings, lists, dicts
    return {
        name: Parameter(name, given["Description"].strip(), given.get("Default"), given)
        for name, given in template["Parameters"].items()
    }


def from_words(words: str, known: Mapping[str, Parameter]) -> dict[str, str]:
    """The values in `Name=value Name="two words"`.

    Raises:
        UserError: A parameter isn't in the template, or its value isn't allowed.
    """
    try:
        pairs = [each.partition("=") for each in shlex.split(words)]
    except ValueError as error:
        raise UserError(f"PARAMETERS: {error}.") from error
    for name, equals, _ in pairs:
        if not equals:
            raise UserError(f"PARAMETERS: {name} must have the form Name=value.")
        if name not in known:
            similar = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {similar[0]}?" if similar else ""
            raise UserError(
                f"PARAMETERS: the template has no parameter {name}.{hint} It has: "
                f"{', '.join(known)}."
            )
    return {name: value for name, _, value in pairs}


def as_words(values: Mapping[str, str]) -> list[str]:
    """Values as the SAM CLI takes them, each as Name="value"."""
    escaped = {name: re.sub(r'(["\\])', r"\\\1", value) for name, value in values.items()}
    return [f'{name}="{value}"' for name, value in escaped.items()]


def resolve(known: Iterable[Parameter], *sources: Mapping[str, str]) -> dict[str, str]:
    """The value of each parameter in the first source that has one, or else its default."""
    values = {}
    for parameter in known:
        found = [source[parameter.name] for source in sources if parameter.name in source]
        if found:
            values[parameter.name] = found[0]
        elif parameter.default is not None:
            values[parameter.name] = parameter.default
    return values


@dataclass(frozen=True)
class Answers:
    """What a person answered at the last deployment, in a configuration file of the SAM CLI."""

    stack_name: str = ""
    region: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read them; none if there is no file."""
        config = tomllib.loads(file.read_text()) if file.exists() else {}
        tables = config.get("default", {}).values()
        merged: dict[str, Any] = {}
        for table in tables:
            merged |= table.get("parameters", {})
        pairs = (each.partition("=") for each in shlex.split(merged.get("parameter_overrides", "")))
        values = {name: value for name, _, value in pairs}
        return cls(merged.get("stack_name", ""), merged.get("region", ""), values)

    def save(self, file: Path) -> None:
        """Replace the file."""
        overrides = " ".join(as_words(self.values))
        # JSON's strings are TOML's, too.
        file.write_text(
            "# The answers of the last `make deploy`, which are defaults of the next.\n"
            "version = 0.1\n\n"
            "[default.global.parameters]\n"
            f"stack_name = {json.dumps(self.stack_name)}\n\n"
            "[default.deploy.parameters]\n"
            f"region = {json.dumps(self.region)}\n"
            f"parameter_overrides = {json.dumps(overrides)}\n"
        )
