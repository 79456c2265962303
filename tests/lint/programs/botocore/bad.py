import boto3
import botocore.session
from boto3.session import Session


def a(bucket):
    return boto3.client("s3").list_objects(Bucket=bucket)  # expect: CP001 likely


def b(bucket):
    session = boto3.Session(profile_name="x")
    return session.resource("s3").Bucket(bucket)  # expect: CP001 likely


def c(bucket):
    client = botocore.session.get_session().create_client("s3")  # expect: CP001 likely
    return client.list_objects(Bucket=bucket)


def d(names):
    session = Session()
    for name in names:
        session.client("sqs").get_queue_url(QueueName=name)  # expect: CP004 certain
