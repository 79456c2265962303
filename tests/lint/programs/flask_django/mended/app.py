from flask import Flask, current_app
import requests

app = Flask(__name__)
app.config["session"] = requests.Session()
session = requests.Session()


@app.route("/users/<name>")
def user(name):
    return session.get(f"https://api.example/{name}").json()


@app.route("/other")
def other():
    return current_app.config["session"].get("https://api.example")
