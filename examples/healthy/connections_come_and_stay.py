"""A thread for each connection: sixty an hour come, and all of them stay."""

from __future__ import annotations

import os
import socket
import threading
import time

SPEED = float(os.environ.get("EXAMPLE_SPEED", "1"))
"""Time factor, for tests."""

clients = []


def serve(connection: socket.socket) -> None:
    while connection.recv(1024):
        pass


while True:
    server, client = socket.socketpair()
    clients.append(client)
    threading.Thread(target=serve, args=(server,), daemon=True).start()
    time.sleep(60 / SPEED)
