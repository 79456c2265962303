"""A thread that the threading module did not start, in a function of a library: nobody can tell who asked.

handshakes: 1
unknown: 1
"""

import _thread
import os
import time
import urllib.request

answered = []


class Noting(urllib.request.BaseHandler):
    def https_response(self, request, response):
        answered.append(response.status)
        return response


opener = urllib.request.build_opener(Noting)
_thread.start_new_thread(opener.open, (os.environ["API_URL"] + "/close",))
while not answered:
    time.sleep(0.01)
print(answered)
