"""Loops that are left, but not after the first success."""
import requests


def main():
    page = 0
    while True:
        response = requests.get("https://api.example", params={"page": page})  # expect: CP002 certain
        if response.status_code == 404:
            break
        page += 1
    for page in range(100):
        response = requests.get("https://api.example", params={"page": page})  # expect: CP002 certain
        if response.status_code != 200:
            break
    while True:
        response = requests.get("https://api.example", params={"page": page})  # expect: CP002 certain
        if response.json():
            page += 1
            continue
        break
    for page in range(100):
        for _ in range(3):
            response = requests.get("https://api.example", params={"page": page})  # expect: CP002 certain
            if response.ok:
                break


if __name__ == "__main__":
    main()
