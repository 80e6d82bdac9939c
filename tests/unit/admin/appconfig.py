"""AppConfig in memory, of which moto lacks the deployments."""

import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Self

import pytest


class _NotFoundError(Exception):
    pass


class _ConflictError(Exception):
    pass


@dataclass
class FakeAppConfig:
    """A stack whose only service it is; both of AppConfig's clients at once.

    Attributes:
        versions: The documents, the first one as number 1.
        deployments: What StartDeployment began.
        listed: How many of them ListDeployments returns; the local AWS doesn't return all.
    """

    versions: list[bytes] = field(default_factory=list)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    listed: int = 50

    stack_name = "pixian-s3"
    outputs = {  # noqa: RUF012 - of a Stack
        "ConfigurationApplication": "app",
        "ConfigurationEnvironment": "live",
        "ConfigurationProfile": "parameters",
        "ConfigurationStrategy": "at-once",
        "InputBucket": "images",
        "OutputBucket": "results",
    }
    exceptions = SimpleNamespace(
        ResourceNotFoundException=_NotFoundError, ConflictException=_ConflictError
    )

    def client(self, service: str) -> Self:
        assert service in ("appconfig", "appconfigdata")
        return self

    @property
    def document(self) -> Any:
        """What is in force."""
        return json.loads(self._content())

    def deploy(self, *documents: object) -> None:
        """Publish what somebody else wrote."""
        for document in documents:
            self.versions.append(json.dumps(document).encode())
            self.start_deployment(ConfigurationVersion=str(len(self.versions)))

    def _content(self) -> bytes:
        complete = [each for each in self.deployments if each["State"] == "COMPLETE"]
        return self.versions[int(complete[-1]["ConfigurationVersion"]) - 1] if complete else b""

    def create_hosted_configuration_version(self, *, Content: bytes, **_: object) -> Any:  # noqa: N803
        self.versions.append(Content)
        return {"VersionNumber": len(self.versions)}

    def get_hosted_configuration_version(self, *, VersionNumber: int, **_: object) -> Any:  # noqa: N803
        return {"Content": io.BytesIO(self.versions[VersionNumber - 1])}

    def start_deployment(
        self,
        *,
        ConfigurationVersion: str,  # noqa: N803
        LatestDeploymentNumber: int | None = None,  # noqa: N803
        **_: object,
    ) -> dict[str, Any]:
        if LatestDeploymentNumber not in (None, len(self.deployments)):
            raise _ConflictError
        number = len(self.deployments) + 1
        self.deployments.append(
            {
                "DeploymentNumber": number,
                "ConfigurationVersion": ConfigurationVersion,
                "State": "COMPLETE",
                "CompletedAt": datetime(2026, 3, number, 12, tzinfo=UTC),
            }
        )
        return self.deployments[-1]

    def get_deployment(self, *, DeploymentNumber: int, **_: object) -> Any:  # noqa: N803
        if DeploymentNumber > len(self.deployments):
            raise _NotFoundError
        return self.deployments[DeploymentNumber - 1]

    def get_paginator(self, _: str) -> Self:
        return self

    def paginate(self, **_: object) -> Iterator[dict[str, Any]]:
        """Two on a page, the newest first."""
        listed = self.deployments[: self.listed][::-1]
        for start in range(0, len(listed), 2):
            yield {"Items": listed[start : start + 2]}

    def start_configuration_session(self, **_: object) -> dict[str, Any]:
        return {"InitialConfigurationToken": "token"}

    def get_latest_configuration(self, **_: object) -> dict[str, Any]:
        return {"Configuration": io.BytesIO(self._content())}


@dataclass
class Terminal:
    """Where somebody answers questions."""

    answer: str
    questions: list[str] = field(default_factory=list)

    def ask(self, question: str) -> str:
        self.questions.append(question)
        return self.answer


def sit_at_terminal(monkeypatch: pytest.MonkeyPatch, answer: str) -> Terminal:
    """Have each question answered."""
    terminal = Terminal(answer)
    stdin = io.StringIO()
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", stdin)
    monkeypatch.setattr("builtins.input", terminal.ask)
    return terminal
