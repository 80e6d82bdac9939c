"""S3 and DynamoDB in memory answer the program's calls as moto does."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from pixian_s3.aws.lease import Leases, Record
from pixian_s3.errors import InProgress
from tests.integration.world import make_lease_table
from tests.stateful.memory import S3, DynamoDB

BUCKET = "bucket"


def moto_s3() -> Any:
    s3 = boto3.client("s3")
    s3.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return s3


def answer(client: Any, call: str, **given: Any) -> Any:
    """What a call returns, without what differs by nature; or the code of its error."""
    try:
        found = getattr(client, call)(Bucket=BUCKET, Key="a", **given)
    except ClientError as error:
        return error.response["Error"]["Code"]
    told = {name: found.get(name) for name in ("ETag", "Metadata", "ContentLength")}
    return told | {"Body": found["Body"].read()} if call == "get_object" else told


def say(client: Any) -> list[Any]:
    """What S3 answers to the program's calls on one key, in one order."""
    put = answer(client, "put_object", Body=b"1", Metadata={"x": "1"}, IfNoneMatch="*")
    first = client.head_object(Bucket=BUCKET, Key="a")
    etag, version = first["ETag"], first["VersionId"]
    return [
        put["ETag"],
        answer(client, "put_object", Body=b"2", IfNoneMatch="*"),
        answer(client, "put_object", Body=b"2", IfMatch=etag)["ETag"],
        answer(client, "put_object", Body=b"3", IfMatch=etag),
        answer(client, "delete_object", IfMatch=etag),
        answer(client, "get_object", VersionId=version),
        answer(client, "get_object", IfMatch=etag),
        answer(client, "head_object"),
        answer(client, "delete_object"),
        answer(client, "head_object"),
        answer(client, "get_object"),
        answer(client, "put_object", Body=b"3", IfMatch=etag),
        answer(client, "delete_object", IfMatch=etag),
    ]


@pytest.mark.usefixtures("aws")
def test_s3_answers_as_moto_does() -> None:
    assert say(S3()) == say(moto_s3())


def hold(client: Any) -> list[Any]:
    """What the leases read in the table, in one order."""
    leases = Leases(client, "leases")
    first = leases.acquire("a", now=100, seconds_left=60)
    with pytest.raises(InProgress):
        leases.acquire("a", now=159, seconds_left=60)
    leases.note(first, Record("a.jpg", "1", "0A", unknown=1))
    second = leases.acquire("a", now=161, seconds_left=60)
    with pytest.raises(InProgress):
        leases.note(first, Record())
    leases.release(second, Record("a.jpg", "2", "0B"))
    leases.release(first, Record("a.jpg", "3", "0C"))
    third = leases.acquire("a", now=162, seconds_left=60)
    return [each.record for each in (first, second, third)]


@pytest.mark.usefixtures("aws")
def test_the_table_answers_as_moto_does() -> None:
    moto: Any = boto3.client("dynamodb")
    make_lease_table(moto)
    assert hold(DynamoDB()) == hold(moto)
