"""Serve until Ctrl-C or SIGTERM."""

import argparse
import signal
import threading

from local.fake_pixian.server import API_SECRET, StandIn


def main() -> None:
    """Read the options, serve, print the URL."""
    options = argparse.ArgumentParser(prog="python -m local.fake_pixian", description=__doc__)
    options.add_argument("--port", type=int, default=0, help="0: any free one")
    options.add_argument("--api-id", default="standin")
    options.add_argument("--api-secret", default=API_SECRET)
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
