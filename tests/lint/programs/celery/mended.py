import httpx
from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown

app = Celery()
client = None


@worker_process_init.connect
def open_client(**kwargs):
    global client
    client = httpx.Client()


@worker_process_shutdown.connect
def close_client(**kwargs):
    client.close()


@app.task
def fetch(url):
    return client.get(url).text
