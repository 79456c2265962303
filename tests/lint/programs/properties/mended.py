from functools import cached_property

import httpx


class Api:
    _other = None

    @cached_property
    def client(self):
        return httpx.AsyncClient()

    @property
    def other(self):
        if self._other is None:
            self._other = httpx.Client()
        return self._other
