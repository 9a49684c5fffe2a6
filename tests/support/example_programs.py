"""Helpers that run the examples."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@dataclass
class Shop:
    """Run the service in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def order(self, customer: str, country: str) -> None:
        assert self.ask("POST", f"/baskets/{customer}", {"sku": "CHN-11"})[0] == 201
        assert self.ask("POST", "/checkout", {"customer": customer, "country": country})[0] == 201

    def health(self) -> Any:
        return self.ask("GET", "/health")[1]

    def end(self, with_signal: signal.Signals) -> tuple[int, str]:
        self.process.send_signal(with_signal)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def running_shop(*options: str, observer: tuple[str, ...] = (), **environment: str) -> Iterator[Shop]:
    port = free_port()
    command = [sys.executable, *observer, "-m", "shop", "--port", str(port), *options]
    process = subprocess.Popen(
        command, cwd=EXAMPLES, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"shop: listening on http://127.0.0.1:{port}\n"
        shop = Shop(process, port)
        shop.health()
        yield shop
    finally:
        process.kill()
        process.communicate()


def run_example(
    name: str, *arguments: str, timeout: float = 60, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def load_example(name: str) -> ModuleType:
    """Load a module of the examples, for all later imports."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
