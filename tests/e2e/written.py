"""All that a stack wrote, and what must not be found in it."""

import base64
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

import requests
from PIL import Image, UnidentifiedImageError

from admin.stack import LocalStack

SIGNED = ("X-Amz-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "AWSAccessKeyId=")
"""Parts of every presigned address, of either version of signatures."""


@dataclass(frozen=True)
class Written:
    """One thing and the kind of place where it stands."""

    place: str
    what: bytes


def forms(api_id: str, api_secret: str) -> set[str]:
    """The secret in all the ways in which it travels, or might be quoted."""
    basic = f"{api_id}:{api_secret}"
    encoded = {
        encode(text.encode()).decode().rstrip("=")
        for text in (api_secret, basic)
        for encode in (base64.b64encode, base64.urlsafe_b64encode)
    }
    plain = {api_secret, json.dumps(api_secret)[1:-1]} | encoded
    quoted = {way(text) for text in plain for way in (quote, quote_plus, _quote_all)}
    return plain | quoted | {text.lower() for text in quoted}


def _quote_all(text: str) -> str:
    return quote(text, safe="")


def places_of(text: str, written: list[Written]) -> set[str]:
    """Where it stands, if anywhere; case doesn't count."""
    wanted = text.lower().encode()
    return {each.place for each in written if wanted in each.what.lower()}


def everything(stack: LocalStack) -> Iterator[Written]:
    """In every place that the stack has."""
    yield from _logs(stack)
    yield from _objects(stack)
    yield from _messages(stack)
    yield from _others(stack)


def _logs(stack: LocalStack) -> Iterator[Written]:
    logs = stack.client("logs")
    for groups in logs.get_paginator("describe_log_groups").paginate():
        for group in groups["logGroups"]:
            pages = logs.get_paginator("filter_log_events")
            for page in pages.paginate(logGroupName=group["logGroupName"]):
                yield from (Written("log", e["message"].encode()) for e in page["events"])


def _objects(stack: LocalStack) -> Iterator[Written]:
    """Every version of what is in the output bucket."""
    s3, bucket = stack.client("s3"), stack.outputs["OutputBucket"]
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in page.get("Versions", []):
            which = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
            stored = s3.get_object(**which)
            body = stored["Body"].read()
            yield Written("object", body)
            yield from _texts_in_picture(body)
            yield _told("object's headers", [version["Key"], stored["ResponseMetadata"]])
            yield _told("object's metadata", stored["Metadata"])
            # MiniStack knows no tags of an older version.
            if version["IsLatest"]:
                yield _told("object's tags", s3.get_object_tagging(**which)["TagSet"])


def _texts_in_picture(body: bytes) -> Iterator[Written]:
    """What a picture says besides its pixels, also where that is compressed."""
    try:
        with Image.open(io.BytesIO(body)) as image:
            image.load()
            yield Written("picture's text", repr(image.info).encode())
    except UnidentifiedImageError:
        return


def _messages(stack: LocalStack) -> Iterator[Written]:
    for queue in ("RetryQueue", "DeadLetterQueue"):
        yield from (_told(f"message in {queue}", each) for each in messages_in(queue, stack))


def messages_in(queue: str, stack: LocalStack) -> Iterator[dict[str, Any]]:
    """Also those that wait or are being worked on, which SQS itself wouldn't give out."""
    url = f"{stack.endpoint_url}/_ministack/sqs/messages"
    query = {"QueueUrl": stack.outputs[f"{queue}Url"]}
    answer = requests.get(url, params=query, verify=stack.ca_bundle, timeout=10).json()
    for regions in answer["messages"].values():
        for queues in regions.values():
            for messages in queues.values():
                yield from messages


def _others(stack: LocalStack) -> Iterator[Written]:
    named = {"StackName": stack.stack_name}
    asked: list[tuple[str, str, str, Mapping[str, Any]]] = [
        ("claim", "dynamodb", "scan", {"TableName": stack.outputs["LeaseTable"]}),
        ("function", "lambda", "list_functions", {}),
        ("schedule", "scheduler", "list_schedules", {}),
        ("alarm", "cloudwatch", "describe_alarms", {}),
        ("alarm", "cloudwatch", "describe_alarm_history", {}),
        ("metric", "cloudwatch", "list_metrics", {}),
        ("stack", "cloudformation", "describe_stacks", named),
        ("stack", "cloudformation", "describe_stack_events", named),
        ("stack", "cloudformation", "describe_stack_resources", named),
        ("template", "cloudformation", "get_template", named),
        ("secret's description", "secretsmanager", "list_secrets", {}),
        ("policy", "iam", "get_account_authorization_details", {}),
    ]
    for place, service, action, arguments in asked:
        client = stack.client(service)
        if client.can_paginate(action):
            for page in client.get_paginator(action).paginate(**arguments):
                yield _told(place, page)
        else:
            yield _told(place, getattr(client, action)(**arguments))


def _told(place: str, what: object) -> Written:
    return Written(place, json.dumps(what, default=str, ensure_ascii=False).encode())
