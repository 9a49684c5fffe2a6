from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib import invalidate_caches
from pathlib import Path
from types import ModuleType

import pytest
from recording import RecordingExporter
from rows import lock_names

from thread._export.entry_points import _OURS, create_exporter, resolve

MODULE = """
from recording import RecordingExporter

class Shelf(RecordingExporter):
    created = []

    def __init__(self, *, height=1):
        super().__init__()
        self.height = height
        self.created.append(self)

class Faulty(Shelf):
    def shutdown(self, timeout):
        super().shutdown(timeout)
        1 // 0

def observer():
    from thread._backend import core
    shelf = Shelf()
    shelf.lock = core.allocate_lock(name="made by a factory")
    return shelf

def number():
    return 5

def late_import():
    import no_such_library.part
"""

Install = Callable[..., ModuleType]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution `shelves` that offers exporters; returns the module that they are in."""

    def install(extras: tuple[str, ...] = (), **entry_points: str) -> ModuleType:
        (tmp_path / "shelf_exporters.py").write_text(MODULE)
        (tmp_path / "needy_exporters.py").write_text("import no_such_library.part")
        info = tmp_path / "shelves-1.0.dist-info"
        info.mkdir()
        provided = "".join(f"Provides-Extra: {extra}\n" for extra in extras)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: shelves\nVersion: 1.0\n{provided}")
        lines = [f"{name} = {value}" for name, value in entry_points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[thread.exporters]", *lines, ""]))
        monkeypatch.syspath_prepend(tmp_path)
        invalidate_caches()
        import shelf_exporters  # type: ignore[import-not-found]

        module: ModuleType = shelf_exporters
        return module

    yield install
    sys.modules.pop("shelf_exporters", None)


def test_a_name_becomes_what_its_factory_makes(install: Install) -> None:
    shelves = install(shelf="shelf_exporters:Shelf")
    exporter = create_exporter("shelf", {})
    assert type(exporter) is shelves.Shelf
    assert exporter.height == 1


def test_options_reach_the_factory(install: Install) -> None:
    install(shelf="shelf_exporters:Shelf")
    assert create_exporter("shelf", {"height": 7}).height == 7  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="depth"):
        create_exporter("shelf", {"depth": 7})


def test_an_unknown_name_is_one_line_with_the_known_ones(install: Install) -> None:
    install(shelf="shelf_exporters:Shelf", bookcase="shelf_exporters:Shelf")
    with pytest.raises(LookupError, match=r"^unknown exporter 'shelve': expected one of .*$") as raised:
        create_exporter("shelve", {})
    message = str(raised.value)
    known = message.partition("expected one of ")[2].partition(";")[0].split(", ")
    assert known == sorted(known)
    assert {"bookcase", "shelf"} <= set(known)
    assert "pip install 'thread-telemetry[all]'" in message


@pytest.mark.parametrize("factory", ["needy_exporters:Needy", "shelf_exporters:late_import"])
def test_a_missing_library_names_the_extra_to_install(install: Install, factory: str) -> None:
    install(extras=("needy",), needy=factory)
    with pytest.raises(ImportError) as raised:
        create_exporter("needy", {})
    assert str(raised.value) == (
        "the exporter 'needy' needs no_such_library, which is not installed: pip install 'shelves[needy]'"
    )


def test_without_an_extra_of_that_name_it_names_the_library(install: Install) -> None:
    install(extras=("other",), needy="needy_exporters:Needy")
    with pytest.raises(ImportError, match=r"pip install no_such_library$"):
        create_exporter("needy", {})


def test_a_factory_that_makes_no_exporter_is_a_type_error(install: Install) -> None:
    install(number="shelf_exporters:number")
    with pytest.raises(TypeError, match=r"^expected an exporter, .* got 5"):
        create_exporter("number", {})


def test_what_a_factory_creates_is_not_observed(install: Install, core: ModuleType) -> None:
    install(observer="shelf_exporters:observer")
    exporter = create_exporter("observer", {})
    assert exporter
    assert "made by a factory" not in lock_names(core)
    assert core.untracked_count() == 0


def test_of_two_distributions_the_one_that_comes_first_counts(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelves = install(shelf="shelf_exporters:Shelf")
    second = tmp_path / "second"
    info = second / "usurper-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: usurper\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[thread.exporters]\nshelf = shelf_exporters:number\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(second)])
    assert type(create_exporter("shelf", {})) is shelves.Shelf


def test_ours_are_ours_whoever_offers_the_same_name(install: Install) -> None:
    install(console="shelf_exporters:Shelf")
    assert type(create_exporter("console", {})).__module__ == "thread_exporters.console"


def test_ours_are_those_that_the_distribution_offers() -> None:
    pyproject = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())
    assert pyproject["project"]["entry-points"]["thread.exporters"] == _OURS


def test_objects_and_names_may_be_mixed(install: Install) -> None:
    shelves = install(shelf="shelf_exporters:Shelf")
    own = RecordingExporter()
    (first, exporter), (second, shelf) = resolve([own, "shelf"])
    assert (first, exporter) == ("RecordingExporter", own)
    assert (second, type(shelf)) == ("shelf", shelves.Shelf)


def test_what_is_known_or_named_twice_is_made_once(install: Install) -> None:
    shelves = install(shelf="shelf_exporters:Shelf", bookcase="shelf_exporters:Shelf")
    own = RecordingExporter()
    assert [name for name, _ in resolve([own, "shelf", own, "shelf", "bookcase"], known={"bookcase"})] == [
        "RecordingExporter",
        "shelf",
    ]
    assert len(shelves.Shelf.created) == 1


def test_if_one_is_not_to_be_had_the_others_are_let_go(install: Install, core: ModuleType) -> None:
    shelves = install(shelf="shelf_exporters:Shelf", faulty="shelf_exporters:Faulty")
    with pytest.raises(LookupError):
        resolve(["shelf", "faulty", "no such exporter"])
    assert [exporter.timeouts for exporter in shelves.Shelf.created] == [[0.0], [0.0]]
    assert core.internal_errors() == 1


def test_nor_is_one_made_for_settings_that_are_refused(install: Install, telemetry: ModuleType) -> None:
    shelves = install(shelf="shelf_exporters:Shelf")
    with pytest.raises(ValueError, match=r"^stack_depth: "):
        telemetry.start("shelf", stack_depth=0)
    assert not shelves.Shelf.created


def test_before_anything_is_made_the_objects_are_looked_at(install: Install) -> None:
    shelves = install(shelf="shelf_exporters:Shelf")
    with pytest.raises(TypeError, match="got 5"):
        resolve(["shelf", 5])  # type: ignore[list-item]
    assert not shelves.Shelf.created
