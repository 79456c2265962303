import boto3
from boto3.session import Session

s3 = boto3.client("s3")


def a(bucket):
    return s3.list_objects(Bucket=bucket)


class Queue:
    def __init__(self):
        self.client = Session().client("sqs")


queue = Queue()
