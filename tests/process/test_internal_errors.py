from __future__ import annotations

import logging
from types import ModuleType

import pytest
from conftest import WaitUntil
from programs import output_of, run

from thread._process.internal_errors import InternalErrorLog


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "thread.telemetry"]


def test_every_fault_is_counted_and_the_first_is_logged(
    core: ModuleType, caplog: pytest.LogCaptureFixture, wait_until: WaitUntil
) -> None:
    faults = InternalErrorLog()
    for number in range(3):
        faults.report(f"fault {number}", ValueError("reason"))
    faults.wait_until_written(10)
    assert core.internal_errors() == 3
    assert logged(caplog) == ["fault 0"]
    assert "ValueError: reason" in caplog.text
    wait_until(lambda: core.untracked_count() == 0)


def test_it_waits_for_no_log_handler(core: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.handler.lock or pytest.fail("the handler has no lock"):
        faults = InternalErrorLog()
        faults.report("fault")
        faults.wait_until_written(0.01)
        assert not logged(caplog)
    faults.wait_until_written(10)
    assert logged(caplog) == ["fault"]


def test_a_log_handler_that_fails_is_counted_as_well(core: ModuleType, wait_until: WaitUntil) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("disk full")

    broken = Broken()
    logging.getLogger("thread.telemetry").addHandler(broken)
    try:
        InternalErrorLog().report("fault")
        wait_until(lambda: core.internal_errors() == 2)
    finally:
        logging.getLogger("thread.telemetry").removeHandler(broken)


def test_a_program_that_logs_nothing_sees_one_line_on_stderr() -> None:
    finished = run(
        """
        from thread._process.internal_errors import InternalErrorLog

        faults = InternalErrorLog()
        faults.report("the exporter x failed")
        faults.report("the exporter x failed")
        faults.wait_until_written(10)
        """
    )
    assert finished.stderr == "the exporter x failed\n"


def test_logging_is_not_imported_before_there_is_a_fault() -> None:
    assert output_of("import sys, thread._process.internal_errors; print('logging' in sys.modules)") == ["False"]


CLOSED_AT_EXIT = """
import atexit, io, logging, sys
from thread import telemetry

class Failing:
    def export(self, snapshot, events):
        raise OSError("nobody listens")
    def shutdown(self, timeout):
        logging.getLogger("thread.telemetry").warning("and from an exporter")

stream = io.StringIO()
logging.basicConfig(stream=stream)
telemetry.start(Failing(), export_interval=3600)
atexit.register(stream.close)
"""


def test_a_log_whose_stream_is_closed_at_exit_costs_one_line_a_record() -> None:
    assert sorted(run(CLOSED_AT_EXIT).stderr.splitlines()) == [
        "thread: and from an exporter",
        "thread: the exporter Failing failed; further failures are counted, not logged",
    ]


def test_records_of_the_program_are_handled_as_ever() -> None:
    finished = run(
        """
        import io, logging
        from thread._process.log import logger

        stream = io.StringIO()
        handler = logging.StreamHandler(stream)
        logging.getLogger().addHandler(handler)
        logger().error("ours")
        print(stream.getvalue(), end="")
        stream.close()
        logger().error("ours again")
        logging.error("the program's")
        """
    )
    assert finished.stdout == "ours\n"
    said, rest = finished.stderr.split("\n", 1)
    assert said == "thread: ours again"
    assert rest.startswith("--- Logging error ---")
    assert 'Message: "the program\'s"' in rest


def test_a_handler_that_logs_to_it_while_it_handles_does_not_wait_for_itself() -> None:
    assert output_of(
        """
        import logging
        from thread._process.log import logger

        class Chatty(logging.Handler):
            def emit(self, record):
                print(record.getMessage())
                if record.getMessage() == "one":
                    logger().error("two")

        logging.getLogger().addHandler(Chatty())
        logger().error("one")
        """
    ) == ["one", "two"]
