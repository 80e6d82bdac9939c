"""The fast slice of the corpus, and what it found."""

import io
from typing import override

import pytest

from pixian_s3.errors import Rejected
from pixian_s3.images.convert import convert
from pixian_s3.images.identify import inspect
from tests.builders import fresh_seed, picture
from tests.fuzz.bombs import claimed_png
from tests.fuzz.corpus import PREFIXES, corpus, plan
from tests.fuzz.run_corpus import Ended, faults, run, table
from tests.fuzz.stack import Ending
from tests.unit.pictures import srgb

SEED = fresh_seed()
COUNT = 100
WHOLE = 2000


@pytest.fixture(scope="module")
def ended() -> list[Ended]:
    return run(SEED, COUNT, by_kind=False)


def test_every_file_ends_as_a_result_or_a_report_in_bounded_memory(ended: list[Ended]) -> None:
    assert faults(ended) == [], f"SEED={SEED}"
    assert sorted(each.number for each in ended) == list(range(COUNT))


def test_the_slice_has_results_and_reports(ended: list[Ended]) -> None:
    endings = {each.ending for each in ended}
    assert {Ending.RESULT, Ending.REPORT} <= endings, f"SEED={SEED}"


def test_the_table_counts_each_file_once(ended: list[Ended]) -> None:
    *_, total = table(ended).splitlines()
    assert total.split()[:2] == ["all", str(COUNT)]


def test_the_same_seed_makes_the_same_files() -> None:
    once, again = (list(corpus(SEED, 60)) for _ in range(2))
    assert once == again
    assert once != list(corpus(SEED + 1, 60))


def test_the_whole_corpus_has_every_kind_and_every_way_in() -> None:
    cases = plan(SEED, WHOLE)
    keys = [case.key for case in cases]
    assert len(set(keys)) == len(keys) == WHOLE
    assert {case.kind for case in cases} == {case.kind for case in plan(SEED, WHOLE + 500)}
    assert all(any(key.startswith(prefix) for key in keys) for prefix in PREFIXES)
    assert max(len(key.encode()) for key in keys) == 1024


class EndlessFile(io.BytesIO):
    """A file that goes on with zeros for as long as its reader has patience, up to a point."""

    given = 0

    @override
    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size) or bytes(size or 0)
        self.given += len(content)
        if self.given > 100 << 20:
            raise OSError("This is enough.")
        return content


def test_no_header_is_read_beyond_64_mb() -> None:
    # A text in a PNG takes eleven times its bytes in memory: one of 150 MB kills the function.
    file = EndlessFile(picture()[:33] + (390 << 20).to_bytes(4) + b"iTXt")
    with pytest.raises(Rejected):
        inspect(file)
    assert file.given <= 65 << 20


@pytest.mark.parametrize("height", [32_000_000, 128_000_000])
def test_a_picture_of_millions_of_lines_is_refused(height: int) -> None:
    # 69 bytes: shrinking the larger takes 3.2 GB, rebuilding a delta PNG of the smaller 2.7 GB.
    with pytest.raises(Rejected):
        inspect(io.BytesIO(claimed_png(1, height)))


def test_a_large_profile_is_no_reason_to_refuse_a_picture() -> None:
    inspect(io.BytesIO(picture(icc_profile=srgb() + bytes(2 << 20))))


def test_a_large_profile_does_not_keep_a_picture_from_its_conversion() -> None:
    file = picture(form="WEBP", mode="RGBA", icc_profile=srgb() + bytes(2 << 20))
    convert(io.BytesIO(file), io.BytesIO(), 25_000_000)
