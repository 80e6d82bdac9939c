"""The resources of the template that the upload function uses, created in the local AWS."""

import json
from pathlib import Path
from typing import Any

import boto3
import yaml  # type: ignore[import-untyped]

from local.ministack import MiniStack

_TEMPLATE = Path(__file__).parents[2] / "template.yaml"
_TYPES = (
    *("AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::DynamoDB::Table"),
    *("AWS::SecretsManager::Secret", "AWS::AppConfig::"),
)


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML with CloudFormation's tags, read as JSON has them: `{"Fn::Sub": value}`."""


def _tagged(loader: _Loader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if tag == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {tag if tag in {"Ref", "Condition"} else f"Fn::{tag}": value}


_Loader.add_multi_constructor("!", _tagged)


class Deployed:
    """The resources and how to reach them.

    Attributes:
        pixian_endpoint: as given.
        outputs: the template's, of what was made.
        variables: UploadFunction's environment.
    """

    def __init__(self, aws: MiniStack, pixian_endpoint: str) -> None:
        self._aws = aws
        self.pixian_endpoint = pixian_endpoint
        template = yaml.load(_TEMPLATE.read_text(), _Loader)  # noqa: S506 - a SafeLoader
        functions = (
            template["Globals"]["Function"],
            template["Resources"]["UploadFunction"]["Properties"],
        )
        variables: dict[str, Any] = {}
        for function in functions:
            variables |= function.get("Environment", {}).get("Variables", {})
        resources = _resources(template)
        outputs = {
            name: {"Value": output["Value"]}
            for name, output in template["Outputs"].items()
            if _referred(output["Value"]) in resources
        }
        # A variable is an output, too, so that CloudFormation finds out what its value is.
        outputs |= {_output(name): {"Value": value} for name, value in variables.items()}
        made = self._create(
            {
                "Parameters": template["Parameters"],
                "Conditions": template.get("Conditions", {}),
                "Resources": resources,
                "Outputs": outputs,
            },
            pixian_endpoint,
        )
        self.variables = {name: made[_output(name)] for name in variables}
        self.outputs = {name: made[name] for name in template["Outputs"] if name in made}

    def client(self, service: str) -> Any:  # noqa: ANN401 - each service has a type of its own
        """A boto3 client as the account's root user."""
        variables = self._aws.environment
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=self._aws.endpoint_url,
            verify=str(self._aws.ca_bundle),
            region_name=self._aws.region,
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        )

    def _create(self, template: dict[str, Any], pixian_endpoint: str) -> dict[str, str]:
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName="bench",
            TemplateBody=json.dumps(template),
            Parameters=[{"ParameterKey": "PixianEndpoint", "ParameterValue": pixian_endpoint}],
        )
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName="bench", WaiterConfig={"Delay": 1}
        )
        [stack] = cloudformation.describe_stacks(StackName="bench")["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}


def _resources(template: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, resource in template["Resources"].items():
        if resource["Type"].startswith(_TYPES):
            # The bench sends the events itself, so S3 has no function to call.
            properties = dict(resource.get("Properties", {}))
            properties.pop("NotificationConfiguration", None)
            found[name] = {"Type": resource["Type"], "Properties": properties}
    return found


def _referred(value: dict[str, Any]) -> str | None:
    """The resource that an output is about; of a choice, the one that the stack creates."""
    [(how, about)] = value.items()
    if how == "Fn::If":
        return _referred(about[1])
    return {"Ref": about, "Fn::GetAtt": about[0]}.get(how)


def _output(variable: str) -> str:
    """CloudFormation takes no underscores in an output's name."""
    return "Variable" + variable.replace("_", "")
