"""Assignments to the module `thread` reach `_thread`."""

from __future__ import annotations

from programs import output_of


def test_what_is_assigned_is_called_and_what_is_given_back_is_the_interpreters() -> None:
    lines = output_of(
        """
        import _thread
        before = dict(vars(_thread))
        import thread
        own = thread.start_new_thread, thread.allocate_lock

        def start(function, args):
            print("started")
            return own[0](function, args)

        thread._original = thread.start_new_thread
        thread.start_new_thread = thread.start_new = start
        thread.allocate_lock = lambda: "a lock"
        done = before["allocate_lock"]()
        done.acquire()
        _thread.start_new_thread(done.release, ())
        done.acquire()
        print(_thread.start_new is start, _thread.allocate_lock(), _thread._original is before["start_new_thread"])
        thread.start_new_thread = thread.start_new = thread._original
        thread.allocate_lock = own[1]
        del thread._original
        import thread.telemetry
        print(dict(vars(_thread)) == before, (thread.start_new_thread, thread.allocate_lock) == own)
        """
    )
    assert lines == ["started", "True a lock True", "True True"]


def test_observation_goes_on_when_a_name_is_given_back() -> None:
    lines = output_of(
        """
        import _thread, thread
        from thread import telemetry
        native = _thread.allocate_lock
        telemetry.instrument()
        thread.allocate_lock = None
        print(_thread.allocate_lock)
        thread.allocate_lock = thread.allocate
        print(_thread.allocate_lock is thread.allocate)
        telemetry.uninstrument()
        print(_thread.allocate_lock is native)
        """
    )
    assert lines == ["None", "True", "True"]
