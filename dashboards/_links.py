"""From one dashboard to the next, with what was chosen and the time that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

from ._promql import label

TAG: Final = "thread-telemetry"
OVERVIEW_UID: Final = "thread-telemetry-overview"
LOCK_UID: Final = "thread-telemetry-lock"
THREADS_UID: Final = "thread-telemetry-threads"


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
    """From a cell of a table that holds the name of a lock."""
    return _to_lock("${__value.raw:percentencode}")


def to_lock_of_series() -> Link:
    """From a series that has the name of a lock among its labels."""
    return _to_lock(f"${{__field.labels.{label('python.lock.name')}:percentencode}}")


def to_all_dashboards() -> DashboardLink:
    """To the dashboards of this project, as buttons at the top of each."""
    link = DashboardLink("Dashboards of thread-telemetry").type(DashboardLinkType.DASHBOARDS).tags([TAG]).url("")
    return link.as_dropdown(False).include_vars(True).keep_time(True).placement("").icon("dashboard")


def _to_lock(name: str) -> Link:
    chosen = "var-datasource=${datasource}&${job:queryparam}&${instance:queryparam}"
    return Link("Look at this lock", f"/d/{LOCK_UID}?{chosen}&var-lock={name}&${{__url_time_range}}")
