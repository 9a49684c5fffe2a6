"""Links from one dashboard to the next. They keep the choices and the time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

from ._promql import INSTANCE, label

TAG: Final = "thread-telemetry"
OVERVIEW_UID: Final = "thread-telemetry-overview"
LOCK_UID: Final = "thread-telemetry-lock"
THREADS_UID: Final = "thread-telemetry-threads"

RUNBOOK: Final = "docs/runbook.md"
"""A path in this repository, as in the alert rules. docs/runbook.md says how to make it a link."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a series or of a cell of a table."""

    title: str
    url: str

    def builder(self) -> DashboardLink:
        return DashboardLink(self.title).type(DashboardLinkType.LINK).url(self.url).placement("")

    def plain(self) -> dict[str, str]:
        """The same for an override, which takes whatever JSON it is given."""
        return {"title": self.title, "url": self.url}


def to_lock_of_cell() -> Link:
    """From a cell of a table with the name of a lock, and with the service in the column of that title."""
    return _to_lock("${__data.fields.Service:percentencode}", "${__value.raw:percentencode}")


def to_lock_of_series() -> Link:
    """From a series with a service and the name of a lock among its labels."""
    name = f"${{__field.labels.{label('python.lock.name')}:percentencode}}"
    return _to_lock("${__field.labels.job:percentencode}", name)


def to_all_dashboards() -> DashboardLink:
    """To the dashboards of this project, as buttons at the top of each."""
    link = DashboardLink("Dashboards of thread-telemetry").type(DashboardLinkType.DASHBOARDS).tags([TAG]).url("")
    return link.as_dropdown(False).include_vars(True).keep_time(True).placement("").icon("dashboard")


def to_runbook() -> DashboardLink:
    """To the runbook, as a button beside them."""
    link = DashboardLink("Runbook").type(DashboardLinkType.LINK).url(RUNBOOK).placement("").icon("doc")
    return link.target_blank(True)


def _to_lock(service: str, name: str) -> Link:
    kept = [f"${{{each}:queryparam}}" for each in INSTANCE if each != "job"]
    chosen = "&".join(["var-datasource=${datasource}", *kept, f"var-job={service}", f"var-lock={name}"])
    return Link("Look at this lock", f"/d/{LOCK_UID}?{chosen}&${{__url_time_range}}")
