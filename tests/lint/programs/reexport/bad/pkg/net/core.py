from httpx import Client
import requests


def open_session():
    return requests.Session()
