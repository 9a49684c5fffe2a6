"""Tasks that wait for tasks of their own full pool."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

workers = ThreadPoolExecutor(4, thread_name_prefix="reports")


def chapter(number: int) -> str:
    return f"chapter {number}"


def report() -> str:
    return "".join(workers.submit(chapter, number).result() for number in range(3))


for each in [workers.submit(report) for _ in range(8)]:
    each.result()
