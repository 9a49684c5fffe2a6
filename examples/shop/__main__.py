"""`python -m shop`: the shop behind waitress, a threaded WSGI server, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from types import FrameType

from shop.service import Shop
from shop.tracing import traced
from shop.web import Application


def main() -> int:
    options = _parse()
    try:
        from waitress.server import create_server  # type: ignore[import-untyped]
    except ImportError:
        print("shop: waitress is not installed; run pip install 'thread-telemetry[demo]'", file=sys.stderr)
        return 1
    shop = Shop(options.database)
    try:
        server = create_server(traced(Application(shop)), host=options.host, port=options.port, threads=options.threads)
    except OSError as error:
        print(f"shop: cannot listen on {options.host}:{options.port}: {error.strerror}", file=sys.stderr)
        shop.close()
        return 1
    # Requests queue up at each refresh of the catalogue. A log line for each would say nothing new.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    signal.signal(signal.SIGTERM, _stop)
    print(f"shop: listening on http://{options.host}:{options.port}", flush=True)
    # Returns on Ctrl-C and SystemExit, after the requests in progress.
    server.run()
    shop.close()
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="shop", description="A small shop for bicycle parts.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=8, help="number of server threads (default: %(default)s)")
    parser.add_argument("--database", metavar="FILE", help="SQLite file to keep (default: a temporary one)")
    return parser.parse_args()


def _stop(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
