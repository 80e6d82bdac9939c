"""The layers hold all that the functions need, and fit into Lambda."""

import subprocess
import sys

import pytest

from tests.e2e.conftest import World

MAX_UNPACKED_BYTES = 250 << 20
LAYERS = ("DependenciesLayer", "CommonLayer")

# In an interpreter without any site-packages: the local AWS runs functions in one that has its own,
# where a package that a layer lacks would go unnoticed.
PROBE = """
import sys
sys.path[:0] = sys.argv[1:]
import app
import pillow_heif
print(app.handler.__name__)
"""


@pytest.mark.parametrize("function", ["UploadFunction", "RetryFunction", "PaceFunction"])
def test_a_function_needs_nothing_but_its_layers(shared: World, function: str) -> None:
    layers = [str(shared.built / layer / "python") for layer in LAYERS]
    command = [sys.executable, "-I", "-S", "-c", PROBE, str(shared.built / function), *layers]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("handler", "")


def test_function_and_layers_fit_into_lambda(shared: World) -> None:
    parts = [shared.built / name for name in (*LAYERS, "UploadFunction")]
    files = [file for part in parts for file in part.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < MAX_UNPACKED_BYTES
