"""What every process of a function would load for itself, loaded once before they are forked."""

import runpy
from datetime import datetime

import boto3
from PIL import Image

from tests.fault_injection.function import FUNCTIONS

for name in ("upload", "retry", "pace"):
    runpy.run_path(str(FUNCTIONS / name / "app.py"))
# Each also fills the session's store of what the services' calls look like.
for service in ("appconfigdata", "dynamodb", "lambda", "s3", "secretsmanager", "sqs"):
    boto3.client(service)
Image.init()
# It imports what it needs with its first call.
datetime.strptime("2026", "%Y")  # noqa: DTZ007 - nobody looks at it
