"""Witness: awscrt, AWS's signer in C."""
import io

from common import BINARY, MEBIBYTE, SDK_TIME, Request, sdk, vector
from sigv4 import HOST, KEY_ID, SECRET, TOKEN, cases, from_header, from_query, recorded

CASES = cases((BINARY, b"a" * MEBIBYTE))
PRESIGNABLE = {"vanilla", "query-out-of-order", "unicode", "empty-value", "bare-name", "repeated-parameter", "repeated-header", "encoded-plus", "bare-plus", "encoded-slash",
               "lower-case-escape", "dot-segments", "binary-body", "token"}


def header_vectors():
    return recorded("awscrt", "awscrt", CASES, lambda case: signed(case, s3=False), {}, vector)


def s3_vectors():
    vectors, gaps = recorded("awscrt", "awscrt", CASES, lambda case: signed(case, s3=True), {}, vector)
    put = next(case for case in CASES if case.name == "unicode-body")
    vectors.append(vector("awscrt-unsigned-payload", "the literal in place of the digest: the body is not covered", signed(put, s3=True, unsigned=True), policy={"waive": ["body"]}))
    return vectors, gaps


def presigned_vectors():
    return presigned_cases(s3=False)


def s3_presigned_vectors():
    return presigned_cases(s3=True)


def presigned_cases(s3):
    asked = [case for case in CASES if case.name in PRESIGNABLE]
    return recorded("awscrt", "awscrt", asked, lambda case: presigned(case, s3), {}, vector)


def signed(case, s3, unsigned=False):
    from awscrt.auth import AwsSignatureType, AwsSignedBodyHeaderType, AwsSignedBodyValue
    made = run(case, s3, signature_type=AwsSignatureType.HTTP_REQUEST_HEADERS,
               signed_body_value=AwsSignedBodyValue.UNSIGNED_PAYLOAD if unsigned else None,
               signed_body_header_type=AwsSignedBodyHeaderType.X_AMZ_CONTENT_SHA_256 if s3 else AwsSignedBodyHeaderType.NONE)
    return from_header(sdk("awscrt", "Apache-2.0"), made, service="s3" if s3 else "service", s3=s3)


def presigned(case, s3):
    from awscrt.auth import AwsSignatureType, AwsSignedBodyValue
    made = run(case, s3, signature_type=AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS, expiration_in_seconds=900,
               signed_body_value=AwsSignedBodyValue.UNSIGNED_PAYLOAD if s3 else None)
    return from_query(sdk("awscrt", "Apache-2.0"), made, service="s3" if s3 else "service", s3=s3)


def run(case, s3, **options):
    from awscrt.auth import AwsCredentialsProvider, AwsSigningAlgorithm, AwsSigningConfig, aws_sign_request
    from awscrt.http import HttpHeaders, HttpRequest
    request = HttpRequest(case.method, case.target, HttpHeaders([("Host", HOST), *case.headers]), io.BytesIO(case.body) if case.body else None)
    provider = AwsCredentialsProvider.new_static(KEY_ID, SECRET, TOKEN if case.token else None)
    config = AwsSigningConfig(algorithm=AwsSigningAlgorithm.V4, credentials_provider=provider, region="us-east-1", service="s3" if s3 else "service",
                              date=SDK_TIME, use_double_uri_encode=not s3, should_normalize_uri_path=not s3, **options)
    made = aws_sign_request(request, config).result(30)
    return Request(case.method, made.path, tuple(made.headers), case.body)
