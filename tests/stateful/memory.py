"""S3 and DynamoDB in memory: the few calls that the program makes, much faster than with moto.

`test_memory.py` compares them with moto. What they don't know is an error rather than ignored.
"""

import hashlib
import io
import itertools
import operator
import re
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, ClassVar, NoReturn

from botocore.exceptions import ClientError
from botocore.response import StreamingBody

type Item = dict[str, dict[str, Any]]

_COMPARISONS = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class _Object:
    body: bytes
    metadata: dict[str, str]
    version_id: str

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


@dataclass
class S3:
    """Buckets with versions, of which only the input bucket's are read."""

    _objects: dict[tuple[str, str], _Object] = field(default_factory=dict)
    _versions: dict[tuple[str, str, str], _Object] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def put_object(self, **given: Any) -> dict[str, str]:
        _require_known(given, "Bucket Key Body Metadata ContentType IfMatch IfNoneMatch")
        where = given["Bucket"], given["Key"]
        existing = self._objects.get(where)
        if "IfNoneMatch" in given and existing:
            _fail("PreconditionFailed", "PutObject")
        _require_match(existing, given, "PutObject")
        metadata = dict(given.get("Metadata", {}))
        new = _Object(given["Body"], metadata, f"version-{next(self._numbers)}")
        self._objects[where] = self._versions[*where, new.version_id] = new
        return {"ETag": new.etag, "VersionId": new.version_id}

    def get_object(self, **given: Any) -> dict[str, Any]:
        _require_known(given, "Bucket Key VersionId IfMatch")
        where = given["Bucket"], given["Key"]
        if version_id := given.get("VersionId"):
            found = self._versions.get((*where, version_id))
        else:
            found = self._objects.get(where)
        if found is None:
            _fail("NoSuchVersion" if version_id else "NoSuchKey", "GetObject")
        _require_match(found, given, "GetObject")
        body = StreamingBody(io.BytesIO(found.body), len(found.body))
        return _answer(found) | {"Body": body}

    def head_object(self, **given: Any) -> dict[str, Any]:
        _require_known(given, "Bucket Key")
        found = self._objects.get((given["Bucket"], given["Key"]))
        if found is None:
            _fail("404", "HeadObject")
        return _answer(found)

    def create_multipart_upload(self, **given: Any) -> dict[str, str]:
        """Begin an upload, which nobody completes here."""
        _require_known(given, "Bucket Key")
        return {"UploadId": f"upload-{next(self._numbers)}"}

    def abort_multipart_upload(self, **given: Any) -> None:
        _require_known(given, "Bucket Key UploadId")

    def delete_object(self, **given: Any) -> dict[str, Any]:
        _require_known(given, "Bucket Key VersionId IfMatch")
        where = given["Bucket"], given["Key"]
        existing = self._objects.get(where)
        _require_match(existing, given, "DeleteObject")
        if version_id := given.get("VersionId"):
            self._versions.pop((*where, version_id), None)
        if not version_id or (existing and existing.version_id == version_id):
            self._objects.pop(where, None)
        return {}


def _answer(found: _Object) -> dict[str, Any]:
    return {
        "ETag": found.etag,
        "VersionId": found.version_id,
        "Metadata": found.metadata,
        "ContentLength": len(found.body),
    }


def _require_known(given: dict[str, Any], names: str) -> None:
    if unknown := set(given) - set(names.split()):
        raise NotImplementedError(unknown)


def _require_match(existing: _Object | None, given: dict[str, Any], operation: str) -> None:
    if "IfMatch" not in given:
        return
    if existing is None:
        _fail("NoSuchKey", operation)
    if existing.etag.strip('"') != given["IfMatch"].strip('"'):
        _fail("PreconditionFailed", operation)


def _fail(code: str, operation: str) -> NoReturn:
    raise ClientError(refusal(code), operation)


def refusal(code: str) -> Any:
    """The content of an error answer."""
    return {"Error": {"Code": code, "Message": "No."}}


class _ConditionalCheckFailedException(ClientError):
    pass


@dataclass
class DynamoDB:
    """One table, whose key is `id`."""

    items: dict[str, Item] = field(default_factory=dict)
    exceptions: ClassVar = SimpleNamespace(
        ConditionalCheckFailedException=_ConditionalCheckFailedException
    )

    def get_item(self, **given: Any) -> dict[str, Any]:
        _require_known(given, "TableName Key ConsistentRead")
        item = self.items.get(given["Key"]["id"]["S"])
        return {"Item": dict(item)} if item else {}

    def update_item(self, **given: Any) -> dict[str, Any]:
        _require_known(
            given,
            "TableName Key UpdateExpression ConditionExpression ExpressionAttributeNames "
            "ExpressionAttributeValues ReturnValues",
        )
        names, values = given.get("ExpressionAttributeNames", {}), _values(given)
        condition, update = (
            re.sub(r"#\w+", lambda found: names[found[0]], given.get(name, ""))
            for name in ("ConditionExpression", "UpdateExpression")
        )
        key = given["Key"]["id"]["S"]
        old = self.items.get(key, {})
        if condition and not _holds(condition, old, values):
            error = refusal("ConditionalCheckFailedException")
            raise _ConditionalCheckFailedException(error, "UpdateItem")
        new = dict(old) | given["Key"]
        for verb, clause in re.findall(r"(SET|REMOVE|ADD) (.+?)(?= SET | REMOVE | ADD |$)", update):
            for part in clause.split(", "):
                _change(new, verb, part.split(), values)
        self.items[key] = new
        return {"Attributes": dict(old)} if given.get("ReturnValues") == "ALL_OLD" and old else {}


def _values(given: dict[str, Any]) -> Item:
    values: Item = given.get("ExpressionAttributeValues", {})
    return values


def _holds(condition: str, item: Item, values: Item) -> bool:
    return any(
        all(_is_true(term, item, values) for term in every.split(" AND "))
        for every in condition.split(" OR ")
    )


def _is_true(term: str, item: Item, values: Item) -> bool:
    if found := re.fullmatch(r"attribute_(not_)?exists\((\w+)\)", term):
        return (found[2] in item) != bool(found[1])
    found = re.fullmatch(r"(\w+) (=|<>|<=|>=|<|>) (:\w+)", term)
    if not found:
        raise NotImplementedError(term)
    if found[1] not in item:
        return found[2] == "<>"
    left, right = _plain(item[found[1]]), _plain(values[found[3]])
    return bool(_COMPARISONS[found[2]](left, right))


def _plain(value: dict[str, Any]) -> Any:
    ((kind, content),) = value.items()
    return Decimal(content) if kind == "N" else content


def _change(item: Item, verb: str, words: list[str], values: Item) -> None:
    match verb, words:
        case "SET", [name, "=", value] if value.startswith(":"):
            item[name] = values[value]
        case "REMOVE", [name]:
            item.pop(name, None)
        case "ADD", [name, value]:
            sum_ = _plain(item.get(name, {"N": "0"})) + _plain(values[value])
            item[name] = {"N": str(sum_)}
        case _:
            raise NotImplementedError(f"{verb} {' '.join(words)}")
