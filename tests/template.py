"""template.yaml, as tests read it."""

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML with CloudFormation's tags, each read as `{tag: value}`."""


def _tagged(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {tag: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    return {tag: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _tagged)
ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "template.yaml").read_text()
TEMPLATE: dict[str, Any] = yaml.load(TEXT, _Loader)  # noqa: S506 - a SafeLoader
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
GLOBALS = TEMPLATE["Globals"]["Function"]
[TABLE] = [name for name, each in RESOURCES.items() if each["Type"] == "AWS::DynamoDB::Table"]
"""The one table's name in the template, and that of the output that gives it."""


def properties(name: str) -> dict[str, Any]:
    found = RESOURCES[name]["Properties"]
    assert isinstance(found, dict)
    return found


_NOTHING = {"Ref": "AWS::NoValue"}
_CHOICES = ("ExistingInputBucket", "ExistingOutputBucket", "InputPrefix")


def resolve(value: Any, given: dict[str, str]) -> Any:
    """A value in a stack with these parameters: the choice of buckets and conditions resolved.

    Other parameters and functions stay as they are.
    """
    match value:
        case {"Ref": str(name)} if name in _CHOICES:
            return given.get(name, "")
        case {"If": [condition, yes, no]}:
            return resolve(yes if holds(TEMPLATE["Conditions"][condition], given) else no, given)
        case dict():
            pairs = ((name, resolve(each, given)) for name, each in value.items())
            return {name: each for name, each in pairs if each != _NOTHING}
        case list():
            return [each for each in (resolve(each, given) for each in value) if each != _NOTHING]
        case _:
            return value


def holds(condition: Any, given: dict[str, str]) -> bool:
    """Whether a condition holds in a stack with these parameters; the others are empty."""
    match condition:
        case {"Equals": sides}:
            one, other = (_text(each, given) for each in sides)
            return one == other
        case {"Not": [negated]}:
            return not holds(negated, given)
        case {"And": conditions}:
            return all(holds(each, given) for each in conditions)
        case _:
            raise AssertionError(f"The function in {condition} isn't known here.")


def _text(value: Any, given: dict[str, str]) -> str:
    match value:
        case {"Ref": str(name)} | {"Join": ["", {"Ref": str(name)}]}:
            return given.get(name, "")
        case _:
            return str(value)


def resolved(**given: str) -> dict[str, Any]:
    """The resources of a stack with these parameters."""
    return {
        name: resolve(resource, given)
        for name, resource in RESOURCES.items()
        if "Condition" not in resource
        or holds(TEMPLATE["Conditions"][resource["Condition"]], given)
    }
