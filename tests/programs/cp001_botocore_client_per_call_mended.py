"""botocore: one client.

environment: others
handshakes: 1
"""

import os

import botocore.session

session = botocore.session.get_session()
session.set_credentials("nobody", "nothing")
storage = session.create_client("s3", endpoint_url=os.environ["API_URL"], region_name="eu-west-3")


def size(key):
    return storage.head_object(Bucket="api", Key=key)["ContentLength"]


print([size(f"key{number}") for number in range(6)])
storage.close()
