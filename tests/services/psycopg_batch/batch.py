import threading

from psycopg_pool import ConnectionPool

from thread import telemetry

pool = telemetry.named(ConnectionPool("dbname=postgres", min_size=1, max_size=1, open=True), "orders-db")


def yearly_report() -> None:
    with pool.connection() as connection:
        connection.execute("select pg_sleep(0.1)")


def login() -> None:
    with pool.connection() as connection:
        connection.execute("select 1")


for _ in range(5):
    threads = [threading.Thread(target=function) for function in (yearly_report, login, login)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
pool.close()
