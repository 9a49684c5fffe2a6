"""Write the tables of settings and environment variables in docs/installing.md, or check them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import generated_pages

from thread._settings.table import SETTINGS, Setting
from thread._settings.variables import VARIABLES, Variable

PAGE: Final = Path(__file__).parent.parent / "docs" / "installing.md"


def page(text: str) -> str:
    """The page with its two tables made anew, each between the comments that name it."""
    return _replaced(_replaced(text, "settings", _settings()), "variables", _variables())


def _replaced(text: str, name: str, rows: Iterable[str]) -> str:
    begin, end = f"<!-- {name}: written by make docs -->", f"<!-- end of {name} -->"
    table = "\n".join([begin, "", *rows, "", end])
    text, count = re.subn(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: table, text, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"expected once in the page: {begin} … {end}; found {count} times")
    return text


def _settings() -> Iterator[str]:
    yield "| setting | variable | default | |"
    yield "|---|---|---|---|"
    for each in SETTINGS.values():
        yield f"| `{each.name}` | `{each.variable}` | {_default(each)} | {_sentence(each.help)} |"


def _default(setting: Setting) -> str:
    default = f"{setting.default:g} {setting.unit}".strip()
    if setting.variable_unit == setting.unit:
        return default
    return f"{default}; variable: {setting.default_of_variable} {setting.variable_unit}"


def _variables() -> Iterator[str]:
    yield "| variable | default | |"
    yield "|---|---|---|"
    for each in VARIABLES:
        yield f"| `{each.name}` | {each.default} | {_explanation(each)} |".replace("|  |", "| |")


def _explanation(variable: Variable) -> str:
    return _sentence(variable.help) + (f". {_sentence(variable.see)}" if variable.see else "")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


if __name__ == "__main__":
    sys.exit(generated_pages.main(PAGE, page, __doc__, None))
