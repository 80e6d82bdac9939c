"""The template's parameters, and where their values come from."""

import json
import subprocess
from pathlib import Path

import pytest

from admin.errors import UserError
from admin.parameters import Answers, Parameter, as_words, from_words, of_template, resolve
from tests.template import ROOT, TEMPLATE, TEXT

KNOWN = of_template(TEXT)


def test_all_parameters_are_read_with_their_descriptions_and_defaults() -> None:
    assert [(each.name, each.description, each.default) for each in KNOWN.values()] == [
        (name, given["Description"].strip(), str(given["Default"]))
        for name, given in TEMPLATE["Parameters"].items()
    ]


def test_every_default_of_the_template_is_a_possible_value() -> None:
    faults = [each.fault(each.default) for each in KNOWN.values() if each.default is not None]
    assert set(faults) == {None}


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("RampMinutes", "0", "must be a number from 1 to 1440"),
        ("RampMinutes", "five", "must be a number from 1 to 1440"),
        ("Architecture", "mips", "must be one of x86_64, arm64"),
        ("PixianEndpoint", "http://api.pixian.ai", "must be an https:// URL"),
        ("AlarmTopicArn", "me@example.org", "must match ^$|^arn:"),
    ],
)
def test_a_value_that_cloudformation_would_refuse_is_found(
    name: str, value: str, fault: str
) -> None:
    assert (KNOWN[name].fault(value) or "").startswith(fault)


def test_values_are_read_from_words() -> None:
    words = 'RampMinutes=7 AlarmTopicArn="" PixianEndpoint="a b"'
    assert from_words(words, KNOWN) == {
        "RampMinutes": "7",
        "AlarmTopicArn": "",
        "PixianEndpoint": "a b",
    }


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("RampMinute=7", "Did you mean RampMinutes?"),
        ("RampMinutes", "must have the form Name=value"),
        ('RampMinutes="7', "No closing quotation"),
    ],
)
def test_a_mistake_in_the_words_is_told(words: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        from_words(words, KNOWN)


def test_the_first_source_counts_and_then_the_default() -> None:
    known = [Parameter(name, "", default) for name, default in (("a", "0"), ("b", "0"), ("c", "0"))]
    known.append(Parameter("d", "", None))
    assert resolve(known, {"a": ""}, {"a": "2", "b": "2", "gone": "2"}) == {
        "a": "",
        "b": "2",
        "c": "0",
    }


def test_answers_are_read_as_they_were_saved(tmp_path: Path) -> None:
    file = tmp_path / "samconfig.local.toml"
    values = {"A": 'quoted "words" and \\', "B": "", "C": "ü"}
    answers = Answers("shop", "eu-west-1", values)
    answers.save(file)
    assert Answers.load(file) == answers


def test_answers_that_the_sam_cli_wrote_are_read(tmp_path: Path) -> None:
    file = tmp_path / "samconfig.local.toml"
    file.write_text(
        '[default.global.parameters]\nstack_name = "shop"\n'
        '[default.build.parameters]\ncached = true\n[default.deploy.parameters]\nregion = "eu"\n'
        r'parameter_overrides = "Architecture=\"arm64\" AlarmTopicArn=\"\""'
    )
    expected = Answers("shop", "eu", {"Architecture": "arm64", "AlarmTopicArn": ""})
    assert Answers.load(file) == expected


def test_without_a_file_there_are_no_answers(tmp_path: Path) -> None:
    assert Answers.load(tmp_path / "samconfig.local.toml") == Answers()


def test_the_sam_cli_reads_the_words_as_they_are_meant() -> None:
    sam = ROOT / ".tools/sam/bin/python"
    if not sam.exists():
        pytest.skip("the SAM CLI isn't there: make setup")
    values = {"A": 'quoted "words"', "B": "", "C": "arn:aws:sns:eu:1:a"}
    program = (
        "import sys; from samcli.cli.types import CfnParameterOverridesType as T;"
        "import json; print(json.dumps(T().convert(tuple(sys.argv[1:]), None, None)))"
    )
    done = subprocess.run(
        [sam, "-c", program, *as_words(values)], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == json.dumps(values)
