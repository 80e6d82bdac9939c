"""Serve a fake Pixian on this machine until Ctrl-C or SIGTERM."""

import argparse
import signal
import threading

from local.fake_pixian.server import API_ID, API_SECRET, StandIn


def main() -> None:
    """Read the options, start the server, and print its URL."""
    options = argparse.ArgumentParser(prog="python -m local.fake_pixian", description=__doc__)
    options.add_argument("--port", type=int, default=0, help="0, the default: any free port")
    options.add_argument("--api-id", default=API_ID, help="default: %(default)s")
    options.add_argument("--api-secret", default=API_SECRET, help="default: %(default)s")
    chosen = options.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    stand_in = StandIn(port=chosen.port, api_id=chosen.api_id, api_secret=chosen.api_secret)
    with stand_in:
        print(stand_in.url, flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
