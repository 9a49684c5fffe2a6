"""Replacements for `threading.Thread` and `threading.Lock`, during observation and when it ends.

Nothing raises, and the originals are restored. Source: bloomberg/memray#910.
"""

import _thread
import sys
import threading
from typing import Any
from unittest import mock


class Early(threading.Thread):
    pass


def work() -> None:
    pass


join, wait = threading.Thread.join, threading.Condition.wait
genuine = threading.Thread

from thread import telemetry  # noqa: E402

telemetry.instrument()
wrong = []
stand_ins: Any = mock.MagicMock(), type("Fake", (), {}), type("Other", (threading.Thread,), {})
for stand_in in stand_ins:
    # The thread and its starter need a working lock: a plain mock would lose the wake-up that they wait for.
    lock = mock.MagicMock(side_effect=_thread.allocate_lock)
    with mock.patch("threading.Thread", stand_in), mock.patch("threading.Lock", lock):
        try:
            early = Early(target=work)
            early.start()
            early.join()
            telemetry.snapshot()
        except Exception as error:
            wrong.append(f"{stand_in!r}: {error!r}")
targets = [(each.target, each.started) for each in telemetry.snapshot().threads]
if targets != [("__main__:work", 3)]:
    wrong.append(f"targets: {targets}")
with mock.patch.dict(sys.modules, {"threading": mock.MagicMock()}):
    telemetry.snapshot()
with mock.patch.dict(threading._active, {1: mock.MagicMock(), 2: None}):  # type: ignore[attr-defined]
    telemetry.snapshot()
threading.Thread = type("Fake", (), {})  # type: ignore[assignment, misc]
telemetry.uninstrument()
threading.Thread = genuine  # type: ignore[misc]
if genuine.join is not join or threading.Condition.wait is not wait:
    wrong.append("not given back")
if telemetry.snapshot().coverage.faults:
    wrong.append("faults")
print("wrong:", wrong or "nothing")
sys.exit(bool(wrong))
