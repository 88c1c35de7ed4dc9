"""Witness: requests-aws4auth, the signer of OpenSearch's and many other Python clients."""
from common import BINARY, MEBIBYTE, Request, frozen, sdk, vector
from sigv4 import HOST, KEY_ID, SECRET, TOKEN, cases, from_header, recorded

CASES = cases((BINARY, b"a" * MEBIBYTE))
QUIRKS = {
    "bare-plus": "signs a bare plus sign as a blank",
    "repeated-header": "requests sends one line for each name",
}
S3_QUIRKS = {
    **QUIRKS,
    "encoded-slash": "signs %2F in an S3 path as a slash",
    "reserved-in-path": "signs letters encoded that the S3 path holds bare",
    "dot-segments": "signs an S3 path without its doubled slash",
}


def header_vectors():
    return recorded("aws4auth", "requests-aws4auth", CASES, lambda case: signed(case, s3=False), QUIRKS, vector)


def s3_vectors():
    return recorded("aws4auth", "requests-aws4auth", CASES, lambda case: signed(case, s3=True), S3_QUIRKS, vector)



def signed(case, s3):
    import requests
    from requests_aws4auth import AWS4Auth
    service = "s3" if s3 else "service"
    with frozen():
        auth = AWS4Auth(KEY_ID, SECRET, "us-east-1", service, session_token=TOKEN if case.token else None)
        made = requests.Request(case.method, f"https://{HOST}{case.target}", headers=dict(case.headers), data=case.body, auth=auth).prepare()
    lines = (("Host", HOST), *made.headers.items())
    return from_header(sdk("requests-aws4auth", "MIT"), Request(made.method, made.url[len(f"https://{HOST}"):], lines, made.body or b""), service=service, s3=s3)
