import os
import threading

from sqlalchemy import create_engine, text

engine = create_engine(f"postgresql+psycopg://{os.environ['PGUSER']}@/postgres", pool_size=1, max_overflow=0)


def yearly_report() -> None:
    with engine.connect() as connection:
        connection.execute(text("select pg_sleep(0.1)"))


def login() -> None:
    with engine.connect() as connection:
        connection.execute(text("select 1"))


for _ in range(5):
    threads = [threading.Thread(target=function) for function in (yearly_report, login, login)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
