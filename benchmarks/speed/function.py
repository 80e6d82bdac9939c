"""Run a function in this process, as Lambda does: `python function.py FOLDER [--count]`.

FOLDER has the app.py. The first line out says how long initialization took; then each line in is an
order and each line out its answer, all in JSON.
"""

import json
import os
import resource
import sys
import time
from importlib import import_module
from typing import Any


class Context:
    """The context that Lambda passes to a handler."""

    function_name = "bench"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:bench"
    memory_limit_in_mb = 1769
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        """As at the beginning of an invocation."""
        return 900_000


class Calls:
    """The AWS calls of this process: counted, timed, and each made to take longer.

    A hook in the process, not a proxy: a proxy would copy each image once more on the same cores,
    and the time of that would be in the figures.
    """

    def __init__(self) -> None:
        import boto3  # noqa: PLC0415 - where calls aren't counted, importing it is measured
        from botocore.httpsession import URLLib3Session  # noqa: PLC0415

        self.added_seconds = 0.0
        self._taken: list[tuple[str, float]] = []
        self._hooked = self._sent = 0
        boto3.setup_default_session()
        events = boto3._get_default_session().events
        events.register_first("before-call", self._begin)
        events.register("before-send", self._delay)
        events.register_last("after-call", self._end)
        send = URLLib3Session.send

        def counted(*arguments: Any) -> Any:  # noqa: ANN401 - botocore's
            self._sent += 1
            return send(*arguments)

        URLLib3Session.send = counted  # type: ignore[method-assign, assignment]

    def _begin(self, context: dict[str, Any], **_: object) -> None:
        context["bench_began"] = time.perf_counter()

    def _delay(self, **_: object) -> None:
        self._hooked += 1
        if self.added_seconds:
            time.sleep(self.added_seconds)

    def _end(self, model: Any, context: dict[str, Any], **_: object) -> None:  # noqa: ANN401 - botocore's
        self._taken.append((model.name, _milliseconds(context["bench_began"])))

    def take(self) -> list[tuple[str, float]]:
        """Name and milliseconds of each call since the last look, in the order of their ends."""
        taken, self._taken = self._taken, []
        if not self._hooked == self._sent == len(taken):
            sys.exit(f"{self._sent} requests, {self._hooked} with a hook, {len(taken)} calls")
        self._hooked = self._sent = 0
        return taken


def main() -> None:
    """Initialize the function, then pass it the events."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 - pathlib's import is measured
        os.dup2(nowhere.fileno(), 1)  # the function's log
    calls = Calls() if "--count" in sys.argv else None
    sys.path.insert(0, sys.argv[1])
    began = time.perf_counter()
    handler = import_module("app").handler
    handler({"Records": []}, Context())  # makes the clients that are made with the first event
    print(json.dumps(_milliseconds(began)), file=answers)
    for line in sys.stdin:
        order = json.loads(line)
        if calls:
            calls.added_seconds = order["added_seconds"]
        began = time.perf_counter()
        handler(order["event"], Context())
        answer = {"milliseconds": _milliseconds(began), "peak_bytes": _peak_bytes()}
        print(json.dumps(answer | {"calls": calls.take() if calls else []}), file=answers)


def _milliseconds(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def _peak_bytes() -> int:
    """Of memory since the program began; Linux's `ru_maxrss` may be that of the parent process."""
    try:
        with open("/proc/self/status") as status:  # noqa: PTH123 - as above
            [peak] = [line.split()[1] for line in status if line.startswith("VmHWM:")]
        return int(peak) * 1024
    except FileNotFoundError:  # macOS, in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
