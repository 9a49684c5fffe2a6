"""Dumps of programs that nobody prepared: each owner is named right, or the dump says that it cannot be seen."""

from __future__ import annotations

import sys

import pytest
from planted_programs import planted, thread

from thread._remote.views import Dump, ThreadView, WaitView

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="another process is read on Linux only")


def named(dump: Dump, name: str) -> ThreadView:
    found = thread(dump, name)
    assert found is not None
    return found


def waits(dump: Dump, name: str) -> bool:
    found = thread(dump, name)
    return found is not None and found.wait is not None


def wait(dump: Dump, name: str) -> WaitView:
    found = named(dump, name).wait
    assert found is not None
    return found


def owners(dump: Dump, name: str) -> set[tuple[str, str]]:
    """Names of those whom a thread waits for, with the function in which each took what is waited for."""
    return {
        (owner.thread, owner.acquired.function.rpartition(".")[2] if owner.acquired else "")
        for owner in wait(dump, name).owners
    }


def kinds(dump: Dump) -> list[tuple[str, str]]:
    return [(finding.kind, finding.certainty) for finding in dump.findings]


def people(dump: Dump) -> set[str]:
    """Names of the threads in the worst finding."""
    ids = set(dump.findings[0].threads)
    return {thread.name for thread in dump.threads if thread.native_id in ids}


def test_two_locks_taken_by_with_in_two_orders() -> None:
    with planted("two_locks_by_with") as program:
        dump = program.dump_when(lambda dump: dump.findings)
    assert kinds(dump) == [("deadlock", "certain")] and dump.is_hung
    assert people(dump) == {"transfer", "audit"}
    assert owners(dump, "transfer") == {("audit", "audit")} and wait(dump, "transfer").what == "journal"
    assert owners(dump, "audit") == {("transfer", "transfer")} and wait(dump, "audit").what == "accounts"
    assert dump.findings[0].line.startswith("DEADLOCK  certain")
    assert "holds accounts, wants journal" in dump.findings[0].summary


def test_a_ring_of_three_names_the_bystander_as_a_victim() -> None:
    with planted("three_locks") as program:
        dump = program.dump_when(lambda dump: dump.findings and dump.findings[0].victims)
    assert kinds(dump) == [("deadlock", "certain")]
    assert people(dump) == {"first", "second", "third"}
    assert dump.findings[0].victims == (named(dump, "bystander").native_id,)


def test_owners_by_acquire_are_not_guessed() -> None:
    with planted("two_locks_by_acquire") as program:
        dump = program.dump_when_waiting("transfer", "audit", kind="lock")
    assert not wait(dump, "transfer").owners and not wait(dump, "transfer").owners_seen
    assert not wait(dump, "audit").owners and not wait(dump, "audit").owners_seen
    assert not dump.findings


def test_rlocks_say_themselves_who_holds_them() -> None:
    with planted("two_rlocks") as program:
        dump = program.dump_when(lambda dump: dump.findings)
    assert kinds(dump) == [("deadlock", "certain")]
    assert owners(dump, "transfer") == {("audit", "audit")}
    assert owners(dump, "audit") == {("transfer", "")}


def test_permits_taken_by_with_name_their_holders() -> None:
    with planted("two_bounded_semaphores") as program:
        dump = program.dump_when(lambda dump: dump.findings)
    assert kinds(dump) == [("deadlock", "certain")]
    assert owners(dump, "clerk") == {("courier", "courier")}
    assert wait(dump, "clerk").what == "printers"


def test_permits_of_others_are_not_taken_for_all_of_them() -> None:
    with planted("semaphore_of_unknown_size") as program:
        dump = program.dump_when_waiting("courier", kind="semaphore")
    assert owners(dump, "courier") == {("clerk", "clerk")}
    assert not wait(dump, "courier").owners_seen and not dump.findings


def test_a_condition_is_waited_for_without_holding_its_lock() -> None:
    with planted("condition") as program:
        dump = program.dump_when_waiting("listener", kind="condition")
    assert wait(dump, "listener").what == "changed"
    assert not named(dump, "listener").holds


def test_the_lock_of_a_condition_belongs_to_whoever_has_it_now() -> None:
    with planted("condition_whose_lock_another_has") as program:
        dump = program.dump_when(lambda dump: dump.findings)
    assert owners(dump, "applicant") == {("holder", "holder")}
    assert wait(dump, "listener").kind == "condition"
    assert kinds(dump) == [("lock_held_long", "likely")]


def test_a_condition_that_was_notified_wants_its_lock_back() -> None:
    with planted("condition_that_wants_its_lock_back") as program:
        dump = program.dump_when_waiting("listener", kind="lock")
    assert owners(dump, "listener") == {("speaker", "speaker")}


def test_an_empty_queue() -> None:
    with planted("empty_queue") as program:
        dump = program.dump_when_waiting("consumer", "patient", "simple", kind="queue.get")
    assert wait(dump, "consumer").what == "jobs"
    assert wait(dump, "patient").timed and not wait(dump, "consumer").timed
    assert not dump.findings


def test_a_full_queue_is_waited_for_under_a_lock() -> None:
    with planted("full_queue_under_a_lock") as program:
        dump = program.dump_when(lambda dump: dump.findings)
    assert kinds(dump) == [("lock_held_long", "likely")] and people(dump) == {"producer"}
    assert wait(dump, "producer").kind == "queue.put" and owners(dump, "client") == {("producer", "producer")}


@pytest.mark.parametrize(
    ("program_name", "who"), [("joins_in_a_ring", {"left", "right"}), ("join_under_a_lock", {"closer", "worker"})]
)
def test_joins_are_part_of_the_ring(program_name: str, who: set[str]) -> None:
    with planted(program_name) as program:
        dump = program.dump_when(lambda dump: dump.findings)
    assert kinds(dump) == [("deadlock", "certain")] and people(dump) == who


def test_a_wait_with_a_time_limit_is_no_certain_deadlock() -> None:
    with planted("join_with_a_time_limit") as program:
        dump = program.dump_when(lambda dump: waits(dump, "worker") and waits(dump, "closer"))
    assert wait(dump, "closer").timed and not dump.is_hung


def test_a_future_whose_task_wants_our_lock() -> None:
    with planted("future_under_a_lock") as program:
        dump = program.dump_when(lambda dump: dump.findings)
    assert kinds(dump) == [("deadlock", "certain")] and people(dump) == {"client", "pool_0"}
    assert owners(dump, "client") == {("pool_0", "")} and wait(dump, "client").kind == "future"


def test_a_future_that_nobody_is_seen_to_set() -> None:
    with planted("future_nobody_sets") as program:
        dump = program.dump_when_waiting("client", kind="future")
    assert not wait(dump, "client").owners and not dump.findings


def test_a_pool_that_waits_for_itself() -> None:
    with planted("pool_in_itself") as program:
        dump = program.dump_when(lambda dump: dump.findings)
    assert kinds(dump) == [("pool_waits_for_itself", "certain")] and people(dump) == {"pool_0", "pool_1"}


def test_a_pool_with_a_free_worker_does_not_hang() -> None:
    with planted("pool_with_room") as program:
        dump = program.dump_when(lambda dump: owners_if_any(dump, "pool_0"))
    assert owners(dump, "pool_0") == {("pool_1", "")} and not dump.findings


def owners_if_any(dump: Dump, name: str) -> bool:
    found = thread(dump, name)
    return bool(found and found.wait and found.wait.owners)


def test_an_owner_that_sleeps() -> None:
    with planted("sleeping_owner") as program:
        dump = program.dump_when(lambda dump: dump.findings)
    assert kinds(dump) == [("lock_held_long", "likely")] and not dump.is_hung
    assert owners(dump, "client") == {("sleeper", "sleeper")} and "time.sleep" in dump.findings[0].line


def test_an_owner_that_reads_a_socket() -> None:
    with planted("socket_under_a_lock") as program:
        dump = program.dump_when(lambda dump: dump.findings)
    assert owners(dump, "client") == {("query", "query")} and "socket.recv" in dump.findings[0].line
    assert wait(dump, "client").what == "Connection._guard"


def test_a_thread_that_takes_its_own_lock_again() -> None:
    with planted("lock_twice") as program:
        dump = program.dump_when(lambda dump: dump.findings)
    assert kinds(dump) == [("waits_for_itself", "certain")] and people(dump) == {"careless"}


def test_an_rlock_whose_owner_has_ended() -> None:
    with planted("rlock_of_an_ended_thread") as program:
        dump = program.dump_when_waiting("client", kind="rlock")
    if thread(dump, "heir"):  # Then this thread got the ident of the one that ended.
        assert [owner.sure for owner in wait(dump, "client").owners] == [False] and not dump.findings
    else:
        assert kinds(dump) == [("lock_of_ended_thread", "certain")]
        assert wait(dump, "client").owners_seen and not wait(dump, "client").owners


@pytest.mark.parametrize("program_name", ["traces_of_earlier_statements", "released_inside", "released_in_a_function"])
def test_a_lock_that_was_held_before_is_nobodys(program_name: str) -> None:
    with planted(program_name) as program:
        dump = program.dump_when_waiting("client", kind="lock")
    assert not wait(dump, "client").owners and not dump.findings


def test_what_else_is_released_inside_does_not_matter() -> None:
    with planted("another_is_released_inside") as program:
        dump = program.dump_when_waiting("client", kind="lock")
    assert owners(dump, "client") == {("owner", "owner")}


def test_locks_taken_by_a_manager_of_the_library() -> None:
    with planted("with_by_other_means") as program:
        dump = program.dump_when(lambda dump: [each.wait.kind for each in dump.threads if each.wait] == ["lock"] * 3)
    found = {owner.thread for thread in dump.threads if thread.wait for owner in thread.wait.owners}
    assert found == {"by_generator", "by_stack", "by_condition"}


def test_locks_of_one_name_are_told_apart() -> None:
    with planted("one_class_two_locks") as program:
        dump = program.dump_when(lambda dump: dump.findings)
    assert {wait(dump, "pay").what, wait(dump, "pay_back").what} == {"Account.lock #1", "Account.lock #2"}


def test_locks_in_a_dict_and_in_a_list_have_names() -> None:
    with planted("locks_in_containers") as program:
        dump = program.dump_when(lambda dump: dump.findings)
    assert wait(dump, "out").what == "Shelves.rows[2]" and wait(dump, "back").what == "Shelves.locks['south']"


def test_a_lock_that_is_the_target_of_a_thread() -> None:
    with planted("lock_as_target") as program:
        dump = program.dump_when_waiting("bare", "timed", kind="lock")
    assert owners(dump, "bare") == owners(dump, "timed") == {("owner", "owner")}
    assert wait(dump, "timed").timed and not wait(dump, "bare").timed
