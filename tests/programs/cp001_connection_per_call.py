"""http.client: a connection, which is its client, for every call.

contexts: 8
handshakes: 8
"""

import http.client
import json
import os
from urllib.parse import urlsplit

HOST = urlsplit(os.environ["API_URL"]).netloc


class Weather:
    def __init__(self, host):
        self.host = host

    def at(self, station):
        connection = http.client.HTTPSConnection(self.host, timeout=10)  # finding: CP001
        try:
            connection.request("GET", f"/api/stations/{station}")
            return json.load(connection.getresponse())
        finally:
            connection.close()


weather = Weather(HOST)
print(sorted(weather.at(station)["page"] for station in range(8)))
