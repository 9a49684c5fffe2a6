"""The application for a WSGI server that starts its own processes.

    SHOP_DATABASE=/tmp/shop.sqlite gunicorn --worker-class gthread --workers 2 --threads 8 shop.wsgi:application

Each worker must import this module itself, so do not use gunicorn's --preload: neither the threads of the shop nor the
one that sends its traces would survive the fork.
"""

from __future__ import annotations

import atexit
import os

from shop.service import Shop
from shop.tracing import traced
from shop.web import Application

_shop = Shop(os.environ.get("SHOP_DATABASE"))
atexit.register(_shop.close)

application = traced(Application(_shop))
