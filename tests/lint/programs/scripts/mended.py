"""Once is once, however deep it lies."""
import argparse

import click
import httpx
import typer

app = typer.Typer()


def get(client, number):
    return client.get(f"https://api.example/{number}")


def prepare(arguments):
    with httpx.Client() as client:
        return [get(client, number) for number in range(arguments.count)]


def main():
    prepare(argparse.ArgumentParser().parse_args())


@click.command()
@click.argument("url")
def fetch(url):
    with httpx.Client() as client:
        click.echo(client.get(url).text)


@app.command()
def other(url: str):
    with httpx.Client() as client:
        typer.echo(client.get(url).text)


if __name__ == "__main__":
    main()
