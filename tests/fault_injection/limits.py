"""Lambda's control plane, as far as PaceFunction calls it."""

from dataclasses import dataclass, field

from flask import Flask, request


@dataclass
class Limits:
    """What was set last, and the most lanes that there ever were at a time.

    None is no limit yet.
    """

    upload: int | None = None
    retry: int | None = None
    most: int = field(default=0)

    def clear(self) -> None:
        """As before the first look."""
        self.upload, self.retry, self.most = None, None, 0

    def app(self) -> Flask:
        """The two calls."""
        app = Flask("lambda")

        @app.put("/2017-10-31/functions/<_>/concurrency")
        def _reserve(_: str) -> dict[str, int]:
            self.upload = int(request.get_json()["ReservedConcurrentExecutions"])
            self._note()
            return {"ReservedConcurrentExecutions": self.upload}

        @app.put("/2015-03-31/event-source-mappings/<uuid>")
        def _poll(uuid: str) -> dict[str, str]:
            self.retry = int(request.get_json()["ScalingConfig"]["MaximumConcurrency"])
            self._note()
            return {"UUID": uuid}

        return app

    def _note(self) -> None:
        if self.upload is not None and self.retry is not None:
            self.most = max(self.most, self.upload + self.retry)
