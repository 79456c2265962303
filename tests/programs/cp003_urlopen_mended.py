"""http.client: one connection, kept.

contexts: 1
handshakes: 1
"""

import contextlib
import http.client
import json
import os
from urllib.parse import urlsplit

HOST = urlsplit(os.environ["API_URL"]).netloc


class Weather:
    def __init__(self, connection):
        self.connection = connection

    def at(self, station):
        self.connection.request("GET", f"/api/stations/{station}")
        return json.load(self.connection.getresponse())


with contextlib.closing(http.client.HTTPSConnection(HOST, timeout=10)) as connection:
    weather = Weather(connection)
    print(sorted(weather.at(station)["page"] for station in range(6)))
