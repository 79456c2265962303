"""A loop that is left after the first success is a retry; so is the usual way to connect again."""
import asyncio

import httpx


def main():
    for _ in range(3):
        try:
            with httpx.Client() as client:
                return client.get("https://api.example")
        except httpx.HTTPError:
            continue


if __name__ == "__main__":
    main()
