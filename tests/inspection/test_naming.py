"""Names that are read off code objects."""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType
from typing import Any

import pytest

from thread._base.code_origin import is_internal
from thread._inspection.naming import describe_creation_site, describe_site, line_of, module_of
from thread._inspection.targets import describe_target

places: list[tuple[str, str]] = []


class Lock:
    """Stands where a lock is created: notes what the place is called."""

    def __init__(self) -> None:
        frame: FrameType = sys._getframe(1)
        places.append(describe_creation_site(frame.f_code, frame.f_lasti, module_of(frame.f_globals)))


@pytest.fixture(autouse=True)
def forget() -> None:
    places.clear()


def name() -> str:
    [(called, location)] = places
    assert location.startswith(f"{__file__}:")
    return called.removeprefix(f"{__name__}:")


def test_an_attribute_of_self() -> None:
    class Cache:
        def __init__(self) -> None:
            self._guard = Lock()

    Cache()
    assert name() == "test_an_attribute_of_self.<locals>.Cache._guard"


def test_an_attribute_of_the_class_in_a_class_method() -> None:
    class Cache:
        guard: Any = None

        @classmethod
        def prepare(cls) -> None:
            cls.guard = Lock()

    Cache.prepare()
    assert name().endswith("Cache.guard")


def test_a_class_attribute() -> None:
    class Cache:
        guard = Lock()

    assert name().endswith("Cache.guard")


def test_an_attribute_of_another_object() -> None:
    class Session:
        pass

    session: Any = Session()
    session.guard = Lock()
    assert name() == "test_an_attribute_of_another_object.session.guard"


def test_a_local_variable() -> None:
    guard = Lock()
    assert name() == "test_a_local_variable.guard"
    del guard


def test_a_variable_that_an_inner_function_uses() -> None:
    guard = Lock()
    assert name() == "test_a_variable_that_an_inner_function_uses.guard"
    (lambda: guard)()


def test_two_targets_at_once() -> None:
    class Pair:
        def __init__(self) -> None:
            self.first = self.second = Lock()

    Pair()
    assert name().endswith("Pair.first")


def test_an_annotated_attribute_with_many_names_before_it() -> None:
    source = "\n".join(f"v{i} = {i}" for i in range(300)) + "\nguard = Lock()\n"
    exec(compile(source, __file__, "exec"), {"Lock": Lock, "__name__": __name__})
    assert name() == "guard"


def test_a_global_of_a_function() -> None:
    source = "def f():\n    global guard\n    guard = Lock()\nf()"
    exec(compile(source, __file__, "exec"), {"Lock": Lock, "__name__": __name__})
    assert name() == "f.guard"


def names() -> list[str]:
    return [called.rpartition(":")[2].rpartition(".")[2] for called, _ in places]


def test_each_lock_of_an_assignment_is_called_after_what_it_is_assigned_to() -> None:
    class Pair:
        def __init__(self) -> None:
            self.first, self.second = Lock(), Lock()
            self.a, self.b, self.c, self.d = (
                Lock(),
                Lock(),
                Lock(),
                Lock(),
            )
            [self.e, self.f] = Lock(), Lock()
            (self.g, (self.h, self.i)), self.j = (Lock(), (Lock(), Lock())), Lock()
            one, two = Lock(), Lock()
            three, four, five = Lock(), Lock(), Lock()
            self.k, six = Lock(), Lock()
            locals()

    Pair()
    assert names() == ["first", "second", *"abcdefghij", "one", "two", "three", "four", "five", "k", "six"]


def test_the_globals_of_an_assignment_are_told_apart() -> None:
    source = "a, b = Lock(), Lock()\nc, d, e = (Lock(),\n Lock(), Lock())\nf, g, h, i = Lock(), Lock(), Lock(), Lock()"
    exec(compile(source, __file__, "exec"), {"Lock": Lock, "__name__": __name__})
    assert names() == list("abcdefghi")


def test_the_elements_of_what_is_stored_have_their_numbers() -> None:
    class Stripes:
        def __init__(self) -> None:
            self.locks = [Lock(), Lock()]
            self.pairs = ((Lock(), Lock()), (Lock(), 1, None))

    Stripes()
    assert names() == ["locks[0]", "locks[1]", "pairs[0][0]", "pairs[0][1]", "pairs[1][0]"]


def test_locks_of_a_line_that_are_not_stored_are_told_apart() -> None:
    def use(*locks: Lock) -> None:
        pass

    use(Lock(), Lock())
    use({"a": Lock(), "b": Lock()})  # type: ignore[arg-type]
    assert len({called for called, _ in places}) == 4


def test_a_name_that_pytest_made_up_is_none() -> None:
    code = compile("py_assert7 = Lock()", __file__, "exec")
    code = code.replace(co_names=tuple("@py_assert7" if each == "py_assert7" else each for each in code.co_names))
    exec(code, {"Lock": Lock, "__name__": __name__})
    assert name() == "1"


def test_a_lock_that_is_not_stored_is_called_after_its_line() -> None:
    def use(lock: Lock) -> Lock:
        return lock

    used = use(Lock())
    line = test_a_lock_that_is_not_stored_is_called_after_its_line.__code__.co_firstlineno + 4
    assert name() == f"test_a_lock_that_is_not_stored_is_called_after_its_line:{line}"
    del used


def test_an_element_of_a_list_is_called_after_its_line() -> None:
    locks = [Lock()]
    assert name().rpartition(":")[2].isdigit()
    del locks


def test_a_site_is_called_after_its_function() -> None:
    frame = sys._getframe()
    line = frame.f_lineno + 1
    site = describe_site(frame.f_code, frame.f_lasti, "shop.cache")
    assert site[0] == "shop.cache.test_a_site_is_called_after_its_function"
    assert site[1] == __file__
    assert abs(site[2] - line) <= 1


def test_the_site_of_a_modules_own_code_is_called_after_the_module() -> None:
    code: CodeType = compile("x = 1\n", "/shop/cache.py", "exec")
    assert describe_site(code, 0, "shop.cache")[0] == "shop.cache"


@pytest.mark.parametrize(
    ("path", "internal"),
    [
        (os.__file__, True),
        (os.path.join(os.path.dirname(os.__file__), "concurrent", "futures", "thread.py"), True),
        (os.path.join(os.path.dirname(os.__file__), "site-packages", "flask", "app.py"), False),
        (os.path.join(os.path.dirname(os.__file__), "site-packages", "prometheus_client", "metrics.py"), True),
        ("/usr/lib/python3/dist-packages/opentelemetry/sdk/trace.py", True),
        ("<frozen importlib._bootstrap>", True),
        ("<stdin>", False),
        (__file__, False),
        ("/srv/shop/opentelemetry/tracing.py", False),
    ],
)
def test_what_is_charged_to_its_caller(path: str, internal: bool) -> None:
    assert is_internal(path) is internal


def test_a_target_that_computes_its_attributes_is_not_asked_for_them() -> None:
    class Proxy:
        def __getattr__(self, attribute: str) -> Any:
            raise AssertionError(f"asked for {attribute}")

        def __call__(self) -> None:
            pass

    assert describe_target(Proxy()).endswith("Proxy")


def test_a_target_that_is_a_class_or_a_builtin() -> None:
    assert describe_target(Lock) == f"{__name__}:Lock"
    assert describe_target(print) == "builtins:print"
    assert describe_target([].append) == "builtins:list.append"


def test_the_line_of_each_instruction_is_the_compilers() -> None:
    for code in (describe_creation_site.__code__, line_of.__code__, compile("", "/empty.py", "exec")):
        for start, end, line in code.co_lines():
            for offset in range(start, end, 2):
                assert line_of(code, offset) == (line or code.co_firstlineno)
        assert line_of(code, -2) == code.co_firstlineno


def test_a_library_stands_beside_those_that_keep_its_pool_for_the_program() -> None:
    from thread._base.code_origin import library_of

    folders = library_of("/venv/lib/python3/site-packages/psycopg_pool/pool.py:3")
    assert folders is not None
    assert "/venv/lib/python3/site-packages/psycopg_pool/pool.py".startswith(folders)
    assert "/venv/lib/python3/site-packages/django/db/utils.py".startswith(folders)
    assert not "/venv/lib/python3/site-packages/django/views/base.py".startswith(folders)
    assert library_of("/app/shop.py:3") is None
