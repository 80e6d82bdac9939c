"""The lease on a result key: who holds it, and what it remembers."""

from collections.abc import Iterator
from dataclasses import replace

import boto3
import pytest

from pixian_s3.aws.lease import KEPT_SECONDS, Lease, Leases, Record
from pixian_s3.errors import InProgress, Unavailable
from tests.builders import NOON, make_job
from tests.integration.world import make_lease_table

KEY = "shoes/a"
JOB = make_job()
OURS = Record().for_upload(JOB)


@pytest.fixture
def leases(aws: None) -> Iterator[Leases]:  # noqa: ARG001 - it must be there first
    client = boto3.client("dynamodb")
    make_lease_table(client)
    yield Leases(client, "leases")
    client.close()


def acquire(leases: Leases, now: float = NOON) -> Lease:
    return leases.acquire(KEY, now, seconds_left=60)


# ---- Who holds it -------------------------------------------------------------------------------


def test_one_invocation_holds_it_until_it_releases_it(leases: Leases) -> None:
    lease = acquire(leases)
    with pytest.raises(InProgress):
        acquire(leases)
    leases.release(lease, lease.record)
    assert acquire(leases)


def test_other_result_keys_have_leases_of_their_own(leases: Leases) -> None:
    acquire(leases)
    assert leases.acquire("other", NOON, seconds_left=60)


@pytest.mark.parametrize(("later", "expired"), [(60, False), (61, True)])
def test_it_expires_with_its_invocation(leases: Leases, later: int, *, expired: bool) -> None:
    acquire(leases)
    if expired:
        assert acquire(leases, NOON + later)
    else:
        with pytest.raises(InProgress):
            acquire(leases, NOON + later)


def test_an_expired_holder_can_write_nothing_any_more(leases: Leases) -> None:
    late = acquire(leases)
    holder = acquire(leases, NOON + 61)
    leases.release(late, replace(OURS, done=True))
    with pytest.raises(InProgress):
        leases.note(late, OURS)
    leases.release(holder, OURS)
    assert acquire(leases).record == OURS


def test_acquiring_again_after_a_lost_answer_gets_the_same_lease(leases: Leases) -> None:
    before = acquire(leases)
    leases.release(before, OURS)
    lost = iter([True])

    def lose(**_: object) -> int | None:
        return 0 if next(lost, False) else None

    leases._dynamodb.meta.events.register("needs-retry.dynamodb.UpdateItem", lose)  # type: ignore[arg-type]
    assert acquire(leases).record == OURS


def test_without_a_table_nothing_is_done(aws: None) -> None:  # noqa: ARG001
    client = boto3.client("dynamodb")
    leases = Leases(client, "no-such-table")
    with pytest.raises(Unavailable):
        acquire(leases)
    with pytest.raises(Unavailable):
        leases.note(Lease(KEY, "me", OURS), OURS)
    # Others wait until it expires.
    leases.release(Lease(KEY, "me", OURS), OURS)
    client.close()


# ---- What it remembers --------------------------------------------------------------------------


def test_it_remembers_all_of_a_record(leases: Leases) -> None:
    record = replace(
        OURS,
        others=OURS.for_upload(make_job("shoes/a.gif")).others,
        redrives=1,
        suffix=".jpg",
        digest="d",
        done=True,
        given_up=True,
        unknown=2,
        told=1,
        gateway=3,
    )
    leases.release(acquire(leases), record)
    assert acquire(leases).record == record


def test_a_noted_call_is_found_after_its_function_was_killed(leases: Leases) -> None:
    lease = acquire(leases)
    noted = leases.note(lease, replace(OURS, unknown=1))
    found = acquire(leases, NOON + 61)
    assert (found.record, found.interrupted) == (noted, True)
    assert noted.unreported == 1


def test_a_released_lease_was_not_interrupted(leases: Leases) -> None:
    leases.release(acquire(leases), OURS)
    assert not acquire(leases).interrupted


def test_an_item_of_a_later_version_is_read_and_what_is_missing_has_defaults(
    leases: Leases,
) -> None:
    leases._dynamodb.put_item(
        TableName="leases",
        Item={
            "id": {"S": f"lease#{KEY}"},
            "version": {"N": "9"},
            "news": {"S": "x"},
            "gateway": {"N": "9"},
        },
    )
    assert acquire(leases).record == Record()


def test_an_item_is_kept_for_fourteen_days(leases: Leases) -> None:
    acquire(leases)
    found = leases._dynamodb.get_item(TableName="leases", Key={"id": {"S": f"lease#{KEY}"}})
    assert found["Item"]["expiration"] == {"N": str(int(NOON) + KEPT_SECONDS)}
    assert found["Item"]["version"] == {"N": "2"}


def test_the_longest_key_fits(leases: Leases) -> None:
    assert leases.acquire("€" * 341, NOON, seconds_left=60)


# ---- What that means for a job ------------------------------------------------------------------


def test_done_is_about_one_upload() -> None:
    done = OURS.mark_done(JOB)
    assert done.has_done(JOB)
    assert not done.has_done(make_job(version_id="version-2"))
    assert not OURS.has_done(JOB)


def test_given_up_is_about_the_attempts_before_a_redrive() -> None:
    given_up = replace(OURS, given_up=True)
    assert given_up.has_given_up(JOB)
    assert not given_up.has_given_up(JOB.dead_letter())
    assert not given_up.has_given_up(make_job(version_id="version-2"))
    # Once it was redriven, a late message from before is superseded.
    assert given_up.for_upload(JOB.dead_letter()).has_given_up(JOB)


def test_the_same_upload_keeps_its_calls() -> None:
    record = replace(OURS, unknown=2, told=2, gateway=1, done=True)
    again = record.for_upload(JOB)
    assert (again.unknown, again.told, again.gateway, again.done) == (2, 2, 1, False)


def test_a_redriven_upload_starts_from_zero() -> None:
    record = replace(OURS, unknown=2, told=2, gateway=1, given_up=True)
    again = record.for_upload(JOB.dead_letter())
    assert again == replace(OURS, redrives=1)


def test_another_upload_starts_from_zero() -> None:
    record = replace(OURS, unknown=2, told=2, done=True)
    other = make_job(version_id="version-2", sequencer="0056")
    assert record.for_upload(other) == Record().for_upload(other)


def test_the_suffix_is_remembered_for_the_same_source_and_parameters() -> None:
    record = OURS.mark_done(JOB, ".jpg", "digest")
    other = make_job(version_id="version-2", sequencer="0056")
    assert record.suffix_for(other, "digest") == ".jpg"
    assert record.for_upload(other).suffix == ".jpg"
    assert record.suffix_for(other, "other parameters") == ""
    assert record.suffix_for(make_job("shoes/a.gif"), "digest") == ""


def test_other_sources_of_the_same_result_are_remembered() -> None:
    older = make_job(version_id="version-0", sequencer="0055AED6DCD90281E4")
    record = OURS.mark_done(JOB).for_upload(make_job("shoes/a.gif"))
    assert record.has_done(JOB)
    given_up = replace(OURS, given_up=True).for_upload(make_job("shoes/a.gif"))
    assert given_up.has_given_up(JOB)
    assert not given_up.has_given_up(JOB.dead_letter())
    assert record.is_newer_than(older)
    assert not record.is_newer_than(JOB)
    # Its own next upload takes its place again.
    again = record.for_upload(make_job(version_id="version-2", sequencer="0056"))
    assert [other.source for other in again.others] == ["shoes/a.gif"]


def test_sequencers_compare_within_one_source_only() -> None:
    older = make_job(sequencer="0055AED6DCD90281E4")
    assert OURS.is_newer_than(older)
    assert not OURS.is_newer_than(JOB)
    assert not OURS.is_newer_than(replace(older, key="shoes/a.gif"))


def test_only_a_record_about_the_upload_ends_with_it() -> None:
    assert OURS.mark_done(make_job("shoes/a.gif")) == OURS
