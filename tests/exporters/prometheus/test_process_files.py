"""One page for several processes: it adds up all counters, but only the gauges of living processes."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from handmade import HOT, histogram, lock, snapshot_of_a_shop
from programs import output_of
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from thread_exporters._page import shared_listener
from thread_exporters._schema.exemplars import Exemplars
from thread_exporters._schema.metrics import METRICS, HistogramMetric
from thread_exporters.prometheus import PrometheusExporter
from thread_exporters.prometheus._app import metrics_page
from thread_exporters.prometheus._format.families import family
from thread_exporters.prometheus._format.samples import samples_of_process
from thread_exporters.prometheus._multiprocess.process_files import ProcessFiles
from thread_exporters.prometheus._multiprocess.registry import registry_of_all

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

LOCK = 'python_lock_type="lock"'

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]

SUPPORT = str(Path(__file__).parents[2] / "support")

WORKER = """
    import os, resource, sys, time
    sys.path[:0] = {path}
    from handmade import *
    from dataclasses import replace
    from thread_exporters._schema.exemplars import Exemplars
    from thread_exporters.prometheus._multiprocess.process_files import ProcessFiles
    files = ProcessFiles(sys.argv[1], client_files=True)
    def say(what):
        print(what, flush=True)
        sys.stdin.readline()
    shop = snapshot_of_a_shop()
"""


@contextmanager
def worker(folder: Path, source: str) -> Iterator[subprocess.Popen[str]]:
    """Start another process with `files` in the folder; its `say` prints and then waits for a line."""
    program = textwrap.dedent(WORKER).format(path=[SUPPORT]) + textwrap.dedent(source)
    with subprocess.Popen(
        [sys.executable, "-c", program, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def samples_of(families: Iterator[Metric]) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for each in families
        for sample in each.samples
    }


def read(folder: Path) -> Samples:
    """Read the folder with prometheus_client's own collector."""
    return samples_of(MultiProcessCollector(CollectorRegistry(), str(folder)).collect())


def page_of(folder: Path) -> str:
    """Return our own page for the folder."""
    return metrics_page(registry_of_all(str(folder)))[0].decode()


def total(samples: Samples, name: str) -> float:
    return sum(value for (sample, _), value in samples.items() if sample == name)


def test_one_process_alone_is_shown_as_it_is(tmp_path: Path) -> None:
    awkward = lock('"le" \\ \udcff 鎖', wait=histogram(1e-9, 0.3, 1e9))
    shop = replace(snapshot_of_a_shop(), locks=(*snapshot_of_a_shop().locks, awkward))
    ProcessFiles(str(tmp_path), client_files=True).write(shop, Exemplars())
    samples = samples_of_process(shop, Exemplars())
    assert read(tmp_path) == samples_of(iter([family(metric, samples, None) for metric in METRICS]))


def test_types_and_descriptions_are_those_of_the_list(tmp_path: Path) -> None:
    ProcessFiles(str(tmp_path), client_files=True).write(snapshot_of_a_shop(), Exemplars())
    found = {each.name: each for each in MultiProcessCollector(CollectorRegistry(), str(tmp_path)).collect()}
    for metric in METRICS:
        each = found[metric.prometheus_name.removesuffix("_total")]
        assert each.documentation == metric.description
        assert each.type == {"updowncounter": "gauge"}.get(metric.instrument, metric.instrument)


def test_processes_are_added_up_and_gauges_are_what_they_are_for_all(tmp_path: Path) -> None:
    shop = snapshot_of_a_shop()
    mine = ProcessFiles(str(tmp_path), client_files=True)
    mine.write(replace(shop, locks=(lock(waiters=2, oldest_wait=5.0, wait=histogram(0.3)),)), Exemplars())
    source = """
        uncovered = replace(shop.coverage, instrumented=False, unobserved_locks=9)
        contended = lock(waiters=3, oldest_wait=2.0, wait=histogram(0.3, 8.0))
        files.write(replace(shop, locks=(contended,), coverage=uncovered), Exemplars())
        say("written")
    """
    with worker(tmp_path, source) as other:
        assert heard(other) == "written"
        found = read(tmp_path)
    assert total(found, "python_lock_acquisitions_total") == 2000
    assert total(found, "python_lock_wait_duration_seconds_count") == 3
    assert total(found, "python_lock_waiters") == 5
    assert total(found, "python_lock_wait_oldest_seconds") == 5.0
    assert total(found, "python_thread_telemetry_instrumented") == 0
    assert total(found, "python_thread_telemetry_unobserved_locks") == 9


@pytest.mark.parametrize("end", [signal.SIGKILL, None], ids=["killed", "at its end"])
def test_gauges_of_a_process_that_is_gone_are_gone_and_its_counters_stay(
    end: signal.Signals | None, tmp_path: Path
) -> None:
    survivor = ProcessFiles(str(tmp_path), client_files=True)
    source = """
        files.write(replace(shop, locks=(lock(waiters=3, wait=histogram(0.3)),)), Exemplars())
        say("written")
        files.close()
    """
    with worker(tmp_path, source) as other:
        assert heard(other) == "written"
        survivor.write(snapshot_of_a_shop(), Exemplars())
        assert total(read(tmp_path), "python_lock_waiters") == 3
        if end is None:
            go_on(other)
        else:
            other.send_signal(end)
        other.wait(30)
    survivor.write(snapshot_of_a_shop(), Exemplars())
    found = read(tmp_path)
    assert total(found, "python_lock_waiters") == 0
    assert total(found, "python_thread_count") == 1
    assert total(found, "python_lock_acquisitions_total") == 4000
    assert [path.stem for path in tmp_path.glob("*.lock")] == [survivor._identity]


def test_a_process_that_died_while_it_wrote_leaves_nothing_behind(tmp_path: Path) -> None:
    source = """
        descriptor, name = files._folder.new_file(files._identity)
        os.utime(descriptor, (1e9, 1e9))
        say("dying")
    """
    with worker(tmp_path, source) as dying:
        assert heard(dying) == "dying"
        assert [*tmp_path.glob("*.tmp")]
    ProcessFiles(str(tmp_path)).write(snapshot_of_a_shop(), Exemplars())
    assert not [*tmp_path.glob("*.tmp")]


def test_a_forked_child_begins_from_zero_beside_its_parent(tmp_path: Path) -> None:
    source = """
        import os
        files.write(shop, Exemplars())
        child = os.fork()
        if not child:
            files.after_fork_in_child()
            files.write(replace(shop, dropped_events=100), Exemplars())
            say("written")
            os._exit(0)
        os.waitpid(child, 0)
        files.write(shop, Exemplars())
        say("outlived")
    """
    with worker(tmp_path, source) as parent:
        assert heard(parent) == "written"
        assert total(read(tmp_path), "python_thread_telemetry_dropped_total") == 107
        assert total(read(tmp_path), "python_thread_count") == 2
        go_on(parent)
        assert heard(parent) == "outlived"
        assert total(read(tmp_path), "python_thread_telemetry_dropped_total") == 107
        assert total(read(tmp_path), "python_thread_count") == 1


def test_a_full_disk_is_a_clear_error_and_leaves_the_last_numbers(tmp_path: Path) -> None:
    # A limit on file sizes refuses data just like a full disk.
    source = """
        files.write(shop, Exemplars())
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            files.write(replace(shop, dropped_events=100), Exemplars())
        except OSError as error:
            say(error)
        say("alive")
    """
    with worker(tmp_path, source) as process:
        error = heard(process)
        assert "the metrics of this process will not change" in error and str(tmp_path) in error
        assert total(read(tmp_path), "python_lock_wait_duration_seconds_count") == 5
        assert not [*tmp_path.glob("*.tmp")]
        go_on(process)
        assert heard(process) == "alive"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a separate file system of 400 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_totals_of_all_processes_never_fall_when_the_disk_is_full(small_disk: Path) -> None:
    files = ProcessFiles(str(small_disk), client_files=True)
    last, full = 0.0, 0
    with worker(small_disk, "files.write(shop, Exemplars())\nsay('written')") as other:
        assert heard(other) == "written"
        for number in range(1, 40):
            locks = tuple(lock(f"lock {index}", wait=histogram(*[0.5] * number)) for index in range(number))
            try:
                files.write(replace(snapshot_of_a_shop(), locks=locks), Exemplars())
            except OSError as error:
                assert error.errno == errno.ENOSPC
                full += 1
            now = total(read(small_disk), "python_lock_wait_duration_seconds_count")
            assert now >= last
            last = now
        assert full and last > 5


def test_a_folder_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "service" / "metrics"
    folder.mkdir(parents=True)
    files = ProcessFiles(str(folder))
    shutil.rmtree(folder)
    files.write(snapshot_of_a_shop(), Exemplars())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert page_of(folder).count("python_thread_count{") == 2
    shutil.rmtree(folder.parent)
    with pytest.raises(FileNotFoundError, match="the metrics of this process will not change"):
        files.write(snapshot_of_a_shop(), Exemplars())
    files.after_fork_in_child()
    files.close()
    folder.parent.mkdir()
    files.write(snapshot_of_a_shop(), Exemplars())
    assert page_of(folder).count("python_thread_count{") == 2


def test_numbers_of_one_moment_are_read_while_they_are_written(tmp_path: Path) -> None:
    source = """
        for number in range(1, 10_000):
            files.write(replace(shop, locks=(lock(wait=histogram(*[0.5] * number)),)), Exemplars())
            if number == 1:
                say("writing")
    """
    with worker(tmp_path, source) as writer:
        assert heard(writer) == "writing"
        go_on(writer)
        last = 0.0
        for _ in range(50):
            found = read(tmp_path)
            count = total(found, "python_lock_wait_duration_seconds_count")
            assert total(found, "python_lock_wait_duration_seconds_sum") == count / 2
            assert count >= last
            last = count
        assert last > 1


def test_a_folder_that_does_not_exist_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "missing"))
    with pytest.raises(ValueError, match=r"PROMETHEUS_MULTIPROC_DIR: expected a folder .* got '.*missing'"):
        PrometheusExporter()


def test_pages_are_whole_and_totals_never_fall_while_processes_are_forked(tmp_path: Path) -> None:
    program = """
        import os, sys, time, urllib.request
        import thread
        from thread import telemetry
        from prometheus_client.parser import text_string_to_metric_families as parse

        exporter = telemetry.exporter("prometheus", port=0)
        telemetry.start(exporter, export_interval=0.01)
        guard = thread.allocate_lock(name="forked")
        children, last = [], 0.0
        while len(children) < 20:
            child = os.fork()
            if not child:
                for _ in range(100):
                    with guard:
                        pass
                sys.exit()
            children.append(child)
            page = urllib.request.urlopen(exporter.url, timeout=30).read().decode()
            totals = [
                sample.value for family in parse(page) for sample in family.samples
                if sample.name == "python_lock_acquisitions_total" and sample.labels["python_lock_name"] == "forked"
            ]
            now = sum(totals)
            assert now >= last, (now, last)
            last = now
        for child in children:
            assert os.waitpid(child, 0)[1] == 0
        page = urllib.request.urlopen(exporter.url, timeout=30).read().decode()
        print(*[line for line in page.splitlines() if line.startswith('python_lock_acquisitions') and "forked" in line])
    """
    assert output_of(program, PROMETHEUS_MULTIPROC_DIR=str(tmp_path)) == [
        'python_lock_acquisitions_total{python_lock_name="forked",python_lock_type="lock"} 2000'
    ]


def test_the_processes_serve_their_metrics_on_one_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    mine = PrometheusExporter(port=0)
    url = mine.url
    assert url is not None
    source = f"""
        from thread_exporters.prometheus import PrometheusExporter
        files.close()
        exporter = PrometheusExporter(port={url.split(":")[2].split("/")[0]})
        exporter.export(shop, [])
        say(f"{{exporter.url}} {{exporter.is_news}}")
        exporter.shutdown(5.0)
        say("shut down")
    """
    with worker(tmp_path, source) as other:
        try:
            assert heard(other) == f"{url} False"
            assert mine.is_news
            mine.export(snapshot_of_a_shop(), [])
            for _ in range(20):
                assert f'python_lock_acquisitions_total{{python_lock_name="{HOT}",{LOCK}}} 2000\n' in page(url)
            mine.shutdown(5.0)
            alone = page(url)
            go_on(other)
            assert heard(other) == "shut down"
        finally:
            mine.shutdown(5.0)
    assert 'python_thread_count{python_thread_target="shop.refresh:refresh_forever"} 1\n' in alone
    assert not [*tmp_path.glob("gauge*"), *tmp_path.glob("*.gauges"), *tmp_path.glob("*.lock")]


def test_a_forked_child_answers_when_its_parent_is_stopped(tmp_path: Path) -> None:
    program = """
        import os, signal, sys, time
        from thread import telemetry

        exporter = telemetry.exporter("prometheus", port=0)
        telemetry.start(exporter, export_interval=0.05)
        if os.fork():
            print(exporter.url, flush=True)
            os.kill(os.getpid(), signal.SIGSTOP)
            os._exit(0)
        time.sleep(0.5)
        sys.stdin.readline()
    """
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert "python_thread_count" in page(heard(process))
        finally:
            process.kill()
            go_on(process)


def test_a_page_is_served_without_a_handover_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path, port: int) -> socket.socket:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(shared_listener, "_new_handover_socket", fail)
        exporter = PrometheusExporter(port=0)
    assert "python_thread_count" in page(exporter.url or "")
    assert not [*tmp_path.glob("*.sock")]
    exporter.export(snapshot_of_a_shop(), [])
    assert [*tmp_path.glob("*.sock")]
    assert "python_thread_count" in page(exporter.url or "")
    exporter.shutdown(5.0)


def test_one_of_several_processes_says_where_the_page_is(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {**os.environ, "THREAD_TELEMETRY": "1", "THREAD_TELEMETRY_PORT": str(port)}
    environment["PROMETHEUS_MULTIPROC_DIR"] = str(tmp_path)
    program = """
        import os, subprocess, sys
        if "second" not in sys.argv:
            subprocess.run([sys.executable, *sys.argv, "second"], check=True)
        print("end of", "second" if "second" in sys.argv else "first", file=sys.stderr)
    """
    script = tmp_path.parent / f"{tmp_path.name}.py"
    script.write_text(textwrap.dedent(program))
    ran = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=60)
    told = f"thread: metrics at http://127.0.0.1:{port}/metrics"
    assert ran.stderr.splitlines() == [told, "end of second", "end of first"]


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        written: str = answer.read().decode()
        return written


def test_a_process_has_its_metrics_in_a_folder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    first = PrometheusExporter()
    with pytest.raises(ValueError, match="shut down the PrometheusExporter that was made first"):
        PrometheusExporter()
    first.shutdown(1.0)
    PrometheusExporter().shutdown(1.0)


def test_every_histogram_and_counter_is_added_up() -> None:
    assert all(
        metric.across_processes == "sum"
        for metric in METRICS
        if not isinstance(metric, HistogramMetric) and metric.instrument != "gauge"
    )
