"""Rights to read another process: which one is missing, and the command that helps."""

from __future__ import annotations

import os
import sys
from typing import Final

from .process import status_of

_SYS_PTRACE: Final = 19
_TRACE_SCOPE: Final = "/proc/sys/kernel/yama/ptrace_scope"


def explain_refusal(pid: int) -> str:
    """Return why the kernel lets us not read a process, and what helps."""
    status = status_of(pid)
    command = " ".join(["sudo", sys.executable, "-m", "thread", "dump", str(pid)])
    owners, ours = status.get("Uid", "").split(), os.geteuid()
    if owners and any(int(owner) != ours for owner in owners[:3]):
        if _may_trace():
            return _in_a_sandbox(pid, "it belongs to another user, and CAP_SYS_PTRACE does not reach it")
        return f"process {pid} belongs to another user (id {owners[0]}, we are {ours}); this may read it:\n  {command}"
    if _same_namespace(pid, "user") is False and not _may_trace():
        return f"process {pid} is in a container with users of its own; this may read it, from outside:\n  {command}"
    scope = _trace_scope()
    if scope == 1:
        return (
            f"process {pid} is not our child, and the kernel lets only parents read (ptrace_scope is 1); one of these "
            f"helps:\n  {command}\n  echo 0 | sudo tee {_TRACE_SCOPE}    until the next start, for all processes"
        )
    if scope == 2:
        return f"only with CAP_SYS_PTRACE may a process be read here (ptrace_scope is 2); this helps:\n  {command}"
    if scope == 3:
        return "no process may be read here (ptrace_scope is 3), until the machine is started again without it"
    if _may_trace():
        return _in_a_sandbox(pid, "the kernel refuses although we have CAP_SYS_PTRACE")
    return (
        f"process {pid} may not be read: it has more rights than we, or has forbidden it; in a container, "
        f"CAP_SYS_PTRACE is missing:\n  docker run --cap-add SYS_PTRACE …\n  {command}"
    )


def _in_a_sandbox(pid: int, said: str) -> str:
    return f"process {pid}: {said}; a security module or a filter of system calls forbids it (see dmesg)"


def _may_trace() -> bool:
    return bool(int(status_of("self").get("CapEff", "0"), 16) >> _SYS_PTRACE & 1)


def _same_namespace(pid: int, kind: str) -> bool | None:
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")
    except OSError:
        return None


def _trace_scope() -> int:
    try:
        with open(_TRACE_SCOPE) as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0
