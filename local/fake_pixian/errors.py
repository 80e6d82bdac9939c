"""An answer before it becomes HTTP, and the errors that become one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import Response

# The only code that the API page shows. All others here are made up: ten times the status.
UNREADABLE_IMAGE = 1006

UNAUTHORIZED = 401
CHALLENGE = 'Basic realm="Pixian"'

MESSAGES = {
    401: "Unknown API id or secret.",
    402: "No usable credits.",
    413: "The request is too large.",
    415: "The Content-Type must be multipart/form-data.",
    429: "Too many requests.",
    500: "Internal error.",
    503: "Temporarily unavailable.",
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole response."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """Convert it to Flask's response."""
        return self.fill(Response(self.body))

    def fill[R: Response](self, response: R) -> R:
        """Set status and headers of a response that has its own way to send the body."""
        response.status_code = self.status
        if self.status == UNAUTHORIZED:
            # HTTP requires it, and wget, Java and urllib send no credentials before they are asked.
            response.headers["WWW-Authenticate"] = CHALLENGE
        response.headers.update(self.headers)
        response.headers["Content-Type"] = self.content_type
        return response


class ApiError(Exception):
    """A request that is answered with Pixian's error object."""

    def __init__(self, status: int, message: str = "", code: int | None = None) -> None:
        self.status = status
        self.code = code or status * 10
        self.message = message or MESSAGES.get(status, f"Status {status}.")
        super().__init__(self.message)

    def document(self) -> dict[str, object]:
        """Build the error object."""
        return {"error": {"status": self.status, "code": self.code, "message": self.message}}

    def answer(self) -> Answer:
        """Build the answer with the error object as its body."""
        return Answer(status=self.status, body=json.dumps(self.document()).encode())


class FieldError(ApiError):
    """A form field that the API page doesn't allow: 400."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(400, f"{field}: {problem}")


class UnreadableImageError(ApiError):
    """Not an image, not one of the five formats, or broken: 400 with code 1006."""

    def __init__(self) -> None:
        super().__init__(400, "Failed to read the supplied image.", UNREADABLE_IMAGE)
