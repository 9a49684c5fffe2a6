"""Modules that PyInstaller cannot find from imports: exporters are loaded by name, the twin of the core on demand."""

from PyInstaller.utils.hooks import collect_submodules, copy_metadata  # type: ignore[import-untyped]

hiddenimports = [
    *collect_submodules("thread"),
    *collect_submodules("thread_exporters", filter=lambda name: "__pyinstaller" not in name),
]
datas = copy_metadata("thread-telemetry")
