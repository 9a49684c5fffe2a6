"""The boards as their readers see them: drawn from services with planted faults, and read from the page.

One Prometheus, one browser and one minute serve all of these tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from dashboards.preview.incidents import INCIDENTS, Incident, all_pods
from dashboards.preview.renderer import MISSING, Drawn, DrawnPanel, Picture, draw
from dashboards.preview.stage import staged
from required_tools import tool

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(280)]

SECONDS = 55.0
FAULTS_BEGIN = 8.0
SHOWN = 70.0
"""Seconds that the boards show: all of it, and the start of the services."""
FASTER = 90
"""A minute and a half of the rules is a second of this test: a leak is an alert after 45 minutes."""
FIRST_SCREEN = 900
CONVOY = "__main__:convoy.cache_guard"
# The exceptions of the faults are handled, and no exporter fails.
MAY_BE_EMPTY = {"Exceptions that nobody read, by executor"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Drawn]]:
    """Read every page, by its name."""
    for program, package in MISSING.items():
        tool(program, package)
    folder = tmp_path_factory.mktemp("boards")
    with staged(folder, all_pods(FAULTS_BEGIN), faster=FASTER) as stage:
        stage.play(SECONDS)
        yield dict(zip(pages(), draw(list(pages().values()), stage)))


def pages() -> dict[str, Picture]:
    minutes = SHOWN / 60
    first = {
        each.name: Picture("overview", height=FIRST_SCREEN, minutes=minutes, chosen=[("job", each.job)])
        for each in INCIDENTS
    }
    return first | {
        "overview": Picture("overview", minutes=minutes, expanded=True),
        "threads": Picture("threads", minutes=minutes, expanded=True),
        "lock": Picture("lock", minutes=minutes, expanded=True, chosen=[("lock", CONVOY)]),
        "lock as opened from the top": Picture("lock", minutes=minutes, theme="light"),
    }


def panels(drawn: dict[str, Drawn], *names: str) -> list[DrawnPanel]:
    return [panel for name in names for panel in drawn[name].panels.values()]


def column(panel: DrawnPanel, title: str) -> list[str]:
    return [row[panel.columns.index(title)] for row in panel.rows]


def test_no_panel_throws(drawn: dict[str, Drawn]) -> None:
    assert [(panel.title, panel.error) for panel in panels(drawn, *drawn) if panel.error] == []


def test_with_the_planted_faults_no_panel_is_empty(drawn: dict[str, Drawn]) -> None:
    empty = {panel.title for panel in panels(drawn, "overview", "threads", "lock") if panel.empty}
    assert empty <= MAY_BE_EMPTY


def test_no_value_of_a_legend_is_cut_off(drawn: dict[str, Drawn]) -> None:
    graphs = [panel for panel in panels(drawn, "overview", "threads", "lock") if panel.type == "timeseries"]
    assert len(graphs) > 20
    assert {panel.title: panel.cut for panel in graphs if panel.cut} == {}


def test_no_number_of_a_line_and_no_title_is_cut_off(drawn: dict[str, Drawn]) -> None:
    for panel in panels(drawn, "overview", "threads", "lock"):
        assert panel.title not in panel.cut
        assert [text for text in panel.cut if re.search(r":\d+$", text) and "9464" not in text] == [], panel.title


def test_the_line_of_the_owner_is_shown_with_its_folder(drawn: dict[str, Drawn]) -> None:
    blame = drawn["lock"].panels["Who waits for whom"]
    assert re.fullmatch(r"examples/faults\.py:\d+", column(blame, "owner at")[0])


def test_the_deadlocked_locks_are_in_the_first_table_of_locks(drawn: dict[str, Drawn]) -> None:
    locks = drawn["deadlock"].panels["Top contended locks"]
    assert {"__main__:Bank.accounts", "__main__:Bank.journal"} <= set(column(locks, "Lock"))
    waiting = dict(zip(column(locks, "Lock"), column(locks, "Waiting now")))
    assert (waiting["__main__:Bank.accounts"], waiting["__main__:Bank.journal"]) == ("7", "1")


def test_the_name_of_a_lock_leads_to_it_in_its_service(drawn: dict[str, Drawn]) -> None:
    links = drawn["deadlock"].panels["Top contended locks"].links
    assert any("var-job=bank&" in link and "var-lock=__main__%3ABank.accounts&" in link for link in links)


def test_a_dead_instance_is_not_green(drawn: dict[str, Drawn]) -> None:
    up, down, gone = drawn["instance-down"].panels["Instances"].stats
    assert (up.text, down.text, gone.text) == ("2", "1", "0")
    assert is_red(down.colour)
    assert not is_red(drawn["convoy"].panels["Instances"].stats[1].colour)


def is_red(colour: str) -> bool:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return red > 200 and max(green, blue) < 120


def test_the_board_of_a_lock_opens_with_the_one_that_costs_the_most(drawn: dict[str, Drawn]) -> None:
    assert drawn["lock as opened from the top"].panels["Who waits for whom"].rows


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda each: each.name)
def test_the_first_screen_names_service_culprit_and_since_when(drawn: dict[str, Drawn], incident: Incident) -> None:
    first = [panel for panel in drawn[incident.name].panels.values() if panel.bottom <= FIRST_SCREEN]
    cells = [cell for panel in first for row in panel.rows for cell in row]
    assert incident.job in cells
    assert [name for name in incident.names if not any(name in cell for cell in cells)] == []
    assert any(is_since_when(panel, incident) for panel in first)


def is_since_when(panel: DrawnPanel, incident: Incident) -> bool:
    """True if a panel gives an age, or a line over time of the lock."""
    ages = [age for title in ("For", "Oldest wait now") if title in panel.columns for age in column(panel, title)]
    if any(re.fullmatch(r"[\d.]+ (s|mins?)", age) and age != "0 s" for age in ages):
        return True
    return panel.title == "Time waited, by lock" and any(
        name in line for name in incident.names for line in panel.legend
    )
