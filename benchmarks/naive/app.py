"""A first version of the upload function, for comparison: all in memory, no retries."""

import os
from typing import Any
from urllib.parse import unquote_plus

import boto3
import requests

s3 = boto3.client("s3")


def handler(event: dict[str, Any], context: object) -> None:  # noqa: ARG001 - Lambda passes it
    """An S3 notification."""
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = unquote_plus(record["s3"]["object"]["key"])
        image = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        response = requests.post(
            f"{os.environ['PIXIAN_ENDPOINT']}/api/v2/remove-background",
            auth=(os.environ["PIXIAN_API_ID"], os.environ["PIXIAN_API_SECRET"]),
            files={"image": image},
            data={"test": "true"},
            timeout=180,
        )
        response.raise_for_status()
        result = f"{os.path.splitext(key)[0]}.png"  # noqa: PTH122 - a key, not a path
        s3.put_object(Bucket=os.environ["OUTPUT_BUCKET"], Key=result, Body=response.content)
