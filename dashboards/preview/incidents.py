"""The incidents of the runbook, each as a service that has it, and the pods of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from example_programs import EXAMPLES

from .stage import PROGRAMS, UNOBSERVED, Pod

_FAULTS: Final = str(EXAMPLES / "faults.py")


@dataclass(frozen=True)
class Incident:
    """A fault of one service, and the names that the first screen has to show."""

    name: str
    job: str
    fault: tuple[str, ...]
    names: tuple[str, ...]
    """The lock, target or executor; empty where there is none."""
    healthy: int = 0
    """Further instances of the service without the fault."""
    dies: bool = False

    def pods(self, after: float) -> list[Pod]:
        """The instances of the service, the one with the fault first. The fault begins `after` seconds."""
        dies_after = after if self.dies else None
        faulty = Pod(self.job, f"{self.job}-{_suffix(self.job, 0)}", _program(self.fault, after), dies_after)
        well = (PROGRAMS_HEALTHY,) * self.healthy
        return [faulty, *(Pod(self.job, f"{self.job}-{_suffix(self.job, n)}", each) for n, each in enumerate(well, 1))]


PROGRAMS_HEALTHY: Final = (str(PROGRAMS), "healthy")

INCIDENTS: Final = (
    Incident("convoy", "payments", (_FAULTS, "convoy"), ("convoy.cache_guard",), healthy=2),
    Incident("deadlock", "bank", (str(PROGRAMS), "deadlock"), ("Bank.accounts", "Bank.journal"), healthy=1),
    Incident("stuck-owner", "gateway", (_FAULTS, "stuck"), ("stuck.connection_guard",)),
    Incident("lock-never-free", "stock", (str(PROGRAMS), "timeouts"), ("timeouts.stock_guard",), healthy=1),
    Incident("few-of-many-threads", "prices", (str(PROGRAMS), "large_pool"), ("price_guard",)),
    Incident("permits-exhausted", "search", (str(PROGRAMS), "permits"), ("permits.connections",)),
    Incident("thread-leak", "mailer", (_FAULTS, "leak"), ("leak.<locals>.wait_for_reply",)),
    Incident("exceptions", "shipping", (_FAULTS, "exceptions"), ("exceptions.<locals>.ship_order", "KeyError")),
    Incident("executor-starved", "thumbnails", (_FAULTS, "starvation"), ("pictures",)),
    Incident("pool-waits-for-itself", "reports", (str(PROGRAMS), "pool_waits_for_itself"), ("reports",)),
    Incident("instance-down", "checkout", PROGRAMS_HEALTHY, (), healthy=2, dies=True),
    Incident("not-observed", "newcomer", (str(UNOBSERVED),), ()),
)


def _program(fault: tuple[str, ...], after: float) -> tuple[str, ...]:
    if fault in ((str(UNOBSERVED),), PROGRAMS_HEALTHY):
        return fault
    path, name = fault
    return (path, "--after", f"{after:g}", name)


def _suffix(job: str, number: int) -> str:
    """The end of the name of a pod, as a cluster gives it: always the same for the same pod."""
    letters = "bcdfghjklmnpqrstvwxz2456789"
    seed = sum(ord(letter) * 31**place for place, letter in enumerate(f"{job}{number}"))
    return "".join(letters[seed // len(letters) ** place % len(letters)] for place in range(5))


def all_pods(after: float) -> list[Pod]:
    """The pods of all incidents, and two of the example shop."""
    shops = [Pod("shop", f"shop-{_suffix('shop', n)}", ("-m", "shop"), is_shop=True) for n in range(2)]
    return [*shops, *(pod for incident in INCIDENTS for pod in incident.pods(after))]
