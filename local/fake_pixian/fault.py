"""One scripted fault: when it strikes and what it does to an answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from local.fake_pixian.answer import Answer
from local.fake_pixian.errors import ApiError

type Cut = Literal["before_body", "after_request", "mid_body"]

OK = 200


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong; without any field set, nothing does.

    It lets `skip` matching requests pass, then applies `times` times (None: until deleted).
    `status` and `body` replace the real answer, `headers` and `content_type` amend either.
    `echo` gives an error a message that quotes what nobody else may read of the request.
    `cut` resets the connection: before the body is read, after the request was read and worked
    on, or after the headers and half of the body. `truncate` ends it in order after half.
    """

    id: str | None = None
    match: Mapping[str, str] = field(default_factory=dict)
    times: int | None = 1
    skip: int = 0
    status: int | None = None
    body: object = None
    echo: bool = False
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0
    cut: Cut | None = None
    truncate: bool = False
    charge: bool | None = None

    @property
    def charges(self) -> bool:
        """Whether the credit goes although the answer fails."""
        if self.charge is not None:
            return self.charge
        return self.status in {None, OK} or bool(self.cut) or self.truncate

    @property
    def replaces(self) -> bool:
        """Whether the real answer is not needed at all."""
        return self.status is not None and not self.charges

    def matches(self, facts: Mapping[str, str | None]) -> bool:
        """Say whether `filename` and `sha256` are those asked for."""
        return all(facts.get(name) == value for name, value in self.match.items())

    def spoil(self, answer: Answer) -> Answer:
        """Replace the parts of the answer that the fault names."""
        if self.status is not None:
            answer = self.answer(self.status)
        content_type = self.content_type or answer.content_type
        headers = {**answer.headers, **self.headers}
        return replace(answer, content_type=content_type, headers=headers)

    def answer(self, status: int) -> Answer:
        """Give the scripted body, or the service's own error object."""
        if self.body is None:
            return ApiError(status).answer()
        if isinstance(self.body, str):
            return Answer(status=status, body=self.body.encode(), content_type="text/plain")
        return Answer(status=status, body=json.dumps(self.body).encode())
