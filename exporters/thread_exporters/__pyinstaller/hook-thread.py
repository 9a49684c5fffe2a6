"""What no import statement of a program leads to: exporters are found by their names, the twin of the core by need."""

from PyInstaller.utils.hooks import collect_submodules, copy_metadata  # type: ignore[import-untyped]

hiddenimports = [
    *collect_submodules("thread"),
    *collect_submodules("thread_exporters", filter=lambda name: "__pyinstaller" not in name),
]
datas = copy_metadata("thread-telemetry")
