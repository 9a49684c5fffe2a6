"""Installation from a wheel, an sdist and editable, with a C compiler and without one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parent.parent.parent
NO_COMPILER = "/bin/false"


def run(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command away from the repository, with nothing of this run's settings but what is given."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("THREAD_", "PYTHON", "CC"))}
    return subprocess.run(command, cwd="/", env=inherited | environment, capture_output=True, text=True)


def succeed(*command: str | Path, **environment: str) -> str:
    done = run(*command, **environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def copy_repository(folder: Path) -> Path:
    """The repository without anything built: what a build leaves behind would be taken for up to date by the next."""
    unwanted = shutil.ignore_patterns(".*", "*.so", "*.egg-info", "__pycache__", "build", "dist")
    return Path(shutil.copytree(ROOT, folder / "thread-telemetry", ignore=unwanted))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return copy_repository(tmp_path)


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel that was built from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, copy_repository(folder))
    succeed(*build, THREAD_TELEMETRY_REQUIRE_EXTENSION="1", CFLAGS="-O1")
    return folder


@pytest.fixture
def sdist(distributions: Path) -> Path:
    return next(distributions.glob("*.tar.gz"))


@pytest.fixture
def wheel(distributions: Path) -> Path:
    return next(distributions.glob("*.whl"))


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """The interpreter of a fresh virtual environment."""
    succeed(sys.executable, "-m", "venv", tmp_path / "venv")
    return tmp_path / "venv" / "bin" / "python"


@pytest.fixture
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def core_in(environment: Path) -> str:
    return succeed(environment, "-c", "from thread._backend import core; print(core.NAME)").strip()


def third_party_in(environment: Path) -> set[str]:
    listed = json.loads(succeed(environment, "-m", "pip", "list", "--format=json"))
    return {package["name"] for package in listed} - {"pip", "setuptools", "thread-telemetry"}


def test_the_sdist_carries_all_that_builds_and_tests_it(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {Path(*Path(name).parts[1:]).as_posix() for name in archive.getnames()}
    c_files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "src/thread/_c").iterdir()}
    assert any(name.endswith(".h") for name in c_files)
    assert c_files <= names
    assert {"LICENSE", "setup.py", "tests/conftest.py", "src/thread/py.typed", "scripts/can_compile.py"} <= names
    assert {"dashboards/__main__.py", "dashboards/overview.json"} <= names
    assert not [name for name in names if name.endswith((".so", ".pyc"))]


def test_the_wheel_carries_both_packages_typed_and_no_sources_of_the_extension(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {"thread/py.typed", "thread_exporters/py.typed", "thread/_core_py/__init__.py"} <= set(names)
    assert [name for name in names if name.startswith("thread/_core.") and name.endswith(".so")]
    assert {name.split("/")[0].split("-")[0] for name in names} == {
        *("thread", "thread_exporters", "thread_telemetry", "_thread_telemetry_start.py")
    }
    assert not [name for name in names if name.endswith((".c", ".h"))]


def test_nothing_is_required_but_python(metadata: Message) -> None:
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    extras = {"prometheus", "spans", "otlp", "instrumentation", "console", "all", "demo", "docs", "dev"}
    assert set(metadata.get_all("Provides-Extra", ())) == extras
    assert [need for need in metadata.get_all("Requires-Dist", ()) if "extra ==" not in need] == []


def test_a_wheel_installs_alone_and_runs_on_the_extension(wheel: Path, environment: Path) -> None:
    succeed(environment, "-m", "pip", "install", "--no-index", wheel)
    assert core_in(environment) == "c"
    assert third_party_in(environment) == set()
    assert "usage: " in succeed(environment.with_name("thread"), "--help")
    assert "usage: " in succeed(environment, "-m", "thread", "--help")


def test_an_installed_wheel_observes_from_the_start_and_leaves_nothing_behind(wheel: Path, environment: Path) -> None:
    succeed(environment, "-m", "pip", "install", "--no-index", wheel)
    program = "import threading; print(threading.Condition.wait.__code__.co_filename)"
    assert "_observed" in succeed(environment, "-c", program, THREAD_TELEMETRY="1", THREAD_TELEMETRY_EXPORTERS="none")
    assert "_observed" not in succeed(environment, "-c", program, THREAD_TELEMETRY="0")
    succeed(environment, "-m", "pip", "uninstall", "--yes", "thread-telemetry")
    assert "_observed" not in succeed(environment, "-c", program, THREAD_TELEMETRY="1")


def test_the_exporters_are_found_by_their_entry_points(wheel: Path, environment: Path) -> None:
    succeed(environment, "-m", "pip", "install", "--no-index", wheel)
    program = "from importlib.metadata import entry_points; print(*entry_points(group='thread.exporters').names)"
    assert {"prometheus", "console"} <= set(succeed(environment, "-c", program).split())


def test_an_sdist_installs_without_a_compiler(sdist: Path, environment: Path) -> None:
    succeed(environment, "-m", "pip", "install", sdist, CC=NO_COMPILER)
    assert core_in(environment) == "python"
    assert third_party_in(environment) == set()


@pytest.mark.parametrize(("compiler", "core"), [(NO_COMPILER, "python"), ("", "c")], ids=["no compiler", "compiler"])
def test_a_checkout_installs(checkout: Path, environment: Path, compiler: str, core: str) -> None:
    settings = {"CC": compiler} if compiler else {"CFLAGS": "-O1"}
    succeed(environment, "-m", "pip", "install", checkout, **settings)
    assert core_in(environment) == core


def test_a_build_without_a_compiler_says_what_that_means(checkout: Path, tmp_path: Path) -> None:
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path / "dist", checkout)
    done = run(*build, CC=NO_COMPILER)
    assert done.returncode == 0
    assert "thread-telemetry is built WITHOUT its C core" in done.stdout + done.stderr
    assert "WITHOUT" not in run(*build, CFLAGS="-O1").stdout


def test_a_frozen_application_has_all_that_it_finds_by_name(tmp_path: Path) -> None:
    pytest.importorskip("PyInstaller")
    program = """
        import threading
        from thread import telemetry
        telemetry.instrument()
        telemetry.start("prometheus", "console")
        guard = threading.Lock()
        with guard:
            print(telemetry.snapshot().coverage.core, telemetry.snapshot().coverage.version)
    """
    path = tmp_path / "application.py"
    path.write_text(textwrap.dedent(program))
    folders = ("--distpath", tmp_path / "dist", "--workpath", tmp_path / "build", "--specpath", tmp_path)
    succeed(sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "ERROR", *folders, path)
    done = run(tmp_path / "dist" / "application" / "application")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] in ("c", "python")
    assert "thread telemetry, process " in done.stderr


def test_a_failed_compile_is_an_error_where_the_extension_is_required(checkout: Path, environment: Path) -> None:
    install = (environment, "-m", "pip", "install", checkout)
    assert run(*install, CC=NO_COMPILER, THREAD_TELEMETRY_REQUIRE_EXTENSION="1").returncode != 0


def test_an_editable_install_runs_the_files_of_the_checkout(checkout: Path, environment: Path) -> None:
    succeed(environment, "-m", "pip", "install", "--editable", checkout, CFLAGS="-O1")
    program = "import thread.telemetry, thread_exporters; print(thread.__file__, thread_exporters.__file__)"
    assert succeed(environment, "-c", program).split() == [
        str(checkout / "src/thread/__init__.py"),
        str(checkout / "exporters/thread_exporters/__init__.py"),
    ]
    assert core_in(environment) == "c"


def test_the_twin_is_chosen_at_run_time(wheel: Path, environment: Path) -> None:
    succeed(environment, "-m", "pip", "install", "--no-index", wheel)
    program = "from thread._backend import core; print(core.NAME)"
    assert succeed(environment, "-c", program, THREAD_TELEMETRY_PURE="1").strip() == "python"


def test_an_installed_wheel_is_typed_for_mypy(wheel: Path, environment: Path) -> None:
    succeed(environment, "-m", "pip", "install", "--no-index", wheel)
    mypy = (sys.executable, "-m", "mypy", "--strict", "--cache-dir=/dev/null", "--python-executable", environment)
    succeed(*mypy, ROOT / "tests/typing/usage.py")
