"""The application for a WSGI server that starts the processes itself.

    SHOP_DATABASE=/tmp/shop.sqlite gunicorn --worker-class gthread --workers 2 --threads 8 shop.wsgi:application
"""

from __future__ import annotations

import atexit
import os

from shop.service import Shop
from shop.web import Application

_shop = Shop(os.environ.get("SHOP_DATABASE"))
atexit.register(_shop.close)

application = Application(_shop)
