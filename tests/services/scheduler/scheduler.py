from apscheduler.schedulers.blocking import BlockingScheduler
from prices import prices


def refresh() -> None:
    prices.refresh()


def print_price() -> None:
    prices.get("coffee")


scheduler = BlockingScheduler()
scheduler.add_job(refresh, "interval", seconds=0.1)
for number in range(3):
    scheduler.add_job(print_price, "interval", seconds=0.1, id=f"price {number}")
scheduler.start()
