"""One call of boto3 against an endpoint: boto3_client.py URL KEY_ID SECRET get-object|put-object|list-tables|presigned|get-object-v2|put-object-v2."""
import base64
import hashlib
import sys
import urllib.request

import boto3
from botocore.config import Config

URL, KEY_ID, SECRET, CALL = sys.argv[1:]


def client(service, **config):
    """A client whose only settings are the endpoint, the keys and the region; and one attempt, since one request is looked at."""
    return boto3.client(service, endpoint_url=URL, region_name="us-east-1", aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET, config=Config(retries={"total_max_attempts": 1}, **config))


def s3():
    """S3 with the signature version that its manual names."""
    return client("s3", signature_version="s3v4")


if CALL == "get-object":
    got = s3().get_object(Bucket="bucket", Key="folder/a b+c.txt", Range="bytes=0-99")
    assert b"/bucket/folder/" in got["Body"].read()
elif CALL == "put-object":
    s3().put_object(Bucket="bucket", Key="greeting.txt", Body=b"hello world", ContentType="text/plain", Metadata={"colour": "green"})
elif CALL == "get-object-v2":
    client("s3", signature_version="s3").get_object(Bucket="bucket", Key="folder/a b+c.txt", VersionId="v 1")
elif CALL == "put-object-v2":
    digest = base64.b64encode(hashlib.md5(b"hello world").digest()).decode()
    client("s3", signature_version="s3").put_object(Bucket="bucket", Key="greeting.txt", Body=b"hello world", ContentType="text/plain", ContentMD5=digest, Metadata={"colour": "green"})
elif CALL == "list-tables":
    client("dynamodb").list_tables(Limit=7)
elif CALL == "presigned":
    url = s3().generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "greeting.txt"}, ExpiresIn=60)
    with urllib.request.urlopen(url) as answer:
        assert answer.status == 200
else:
    sys.exit(f"no call {CALL}")
