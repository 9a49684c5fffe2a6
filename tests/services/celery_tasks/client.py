import sys

from tasks import change_prices, price, refresh

for _ in range(10):
    if sys.argv[1] == "celery-prefork":
        change_prices.delay()
    else:
        for task in (refresh, price, price, price):
            task.delay()
