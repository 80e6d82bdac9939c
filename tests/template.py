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
