from prices import prices
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


def price(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{prices.get('coffee')}\n")


def refresh(request: Request) -> PlainTextResponse:
    prices.refresh()
    return PlainTextResponse("done\n")


app = Starlette(routes=[Route("/", price), Route("/refresh", refresh)])
