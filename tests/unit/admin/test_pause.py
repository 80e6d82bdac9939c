"""What `make pause` and `make resume` publish and tell."""

import json
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin import pause
from admin.errors import NeedsAnswer, UserError
from admin.pause import paused, resumed
from pixian_s3.config.document import parse
from tests.unit.admin.appconfig import FakeAppConfig, sit_at_terminal
from tests.unit.documents import DOCUMENTS

PAUSED = {"pipeline": {"paused": True}}
SHOP: dict[str, Any] = {
    "defaults": {"test": True},
    "prefixes": {"shop/": {"test": False}, "shop/shoes/": {"result.margin": "5%"}},
}


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["pause", *arguments])
    pause.main()


def is_paused(document: object, key: str) -> bool:
    return parse(json.dumps(document)).settings_for(key).flag("pipeline.paused")


@given(DOCUMENTS, st.sampled_from(["", "a/"]))
def test_pausing_holds_back_any_image_of_any_document(
    document: dict[str, Any], prefix: str
) -> None:
    assert is_paused(paused(document, prefix), prefix)


@given(DOCUMENTS, st.sampled_from(["", "a/"]))
def test_resuming_lets_any_image_go_on(document: dict[str, Any], prefix: str) -> None:
    assert not is_paused(resumed(document | {"paused": False}, prefix), prefix)


@pytest.mark.parametrize("prefix", ["", "shop/", "shop/shoes/", "elsewhere/"])
def test_resuming_undoes_a_pause(prefix: str) -> None:
    undone = resumed(paused(SHOP, prefix), prefix)
    assert undone == SHOP | ({} if prefix else {"paused": False})


def test_a_prefix_can_be_resumed_within_a_paused_one() -> None:
    document = resumed(paused(SHOP, "shop/"), "shop/shoes/")
    assert is_paused(document, "shop/a.jpg")
    assert not is_paused(document, "shop/shoes/a.jpg")
    assert document["prefixes"]["shop/shoes/"]["result.margin"] == "5%"


def test_the_whole_stack_is_paused_without_a_question(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.deploy(SHOP)
    command(monkeypatch, "pause")
    assert stack.document == SHOP | {"paused": True}
    assert capsys.readouterr().out.splitlines() == [
        "(stack)  paused: false -> true",
        "Images under these prefixes wait, and cost credits when they continue: shop/, shop/shoes/",
        "Paused all images with version 3, within two minutes. Images wait in the queue and are "
        "processed after `make resume`.",
    ]


def test_a_prefix_is_paused(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.deploy(SHOP)
    command(monkeypatch, "pause", "--prefix", "shop/")
    assert stack.document["prefixes"]["shop/"] == PAUSED | {"test": False}
    assert "after `make resume PREFIX=shop/`." in capsys.readouterr().out


def test_a_prefix_that_the_document_doesnt_have_may_be_misspelt(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.deploy(SHOP)
    with pytest.raises(NeedsAnswer, match=r"Add the prefix /shp, and pause it\?"):
        command(monkeypatch, "pause", "--prefix", "/shp")
    assert stack.document == SHOP
    told = capsys.readouterr().out
    assert 'Warning: prefixes["/shp"]: matches no ordinary upload' in told
    assert "The configuration has no prefix /shp; it has shop/, shop/shoes/.\n" in told
    command(monkeypatch, "pause", "--prefix", "/shp", "--yes")
    assert stack.document["prefixes"]["/shp"] == PAUSED


def test_resuming_a_misspelt_prefix_names_those_there_are(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.deploy(paused(SHOP, "shop/"))
    command(monkeypatch, "resume", "--prefix", "shpo/")
    assert capsys.readouterr().out.splitlines() == [
        "Nothing changes.",
        "The configuration has no prefix shpo/; it has shop/, shop/shoes/.",
    ]


def test_resuming_a_prefix_that_the_document_doesnt_have_asks_if_it_adds_it(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    document = {"defaults": {"test": True} | PAUSED}
    stack.deploy(document)
    with pytest.raises(NeedsAnswer):
        command(monkeypatch, "resume", "--prefix", "shpo/")
    assert stack.document == document
    assert "The configuration has no prefix shpo/; it has none." in capsys.readouterr().out


def test_resuming_says_how_long_images_may_wait(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.deploy({"defaults": {"test": True}, "paused": True})
    command(monkeypatch, "resume")
    told = capsys.readouterr().out
    assert "continue automatically within 17 minutes, because each is tried every 15" in told
    assert "run `make backfill`" in told


def test_a_stack_without_prefixes_says_so(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.deploy({"defaults": {"test": True}})
    command(monkeypatch, "resume", "--prefix", "a/")
    assert capsys.readouterr().out.endswith("no prefix a/; it has none.\n")


def test_pause_names_what_isnt_paused(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    running = {"shop/shoes/": {"pipeline": {"paused": False}}}
    stack.deploy(SHOP | {"prefixes": {"shop/": {"test": False}} | running})
    command(monkeypatch, "pause", "--prefix", "shop/")
    assert "Not paused, because the configuration says so itself: shop/shoes/." in (
        capsys.readouterr().out
    )


def test_pausing_twice_publishes_once(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command(monkeypatch, "pause")
    command(monkeypatch, "pause")
    assert capsys.readouterr().out.endswith("Nothing changes: all images are already paused.\n")
    assert len(stack.versions) == 2


def test_pausing_a_prefix_that_is_paused_publishes_nothing(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.deploy(paused(SHOP, "shop/"))
    command(monkeypatch, "pause", "--prefix", "shop/")
    assert capsys.readouterr().out == "Nothing changes: images under shop/ are already paused.\n"
    assert len(stack.versions) == 2


def test_a_prefix_can_be_paused_within_a_paused_stack(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.deploy(SHOP | {"paused": True})
    command(monkeypatch, "pause", "--prefix", "shop/")
    assert stack.document == paused(SHOP | {"paused": True}, "shop/")


def test_an_emergency_pause_doesnt_need_a_stated_test(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.deploy({})
    command(monkeypatch, "pause")
    assert stack.document == {"paused": True}


@pytest.mark.parametrize("prefix", ["", "shop/"])
def test_resuming_asks_if_it_costs_credits(
    stack: FakeAppConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    prefix: str,
) -> None:
    stack.deploy(paused(SHOP, prefix))
    option = ("--prefix", prefix)
    with pytest.raises(NeedsAnswer):
        command(monkeypatch, "resume", *option)
    sit_at_terminal(monkeypatch, "n")
    with pytest.raises(UserError, match="Nothing was changed"):
        command(monkeypatch, "resume", *option)
    assert is_paused(stack.document, "shop/a.jpg")
    told = capsys.readouterr().out
    assert "These prefixes will cost credits from now on: shop/, shop/shoes/" in told
    command(monkeypatch, "resume", "--yes", *option)
    assert not is_paused(stack.document, "shop/a.jpg")


def test_resuming_doesnt_ask_in_test_mode(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = {"defaults": {"test": True}}
    stack.deploy(paused(document, "a/"))
    command(monkeypatch, "resume", "--prefix", "a/")
    assert stack.document == document | {"prefixes": {}}


def test_resume_names_what_is_still_paused(
    stack: FakeAppConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.deploy(paused(paused(SHOP, "shop/shoes/"), ""))
    command(monkeypatch, "resume", "--prefix", "shop/shoes/")
    told = capsys.readouterr().out
    assert "The whole stack is still paused." in told
    assert "continue automatically" not in told
    stack.deploy(paused(paused(SHOP, "shop/shoes/"), ""))
    command(monkeypatch, "resume", "--yes")
    assert "Still paused: shop/shoes/." in capsys.readouterr().out
