"""What the program wrote to standard output, taken apart."""

import io
import json
import sys
from dataclasses import dataclass
from typing import Any, override


@dataclass(frozen=True)
class Log:
    """The log lines and the metrics lines (EMF), in order, and the whole text."""

    lines: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    text: str

    def counted(self) -> set[str]:
        """The names of all metrics."""
        directives = [line["_aws"]["CloudWatchMetrics"][0] for line in self.metrics]
        return {metric["Name"] for each in directives for metric in each["Metrics"]}

    def total(self, name: str) -> float:
        """The sum of a metric's values."""
        return sum(sum(line.get(name, [])) for line in self.metrics)

    def facts(self) -> dict[str, Any]:
        """The facts in the one line about an image."""
        (facts,) = [line["image"] for line in self.lines if "image" in line]
        assert isinstance(facts, dict)
        return facts


def read_log(text: str) -> Log:
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return Log(
        [line for line in lines if "_aws" not in line],
        [line for line in lines if "_aws" in line],
        text,
    )


class CurrentStdout(io.StringIO):
    """Standard output as it is when something is written: a test's differs from its fixtures'."""

    @override
    def write(self, text: str) -> int:
        return sys.stdout.write(text)
