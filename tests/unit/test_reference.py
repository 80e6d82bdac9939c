from pathlib import Path

import pytest

from tools.reference import GENERATED


@pytest.mark.parametrize("file", GENERATED, ids=lambda file: file.name)
def test_what_is_generated_is_up_to_date(file: Path) -> None:
    text = file.read_text()
    assert GENERATED[file](text) == text, "run `make reference`"
