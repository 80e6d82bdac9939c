"""What the Makefile prints."""

from pathlib import Path

MAKEFILE = (Path(__file__).parents[2] / "Makefile").read_text()


def test_setting_up_prints_nothing_on_standard_output() -> None:
    # So that `make config SHOW=1 >config.json` and `make status JSON=1` print what they should.
    _, _, rules = MAKEFILE.partition("# ---- what is fetched")
    recipes = [line.strip() for line in rules.splitlines() if line.startswith("\t")]
    assert recipes
    for line in recipes:
        assert line.startswith(("@", "$(FETCHING)"))
        assert ">&2" in line or line.startswith(("@rm ", "@touch ", "$(FETCHING)"))
