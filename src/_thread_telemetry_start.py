"""Start of the telemetry, imported by `thread-telemetry.pth` when the interpreter starts. The name is ours alone.

If the environment has `THREAD_TELEMETRY=1`, the process is observed before the first line of its program. Any failure
is one line on stderr, and the program goes on. Only the observation itself is imported here; the rest comes when
somebody asks for it.
"""

from __future__ import annotations

import _thread
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Final

SWITCH: Final = "THREAD_TELEMETRY"

_ON: Final = frozenset({"1", "true", "yes", "on"})
_OFF: Final = frozenset({"", "0", "false", "no", "off"})
_HOME: Final = os.path.dirname(os.path.abspath(__file__))


def start() -> None:
    """Observe this process if the environment asks for it, and let `python -m thread run` find us."""
    observed = _is_switched_on()
    by_name = _is_run_by_name()
    # Subinterpreters are not observed, and get no message: nobody asked for them in particular.
    if not (observed or by_name) or not _is_main_interpreter():
        return
    before = frozenset(sys.modules) - {"__future__"}
    strangers = _without_strangers()
    sys.path.insert(0, _HOME)
    try:
        import thread  # noqa: F401

        if observed:
            from thread._cli.activation import start as start_observing

            start_observing()
    except Exception as error:
        _say(f"this process is not observed: {type(error).__name__}: {error}")
        by_name = False
    finally:
        sys.path.remove(_HOME)
        _set_aside([name for name in sys.modules if name not in before and not (by_name and _is_ours(name))])
        if not by_name:
            sys.modules.update(strangers)
    if observed and not by_name:
        _say_what_lies_over_ours()


def main() -> None:
    """Run the command `thread`, whichever package of that name the program has."""
    _without_strangers()
    sys.path.insert(0, _HOME)
    try:
        from thread.__main__ import main as run
    finally:
        sys.path.remove(_HOME)
    run()


def _set_aside(names: list[str]) -> None:
    own_modules = sys.modules.get("thread._own_modules")
    if own_modules is not None:
        own_modules.set_aside(names)
    for name in names:
        # A module that could not be set aside is of no use to the program either.
        if _is_ours(name):
            sys.modules.pop(name, None)


def _is_switched_on() -> bool:
    # `python -I` and `-E` ignore the environment.
    switch = "" if sys.flags.ignore_environment else os.environ.get(SWITCH, "")
    if switch.strip().lower() in _OFF:
        return False
    if switch.strip().lower() in _ON:
        return True
    _say(f"{SWITCH}: expected 1 or 0, got {switch!r}; nothing is observed")
    return False


def _is_run_by_name() -> bool:
    """True if this is `python -m thread run …` or `dump …`, which the program's own `thread.py` would answer."""
    words = iter(sys.orig_argv[1:])
    for word in words:
        if word in ("-X", "-W"):
            next(words, None)
        elif word.startswith("-") and not word.startswith(("--", "-c", "-X", "-W")):
            if "m" in word:
                module = word.partition("m")[2] or next(words, None)
                return module == "thread" and next(words, None) in ("run", "dump")
        elif not word.startswith("-") or word.startswith("-c"):
            return False
    return False


def _is_main_interpreter() -> bool:
    if sys.version_info >= (3, 12):
        return bool(_thread._is_main_interpreter())  # type: ignore[attr-defined]
    interpreters = __import__("_xxsubinterpreters")
    return bool(interpreters.get_current() == interpreters.get_main())


def _without_strangers() -> dict[str, ModuleType]:
    """Take another package `thread`, imported by some other .pth file, out of `sys.modules`, and return it."""
    names = [name for name in sys.modules if name == "thread" or name.startswith("thread.")]
    return {name: sys.modules.pop(name) for name in names}


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] == "thread"


def _say_what_lies_over_ours() -> None:
    """Report another package `thread` that hides ours from the program. Looks among installed ones only."""
    import _frozen_importlib_external as external

    spec = external.PathFinder.find_spec("thread")
    ours = os.path.join(_HOME, "thread", "__init__.py")
    if spec is not None and spec.origin is not None and os.path.realpath(spec.origin) != os.path.realpath(ours):
        _say(f"{SWITCH}: the program imports another package called thread, {spec.origin}; it is observed all the same")


def _say(line: str) -> None:
    # Not the package's function, which may be what is missing.
    if sys.stderr is not None:
        sys.stderr.write(f"thread: {line}\n")


start()
