"""A process of `multiprocessing` ends with `os._exit`, without the interpreter's usual shutdown. Its records are still
exported, including its last threads, however it was started and wherever observation began.

Exits with status 0 on success.
"""

import concurrent.futures
import multiprocessing
import os
import sys
import threading
import warnings
from pathlib import Path

LOG = "LOG_OF_EXPORTS"
ACQUISITIONS = 93


class Logging:
    """An exporter that writes a line at the end of each process."""

    def export(self, snapshot, events):
        self.acquisitions = sum(lock.acquisitions for lock in snapshot.locks if lock.name == "counted")

    def shutdown(self, timeout):
        if self.acquisitions:
            with Path(os.environ[LOG]).open("a") as log:
                log.write(f"{self.acquisitions}\n")

    def after_fork_in_child(self):
        return True


def observe():
    from thread import telemetry

    telemetry.instrument()
    telemetry.start(Logging(), export_interval=3600)


def work(begins=False):
    if begins:
        observe()
    import thread

    lock = thread.allocate_lock(name="counted")

    def acquire(times):
        for _ in range(times):
            with lock:
                pass

    acquire(ACQUISITIONS - 10)
    go_on = threading.Event()
    threading.Thread(target=lambda: go_on.wait(10) and acquire(10)).start()
    threading.Timer(0.05, go_on.set).start()


def exported(run):
    log = Path(os.environ[LOG])
    log.write_text("")
    run()
    return sorted(map(int, log.read_text().split()))


def run_process(context, *arguments):
    process = context.Process(target=work, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == 0, process.exitcode


def run_pool(context):
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as executor:
        executor.submit(work).result()


if __name__ in ("__main__", "__mp_main__") and "late" not in sys.argv:
    observe()


def main():
    warnings.simplefilter("ignore")
    os.environ[LOG] = str(Path("log").absolute())
    late = "late" in sys.argv
    wrong = {}
    for method in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context(method)
        found = [exported(lambda context=context: run_process(context, late))]
        if not late:
            found.append(exported(lambda context=context: run_pool(context)))
        if any(each != [ACQUISITIONS] for each in found):
            wrong[method] = found
    print("wrong:", wrong or "nothing", flush=True)
    if not wrong and not late:
        # Once more, with observation only in the children.
        os.execv(sys.executable, [sys.executable, __file__, "late"])
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
