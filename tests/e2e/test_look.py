"""The page of results, of images that the stack processed."""

from datetime import UTC, datetime
from pathlib import Path

from admin.config import in_force
from admin.look.fetch import newest
from admin.look.records import Outcome
from admin.look.write import write
from tests.e2e.conftest import World, picture

PREFIX = "p/crop/look/"


def test_the_page_shows_what_became_of_uploads(deployed: World, tmp_path: Path) -> None:
    good, bad = PREFIX + "a.png", PREFIX + "b.jpg"
    deployed.endings(deployed.upload(good, picture(77)), deployed.upload(bad, b"not an image"))
    configuration = in_force(deployed.stack)
    records = newest(deployed.stack, configuration, PREFIX, 50, failed=False)
    by_source = {record.source: record for record in records}
    assert by_source.keys() == {good, bad}
    assert by_source[bad].outcome is Outcome.REJECTED
    result = by_source[good]
    assert result.prefix == "p/crop/"
    assert result.parameters == {"result.crop_to_foreground": "true", "test": "false"}
    assert result.seconds is not None
    assert result.share == 1
    assert result.place
    left, top, width, height = result.place
    assert 0 <= left < left + width <= 1.01
    assert 0 <= top < top + height <= 1.01
    now = datetime.now(UTC)
    index = write(records, deployed.stack, tmp_path, "Results", now=now, limit_bytes=10**9)
    assert '"pricesAreReal": false' in index.read_text()
    assert (tmp_path / "before" / good).read_bytes() == picture(77)
    assert result.result
    assert (tmp_path / "after" / result.result).exists()
