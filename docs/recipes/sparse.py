"""Sparse traffic: a client for each call, all with one SSL context.

    python docs/recipes/sparse.py https://api.example.org 60

When calls come further apart than connections are kept open, a long-lived client makes a handshake for each call all
the same. What it saves is the context, which can be shared without it; and no idle connection is left that the other
side, or a middlebox, could have dropped.
"""

import sys
import time

import httpx


def main(base_url: str, pause_s: float) -> None:
    """Six calls with a pause before each but the first."""
    context = httpx.create_ssl_context()
    for number in range(6):
        time.sleep(pause_s if number else 0)
        with httpx.Client(verify=context) as client:
            response = client.get(f"{base_url}/api/datasets/{number}")
        print(number, response.status_code, len(response.content))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
