"""One run: an image is dropped, something goes wrong, and all goes on until it is quiet."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from urllib.parse import quote_plus

from tests.builders import picture
from tests.fault_injection.aws import Aws
from tests.fault_injection.deployment import INPUT
from tests.fault_injection.environments import Environments
from tests.fault_injection.lambda_service import Event, LambdaService
from tests.fault_injection.outcome import Outcome
from tests.fault_injection.plan import Run, Scene, Start
from tests.fault_injection.points import Kind, Point
from tests.fault_injection.script import Stage, Struck, put_on
from tests.fault_injection.standin import Pixian
from tests.fault_injection.verdict import Found, Verdict, Version, judge

LONGEST_SECONDS = 24 * 3600
"""What takes longer is stuck: a message that crashed seven times comes 90 minutes later each time,
and an event may be held back for nine hours before."""

_SIZE = (64, 48)
_plays = count(1)

_BUSY_SECONDS = 5
_IDLE_SECONDS = 3600
_SLOW_EVENT_SECONDS = (300, 2 * 3600, 9 * 3600)


@dataclass(frozen=True)
class Record:
    """A run that was played.

    Attributes:
        struck: how often its fault did.
        happened: a line for each invocation, and all that it wrote.
    """

    run: Run
    verdict: Verdict
    struck: int
    happened: list[str]


class Play:
    """One run."""

    def __init__(self, aws: Aws, pixian: Pixian, environments: Environments, run: Run) -> None:
        self._aws, self._pixian, self._environments, self._run = aws, pixian, environments, run
        self._lambda = LambdaService(aws, environments)
        # Another one each time, since what was done before is not done again.
        self._name = f"{run.seed}-{run.number}-{next(_plays)}.png"
        self._key = run.prefix + self._name
        self._versions: list[Version] = []
        self._sequencers = count(1)

    def play(self) -> Record:
        """From the first drop to the verdict."""
        self._warm_up()
        if self._run.scene is Scene.MENDED:
            self._lambda.upload(self._drop(b"no image"))
            assert self._lambda.run(self._aws.clock.now + LONGEST_SECONDS)
            self._aws.clock.pass_to(self._aws.clock.now + _IDLE_SECONDS)
        if self._run.start is Start.COLD:
            self._environments.close()
        if self._run.fault.point is Point.PACE:
            self._look()
        struck = self._put_on()
        if self._run.fault.point is Point.PACE:
            # A backlog moves the lanes: once for each strike, also of the other fault, and twice
            # undisturbed.
            strikes = self._run.fault.times + (self._run.other.times if self._run.other else 0)
            for _ in range(strikes + self._run.fault.skip + 2):
                self._look()
        quiet = self._lambda.run(self._aws.clock.now + LONGEST_SECONDS)
        verdict = judge(self._found(quiet=quiet))
        return Record(self._run, verdict, struck(), self._lambda.happened)

    def _warm_up(self) -> None:
        if self._run.start is Start.COLD:
            return
        event = self._event(f"warm/{self._name}", picture((8, 8)), 0)
        if self._run.waits:
            self._lambda.hand_on(event, "warm-up")
        else:
            self._lambda.upload(event)
        assert self._lambda.run(self._aws.clock.now + LONGEST_SECONDS)
        waits = _BUSY_SECONDS if self._run.start is Start.BUSY else _IDLE_SECONDS
        self._aws.clock.pass_to(self._aws.clock.now + waits)

    def _look(self) -> None:
        self._lambda.pace()
        self._aws.clock.pass_to(self._aws.clock.now + 60)

    # ---- The drop and its event -----------------------------------------------------------------

    def _put_on(self) -> Struck:
        """Drop the image, have everything strike that shall, and let its event come."""
        run = self._run
        body = b"no image" if run.scene is Scene.NO_IMAGE else picture(_SIZE)
        event = self._drop(body)
        stage = self._stage(event)
        if run.throttles:
            self._pixian.fail(status=429, times=run.throttles)
        struck = put_on(run.fault, stage)
        if run.other:
            put_on(run.other, stage)
        if run.scene is Scene.REFUSED:
            self._pixian.fail(status=400, times=1000, match={"sha256": _sha256(body)})
        self._deliver(event)
        return struck

    def _stage(self, event: Event) -> Stage:
        return Stage(
            self._aws,
            self._pixian,
            self._environments,
            self._lambda,
            later=lambda seconds: self._lambda.upload(event, seconds),
            overtake=lambda: self._lambda.try_now(self._drop_newer()),
        )

    def _deliver(self, event: Event) -> None:
        fault = self._run.fault
        kind = fault.kind if fault.point is Point.EVENT else None
        if kind is Kind.REORDER:
            self._aws.clock.pass_to(self._aws.clock.now + 1)
            self._lambda.upload(self._drop_newer())
        if kind is Kind.SLOW:
            waits = _SLOW_EVENT_SECONDS[fault.detail % len(_SLOW_EVENT_SECONDS)]
            self._lambda.upload(event, waits)
        elif self._run.waits:
            self._lambda.hand_on(event, "EventAgeExceeded")
        else:
            self._lambda.upload(event)
        if kind is Kind.DUPLICATE:
            self._lambda.upload(event, fault.late_seconds)

    def _drop_newer(self) -> Event:
        # Now and then it is the same picture again.
        same = self._run.fault.detail % 4 == 0
        return self._drop(picture(_SIZE if same else (72, 48)))

    def _drop(self, body: bytes) -> Event:
        event = self._event(self._key, body, next(self._sequencers))
        about = event["Records"][0]["s3"]["object"]
        now = self._aws.clock.now
        self._versions.append(Version(about["versionId"], about["eTag"], _sha256(body), now))
        return event

    def _event(self, key: str, body: bytes, number: int) -> Event:
        put = self._aws.s3.put_object(Bucket=INPUT, Key=key, Body=body, Tagging="season=summer")
        about = {
            "key": quote_plus(key),
            "eTag": put["ETag"].strip('"'),
            "versionId": put["VersionId"],
            "sequencer": f"{number:018X}",
        }
        now = datetime.fromtimestamp(self._aws.clock.now, UTC).isoformat()
        s3 = {"bucket": {"name": INPUT}, "object": about}
        return {"Records": [{"eventTime": now, "s3": s3}]}

    def _found(self, *, quiet: bool) -> Found:
        beside = (".json",) if self._run.prefix == "sidecar/" else ()
        outcome = Outcome(self._aws, self._pixian, self._lambda.said, self._key)
        limits = self._aws.limits if self._run.fault.point is Point.PACE else None
        found = outcome.found(self._versions, beside, limits, quiet=quiet)
        lasting = self._run.fault.kind is Kind.DENIED and self._run.other is None
        return replace(found, most_in_vain=1) if lasting else found


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
