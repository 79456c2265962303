"""A client for each use of an attribute."""
import ssl

import httpx


class Api:
    given = None

    @property
    def client(self):
        return httpx.AsyncClient()  # expect: CP001 likely

    @property
    def context(self):
        return ssl.create_default_context()  # expect: CP003 likely

    @property
    def either(self):
        return self.given or httpx.Client()  # expect: CP001 guess
