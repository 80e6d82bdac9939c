import signal
import socket
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from local.fake_pixian import StandIn
from tests.unit.fake_pixian.client import CAT, ROOT, Client


def test_several_live_side_by_side() -> None:
    with StandIn(api_id="a", credits=Decimal(5)) as one, StandIn(api_id="b") as other:
        assert one.url != other.url
        assert Client(one).cut_out(image=CAT).status_code == 200
        assert (len(Client(one).ledger()), len(Client(other).ledger())) == (1, 0)
        assert Decimal(Client(one).balance()) < 5
        assert requests.post(other.url, auth=Client(one).auth, timeout=30).status_code == 404


def test_it_stops_and_leaves_its_port() -> None:
    with StandIn() as stand_in:
        url = stand_in.url
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=30)
    with StandIn(port=urlsplit(url).port or 0) as again:
        assert again.url == url


def test_it_listens_on_loopback_only() -> None:
    with StandIn() as stand_in:
        assert urlsplit(stand_in.url).hostname == "127.0.0.1"
        elsewhere = ("127.0.0.2", urlsplit(stand_in.url).port)
        with pytest.raises(OSError), socket.create_connection(elsewhere, 30):  # noqa: PT011
            pass


def test_a_missing_model_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="absent"):
        StandIn(model=tmp_path / "absent.onnx")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_stopped(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "local.fake_pixian", "--api-id", "me", "--api-secret", "mine"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        account = requests.get(f"{url}/api/v2/account", auth=("me", "mine"), timeout=30)
        assert account.status_code == 200
        process.send_signal(number)
        assert process.wait(30) == 0
