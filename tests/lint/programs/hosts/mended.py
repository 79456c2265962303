"""One client for all of them."""
import httpx


def main():
    with httpx.Client() as client:
        for host in ("https://a.example", "https://b.example"):
            print(client.get(host), client.get(f"{host}/more"))


if __name__ == "__main__":
    main()
