"""Another library wraps `Thread.start`, `Thread.run` and `ThreadPoolExecutor.submit`, before us or after us.

One of us is removed in between. Functions get their arguments, results come back, and each exception counts once.
Source: getsentry/sentry-python#2076, #982.
"""

import functools
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from thread import telemetry

hooked: list[str] = []
calls: list[str] = []
results: list[Any] = []
threading.excepthook = lambda arguments: hooked.append(arguments.exc_type.__name__)
originals: Any = threading.Thread.start, ThreadPoolExecutor.submit


def wrap() -> Any:
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit

    @functools.wraps(start)
    def observed_start(self: Any, *arguments: Any, **keywords: Any) -> None:
        run = self.run

        def observed_run(*inner: Any, **more: Any) -> Any:
            calls.append("run")
            return run(*inner, **more)

        self.run = observed_run
        return start(self, *arguments, **keywords)

    @functools.wraps(submit)
    def observed_submit(self: Any, function: Any, *arguments: Any, **keywords: Any) -> Any:
        def task(*inner: Any, **more: Any) -> Any:
            calls.append("task")
            return function(*inner, **more)

        return submit(self, task, *arguments, **keywords)

    threading.Thread.start, ThreadPoolExecutor.submit = observed_start, observed_submit  # type: ignore[assignment]
    return start, submit


def use() -> None:
    def work(number: int, *, twice: bool) -> None:
        results.append(number * 2 if twice else number)

    def fail() -> None:
        raise LookupError()

    threads = [threading.Thread(target=work, args=(2,), kwargs={"twice": True}), threading.Thread(target=fail)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ThreadPoolExecutor(1) as pool:
        results.append(pool.submit(pow, 2, exp=3).result())
        results.extend(pool.map(abs, (-1, -2)))


def is_right(first: bool) -> bool:
    if first:
        wrap()
        telemetry.instrument()
    else:
        telemetry.instrument()
        originals[:] = wrap()
    use()
    threading.Thread.start, ThreadPoolExecutor.submit = originals
    use()
    exceptions = [(each.target, each.count) for each in telemetry.snapshot().exceptions if each.source == "thread"]
    print(results, hooked, len(calls), exceptions)
    named = [("__main__:use.<locals>.fail", 2)]
    return results == [4, 8, 1, 2] * 2 and hooked == ["LookupError"] * 2 and exceptions == named


originals = [*originals]
child = os.fork()
if child == 0:
    status = 1
    try:
        status = not is_right(first=True)
    finally:
        sys.stdout.flush()
        os._exit(status)
failed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(failed or not is_right(first=False))
