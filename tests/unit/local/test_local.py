"""What `make local` and `make demo` print, and what the demo uploads."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from admin.errors import NeedsAnswer, UserError
from admin.look.records import Outcome, Record
from admin.stack import LocalStack, prices_are_real
from local.attempts import AttemptLines
from local.demo import Plan, _summary, _tell_live
from local.world import _print_welcome, _saying_that_it_stops
from pixian_s3.config.document import parse


def record(**image: Any) -> dict[str, Any]:
    image = {"key": "a.jpg", "outcome": "processed", "result_key": "a.png", "attempt": 1} | image
    return {"timestamp": "2026-03-14T09:26:53", "image": image}


def test_attempts_are_lines_with_a_running_total() -> None:
    lines = AttemptLines(prices=True)
    first = lines.line(record(end_to_end_ms=25_417, pixian_ms=1_200, credits_charged="0.5"))
    assert " ".join(first.split()) == (
        "09:26:53 processed a.jpg 25.4 s since upload (1.2 s at Pixian) 0.5 credits -> a.png "
        "[1 processed, 0.5 credits]"
    )
    again = lines.line(record(outcome="postponed", reason="429\nSlow", next_attempt_in_seconds=5))
    assert " ".join(again.split()) == (
        r"09:26:53 postponed a.jpg 429\nSlow (attempt 2 in 5 s) "
        "[1 processed, 1 postponed, 0.5 credits]"
    )


def test_the_lines_are_aligned() -> None:
    lines = AttemptLines(prices=False)
    short = lines.line(record(end_to_end_ms=900, pixian_ms=300, result_key="x"))
    long = lines.line(
        record(key="k" * 99, end_to_end_ms=1_234_500, pixian_ms=99_900, result_key="x")
    )
    assert short.index("->") == long.index("->")


def test_neither_a_key_nor_a_reason_commands_the_terminal() -> None:
    hostile = "a\r\n\x1b]0;title\x07\x9b2J\u202e.jpg"
    image = {"outcome": "postponed", "key": hostile, "reason": hostile}
    assert AttemptLines(prices=False).line(record(**image)).isprintable()


def test_ctrl_c_is_answered_before_everything_is_stopped(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(KeyboardInterrupt), _saying_that_it_stops():
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "\nStopping …\n"


def test_the_welcome_has_a_command_for_a_fault_and_exports_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = ("endpoint_url", "ca_bundle", "region", "stack_name")
    keys = ("aws_access_key_id", "aws_secret_access_key")
    outputs = {"InputBucket": "in", "OutputBucket": "out"}
    values = dict.fromkeys((*names, *keys), "x")
    stack = LocalStack(**values, pixian_endpoint="http://127.0.0.1:8", outputs=outputs)
    _print_welcome(stack, is_fake=True)
    said = capsys.readouterr().out
    assert 'curl http://127.0.0.1:8/_control/faults -d \'{"status": 429, "times": 2}\'' in said
    assert '-d \'{"cut": "after_request", "times": 3}\'' in said
    assert "standin and the secret standin-S3cr3t+7q/Zx9Kd" in said
    assert "are lost" in said
    for command in ("check-stack", "status", "look", "config", "pause", "resume", "redrive"):
        assert f"make {command}" in said
    assert "export AWS" not in said
    _print_welcome(stack, is_fake=False)
    said = capsys.readouterr().out
    assert "_control" not in said
    assert "standin" not in said


def test_made_up_prices_are_marked_as_such() -> None:
    line = AttemptLines(prices=False).line(record(credits_charged="0.5"))
    assert "  0.5 credits (made-up price)  " in line
    assert line.endswith("[1 processed, 0.5 credits (made-up price)]")


def test_images_in_test_mode_cost_nothing() -> None:
    image = {"test": True, "credits_charged": "0", "credits_calculated": "0.5"}
    fake, real = (AttemptLines(prices=prices).line(record(**image)) for prices in (False, True))
    assert "  test mode  " in fake
    assert "0.5" not in fake
    assert "  test mode (0.5 credits live)  " in real
    assert real.endswith("[1 processed, 0 credits]")


def test_results_with_signs_of_trouble_stand_out_and_are_counted() -> None:
    lines = AttemptLines(prices=True)
    fine = lines.line(record(credits_charged="0.25", check="ok"))
    assert "look" not in fine
    odd = lines.line(record(credits_charged="100", check="touches-border,nothing-kept"))
    assert "look closer: the subject is cut off; the result is empty" in odd
    assert odd.index("look closer") == fine.index("->")
    assert "[2 processed, 1 to look at closer, 100.25 credits]" in odd


@pytest.mark.parametrize(
    ("endpoint", "real"), [("https://api.pixian.ai", True), ("http://localhost:8080", False)]
)
def test_a_service_on_this_machine_makes_up_its_prices(endpoint: str, *, real: bool) -> None:
    assert prices_are_real(endpoint) is real


LIVE = parse(b'{"defaults": {"test": true}, "prefixes": {"shoes/": {"test": false}}}')


@pytest.mark.parametrize("keys", [["a.jpg"], ["a.jpg", "b.jpg"]])
def test_nothing_is_said_or_asked_about_images_in_test_mode(
    keys: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _tell_live(keys, LIVE, real=True, yes=False)
    assert not capsys.readouterr().out


def test_live_images_of_the_fake_pixian_are_told_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _tell_live(["a.jpg", "shoes/a.jpg"], LIVE, real=False, yes=False)
    assert capsys.readouterr().out == (
        "Live, not in test mode, with made-up prices: 1 image under shoes/.\n"
    )


def test_images_that_cost_real_credits_need_a_yes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(NeedsAnswer, match="Upload 2 images, of which 1 cost credits"):
        _tell_live(["a.jpg", "shoes/a.jpg"], LIVE, real=True, yes=False)
    _tell_live(["a.jpg", "shoes/a.jpg"], LIVE, real=True, yes=True)
    assert "Live, not in test mode: 1 image under shoes/." in capsys.readouterr().out
    monkeypatch.setenv("YES", "1")
    assert Plan.read().yes


def test_the_demo_sums_up_in_the_singular_too() -> None:
    fine = Record("a.jpg", Outcome.PROCESSED)
    odd = Record("b.jpg", Outcome.PROCESSED, check=("the result is empty",))
    failed = Record("c.jpg", Outcome.REJECTED)
    assert _summary([fine]) == "1 of 1 image has a result."
    assert _summary([fine, odd, failed]) == "2 of 3 images have a result, 1 to look at closer."


def test_images_may_be_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGES", str(tmp_path))
    for name in (".DS_Store", "._b.jpg", "Thumbs.db"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match="has no files"):
        Plan.read()
    (tmp_path / "b.jpg").touch()
    (tmp_path / "more").mkdir()
    plan = Plan.read()
    assert plan.images == (tmp_path / "b.jpg",)
    left_out = {file.name: reason for file, reason in plan.left_out}
    assert set(left_out) == {".DS_Store", "._b.jpg", "Thumbs.db", "more"}
    assert "Windows" in left_out["Thumbs.db"]
    assert "folder" in left_out["more"]


def test_without_images_one_photograph_is_as_large_as_a_cameras(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("IMAGES", raising=False)
    images = Plan.read().images
    assert len(images) == 4
    pixels = list[int]()
    for image in images:
        with Image.open(image) as photograph:
            pixels.append(photograph.width * photograph.height)
    assert max(pixels) >= 12_000_000
