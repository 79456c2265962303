from flask import Flask
from flask.views import MethodView
import requests

app = Flask(__name__)


@app.route("/users/<name>")
def user(name):
    session = requests.Session()  # expect: CP005 certain
    return session.get(f"https://api.example/{name}").json()


class Users(MethodView):
    def get(self):
        return requests.get("https://api.example").json()  # expect: CP002 certain


@app.before_request
def check():
    with requests.Session() as session:  # expect: CP005 certain
        session.get("https://auth.example")
