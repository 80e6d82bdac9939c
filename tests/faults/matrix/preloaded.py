"""What every process of a function would load for itself, loaded once before they are forked."""

import boto3
from PIL import Image

import pixian_s3.process
from tests.faults.matrix import function

__all__ = ["function", "pixian_s3"]

# Each also fills the session's store of what the services' calls look like.
for service in ("appconfigdata", "dynamodb", "s3", "secretsmanager", "sqs"):
    boto3.client(service)
Image.init()
