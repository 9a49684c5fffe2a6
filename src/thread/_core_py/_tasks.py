"""The asyncio task that a thread runs."""

from __future__ import annotations

import sys


def current_task() -> str | None:
    """Name of the task, empty if the event loop of this thread runs none, None without a running loop."""
    events, tasks = sys.modules.get("asyncio.events"), sys.modules.get("asyncio.tasks")
    if events is None or tasks is None:
        return None
    loop = events._get_running_loop()
    if loop is None:
        return None
    task = tasks.current_task(loop)
    # Of asyncio's own tasks only, since a subclass could answer by running code of the program.
    return str(task.get_name()) if type(task) is tasks.Task else ""
