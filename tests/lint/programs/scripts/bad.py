"""Called from several places, or in a loop two functions away."""
import httpx


def get(url):
    with httpx.Client() as client:  # expect: CP001 certain
        return client.get(url)


def page(number):
    return get(f"https://api.example/{number}")


def main():
    return [page(number) for number in range(10)]


def token():
    with httpx.Client() as client:  # expect: CP001 guess
        return client.get("https://auth.example").text


if __name__ == "__main__":
    main()
    token()
    print(token())
    print(token(), flush=True)
