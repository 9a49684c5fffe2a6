from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import path
from prices import prices


def price(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{prices.get('coffee')}\n")


def refresh(request: HttpRequest) -> HttpResponse:
    prices.refresh()
    return HttpResponse("done\n")


def yearly_report(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("select pg_sleep(0.1)")
    return HttpResponse("done\n")


def login(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("select 1")
    return HttpResponse("done\n")


urlpatterns = [
    path("", price),
    path("refresh", refresh),
    path("report", yearly_report),
    path("login", login),
]
