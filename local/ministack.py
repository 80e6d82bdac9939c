"""The local AWS: MiniStack over TLS on loopback, with IAM enforced."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

import requests

from admin.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
_EXECUTABLE = ROOT / ".tools/ministack/bin/ministack"
ROOT_KEY = "test"
"""Both the access key ID and the secret access key of the root user."""

_START_SECONDS = 60
_STOP_SECONDS = 2  # it keeps no state, so killing it loses nothing


class MiniStack:
    """A MiniStack process, whose state is lost when it ends.

    Args:
        directory: For its log, its certificate and the functions' temporary files.
        port: On 127.0.0.1; 0 picks a free port.
        region: The region of all resources.
    """

    def __init__(self, directory: Path, *, port: int = 0, region: str = "us-east-1") -> None:
        self._directory = directory
        self._port = port or _free_port()
        self.region = region
        self.endpoint_url = f"https://127.0.0.1:{self._port}"
        self.ca_bundle = directory / "tmp/ministack-tls/server.crt"
        self.log = directory / "ministack.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables for boto3 and the SAM CLI to use it as the account's root user."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_CA_BUNDLE": str(self.ca_bundle),
            "AWS_ACCESS_KEY_ID": ROOT_KEY,
            "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
            "AWS_DEFAULT_REGION": self.region,
        }

    def __enter__(self) -> Self:
        _require_free(self._port)
        temporary = self._directory / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            # In its own session, so that Ctrl-C only reaches us, and we can kill its workers too.
            self._process = subprocess.Popen(
                [_EXECUTABLE],
                env=self._server_environment(temporary),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _server_environment(self, temporary: Path) -> dict[str, str]:
        """Only PATH is passed on, because the functions inherit these variables."""
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(temporary),
            "TMPDIR": str(temporary),
            "AUTH": "true",
            "USE_SSL": "1",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self._port),
            "MINISTACK_REGION": self.region,
        }

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._process and self._process.poll() is not None:
                raise UserError(f"MiniStack failed to start. See {self.log}.")
            if self.ca_bundle.exists() and self._answers():
                return
            time.sleep(0.1)
        raise UserError(f"MiniStack didn't start within {_START_SECONDS} s. See {self.log}.")

    def _answers(self) -> bool:
        try:
            health = f"{self.endpoint_url}/_ministack/health"
            return requests.get(health, verify=str(self.ca_bundle), timeout=5).ok
        except (requests.RequestException, OSError):
            return False

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            _kill_group(self._process.pid)
            self._process.wait()
            # It leaves a copy of the layers for each worker, some hundred MB in total.
            shutil.rmtree(self._directory / "tmp", ignore_errors=True)


def _kill_group(group: int) -> None:
    """Kill the rest of MiniStack and the functions that it started."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UserError(
                f"Port {port} is in use. Choose another with PORT=…, or stop the program using it."
            ) from error
