"""What happened to each upload, and whether that may be."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from pixian_s3.retry import MAX_GATEWAY_CALLS, MAX_UNKNOWN_CALLS

REPORT = ".error.json"
MAX_COUNTED = MAX_UNKNOWN_CALLS + MAX_GATEWAY_CALLS
"""Calls without a known result that one upload may cause between two redrives: there is a limit for
those of unknown outcome, and one for 502 and 504 (ADR 0035)."""


@dataclass
class Charge:
    """One call that Pixian charged.

    Attributes:
        form: The parameters of the call.
        settled: Whether the program stored its result, or logged what the answer led to.
    """

    form: frozenset[tuple[str, str]]
    settled: bool = False


@dataclass(eq=False)
class Upload:
    """One version of one source.

    Attributes:
        number: Counts the uploads of the key.
        counted: Calls that `MaybeCharged` told of.
        ended_at: The tick at which its first result, report or dead letter was written.
        disabled: Whether it was skipped because its prefix was disabled.
        taken: Whether a user deleted its result or its report.
        closed: Whether it was found with its ending when everything was drained, so that nothing
            may be paid for it any more.
        forgotten: Whether so much time passed that nothing waits or is repeated any more.
        denied: Charges whose result couldn't be stored for lack of permission, since the last
            repair.
    """

    key: str
    number: int
    content: str
    version_id: str
    etag: str
    sequencer: str
    time: float
    charges: list[Charge] = field(default_factory=list)
    counted: int = 0
    redrives: int = 0
    ended_at: int | None = None
    disabled: bool = False
    taken: bool = False
    closed: bool = False
    forgotten: bool = False
    denied: list[Charge] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.key}#{self.number}"


@dataclass(frozen=True)
class Stored:
    """An object in the output bucket.

    Attributes:
        upload: The upload that it tells of; None if a user put it there.
        about: For a sidecar, the upload's version and the key and size that it tells of; the size
            is None if it was written by another attempt than the result.
    """

    kind: Literal["result", "report", "sidecar", "foreign"]
    upload: Upload | None
    tick: int
    size: int = 0
    about: tuple[str, str, int | None] | None = None

    def tells_of(self, key: str, result: "Stored") -> bool:
        """Whether this sidecar describes that result."""
        version_id = result.upload.version_id if result.upload else ""
        return self.about in {(version_id, key, size) for size in (result.size, None)}


@dataclass(frozen=True)
class DeadLetter:
    """A message in the dead-letter queue."""

    body: str
    upload: Upload
    tick: int


@dataclass
class Ledger:
    """What there is. A tick is one call of the program to one of its services.

    Attributes:
        sidecars: Whether all configurations so far asked for sidecars.
    """

    uploads: dict[str, list[Upload]] = field(default_factory=dict)
    output: dict[str, Stored] = field(default_factory=dict)
    dead: list[DeadLetter] = field(default_factory=list)
    tick: int = 0
    sidecars: bool = True

    def by_version(self, version_id: str | None) -> Upload | None:
        found = (u for each in self.uploads.values() for u in each if u.version_id == version_id)
        return next(found, None)

    def faults(self) -> Iterator[str]:
        """What must not be, when nothing is in progress any more."""
        for uploads in self.uploads.values():
            yield from self._endings(uploads)
            for upload in uploads:
                yield from _money(upload)
        yield from self._documents()

    def close(self) -> None:
        """Remember which uploads have their ending, so that nothing more may be paid for them."""
        for uploads in self.uploads.values():
            for upload in uploads:
                newer_ended = any(each.ended_at for each in uploads[upload.number :])
                upload.closed = upload.ended_at is not None or newer_ended

    def _endings(self, uploads: list[Upload]) -> Iterator[str]:
        newest = uploads[-1]
        results = [
            each
            for each in self.output.values()
            if each.kind == "result" and each.upload and each.upload.key == newest.key
        ]
        report = self.output.get(newest.key + REPORT)
        own = [each for each in results if each.upload is newest]
        reported = report is not None and report.upload is newest
        dead = any(letter.upload is newest for letter in self.dead)
        # Two uploads of the same content share a result.
        same = any(each.upload and each.upload.etag == newest.etag for each in results)
        has_result = bool(own) or (same and not newest.disabled and not reported and not dead)
        if len(own) > 1:
            yield f"{newest} has {len(own)} results"
        if own and reported:
            yield f"{newest} has a result and a report"
        if own and dead:
            yield f"{newest} has a result and a dead letter"
        if not (own or same or reported or dead or newest.disabled or newest.taken):
            yield f"{newest} has disappeared: no result, no report, no dead letter"
        if has_result and report and report.upload and report.upload is not newest:
            yield f"the report of {report.upload} is beside the result of {newest}"
        yield from self._late(uploads, results, report)

    def _late(
        self, uploads: list[Upload], results: list[Stored], report: Stored | None
    ) -> Iterator[str]:
        """Endings of older uploads that came after that of a newer one."""
        letters = [(letter.upload, letter.tick, "dead letter") for letter in self.dead]
        objects = [(each.upload, each.tick, each.kind) for each in (*results, report) if each]
        for upload, tick, what in letters + objects:
            if upload is None or upload.key != uploads[0].key:
                continue
            for newer in uploads[upload.number :]:
                # What a user deleted may have been all that told of the newer ending: there is
                # one report for a key, and that of the newest replaces those before.
                taken = any(each.taken for each in uploads[newer.number - 1 :])
                if newer.ended_at is not None and newer.ended_at < tick and not taken:
                    yield f"a {what} of {upload} came after {newer} had ended"
                    break

    def _documents(self) -> Iterator[str]:
        for key, stored in self.output.items():
            beside = self.output.get(key + ".json")
            if stored.kind != "result" or not stored.upload:
                continue
            if beside is None:
                if self.sidecars and not stored.upload.disabled:
                    yield f"{key} has no sidecar"
            elif not beside.tells_of(key, stored) and not stored.upload.disabled:
                yield f"the sidecar of {key} is about {beside.upload}, not {stored.upload}"
        for key, stored in self.output.items():
            result = self.output.get(key.removesuffix(".json"))
            taken = stored.upload and stored.upload.taken
            if stored.kind == "sidecar" and not taken and not (result and result.kind == "result"):
                yield f"{key} tells of a result that isn't there"


def _money(upload: Upload) -> Iterator[str]:
    unsettled = sum(not charge.settled for charge in upload.charges)
    if unsettled > upload.counted and not upload.disabled:
        yield f"{upload}: {unsettled} charges without a result, of which {upload.counted} counted"
    known = Counter(charge.form for charge in upload.charges if charge.settled)
    if known and max(known.values()) > 1 and not upload.taken:
        yield f"{upload} was paid {max(known.values())} times with the same parameters"
    if upload.counted > MAX_COUNTED * (1 + upload.redrives):
        yield f"{upload}: {upload.counted} calls without a result"
