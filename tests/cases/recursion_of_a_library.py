"""A wait or a creation below a very deep recursion of a library looks at only a bounded part of the stack."""

import sys
import threading
import time

from thread import telemetry

telemetry.instrument()
DEPTH = 20_000
sys.setrecursionlimit(DEPTH + 1000)
threading.stack_size(256 * 1024 * 1024)
held = threading.Lock()
held.acquire()
costs = {}
namespace = {"threading": threading, "held": held, "thread_time": time.thread_time, "costs": costs}
# Code generated at run time is charged to its caller, like that of a library.
source = """
def recurse(depth, left):
    if left:
        return recurse(depth, left - 1)
    threading.Lock()
    costs[depth] = 1e9
    for _ in range(20):
        began = thread_time()
        for _ in range(5):
            held.acquire(timeout=1e-6)
        costs[depth] = min(costs[depth], thread_time() - began)
"""
exec(compile(source, "<string>", "exec"), namespace)
for depth in 600, DEPTH:
    thread = threading.Thread(target=namespace["recurse"], args=(depth, depth))
    thread.start()
    thread.join()
print(costs)
# There are forty times as many frames, which without a bound would cost forty times as much.
sys.exit(not costs[DEPTH] < 8 * costs[600])
