"""How commands end."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("characters", [10, 1_000_000], ids=["at the end", "meanwhile"])
def test_a_command_ends_quietly_if_nobody_reads_its_output_any_more(characters: int) -> None:
    code = f"from admin.errors import run; input(); run(lambda: print('x' * {characters}))"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        assert command.stdout
        command.stdout.close()
        assert command.stdin
        command.stdin.write("\n")
        command.stdin.close()
        assert command.stderr
        assert command.stderr.read() == ""
    assert command.returncode == 1
