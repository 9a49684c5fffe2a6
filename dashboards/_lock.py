"""Lock: who waits for this one, for how long, and what does its owner do meanwhile?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ._board import AnyPanel, Row, board
from ._links import LOCK_UID
from ._panels import AVERAGE, COUNT, EACH_INSTANCE, PER_SECOND, SECONDS, SHARE, durations, lines, number, query
from ._promql import (
    INSTANCE,
    RATE_WINDOW,
    RECENTLY,
    SERVICE,
    WHOLE_RANGE,
    Selection,
    aggregate,
    at_line,
    label,
    real,
    top,
    total,
)
from ._tables import SERVICE_COLUMNS, LabelColumn, ValueColumn, rows
from ._variables import lock

_LOCK: Final = Selection().where(f'{label("python.lock.name")}="$lock"')
_WAIT: Final = "python.lock.wait.duration"
_HOLD: Final = "python.lock.hold.duration"
_BLAMED: Final = (*SERVICE, "code.function.name", "wanted_at", "python.lock.owner.function.name", "held_at")


def lock_board() -> Dashboard:
    return board(
        LOCK_UID,
        "Threads and locks: one lock",
        "One lock: who waits for whom, how long, and where and how long the lock is held.",
        [
            Row("", [*_at_present(), *_during_the_time_shown(), _blame(), _time_waited(), _waiters()]),
            Row("Waits", _waits()),
            Row("Use", _use()),
            Row("Instances compared", _instances()),
        ],
        lock(),
    )


def _share_contended(window: str, *by: str) -> str:
    contended = total(_LOCK.rate("python.lock.contentions", window=window), *by)
    return f"{contended} / {total(_LOCK.rate('python.lock.acquisitions', window=window), *by)}"


def _at_present() -> list[AnyPanel]:
    return [
        number(
            "Waiters",
            "Threads that wait for this lock at this moment.",
            COUNT,
            query(total(_LOCK.now("python.lock.waiters"))),
        ),
        number(
            "Oldest wait now",
            "Age of the oldest wait in progress; 0 if no thread waits.",
            SECONDS,
            query(aggregate("max", _LOCK.now("python.lock.wait.oldest"))),
            limits=(1, 10),
        ),
        number(
            "Share contended",
            "The share of acquisitions that had to wait, over 5 minutes. No value if there was no acquisition, as "
            "while the lock is never free.",
            SHARE,
            query(real(_share_contended(RECENTLY))),
            limits=(0.05, 0.3),
        ),
    ]


def _during_the_time_shown() -> list[AnyPanel]:
    return [
        number(
            "Waited",
            "Time that threads waited for this lock, added up, during the time shown. Of waits in progress the "
            "oldest of each instance is included.",
            SECONDS,
            query(f"{total(_LOCK.growth(_WAIT, 'sum'))} + {total(_LOCK.now('python.lock.wait.oldest'))}").instant(),
        ),
        number(
            "Contentions",
            "Acquisitions that had to wait during the time shown.",
            COUNT,
            query(total(_LOCK.increase("python.lock.contentions"))).instant(),
        ),
        number(
            "Time-outs",
            "Waits that ended without the lock because their time was up, during the time shown.",
            COUNT,
            query(total(_LOCK.increase("python.lock.timeouts"))).instant(),
            limits=(1, 10),
        ),
    ]


def _time_waited() -> AnyPanel:
    return lines(
        "Time waited, by instance",
        "Seconds waited in each second: the number of threads of the instance that wait for this lock, on average.",
        AVERAGE,
        query(total(_LOCK.waiting(), *INSTANCE), EACH_INSTANCE),
        height=7,
        limit=2,
    )


def _waiters() -> AnyPanel:
    return lines(
        "Waiters, by instance",
        "Threads that wait for the lock at each moment that was looked at.",
        COUNT,
        query(total(_LOCK.now("python.lock.waiters"), *INSTANCE), EACH_INSTANCE),
        height=7,
        stacked=True,
    )


def _waits() -> list[AnyPanel]:
    buckets = total(_LOCK.rate(_WAIT, "bucket"), "le")
    return [
        durations(
            "Waits, by how long they took",
            "Waits a second by their duration, however they ended. Each dot is one slow wait of a traced request: a "
            "click on it opens the trace, if the data source knows where traces are kept.",
            query(buckets).exemplar(True),
        ),
        lines(
            "Wait quantiles",
            "Half of the waits were shorter than p50, 99 % shorter than p99, estimated from buckets that double. "
            "The longest wait was between half of the highest and all of it: that is the upper bound of the highest "
            "bucket that got a wait. The buckets end at 8 s, which stands for anything longer as well. The oldest "
            "now is exact and has no end, since it is a wait in progress, which no bucket knows yet. Dots are slow "
            "waits with a trace.",
            SECONDS,
            query(_LOCK.quantile(0.5, _WAIT), "p50"),
            query(_LOCK.quantile(0.99, _WAIT), "p99").exemplar(True),
            query(_LOCK.quantile(1, _WAIT), "highest"),
            query(aggregate("max", _LOCK.now("python.lock.wait.oldest")), "oldest now"),
            height=9,
        ),
    ]


def _blame() -> AnyPanel:
    seconds = at_line(_LOCK.growth("python.lock.blame.time"), "wanted_at", "code.file.path", "code.line.number")
    seconds = at_line(seconds, "held_at", "python.lock.owner.file.path", "python.lock.owner.line.number")
    return rows(
        "Who waits for whom",
        "Seconds waited during the time shown, by the place where the waiting thread wanted the lock, and the place "
        "where its owner was meanwhile. The owner is `gil` where the lock was free and the thread waited for the GIL.",
        [
            *SERVICE_COLUMNS,
            LabelColumn("Service", "job", width=110),
            LabelColumn("Waits in", "code.function.name"),
            LabelColumn("at", "wanted_at", width=210),
            LabelColumn("Owner is in", "python.lock.owner.function.name"),
            LabelColumn("owner at", "held_at", width=210),
        ],
        [ValueColumn("Waited", top(50, f"{total(seconds, *_BLAMED)} > 0"), SECONDS, gauge=True)],
        height=8,
        empty="No wait for this lock is known by its places",
    )


def _use() -> list[AnyPanel]:
    return [
        lines(
            "Acquisitions and contentions",
            "Acquisitions a second, those of them that had to wait, and waits that ran out of time.",
            PER_SECOND,
            query(total(_LOCK.rate("python.lock.acquisitions")), "acquisitions"),
            query(total(_LOCK.rate("python.lock.contentions")), "contentions"),
            query(total(_LOCK.rate("python.lock.timeouts")), "time-outs"),
        ),
        lines(
            "Hold times, sampled",
            "Half of the holds were shorter than p50, 99 % shorter than p99. A random sample of the acquisitions, one "
            "in 64 unless set otherwise, estimated from buckets, each four times the one before. The mean is exact "
            "for the sample.",
            SECONDS,
            query(_LOCK.quantile(0.5, _HOLD), "p50"),
            query(_LOCK.quantile(0.99, _HOLD), "p99"),
            query(f"{total(_LOCK.rate(_HOLD, 'sum'))} / {total(_LOCK.rate(_HOLD, 'count'))}", "mean"),
        ),
    ]


def _instances() -> list[AnyPanel]:
    waited = (
        f"{total(_LOCK.growth(_WAIT, 'sum'), *INSTANCE)} + {total(_LOCK.now('python.lock.wait.oldest'), *INSTANCE)}"
    )
    contended = total(_LOCK.increase("python.lock.contentions"), *INSTANCE)
    acquired = total(_LOCK.increase("python.lock.acquisitions"), *INSTANCE)
    slow = _LOCK.quantile(0.99, _WAIT, *INSTANCE, window=WHOLE_RANGE)
    oldest = aggregate("max", _LOCK.now("python.lock.wait.oldest"), *INSTANCE)
    return [
        lines(
            "Share contended, by instance",
            "The share of acquisitions that had to wait.",
            SHARE,
            query(real(_share_contended(RATE_WINDOW, *INSTANCE)), EACH_INSTANCE),
            most=1,
        ),
        lines(
            "Wait p99, by instance",
            "99 % of the waits were shorter than this, an estimate from buckets that double.",
            SECONDS,
            query(_LOCK.quantile(0.99, _WAIT, *INSTANCE), EACH_INSTANCE),
        ),
        rows(
            "Instances, the one that waited longest first",
            "This lock in each instance during the time shown. Of waits in progress the oldest is included.",
            [*SERVICE_COLUMNS, LabelColumn("Service", "job", width=130), LabelColumn("Instance", "instance")],
            [
                ValueColumn("Waited", waited, SECONDS, gauge=True),
                ValueColumn("Waiting now", total(_LOCK.now("python.lock.waiters"), *INSTANCE), COUNT, width=105),
                ValueColumn("Oldest wait now", oldest, SECONDS, width=130),
                ValueColumn("Acquisitions", acquired, COUNT, width=110),
                ValueColumn("Contentions", contended, COUNT, width=110),
                ValueColumn("Contended", real(f"{contended} / {acquired}"), SHARE),
                ValueColumn("Wait p99", slow, SECONDS),
            ],
            height=7,
        ),
    ]
