"""A file that has taken the number of one of our descriptors is left alone."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from thread_exporters._page.descriptor import OwnSocket

pytestmark = pytest.mark.skipif(os.name == "nt", reason="numbers of sockets are not those of files there")


def own_socket() -> OwnSocket:
    here, there = socket.socketpair()
    there.close()
    return OwnSocket(here)


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_socket_leaves_alone_what_has_its_number_by_now(tmp_path: Path, is_closed: bool) -> None:
    own = own_socket()
    number = own.socket.fileno()
    with open(tmp_path / "file", "wb") as file:
        os.dup2(file.fileno(), number)
    assert not own.is_ours
    if is_closed:
        own.close()
    del own
    os.write(number, b"whole")
    os.close(number)
    assert (tmp_path / "file").read_bytes() == b"whole"


@pytest.mark.filterwarnings("error")
def test_a_socket_that_nobody_needs_any_more_is_closed() -> None:
    own = own_socket()
    number = own.socket.fileno()
    del own
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
