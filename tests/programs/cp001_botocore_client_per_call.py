"""botocore: a client for every call.

environment: others
handshakes: 6
"""

import os

import botocore.session

session = botocore.session.get_session()
session.set_credentials("nobody", "nothing")


def size(key):
    storage = session.create_client("s3", endpoint_url=os.environ["API_URL"], region_name="eu-west-3")  # finding: CP001
    try:
        return storage.head_object(Bucket="api", Key=key)["ContentLength"]
    finally:
        storage.close()


print([size(f"key{number}") for number in range(6)])
