"""docs/installing.md has the settings and environment variables of the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from thread._settings.table import SETTINGS
from thread._settings.variables import VARIABLES
from thread_exporters._page.lazy_page import DEFAULT_HOST, DEFAULT_PORT

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "installing.md"
CODE = {
    path: path.read_text()
    for folder in ("src", "exporters", "setup.py")
    for path in ([ROOT / folder] if folder.endswith(".py") else (ROOT / folder).rglob("*.py"))
}


def document(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "document_settings.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_tables_are_those_of_the_code() -> None:
    checked = document("--check")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_a_table_that_is_out_of_date_is_reported_and_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "installing.md"
    page.write_text(PAGE.read_text().replace("| 64 |", "| 65 |"))
    checked = document("--check", "--file", str(page))
    assert (checked.returncode, checked.stderr) == (1, f"{page} is out of date: run `make docs`\n")
    assert document("--file", str(page)).returncode == 0
    assert page.read_text() == PAGE.read_text()


def test_a_page_that_has_lost_its_tables_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "installing.md"
    page.write_text("# Installing\n")
    assert "expected once in the page: <!-- settings" in document("--file", str(page)).stderr
    assert page.read_text() == "# Installing\n"


def test_every_variable_of_the_code_is_in_a_table() -> None:
    written = {name for text in CODE.values() for name in re.findall(r"THREAD_TELEMETRY(?:_[A-Z]+)*\b", text)}
    assert written == {setting.variable for setting in SETTINGS.values()} | {
        each.name for each in VARIABLES if each.name.startswith("THREAD_")
    }


def test_every_variable_in_the_tables_is_read_somewhere() -> None:
    readers = [text for path, text in CODE.items() if path.name not in ("variables.py", "table.py")]
    for variable in VARIABLES:
        name = variable.name.removeprefix("THREAD_TELEMETRY_")
        assert any(re.search(rf'[`"_]{name}[`"]', text) for text in readers), name


def test_the_address_of_the_page_is_the_one_documented() -> None:
    defaults = {each.name: each.default for each in VARIABLES}
    assert defaults["THREAD_TELEMETRY_PORT"] == str(DEFAULT_PORT)
    assert defaults["THREAD_TELEMETRY_HOST"] == DEFAULT_HOST
