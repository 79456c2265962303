"""requests.get in a thread for each call, one after another: a session for each thread would save nothing.

environment: others
contexts: 6
handshakes: 6
"""

import os
import threading

import requests

URL = os.environ["API_URLS"].split()[0]


def fetch(number):
    answer = requests.get(f"{URL}/api/{number}", timeout=10)  # finding: CP002
    answer.raise_for_status()


for number in range(6):
    thread = threading.Thread(target=fetch, args=(number,))
    thread.start()
    thread.join()
