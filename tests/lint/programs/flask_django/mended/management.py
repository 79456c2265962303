import requests
from django.apps import AppConfig
from django.core.management.base import BaseCommand


class Main(AppConfig):
    def ready(self):
        self.session = requests.Session()


class Command(BaseCommand):
    def handle(self, *args, **options):
        with requests.Session() as session:
            session.get("https://api.example")
