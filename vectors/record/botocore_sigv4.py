"""Witness: botocore's signers, and boto3's clients with the connection cut just before sending."""
import contextlib

from common import BINARY, MEBIBYTE, Request, counted_uuids, frozen, left_out, sdk, vector
from sigv4 import HOST, KEY_ID, SECRET, TOKEN, cases, from_header, from_query, recorded

CASES = cases((BINARY, b"a" * MEBIBYTE))
REGION = "us-east-1"
RAW_QUERY = "signs the query as it stands in the URL, without decoding it"
QUIRKS = {"bare-plus": RAW_QUERY, "lower-case-escape": RAW_QUERY}
PRESIGNABLE = {"vanilla", "query-out-of-order", "unicode", "empty-value", "repeated-parameter", "encoded-plus", "bare-plus", "encoded-slash", "dot-segments", "token"}
PRESIGN_QUIRKS = {"repeated-parameter": "keeps the first value of a repeated name and drops the others from the URL",
                  "bare-plus": "reads a bare plus sign as a blank and writes %20 into the URL"}
SOURCE = sdk("botocore", "Apache-2.0")


def header_vectors():
    return recorded("botocore", "botocore", CASES, lambda case: signed(case), QUIRKS, vector)


def s3_vectors():
    vectors, gaps = recorded("botocore", "botocore", CASES, lambda case: signed(case, s3=True), QUIRKS, vector)
    put = next(case for case in CASES if case.name == "unicode-body")
    vectors.append(vector("botocore-unsigned-payload", "the literal in place of the digest: the body is not covered",
                          signed(put, s3=True, s3_options={"payload_signing_enabled": False}), policy={"waive": ["body"]}, covers=["method", "path", "header.host", "time"]))
    return vectors, gaps


def presigned_vectors():
    return presigned_cases(s3=False)


def s3_presigned_vectors():
    return presigned_cases(s3=True)


def presigned_cases(s3):
    asked = [case for case in CASES if case.name in PRESIGNABLE]
    vectors, gaps = recorded("botocore", "botocore", asked, lambda case: presigned(case, s3), PRESIGN_QUIRKS, vector)
    root = asked[0]
    vectors.append(vector("botocore-expires-in-a-minute", "a short life", presigned(root, s3, expires=60)))
    vectors.append(vector("botocore-expires-in-seven-days", "the longest life", presigned(root, s3, expires=604800)))
    gaps.append(left_out("binary-body", "botocore", "moves the fields of a body into the query of a presigned URL"))
    gaps.append(left_out("repeated-header", "botocore", "a caller of a presigned URL sends its headers unsigned unless they were given to the signer"))
    return vectors, gaps


def signed(case, s3=False, s3_options=None):
    """One request signed by botocore in its Authorization header."""
    import botocore.auth
    request = prepared(case, s3_options)
    signer = botocore.auth.S3SigV4Auth if s3 else botocore.auth.SigV4Auth
    service = "s3" if s3 else "service"
    with frozen():
        signer(credentials(case), service, REGION).add_auth(request)
    return from_header(SOURCE, as_sent(case, request), service=service, s3=s3)


def presigned(case, s3, expires=900):
    """One URL presigned by botocore."""
    import botocore.auth
    request = prepared(case)
    signer = botocore.auth.S3SigV4QueryAuth if s3 else botocore.auth.SigV4QueryAuth
    service = "s3" if s3 else "service"
    with frozen():
        signer(credentials(case), service, REGION, expires=expires).add_auth(request)
    return from_query(SOURCE, as_sent(case, request), service=service, s3=s3)


def prepared(case, s3_options=None):
    import botocore.awsrequest
    import botocore.config
    request = botocore.awsrequest.AWSRequest(method=case.method, url=f"https://{HOST}{case.target}", data=case.body)
    for name, value in case.headers:
        request.headers.add_header(name, value)
    request.context["client_config"] = botocore.config.Config(s3=s3_options) if s3_options else None
    return request


def credentials(case):
    import botocore.credentials
    return botocore.credentials.Credentials(KEY_ID, SECRET, TOKEN if case.token else None)


def as_sent(case, request):
    lines = [("Host", HOST), *((name, value) for name, value in request.headers.items())]
    return Request(case.method, request.prepare().url[len(f"https://{HOST}"):], tuple(lines), case.body)


# ---------------------------------------------------------------- boto3's clients

def client_vectors():
    """Calls of whole clients: what reaches the wire, not what a signer is handed."""
    sts = called("sts", lambda client: client.get_caller_identity())
    table = called("dynamodb", lambda client: client.get_item(TableName="table", Key={"id": {"S": "\u4f60\u597d"}}))
    yield vector("boto3-sts", "a client with a form body", from_header(sdk("boto3", "Apache-2.0"), sts, service="sts"))
    yield vector("boto3-dynamodb", "a client with a JSON body and a target header", from_header(sdk("boto3", "Apache-2.0"), table, service="dynamodb"))


def s3_client_vectors():
    source = sdk("boto3", "Apache-2.0")
    put = called("s3", lambda client: client.put_object(Bucket="bucket", Key="dir/a b+\u4f60//c.txt", Body=b"hello", Metadata={"note": "a b"}))
    get = called("s3", lambda client: client.get_object(Bucket="bucket", Key="dir/../a.txt", Range="bytes=0-9"))
    listed = called("s3", lambda client: client.list_objects_v2(Bucket="bucket", Prefix="dir/\u4f60 +", Delimiter="/", StartAfter=""))
    copied = called("s3", lambda client: client.copy_object(Bucket="bucket", Key="b.txt", CopySource={"Bucket": "other", "Key": "a b.txt"}))
    for name, why, request in (("put", "a key with a blank, a plus sign, unicode and a doubled slash", put), ("get-range", "dot segments in a key, a range", get),
                               ("list", "a query with reserved letters and an empty value", listed), ("copy", "the source of a copy in a signed header", copied)):
        yield vector(f"boto3-{name}", why, from_header(source, request, service="s3", s3=True))


def called(service, call, **options):
    """The request that a client would send, caught before it leaves."""
    import boto3
    from botocore.awsrequest import AWSResponse
    from botocore.config import Config
    caught = []

    def catch(request, **_):
        caught.append(request)
        return AWSResponse(request.url, 200, {}, Raw())
    with frozen(), counted_uuids():
        config = Config(user_agent="recorder", request_checksum_calculation="when_required", response_checksum_validation="when_required", **{"s3": {"addressing_style": "path"}, **options})
        client = boto3.session.Session(aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET, region_name=REGION).client(service, config=config)
        client.meta.events.register("before-send", catch)
        with contextlib.suppress(Exception):        # the empty answer need not please the client's parser
            call(client)
    request = caught[0]
    scheme, _, rest = request.url.partition("://")
    host, slash, path = rest.partition("/")
    lines = [("Host", host), *((name, text(value)) for name, value in request.headers.items() if name.lower() not in ("host", "user-agent"))]
    body = request.body or b""
    return Request(request.method, slash + path or "/", tuple(lines), body if isinstance(body, bytes) else body.read() if hasattr(body, "read") else body.encode(), scheme)


class Raw:
    """An empty answer."""

    def stream(self, *_, **__):
        yield b""

    def read(self, *_, **__):
        return b""


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)
