"""Lock: who waits for this one, for how long, and what does its owner do meanwhile?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from ._board import AnyPanel, board
from ._links import LOCK_UID
from ._panels import EACH_INSTANCE, NUMBER, PER_SECOND, SECONDS, SHARE, durations, lines, number, query
from ._promql import INSTANCE, WHOLE_RANGE, Selection, aggregate, joined, label, top, total
from ._tables import LabelColumn, ValueColumn, rows
from ._variables import lock

_LOCK: Final = Selection((*Selection().matchers, f'{label("python.lock.name")}="$lock"'))
_WAIT: Final = "python.lock.wait.duration"
_HOLD: Final = "python.lock.hold.duration"


def lock_board() -> Dashboard:
    return board(
        LOCK_UID,
        "Threads and locks: one lock",
        "One lock: how long threads wait for it, who waits for whom, how long it is held, and where.",
        {
            "At a glance": _at_a_glance(),
            "Waits": _waits(),
            "Who waits for whom": [_blame()],
            "Use": _use(),
            "Instances compared": _instances(),
        },
        lock(),
    )


def _share_contended(*by: str) -> str:
    contended = total(_LOCK.rate("python.lock.contentions"), *by)
    return f"{contended} / {total(_LOCK.rate('python.lock.acquisitions'), *by)}"


def _at_a_glance() -> list[AnyPanel]:
    return [
        number(
            "Waiters",
            "How many threads wait for this lock at this moment.",
            NUMBER,
            total(_LOCK.now("python.lock.waiters")),
        ),
        number(
            "Oldest wait now",
            "How long the longest of the waits that last has been going on, 0 when nobody waits.",
            SECONDS,
            aggregate("max", _LOCK.now("python.lock.wait.oldest")),
            limits=(1, 10),
        ),
        number(
            "Share contended",
            "How many of the acquisitions had to wait.",
            SHARE,
            _share_contended(),
            limits=(0.05, 0.3),
        ),
        number(
            "Waited",
            "How long threads waited for this lock, all added up, during the time shown.",
            SECONDS,
            total(_LOCK.growth(_WAIT, "sum")),
        ),
        number(
            "Contentions",
            "How many acquisitions had to wait during the time shown.",
            NUMBER,
            total(_LOCK.increase("python.lock.contentions")),
        ),
        number(
            "Time-outs",
            "How many waits ended without the lock because their time was up, during the time shown.",
            NUMBER,
            total(_LOCK.increase("python.lock.timeouts")),
            limits=(1, 10),
        ),
    ]


def _waits() -> list[AnyPanel]:
    buckets = total(_LOCK.rate(_WAIT, "bucket"), "le")
    return [
        durations(
            "Waits, by how long they took",
            "How many waits a second took how long, however they ended. Each dot is one slow wait of a traced "
            "request: a click on it opens the trace, if the data source knows where traces are kept.",
            query(buckets).exemplar(True),
        ),
        lines(
            "Wait quantiles",
            "Half of the waits were shorter than p50, 99 % shorter than p99, estimated from buckets that double. "
            "The longest wait was between half of the highest and all of it: that is the upper bound of the highest "
            "bucket that got a wait. The buckets end at 8 s, which stands for anything longer as well. The oldest "
            "now is exact and has no end, since it is a wait that still lasts, which no bucket knows yet. Dots are "
            "slow waits with a trace.",
            SECONDS,
            query(_LOCK.quantile(0.5, _WAIT), "p50"),
            query(_LOCK.quantile(0.99, _WAIT), "p99").exemplar(True),
            query(_LOCK.quantile(1, _WAIT), "highest"),
            query(aggregate("max", _LOCK.now("python.lock.wait.oldest")), "oldest now"),
        ).height(9),
    ]


def _blame() -> AnyPanel:
    wanted_in, held_in = "code.function.name", "python.lock.owner.function.name"
    seconds = _LOCK.growth("python.lock.blame.time")
    seconds = joined(seconds, "wanted_at", ":", "code.file.path", "code.line.number")
    seconds = joined(seconds, "held_at", ":", "python.lock.owner.file.path", "python.lock.owner.line.number")
    return rows(
        "Who waits for whom",
        "Seconds waited during the time shown, by where the waiting thread wanted the lock and where the thread that "
        "held it was meanwhile. What the owner does there is what to move out of the lock.",
        [
            LabelColumn("Waits in", wanted_in),
            LabelColumn("at", "wanted_at"),
            LabelColumn("Owner is in", held_in),
            LabelColumn("meanwhile at", "held_at"),
        ],
        [
            ValueColumn(
                "Waited",
                top(50, f"{total(seconds, wanted_in, 'wanted_at', held_in, 'held_at')} > 0"),
                SECONDS,
                gauge=True,
            )
        ],
        height=10,
    )


def _use() -> list[AnyPanel]:
    return [
        lines(
            "Acquisitions and contentions",
            "How often a second the lock was acquired, how often that had to wait, and how often a wait ran out of "
            "time.",
            PER_SECOND,
            query(total(_LOCK.rate("python.lock.acquisitions")), "acquisitions"),
            query(total(_LOCK.rate("python.lock.contentions")), "contentions"),
            query(total(_LOCK.rate("python.lock.timeouts")), "time-outs"),
            span=8,
        ),
        lines(
            "Hold times, sampled",
            "How long the lock was held: half of the holds were shorter than p50, 99 % shorter than p99. A random "
            "sample of the acquisitions, one in 64 unless set otherwise, estimated from buckets, each of which is "
            "four times the one before. The mean is exact for the sample.",
            SECONDS,
            query(_LOCK.quantile(0.5, _HOLD), "p50"),
            query(_LOCK.quantile(0.99, _HOLD), "p99"),
            query(f"{total(_LOCK.rate(_HOLD, 'sum'))} / {total(_LOCK.rate(_HOLD, 'count'))}", "mean"),
            span=8,
        ),
        lines(
            "Waiters, by instance",
            "How many threads wait for the lock at each moment that was looked at.",
            NUMBER,
            query(total(_LOCK.now("python.lock.waiters"), *INSTANCE), EACH_INSTANCE),
            span=8,
            stacked=True,
        ),
    ]


def _instances() -> list[AnyPanel]:
    waited = total(_LOCK.growth(_WAIT, "sum"), *INSTANCE)
    contended = total(_LOCK.increase("python.lock.contentions"), *INSTANCE)
    acquired = total(_LOCK.increase("python.lock.acquisitions"), *INSTANCE)
    slow = _LOCK.quantile(0.99, _WAIT, *INSTANCE, window=WHOLE_RANGE)
    oldest = aggregate("max", _LOCK.now("python.lock.wait.oldest"), *INSTANCE)
    return [
        lines(
            "Time waited, by instance",
            "Seconds waited in each second, which is how many threads of the instance wait for this lock on average.",
            NUMBER,
            query(total(_LOCK.rate(_WAIT, "sum"), *INSTANCE), EACH_INSTANCE),
            span=8,
        ),
        lines(
            "Share contended, by instance",
            "How many of the acquisitions had to wait.",
            SHARE,
            query(_share_contended(*INSTANCE), EACH_INSTANCE),
            span=8,
            most=1,
        ),
        lines(
            "Wait p99, by instance",
            "99 % of the waits were shorter than this, estimated from buckets that double.",
            SECONDS,
            query(_LOCK.quantile(0.99, _WAIT, *INSTANCE), EACH_INSTANCE),
            span=8,
        ),
        rows(
            "Instances, the one that waited longest first",
            "This lock in each instance during the time shown.",
            [LabelColumn("Service", "job"), LabelColumn("Instance", "instance")],
            [
                ValueColumn("Waited", waited, SECONDS, gauge=True),
                ValueColumn("Acquisitions", acquired, NUMBER),
                ValueColumn("Contentions", contended, NUMBER),
                ValueColumn("Share contended", f"{contended} / {acquired}", SHARE),
                ValueColumn("Wait p99", slow, SECONDS),
                ValueColumn("Oldest wait now", oldest, SECONDS),
            ],
        ),
    ]
