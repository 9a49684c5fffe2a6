"""SQLAlchemy's pool keeps to its size, and waits for its connections are recorded."""

from __future__ import annotations

from programs import observed

PROGRAM = """
    import tempfile, time
    from concurrent.futures import ThreadPoolExecutor
    import sqlalchemy
    from sqlalchemy import event, text

    def engine(timeout):
        return sqlalchemy.create_engine(
            f"sqlite:///{folder}/shop.db",
            poolclass=sqlalchemy.QueuePool,
            pool_size=2,
            max_overflow=1,
            pool_timeout=timeout,
            connect_args={"check_same_thread": False, "timeout": 60},
        )

    def add(number):
        with patient.begin() as connection:
            connection.execute(text("update stock set pears = pears + :number"), {"number": number})

    with tempfile.TemporaryDirectory() as folder:
        patient = engine(60)
        lent, most = [], 0

        @event.listens_for(patient, "checkout")
        def check_out(*_):
            global most
            lent.append(None)
            most = max(most, len(lent))

        @event.listens_for(patient, "checkin")
        def check_in(*_):
            lent.pop()

        with patient.begin() as connection:
            connection.execute(text("create table stock (pears integer)"))
            connection.execute(text("insert into stock values (0)"))
        with ThreadPoolExecutor(8, thread_name_prefix="clients") as clients:
            list(clients.map(add, range(80)))
        with patient.connect() as connection:
            print(connection.scalar(text("select pears from stock")), len(lent), most <= 3)
        # A full pool, and one whose last connection is returned while another thread waits for it.
        held = [patient.connect() for _ in range(3)]
        with ThreadPoolExecutor(1, thread_name_prefix="waiting") as waiting:
            got = waiting.submit(lambda: patient.connect().close())
            while not patient.pool._pool.not_empty._waiters:
                time.sleep(0.001)
            held.pop().close()
            got.result(60)
        for each in held:
            each.close()
        print(patient.pool.status())
        patient.dispose()

        hasty = engine(0.1)
        held = [hasty.connect() for _ in range(3)]
        print(hasty.pool.status())
        try:
            hasty.connect()
        except sqlalchemy.exc.TimeoutError as error:
            print(str(error).partition(" (Background")[0])
        for each in held:
            each.close()
        with hasty.connect() as connection:
            print(connection.scalar(text("select pears from stock")), hasty.pool.status())
        hasty.dispose()
"""


def test_the_pool_of_sqlalchemy_keeps_its_limits_and_says_so() -> None:
    printed, seen = observed(
        PROGRAM,
        """
        waits = [each for each in recorded.blocking if each.name == "sqlalchemy.util.queue:Queue.mutex"]
        print({(each.kind, each.duration.count > 0) for each in waits})
        print(sorted(each.site.function for each in waits))
        print([each.kind for each in recorded.locks if each.name == "sqlalchemy.util.queue:Queue.mutex"])
        print([each.acquisitions > 0 for each in recorded.locks if each.name.endswith("QueuePool._overflow_lock")])
        print([(each.name, each.submitted, each.finished, each.unread_exceptions) for each in recorded.executors])
        """,
    )
    assert printed == [
        "3160 1 True",
        "Pool size: 2  Connections in pool: 2 Current Overflow: 0 Current Checked out connections: 0",
        "Pool size: 2  Connections in pool: 0 Current Overflow: 1 Current Checked out connections: 3",
        "QueuePool limit of size 2 overflow 1 reached, connection timed out, timeout 0.10",
        "3160 Pool size: 2  Connections in pool: 1 Current Overflow: 0 Current Checked out connections: 1",
    ]
    assert seen == [
        "{('condition', True)}",
        "['__main__', '__main__.<lambda>', '__main__.add']",
        "['rlock']",
        "[True]",
        "[('clients', 80, 80, 0), ('waiting', 1, 1, 0)]",
    ]
