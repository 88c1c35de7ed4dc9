"""Witness: MinIO's Python client, an S3 signer of its own."""
from urllib.parse import urlsplit, urlunsplit

from common import BINARY, MEBIBYTE, SDK_TIME, Request, sdk, sha256_hex, vector
from sigv4 import HOST, KEY_ID, SECRET, STAMP, TOKEN, UNSIGNED, cases, from_header, from_query, recorded

CASES = cases((BINARY, b"a" * MEBIBYTE))
RAW_QUERY = "signs the query as it stands in the URL, without decoding it"
QUIRKS = {"bare-name": "signs a name without = as it stands", "bare-plus": RAW_QUERY, "lower-case-escape": RAW_QUERY}
PRESIGNABLE = {"vanilla", "query-out-of-order", "unicode", "empty-value", "bare-name", "repeated-parameter", "encoded-plus", "bare-plus", "encoded-slash", "dot-segments", "binary-body"}


def s3_vectors():
    vectors, gaps = recorded("minio", "minio", CASES, signed, QUIRKS, vector)
    put = next(case for case in CASES if case.name == "unicode-body")
    vectors.append(vector("minio-unsigned-payload", "the literal in place of the digest: the body is not covered", signed(put, UNSIGNED), policy={"waive": ["body"]}))
    return vectors, gaps


def s3_presigned_vectors():
    asked = [case for case in CASES if case.name in PRESIGNABLE]
    return recorded("minio", "minio", asked, presigned, {name: why for name, why in QUIRKS.items() if name in PRESIGNABLE}, vector)


def signed(case, payload=None):
    from minio.credentials import Credentials
    from minio.signer import sign_v4_s3
    payload = payload or sha256_hex(case.body)
    headers = {"Host": HOST, "x-amz-content-sha256": payload, "x-amz-date": STAMP}
    if case.token:
        headers["x-amz-security-token"] = TOKEN
    for name, value in case.headers:
        headers[name] = [headers[name], value] if name in headers else value
    made = sign_v4_s3(method=case.method, url=urlsplit(f"https://{HOST}{case.target}"), region="us-east-1", headers=headers,
                      credentials=Credentials(KEY_ID, SECRET), content_sha256=payload, date=SDK_TIME)
    lines = tuple((name, one) for name, value in made.items() for one in (value if isinstance(value, list) else [value]))
    return from_header(sdk("minio", "Apache-2.0"), Request(case.method, case.target, lines, case.body), service="s3", s3=True)


def presigned(case):
    from minio.credentials import Credentials
    from minio.signer import presign_v4
    url = presign_v4(method=case.method, url=urlsplit(f"https://{HOST}{case.target}"), region="us-east-1", credentials=Credentials(KEY_ID, SECRET), date=SDK_TIME, expires=900)
    return from_query(sdk("minio", "Apache-2.0"), Request(case.method, urlunsplit(url)[len(f"https://{HOST}"):], (("Host", HOST), *case.headers), case.body), service="s3", s3=True)
