"""A stack that takes images from a bucket that exists, and stores results there."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from admin.attach import attached, change, detached, existing_bucket, notifications
from local.world import world
from tests.e2e.conftest import World, lanes, picture
from tests.e2e.test_permissions import OPERATIONS, REFUSED, Call, as_user, asked, probe

SHOP = "shop"
KEY = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab"
PARAMETERS = {
    "ExistingInputBucket": SHOP,
    "ExistingOutputBucket": SHOP,
    "InputPrefix": "photos/",
    "BucketKmsKeyArns": KEY,
}
CONFIGURATION = {
    "defaults": {"test": True, "pipeline": {"result_key": "cutouts/{path}{stem}{suffix}"}}
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """With a bucket without versions, which notifies a queue of invoices."""
    directory = tmp_path_factory.mktemp("shop")
    with world(
        directory,
        configuration=json.dumps(CONFIGURATION).encode(),
        parameters=[f"{name}={value}" for name, value in PARAMETERS.items()],
    ) as stack:
        found = World(stack, directory / "build", lanes(stack))
        found.client("s3").create_bucket(Bucket=SHOP)
        _notify_of_invoices(found)
        yield found


def test_one_bucket_without_an_input_prefix_is_refused_at_deployment(shop: World) -> None:
    with pytest.raises(ClientError, match="set InputPrefix"):
        _update(shop, "InputPrefix", "")


def test_attach_leaves_the_other_notifications_as_they_are(shop: World) -> None:
    _detach(shop)
    before = notifications(shop.stack, SHOP)
    assert before.keys() == {"QueueConfigurations"}
    _attach(shop)
    assert notifications(shop.stack, SHOP) == attached(before)
    _detach(shop)
    assert notifications(shop.stack, SHOP) == before


def test_an_upload_becomes_a_result_and_its_events_no_image(shop: World) -> None:
    # Given a bucket that is attached
    _attach(shop)
    # And queues for the events of results and of reports, by the rules in the documentation
    results, reports = (_subscribe(shop, n, rule) for n, rule in enumerate(_patterns()))
    # When an image and a text are uploaded
    shop.upload("photos/été 50%+1.jpg", picture(1))
    shop.upload("photos/notes.txt", b"buy milk")
    shop.upload("invoices/1.png", picture(2))
    # Then the image has a result and the text a report, about which nothing is reported in turn
    report = "photos/notes.txt.error.json"
    shop.wait_for_attempts("photos/été 50%+1.jpg", "processed")
    shop.wait_for_attempts(report, "skipped")
    assert shop.result_keys("") == [
        "cutouts/photos/été 50%+1.png",
        "invoices/1.png",
        "photos/notes.txt",
        report,
        "photos/été 50%+1.jpg",
    ]
    # And nothing outside the prefix was tried
    assert shop.attempts("invoices/1.png") == []
    assert shop.attempts("cutouts/photos/été 50%+1.png") == []
    # And others were told
    assert "cutouts/photos/été 50%+1.png" in _received(shop, results)
    assert _received(shop, reports) == {report}
    assert _received(shop, "invoices") == {"invoices/1.png"}


def test_an_event_that_was_not_delivered_is_processed_from_the_queue(shop: World) -> None:
    # Given an upload to a bucket that isn't attached, so that nobody is told
    _detach(shop)
    uploaded = shop.upload("photos/undelivered.png", picture(3))
    # When EventBridge sends the event to the queue, as it does if it can't invoke the function
    detail = {
        "bucket": {"name": SHOP},
        "object": {"key": uploaded.key, "etag": uploaded.etag, "sequencer": "00A1"},
    }
    event = {
        "detail-type": "Object Created",
        "source": "aws.s3",
        "time": "2026-03-14T09:26:53Z",
        "detail": detail,
    }
    queue = shop.stack.outputs["RetryQueueUrl"]
    shop.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(event))
    # Then it has its result
    shop.wait(lambda: shop.result_keys("cutouts/photos/undel") != [])


@pytest.mark.parametrize("function", ["UploadFunction", "RetryFunction"])
def test_a_function_may_use_this_bucket_and_no_other(shop: World, function: str) -> None:
    shop.client("s3").create_bucket(Bucket="another")
    shop.client("s3").put_object(Bucket="another", Key="photos/a.png", Body=b"")
    shop.client("s3").put_object(Bucket=SHOP, Key="invoices/a.pdf", Body=b"")
    put = {"Key": "cutouts/probe", "Body": ""}
    calls: dict[str, Any] = {
        "read": ("s3", "get_object", {"Bucket": SHOP, "Key": "invoices/a.pdf"}),
        "write": ("s3", "put_object", {"Bucket": SHOP, **put}),
        "read another": ("s3", "get_object", {"Bucket": "another", "Key": "photos/a.png"}),
        "write another": ("s3", "put_object", {"Bucket": "another", **put}),
        "delete": ("s3", "delete_object", {"Bucket": SHOP, "Key": "invoices/a.pdf"}),
        "delete a report": ("s3", "delete_object", {"Bucket": SHOP, "Key": "a.error.json"}),
        # The bucket holds the originals, too.
        **{
            f"delete *{suffix}": ("s3", "delete_object", {"Bucket": SHOP, "Key": f"old{suffix}"})
            for suffix in (".png", ".jpg", ".png.json", ".jpg.json")
        },
        "notify": ("s3", "get_bucket_notification_configuration", {"Bucket": SHOP}),
    }
    answers = probe(shop, function, calls)
    allowed = {name for name, answer in answers.items() if answer == "allowed"}
    assert allowed == {"read", "write", "delete a report"}
    assert set(answers.values()) <= {"allowed"} | REFUSED


def test_the_key_of_a_bucket_is_for_data_and_never_used_without_s3(shop: World) -> None:
    # Given a key of a bucket, and another one
    keys = [shop.client("kms").create_key()["KeyMetadata"]["Arn"] for _ in range(2)]
    _update(shop, "BucketKmsKeyArns", keys[0])
    calls = [_calls_with(shop, key) for key in keys]
    # When a function uses it by itself, it is refused
    data_key = "generate a data key"
    answer = probe(shop, "UploadFunction", {data_key: calls[0][data_key]})[data_key]
    assert answer in REFUSED
    # And so is everything with its statement
    statement = _statement_on_keys(shop)
    assert _allowed(shop, "caller", statement, calls[0]) == set()
    # That is because of the condition: without it, data can be read and written, with this key
    del statement["Condition"]
    assert _allowed(shop, "through-s3", statement, calls[0]) == {data_key, "decrypt"}
    assert _allowed(shop, "with-another", statement, calls[1]) == set()


def _calls_with(shop: World, key: str) -> dict[str, Call]:
    with_key = {"KeyId": key}
    encrypted = shop.client("kms").encrypt(**with_key, Plaintext=b"picture")["CiphertextBlob"]
    return {
        "generate a data key": ("kms", "generate_data_key", with_key | {"KeySpec": "AES_256"}),
        "decrypt": ("kms", "decrypt", with_key | {"CiphertextBlob": encrypted}),
        "encrypt": ("kms", "encrypt", with_key | {"Plaintext": b"picture"}),
        "look at it": ("kms", "describe_key", with_key),
        "let somebody use it": (
            "kms",
            "create_grant",
            with_key | {"GranteePrincipal": "arn:aws:iam::000000000000:root", "Operations": []},
        ),
        "disable it": ("kms", "disable_key", with_key),
    }


def _statement_on_keys(shop: World) -> dict[str, Any]:
    """The statement of the deployed policy that is about keys."""
    iam = shop.client("iam")
    function = shop.stack.outputs["UploadFunction"]
    found = shop.client("lambda").get_function_configuration(FunctionName=function)
    attached = iam.list_attached_role_policies(RoleName=found["Role"].rpartition("/")[2])
    [arn] = [each["PolicyArn"] for each in attached["AttachedPolicies"]]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    policy = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    [statement] = [each for each in policy["Statement"] if each.get("Sid") == "UseKeysOfBuckets"]
    return dict(statement)


def _allowed(
    shop: World, name: str, statement: dict[str, Any], calls: Mapping[str, Call]
) -> set[str]:
    """What a new user may do who has this statement only."""
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    kms = as_user(shop, name, policy).client("kms")
    answers = {each: asked(kms, call) for each, call in calls.items()}
    assert set(answers.values()) <= {"allowed"} | REFUSED
    return {each for each, answer in answers.items() if answer == "allowed"}


def _update(shop: World, parameter: str, value: str) -> None:
    """Change one parameter of the stack."""
    cloudformation, name = shop.client("cloudformation"), shop.stack.stack_name
    [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    others = {each["ParameterKey"] for each in stack["Parameters"]} - {parameter}
    cloudformation.update_stack(
        StackName=name,
        UsePreviousTemplate=True,
        Parameters=[
            {"ParameterKey": parameter, "ParameterValue": value},
            *({"ParameterKey": other, "UsePreviousValue": True} for other in sorted(others)),
        ],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    cloudformation.get_waiter("stack_update_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1}
    )


def _attach(shop: World) -> None:
    before = notifications(shop.stack, existing_bucket(shop.stack))
    change(shop.stack, SHOP, before, attached(before))


def _detach(shop: World) -> None:
    before = notifications(shop.stack, existing_bucket(shop.stack))
    change(shop.stack, SHOP, before, detached(before))


def _patterns() -> list[dict[str, Any]]:
    blocks = re.findall("```json\n(.*?)```", OPERATIONS.read_text(), re.DOTALL)
    return [
        json.loads(block.replace("<OutputBucket>", SHOP))
        for block in blocks
        if "Object Created" in block
    ]


def _subscribe(shop: World, number: int, pattern: dict[str, Any]) -> str:
    name = f"subscriber-{number}"
    url = shop.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    about = shop.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    events = shop.client("events")
    events.put_rule(Name=name, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": about["Attributes"]["QueueArn"]}])
    return name


def _received(shop: World, name: str) -> set[str]:
    """The keys of the events in a queue."""
    sqs = shop.client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    keys = set()
    while found := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in found:
            event = json.loads(message["Body"])
            if "detail" in event:
                keys.add(event["detail"]["object"]["key"])
            for record in event.get("Records", []):
                keys.add(record["s3"]["object"]["key"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return keys


def _notify_of_invoices(shop: World) -> None:
    url = shop.client("sqs").create_queue(QueueName="invoices")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:000000000000:invoices"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{SHOP}"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    shop.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    filtered = {"Key": {"FilterRules": [{"Name": "prefix", "Value": "invoices/"}]}}
    shop.client("s3").put_bucket_notification_configuration(
        Bucket=SHOP,
        NotificationConfiguration={
            "QueueConfigurations": [
                {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": filtered}
            ]
        },
    )
