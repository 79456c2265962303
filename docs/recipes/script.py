"""A script: one client in a block around the whole batch.

    python docs/recipes/script.py https://api.example.org

Each connection is used again and again, and all are closed when the block is left, whatever happened in it.
"""

import sys

import httpx


def main(base_url: str) -> None:
    """Make 20 calls, one after another, and say what came of each."""
    with httpx.Client(base_url=base_url, timeout=10) as client:
        for path in [f"/api/datasets/{number}" for number in range(19)] + ["/status/503"]:
            try:
                response = client.get(path).raise_for_status()
            except httpx.HTTPError as error:
                print(path, f"failed: {type(error).__name__}")
            else:
                print(path, len(response.content))


if __name__ == "__main__":
    main(sys.argv[1])
