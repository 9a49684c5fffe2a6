"""Exporters for tests."""

from __future__ import annotations

from collections.abc import Sequence

from thread._process.flags import Flag
from thread.telemetry import Event, Snapshot


class RecordingExporter:
    """An exporter that keeps everything it gets."""

    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []
        self.events: list[Event] = []
        self.timeouts: list[float] = []

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> int | None:
        self.snapshots.append(snapshot)
        self.events.extend(events)
        return None

    def shutdown(self, timeout: float) -> None:
        self.timeouts.append(timeout)


class HangingExporter(RecordingExporter):
    """An exporter whose `export` returns only once its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.gate = Flag()

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        self.calls += 1
        self.gate.wait(120)
        super().export(snapshot, events)


class FailingExporter(RecordingExporter):
    """An exporter whose every call raises."""

    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self.calls = 0
        self._error = error or ZeroDivisionError("division of labour by zero")

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        self.calls += 1
        raise self._error

    def shutdown(self, timeout: float) -> None:
        super().shutdown(timeout)
        raise self._error
