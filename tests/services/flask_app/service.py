from flask import Flask
from prices import prices

app = Flask(__name__)


@app.get("/")
def price() -> str:
    return f"{prices.get('coffee')}\n"


@app.get("/refresh")
def refresh() -> str:
    prices.refresh()
    return "done\n"
