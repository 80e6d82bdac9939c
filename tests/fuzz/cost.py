"""What preparing one file costs, measured in a process of its own.

python -m tests.fuzz.cost FILE [PARAMETER=VALUE …]
"""

import json
import os
import re
import resource
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from pixian_s3.config.document import Settings
from pixian_s3.errors import Rejected
from pixian_s3.images.prepare import prepare

_ROOT = Path(__file__).parents[2]
_PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Cost:
    """Why a file was rejected, or None; seconds and the peak of the process's memory."""

    rejected: str | None
    seconds: float
    peak_mb: int


def cost(file: Path, **settings: str) -> Cost:
    """Prepare a file in a process of its own, and fail if that takes minutes."""
    command = [sys.executable, "-m", "tests.fuzz.cost", str(file)]
    command += [f"{name.replace('__', '.')}={value}" for name, value in settings.items()]
    answer = subprocess.run(
        command,
        cwd=_ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        timeout=_PATIENCE_SECONDS,
        check=True,
    )
    return Cost(**json.loads(answer.stdout))


def peak_mb() -> int:
    """The most memory that this process ever had."""
    status = Path("/proc/self/status")
    if status.exists():
        # `ru_maxrss` would count the process that started this one, too.
        (kilobytes,) = re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())
        return int(kilobytes) >> 10
    # macOS counts in bytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20


def _measured(file: Path, settings: Settings) -> Cost:
    started, rejected = time.monotonic(), None
    with ExitStack() as files, file.open("rb") as source:
        try:
            prepare(source, settings, files)
        except Rejected as error:
            rejected = str(error)
    return Cost(rejected, time.monotonic() - started, peak_mb())


if __name__ == "__main__":
    given = dict(setting.split("=", 1) for setting in sys.argv[2:])
    json.dump(asdict(_measured(Path(sys.argv[1]), Settings("", given))), sys.stdout)
