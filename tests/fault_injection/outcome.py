"""Collect what there is about one key: objects, dead letters, charges and logs."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from pixian_s3.job import jobs_from_message
from tests.fault_injection.aws import REPORT, Aws
from tests.fault_injection.deployment import OUTPUT
from tests.fault_injection.limits import Limits
from tests.fault_injection.standin import Pixian
from tests.fault_injection.verdict import Found, Spent, Version, Written
from tests.integration.log import read_log


@dataclass(frozen=True)
class Outcome:
    """Of one run.

    Attributes:
        said: what the functions wrote, by the version that it was about.
    """

    aws: Aws
    pixian: Pixian
    said: Mapping[str, list[str]]
    key: str

    def found(
        self,
        versions: list[Version],
        beside: tuple[str, ...],
        limits: Limits | None,
        *,
        quiet: bool,
    ) -> Found:
        """All that there is to judge; see `Found`."""
        history = self._history()
        newest = versions[-1]
        times = [each.at for each in history if each.version_id == newest.version_id]
        result_of = {each.version_id for each in history if not each.key.endswith(REPORT)}
        spent = self._spent(versions, result_of)
        ended_at = min(times, default=None)
        lanes = (limits.upload, limits.retry, limits.most) if limits else None
        return Found(newest, self._written(), ended_at, self._dead(), spent, quiet, beside, lanes)

    def _spent(self, versions: list[Version], result_of: set[str | None]) -> list[Spent]:
        charges = Counter(call["sha256"] for call in self.pixian.calls() if _cost(call))
        spent = []
        for version, following in zip_longest(versions, versions[1:]):
            counted = read_log("".join(self.said[version.version_id])).total("MaybeCharged")
            own = charges[version.sha256]
            if following and following.sha256 == version.sha256:
                # Pixian doesn't see which of two equal files it was.
                own = min(own, 1 + int(counted))
            charges[version.sha256] -= own
            has_result = version.version_id in result_of
            spent.append(Spent(version, own, counted, has_result, in_vain=bool(following)))
        return spent

    def _written(self) -> list[Written]:
        """The objects in the output bucket now."""
        listed = self.aws.s3.list_objects_v2(Bucket=OUTPUT, Prefix=self._stem())
        return [self._get(each["Key"]) for each in listed.get("Contents", [])]

    def _history(self) -> list[Written]:
        """All that ever stood there."""
        listed = self.aws.s3.list_object_versions(Bucket=OUTPUT, Prefix=self._stem())
        return [
            self._get(each["Key"], VersionId=each["VersionId"])
            for each in listed.get("Versions", [])
        ]

    def _stem(self) -> str:
        return self.key.rpartition(".")[0] + "."

    def _get(self, key: str, **version: str) -> Written:
        got = self.aws.s3.get_object(Bucket=OUTPUT, Key=key, **version)  # type: ignore[arg-type]
        at = got["LastModified"].timestamp()
        return Written(key, got["Metadata"], got["Body"].read(), at)

    def _dead(self) -> list[str]:
        jobs = [job for body in self.aws.dead_letters() for job in jobs_from_message(body)]
        return [str(job.version_id) for job in jobs]


def _cost(call: Mapping[str, Any]) -> float:
    return float(call["credits_charged"])
