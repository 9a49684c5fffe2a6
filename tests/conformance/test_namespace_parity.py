"""The names of `thread` are those of the interpreter's module, documented and signed alike."""

from __future__ import annotations

import _thread
import inspect
import sys
from typing import Any

import pytest
from conformance.parity import beyond_python
from conformance.published import IS_REFERENCE, SUBJECT


def public(names: Any) -> set[str]:
    return {name for name in names if not name.startswith("_")}


def test_every_name_of_the_interpreters_module_is_there() -> None:
    assert {name for name in dir(_thread) if not name.startswith("__")} <= set(dir(SUBJECT))


def test_no_public_name_was_added() -> None:
    submodules = {name for name in dir(SUBJECT) if f"{SUBJECT.__name__}.{name}" in sys.modules}
    assert public(dir(SUBJECT)) - submodules == public(dir(_thread))


def attributes(cls: type) -> set[str]:
    # Where a static type of C keeps its module is an accident.
    return set(dir(cls)) - {"__module__"}


@pytest.mark.parametrize("name", ["LockType", "RLock"])
def test_the_types_have_the_interpreters_attributes(name: str) -> None:
    ours, theirs = attributes(getattr(SUBJECT, name)), attributes(getattr(_thread, name))
    assert theirs <= ours
    assert public(ours) == public(theirs)


@beyond_python
@pytest.mark.parametrize("name", ["LockType", "RLock"])
def test_the_types_have_no_other_attributes(name: str) -> None:
    assert attributes(getattr(SUBJECT, name)) == attributes(getattr(_thread, name))


SYNONYMS = {"allocate": "allocate_lock", "start_new": "start_new_thread", "exit_thread": "exit"}


@pytest.mark.parametrize("name", sorted(public(dir(_thread)) - {"TIMEOUT_MAX", *SYNONYMS}))
def test_a_public_name_says_what_it_is(name: str) -> None:
    ours, theirs = getattr(SUBJECT, name), getattr(_thread, name)
    for attribute in ("__name__", "__qualname__", "__module__"):
        assert getattr(ours, attribute) == getattr(theirs, attribute), attribute
    assert callable(ours) == callable(theirs)
    assert isinstance(ours, type) == isinstance(theirs, type)
    assert ours.__doc__ or not theirs.__doc__


@pytest.mark.skipif(IS_REFERENCE, reason="the interpreter's synonyms are functions of their own")
@pytest.mark.parametrize("synonym", SYNONYMS)
def test_a_synonym_is_the_same_function(synonym: str) -> None:
    assert getattr(SUBJECT, synonym) is getattr(SUBJECT, SYNONYMS[synonym])


METHODS = [(name, method) for name in ("LockType", "RLock") for method in sorted(public(dir(getattr(_thread, name))))]


@pytest.mark.parametrize(("name", "method"), METHODS)
def test_a_public_method_is_documented(name: str, method: str) -> None:
    assert getattr(getattr(SUBJECT, name), method).__doc__


@pytest.mark.parametrize(("name", "method"), METHODS)
def test_a_public_method_has_the_interpreters_signature(name: str, method: str) -> None:
    ours, theirs = (parameters(getattr(getattr(module, name), method)) for module in (SUBJECT, _thread))
    assert ours == theirs or theirs is None
    assert ours is not None or IS_REFERENCE


@beyond_python
@pytest.mark.parametrize("name", sorted(public(dir(_thread)) - {"TIMEOUT_MAX", "error"}))
def test_a_function_has_the_interpreters_signature_and_the_keyword_name_at_most(name: str) -> None:
    ours, theirs = (parameters(getattr(module, name)) for module in (SUBJECT, _thread))
    if ours and ours[-1] == "*name=None":
        ours.pop()
    assert ours == theirs or theirs is None


def parameters(function: Any) -> list[str] | None:
    """Name and default of each parameter, an asterisk before those by keyword only; None where it does not tell."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        return None
    return [
        "*" * (parameter.kind is parameter.KEYWORD_ONLY) + str(parameter.replace(annotation=parameter.empty))
        for parameter in signature.parameters.values()
    ]
