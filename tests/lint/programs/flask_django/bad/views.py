import requests
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views import View
from rest_framework.decorators import api_view
from rest_framework.views import APIView


def index(request: HttpRequest):
    with requests.Session() as session:  # expect: CP005 certain
        return JsonResponse(session.get("https://api.example").json())


class Report(View):
    def post(self, request):
        with requests.Session() as session:  # expect: CP005 certain
            return JsonResponse(session.get("https://api.example").json())


class Again(APIView):
    def get(self, request):
        return ask("x")


def ask(what):
    with requests.Session() as session:  # expect: CP001 certain
        return session.get(f"https://api.example/{what}")


@api_view(["GET"])
def listed(request):
    return requests.get("https://api.example")  # expect: CP002 certain
