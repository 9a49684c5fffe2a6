from fastapi import FastAPI
from prices import prices

app = FastAPI()


@app.get("/")
def price() -> int:
    return prices.get("coffee")


@app.get("/refresh")
def refresh() -> str:
    prices.refresh()
    return "done"
