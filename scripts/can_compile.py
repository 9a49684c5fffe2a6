"""Print one line that says why C extensions cannot be built for this interpreter; print nothing if they can."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig


def problem() -> str | None:
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    headers = sysconfig.get_path("include")
    try:
        done = subprocess.run(
            [*compiler, "-I", headers, "-fsyntax-only", "-x", "c", "-"],
            input="#include <Python.h>\n",
            capture_output=True,
            text=True,
        )
    except OSError:
        return f"there is no C compiler {compiler[0]!r}"
    if done.returncode and not os.path.exists(os.path.join(headers, "Python.h")):
        return f"the C headers of Python {sys.version_info.major}.{sys.version_info.minor} are not installed"
    if done.returncode:
        return f"the C compiler {compiler[0]!r} does not compile"
    return None


if __name__ == "__main__" and (reason := problem()):
    print(f"{reason}: there will be no C extension, its pure-Python twin does the work")
    sys.exit(1)
