"""The house of the project: a floor knows the floors under it and nothing above."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SOURCES = {"thread": ROOT / "src" / "thread", "thread_exporters": ROOT / "exporters" / "thread_exporters"}

FLOORS = (
    ("what every floor may use", {"_base", "_module", "_own_modules", "_rows", "_version"}),
    ("looking at the program", {"_inspection"}),
    ("core", {"_backend", "_core", "_core_py"}),
    ("the thread module", {""}),
    ("settings", {"_settings"}),
    ("a part of the process", {"_process"}),
    ("replacing", {"_patching"}),
    ("what is replaced", {"_observed"}),
    ("views", {"_views"}),
    ("findings", {"_findings"}),
    ("exporting", {"_export"}),
    ("public face", {"telemetry"}),
    ("other processes", {"_remote"}),
    ("command line", {"__main__", "_cli"}),
)
"""Modules and packages directly in `thread`, from the lowest floor to the highest; the empty name is `thread`."""

EXPORTER_FLOORS = (
    ("metrics and attributes", {"_schema"}),
    ("the page's port", {"_page"}),
    ("OpenTelemetry", {"_otel"}),
    ("sending over OTLP", {"_otlp"}),
    ("Prometheus's formats", {"prometheus._format"}),
    ("several processes", {"prometheus._multiprocess"}),
    ("public modules", {"", "__pyinstaller", "console", "instrumentor", "otel_metrics", "otlp", "prometheus", "spans"}),
)
"""Modules and packages in `thread_exporters`, from the lowest floor to the highest."""

REMOTE_FLOORS = (
    {"views"},
    {"kernel.idle", "kernel.memory"},
    {"kernel.process"},
    {"kernel.pause", "kernel.rights"},
    {"layout"},
    {"interpreter.image"},
    {"interpreter.runtime"},
    {"interpreter.objects"},
    {"bytecode"},
    {"stacks.code"},
    {"stacks.frames"},
    {"stacks.threads"},
    {"stacks.functions"},
    {"wait_graph.resources"},
    {"wait_graph.releases"},
    {"wait_graph.holds", "wait_graph.waits"},
    {"wait_graph.program"},
    {"wait_graph.findings", "wait_graph.naming"},
    {"dump"},
    {"formats.text"},
    {"formats.json_form", "formats.dot"},
    {"command"},
)
"""Modules and packages in `thread._remote`, from the lowest floor to the highest."""

EXPORTERS_MAY_IMPORT = "thread.telemetry"


@dataclass(frozen=True)
class Import:
    """One imported name: `from target import name`, or `import target` where name is None."""

    importer: str
    target: str
    name: str | None
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}{f'.{self.name}' if self.name else ''}"


def modules(package: str) -> dict[str, Path]:
    folder = SOURCES[package]
    names = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        names[".".join((package, *parts)).removesuffix(".__init__")] = path
    return names


def statements(tree: ast.AST, *, at_import: bool) -> Iterator[ast.stmt]:
    """The import statements; with `at_import` only those that run when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        if at_import and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if at_import and isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for other in node.orelse:
                yield from statements(ast.Module([other], []), at_import=True)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        yield from statements(node, at_import=at_import)


def imports(package: str, *, at_import: bool = False) -> Iterator[Import]:
    known = modules("thread") | modules("thread_exporters")
    for importer, path in modules(package).items():
        for node in statements(ast.parse(path.read_text()), at_import=at_import):
            if isinstance(node, ast.Import):
                yield from (Import(importer, alias.name, None, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                target = node.module or ""
                if node.level:
                    parents = importer.split(".")[: None if path.name == "__init__.py" else -1]
                    base = parents[: len(parents) - node.level + 1]
                    target = ".".join([*base, target] if target else base)
                for alias in node.names:
                    submodule = f"{target}.{alias.name}"
                    if submodule in known or submodule == "thread._core":
                        yield Import(importer, submodule, None, node.lineno)
                    else:
                        yield Import(importer, target, alias.name, node.lineno)


def floor(module: str) -> int:
    package, _, path = module.partition(".")
    parts = path.split(".")
    floors = FLOORS if package == "thread" else EXPORTER_FLOORS
    for length in (2, 1):
        for height, (_, members) in enumerate(floors):
            if ".".join(parts[:length]) in members:
                return height
    pytest.fail(f"{module} has no floor yet: give it one in {Path(__file__).name}")


def remote_floor(module: str) -> int:
    parts = module.removeprefix("thread._remote.").split(".")
    for height, members in enumerate(REMOTE_FLOORS):
        if parts[0] in members or ".".join(parts[:2]) in members:
            return height
    pytest.fail(f"{module} has no floor yet: give it one in REMOTE_FLOORS of {Path(__file__).name}")


def in_package(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


@pytest.mark.parametrize("package", SOURCES)
def test_a_floor_knows_only_the_floors_under_it(package: str) -> None:
    upward = [
        str(found)
        for found in imports(package)
        if in_package(found.target, package) and floor(found.target) > floor(found.importer)
    ]
    assert not upward


def test_what_reads_other_processes_has_floors_too() -> None:
    upward = [
        str(found)
        for found in imports("thread")
        if found.importer.startswith("thread._remote.")
        and found.target.startswith("thread._remote.")
        and remote_floor(found.target) > remote_floor(found.importer)
    ]
    assert not upward


def test_what_reads_other_processes_needs_nothing_of_the_runtime() -> None:
    pure = {"thread._remote", "thread._findings"}
    foreign = [
        str(found)
        for found in imports("thread")
        if any(in_package(found.importer, each) for each in pure)
        and in_package(found.target, "thread")
        and not any(in_package(found.target, each) for each in pure)
    ]
    assert not foreign


@pytest.mark.parametrize("package", SOURCES)
def test_no_module_imports_one_that_imports_it(package: str) -> None:
    graph: dict[str, set[str]] = {}
    for found in imports(package):
        # Whatever imports a submodule has the package imported already, so that edge says nothing.
        if in_package(found.target, package) and not found.importer.startswith(f"{found.target}."):
            graph.setdefault(found.importer, set()).add(found.target)
    graph.pop("thread._core", None)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1]))


def test_thread_imports_nothing_but_itself_and_the_standard_library() -> None:
    foreign = [
        str(found)
        for found in imports("thread")
        if not in_package(found.target, "thread") and found.target.split(".")[0] not in sys.stdlib_module_names
    ]
    assert not foreign


def test_exporters_import_only_public_names_of_telemetry() -> None:
    import thread.telemetry

    public = set(thread.telemetry.__all__)
    wrong = [
        str(found)
        for found in imports("thread_exporters")
        if in_package(found.target, "thread")
        and not (found.target == EXPORTERS_MAY_IMPORT and (found.name is None or found.name in public))
    ]
    assert not wrong


@pytest.mark.parametrize("package", SOURCES)
def test_private_names_stay_in_their_module(package: str) -> None:
    wrong = [
        str(found)
        for found in imports(package)
        if found.name and is_private(found.name) and any(in_package(found.target, ours) for ours in SOURCES)
    ]
    assert not wrong


def test_no_floor_imports_threading_at_module_level() -> None:
    assert not [str(found) for found in imports("thread", at_import=True) if in_package(found.target, "threading")]


@pytest.mark.parametrize("module", ["thread", "thread.telemetry"])
def test_importing_it_does_not_import_threading(module: str) -> None:
    program = f"import sys; sys.modules.pop('threading', None); import {module}; sys.exit('threading' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
