"""Modules for our own use, whatever the program calls by the same names.

A program may have a `thread.py`, a `logging.py`, a package `prometheus_client` of its own. For the program these win,
as they would without us: modules that we import before its first line are set aside, out of `sys.modules`, and handed
to it if it imports that name and would find that very file. For us the installed ones win, however late we import them:
imports of our modules are looked for outside the program's folder, and if the program has another module of that name,
ours is kept under `PREFIX`.

This module imports nothing that the interpreter has not imported when it starts.
"""

from __future__ import annotations

import _frozen_importlib
import _frozen_importlib_external as external
import builtins
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Final

PREFIX: Final = "_thread_telemetry_own"
"""The package that holds our modules if the program has others of the same names."""

_OURS: Final = ("thread", "thread_exporters")
_LIBRARY: Final = os.path.dirname(os.__file__)
_STANDARD_LIBRARY: Final = [
    folder
    for folder in sys.path
    if folder in (_LIBRARY, os.path.join(_LIBRARY, "lib-dynload"))
    or os.path.basename(folder) == "python{}{}.zip".format(*sys.version_info)
]

_import: Final = builtins.__import__


class _Finder:
    """The first finder in `sys.meta_path`. Lets the other finders find, and decides who gets the result."""

    def __init__(self) -> None:
        self.aside: dict[str, ModuleType] = {}
        self.taken: set[str] = set()
        """Top-level names under which the program has something of its own."""
        self.shared: set[str] = set()
        """Top-level names that mean the same to the program and to us, as far as anybody asked."""
        self.guarded: set[str] = set(_OURS)
        """Names of modules that import as we do."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        try:
            return self._find(name, path, target)
        except Exception as error:
            if not _is_internal_error(error):
                raise
            # The other finders are asked next, as without us, and what one of them raised is raised there.
            return None

    def _find(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        top, _, rest = name.partition(".")
        if name in self.aside:
            if rest or self.is_shared(top):
                return _spec_to_give_back(name, self.aside.pop(name))
        elif top == PREFIX:
            return _guarded(external.PathFinder.find_spec(name, path or _installed_path(), target))
        elif top in self.guarded and top not in self.taken:
            return _guarded(_found_by_others(name, path, target))
        return None

    def is_shared(self, top: str) -> bool:
        """True if a top-level name means the same to the program and to us. If not, the program keeps it."""
        if top in self.taken:
            return False
        if top not in self.shared:
            module = sys.modules.get(top)
            theirs = _found_by_others(top, None, None) if module is None else getattr(module, "__spec__", None)
            ours = self.aside[top].__spec__ if top in self.aside else _installed(top)
            if theirs is not None and ours is not None and _file(theirs) not in (None, _file(ours)):
                self._leave_to_the_program(top)
                return False
            self.shared.add(top)
            if module is None and top not in self.aside and _program_shadows_the_standard_library():
                self.guarded.add(top)
        return True

    def _leave_to_the_program(self, top: str) -> None:
        self.taken.add(top)
        sys.modules.setdefault(PREFIX, _new_package(PREFIX))
        for name in [name for name in self.aside if name.partition(".")[0] == top]:
            sys.modules[f"{PREFIX}.{name}"] = self.aside.pop(name)


class _Guard:
    """A loader of modules that import as we do."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        # Tools that only inspect a module ask its loader for source, code and resources.
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: Any) -> None:
        module.__loader__ = module.__spec__.loader = self._loader
        # The functions of the module get it as theirs. The program's own stays as it is, with its replacements.
        module.__builtins__ = {**vars(builtins), "__import__": import_as_ours}
        self._loader.exec_module(module)


class _GiveBack:
    """A loader of modules that are loaded already."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__
        self._loader = getattr(module, "__loader__", None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spec.loader, name)  # type: ignore[union-attr]

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec
        module.__loader__ = self._loader


_finder: Final = _Finder()


def import_as_ours(
    name: str,
    globals: dict[str, Any] | None = None,
    locals: dict[str, Any] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> Any:
    """The `__import__` of our own modules."""
    full_name = _absolute(name, globals or {}, level) if level else name
    top = full_name.partition(".")[0]
    if top == PREFIX or _finder.is_shared(top):
        return _import(name, globals, locals, fromlist, level)
    module = _import(f"{PREFIX}.{full_name}", globals, locals, fromlist)
    return module if fromlist else sys.modules[f"{PREFIX}.{top}"]


def _absolute(name: str, globals: dict[str, Any], level: int) -> str:
    package: str = globals["__package__"]
    for _ in range(level - 1):
        package = package.rpartition(".")[0]
    return f"{package}.{name}" if name else package


def is_there(top: str) -> bool:
    """True if our own modules could import a top-level name."""
    return top in sys.modules or _installed(top) is not None or _found_by_others(top, None, None) is not None


def set_aside(names: Iterable[str]) -> None:
    """Let the program import as if these modules had not been imported yet."""
    _finder.shared.clear()
    for name in names:
        if getattr(sys.modules.get(name), "__spec__", None) is not None:
            _finder.aside[name] = sys.modules.pop(name)


def _is_internal_error(error: BaseException) -> bool:
    # It is imported by then, unless our own import failed, which the other finders can do as well.
    interruptions = sys.modules.get(f"{__package__}._base.interruptions")
    is_internal_error: Callable[[BaseException], bool] | None = getattr(interruptions, "is_internal_error", None)
    return is_internal_error is None or is_internal_error(error)


def _found_by_others(name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
    # The finders before us have been asked already, or will be.
    finders: list[Any] = list(sys.meta_path)
    for finder in finders[finders.index(_finder) + 1 :] if _finder in finders else finders:
        find_spec = getattr(finder, "find_spec", None)
        spec = find_spec and find_spec(name, path, target)
        if spec is not None:
            return spec  # type: ignore[no-any-return]
    return None


def _guarded(spec: Any) -> ModuleSpec | None:
    if spec is not None and spec.loader is not None:
        spec.loader = _Guard(spec.loader)
    return spec  # type: ignore[no-any-return]


def _spec_to_give_back(name: str, module: ModuleType) -> ModuleSpec | None:
    spec: Any = module.__spec__
    loader: Any = _GiveBack(module)
    if not spec.has_location:
        is_package = hasattr(module, "__path__")
        return _frozen_importlib.ModuleSpec(name, loader, origin=spec.origin, is_package=is_package)
    locations = spec.submodule_search_locations
    return external.spec_from_file_location(name, spec.origin, loader=loader, submodule_search_locations=locations)


def _installed(top: str) -> ModuleSpec | None:
    if top in _OURS:
        return sys.modules[top].__spec__ if top in sys.modules else None
    if top in sys.builtin_module_names:
        return None
    return external.PathFinder.find_spec(top, _installed_path())


def _file(spec: Any) -> str | None:
    """Path of a module's file; None if it has none: it is built in, frozen, or a namespace package."""
    return os.path.realpath(spec.origin) if spec.has_location else None


def _installed_path() -> list[str]:
    """The search path of our own modules: first the standard library, then installed packages."""
    return [*_STANDARD_LIBRARY, *(folder for folder in sys.path if _is_of_installed(folder))]


def _is_of_installed(folder: str) -> bool:
    if folder not in _known_folders:
        name = os.path.basename(folder)
        _known_folders[folder] = name in ("site-packages", "dist-packages") or any(
            entry.endswith((".dist-info", ".egg-info")) for entry in _entries(folder)
        )
    return _known_folders[folder]


_known_folders: Final[dict[str, bool]] = {}


def _program_shadows_the_standard_library() -> bool:
    return any(
        entry.partition(".")[0] in sys.stdlib_module_names
        for folder in sys.path
        if folder not in _STANDARD_LIBRARY and not _is_of_installed(folder)
        for entry in _entries(folder)
    )


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder or os.curdir)
    except OSError:
        return []


def _new_package(name: str) -> Any:
    package: Any = type(sys)(name, "What we have imported and the program has another module for.")
    package.__path__ = []
    package.__spec__ = _frozen_importlib.ModuleSpec(name, None, is_package=True)
    return package


sys.meta_path.insert(0, _finder)
