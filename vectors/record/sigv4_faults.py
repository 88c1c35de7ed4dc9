"""Faults of the four dialects of AWS Signature Version 4, and the requests that no SDK makes: signed by the rule with less than it should."""
import dataclasses

import faults
import sigv4
from common import MEBIBYTE, SDK_CLOCK, Request, fault, replace, vector

WHERE = "header.Authorization"
POST, GET, TOKEN = "botocore-unicode-body", "botocore-query-out-of-order", "botocore-token"
BARE = Request("GET", "/path?a=1", (("Host", sigv4.HOST), ("X-Tag", "t")))
TYPED = Request("POST", "/path?a=1", (("Host", sigv4.HOST), ("Content-Type", "application/json")), b"{}")


PERCENT = Request("GET", "/path?q=100%25&r=1", (("Host", sigv4.HOST),))
LONG = Request("PUT", "/path", (("Host", sigv4.HOST),), b"a" * MEBIBYTE)
PORT = Request("GET", "/path", (("Host", sigv4.HOST + ":8443"),))


def whole(sign, names, **scope):
    """Requests that are signed as the rule asks, and that no SDK was asked for."""
    yield vector("encoded-percent", "an encoded percent sign", sign(PERCENT, names, **scope))
    yield vector("host-with-port", "the Host header is signed as sent", sign(PORT, names, **scope))


# ---------------------------------------------------------------- signed with less than the rule asks for

def header_witness():
    yield from whole(sigv4.by_rule_header, ["host", "x-amz-date"])
    yield vector("host-not-signed", "a signer that leaves the host out", sigv4.by_rule_header(BARE, ["x-amz-date", "x-tag"]), expect="required_part_unsigned")
    yield vector("amz-header-not-signed", "a signer that leaves an x-amz header out",
                 sigv4.by_rule_header(BARE.with_headers(("X-Amz-Target", "T.Do")), ["host", "x-amz-date"]), expect="required_part_unsigned")


    yield vector("content-type-not-signed", "a signer that leaves Content-Type out", sigv4.by_rule_header(TYPED, ["host", "x-amz-date"]), expect="required_part_unsigned")
    yield vector("content-type-not-signed-waived", "a client whose Content-Type is not signed, on a route that says so", sigv4.by_rule_header(TYPED, ["host", "x-amz-date"]),
                 policy={"waive": ["header.content-type"]})
    yield vector("names-that-are-encoded", "names are sorted as encoded", sigv4.by_rule_header(dataclasses.replace(BARE, target="/path?b%5B10%5D=1&b%5B1%5D=2&b=3"), ["host", "x-amz-date"]))
    yield vector("empty-name", "a value without a name", sigv4.by_rule_header(dataclasses.replace(BARE, target="/path?=v&a=1"), ["host", "x-amz-date"]))
    yield vector("blank-in-query", "a blank is %20", sigv4.by_rule_header(dataclasses.replace(BARE, target="/path?q=a%20b"), ["host", "x-amz-date"]))
    yield vector("semicolon-in-query", "a semicolon parts nothing", sigv4.by_rule_header(dataclasses.replace(BARE, target="/path?a=1;b=2"), ["host", "x-amz-date"]))


def presigned_witness():
    yield from whole(sigv4.by_rule_query, ["host"])
    yield vector("body-of-one-mebibyte", "a long body", sigv4.by_rule_query(LONG, ["host"]))
    yield vector("host-not-signed", "a signer that leaves the host out", sigv4.by_rule_query(BARE, ["x-tag"]), expect="required_part_unsigned")


def s3_witness():
    yield from whole(sigv4.by_rule_header, ["host", "x-amz-content-sha256", "x-amz-date"], s3=True, service="s3")
    yield vector("host-not-signed", "a signer that leaves the host out", sigv4.by_rule_header(BARE, ["x-amz-content-sha256", "x-amz-date", "x-tag"], s3=True, service="s3"), expect="required_part_unsigned")
    yield vector("digest-not-signed", "the digest header is an x-amz header and must be listed", sigv4.by_rule_header(BARE, ["host", "x-amz-date"], s3=True, service="s3"), expect="required_part_unsigned")


    yield vector("content-type-not-signed", "a signer that leaves Content-Type out", sigv4.by_rule_header(TYPED, ["host", "x-amz-content-sha256", "x-amz-date"], s3=True, service="s3"), expect="required_part_unsigned")
    yield vector("no-body-unsigned-payload", "the literal for a request without a body", sigv4.by_rule_header(BARE, ["host", "x-amz-content-sha256", "x-amz-date"], s3=True, service="s3", payload=sigv4.UNSIGNED))


def s3_presigned_witness():
    yield from whole(sigv4.by_rule_query, ["host"], s3=True, service="s3")
    yield vector("host-not-signed", "a signer that leaves the host out", sigv4.by_rule_query(BARE, ["x-tag"], s3=True, service="s3"), expect="required_part_unsigned")


# ---------------------------------------------------------------- Authorization header

def header(by_name):
    yield from faults.percent("encoded-percent")
    yield from shared(by_name)
    yield from in_header(by_name, "service")
    yield from faults.clock(POST, SDK_CLOCK)
    yield from faults.signed([("body", POST, {"body": "{}"}), ("body-emptied", POST, {"body": ""})])
    yield fault("path-with-dot-segments", GET, "a path is normalised before it is signed", "accepted", target="/./x/..//path?b=2&a=1")
    yield fault("host-missing", POST, "a signed header taken away", "malformed_claim", remove_headers=["Host"])
    yield fault("blank-to-plus-changed", "blank-in-query", "a plus is a plus, and no blank", "signature_mismatch", target="/path?q=a+b")
    yield fault("semicolon-changed", "semicolon-in-query", "a semicolon is no &", "signature_mismatch", target="/path?a=1&b=2")
    yield fault("empty-name-removed", "empty-name", "a value without a name is signed", "signature_mismatch", target="/path?a=1")
    yield fault("amz-header-of-a-proxy-waived", GET, "a header that a proxy in front adds, on a route that says so", "accepted",
                add_headers=[["X-Amz-Cf-Id", "x"]], policy={"waive": ["header.x-amz-cf-id"]})


def s3(by_name):
    yield from faults.percent("encoded-percent")
    yield from shared(by_name)
    yield from in_header(by_name, "s3")
    yield from faults.clock(POST, SDK_CLOCK, 900, 900)
    yield fault("body-changed", POST, "the body is not the digest's", "body_digest_mismatch", body="{}")
    yield fault("body-emptied", POST, "the body is not the digest's", "body_digest_mismatch", body="")
    yield fault("body-added", GET, "a body under the digest of the empty body", "body_digest_mismatch", body="x")
    yield from faults.signed([
        ("digest", POST, {"headers": {"X-Amz-Content-SHA256": "0" * 64}}), ("digest-to-unsigned-payload", POST, {"headers": {"X-Amz-Content-SHA256": sigv4.UNSIGNED}}),
        ("doubled-slash", "botocore-dot-segments", {"replace": replace("target", "//", "/")}), ("dot-segment", "botocore-dot-segments", {"replace": replace("target", "/./", "/")}),
        ("path-spelling", "botocore-encoded-slash", {"replace": replace("target", "/a%2Fb", "/a%2fb")}),
        ("range", "published-get-object", {"headers": {"Range": "bytes=0-99"}}),
    ])
    yield fault("digest-missing", POST, "the digest is always sent", "malformed_claim", remove_headers=["X-Amz-Content-SHA256"])
    yield fault("unsigned-payload-body-changed", "botocore-unsigned-payload", "under the literal the body is not signed", "accepted", body="{}")
    for witness in ("botocore", "awscrt", "minio"):
        yield fault(f"{witness}-unsigned-payload-default-policy", f"{witness}-unsigned-payload", "the body is open only where the policy says so", "required_part_unsigned", policy={})
    yield fault("unsigned-payload-over-plain-http", "botocore-unsigned-payload", "nothing protects the body", "insecure_transport", scheme="http")
    yield fault("no-body-under-unsigned-payload", "no-body-unsigned-payload", "there is no body that could be left open", "accepted", policy={})
    yield fault("body-added-under-unsigned-payload", "no-body-unsigned-payload", "a body that nothing binds", "required_part_unsigned", body="x")


def in_header(by_name, service):
    signature = by_name[POST]["signature"]
    names = "content-type;host;" + ("x-amz-content-sha256;" if service == "s3" else "") + "x-amz-date"
    def edit(name, why, expect, text, with_):
        return fault(name, POST, why, expect, replace=replace(WHERE, text, with_))
    yield from faults.signed([
        ("content-type", POST, {"headers": {"Content-Type": "text/plain"}}), ("time", POST, {"headers": {"X-Amz-Date": "20260102T030406Z"}}),
        ("key-id", POST, {"replace": replace(WHERE, sigv4.KEY_ID, "AKIDEXAMPLF")}), ("list-order", POST, {"replace": replace(WHERE, "content-type;host", "host;content-type")}),
        ("list", POST, {"replace": replace(WHERE, "content-type;", "")}),
    ])
    yield fault("content-type-blanks", POST, "blanks around a value are not part of it", "accepted", headers={"Content-Type": "  application/json "})
    yield fault("content-type-missing", POST, "a signed header taken away", "malformed_claim", remove_headers=["Content-Type"])
    yield fault("content-type-twice", POST, "a second line of a signed header joins the first", "signature_mismatch", add_headers=[["Content-Type", "text/plain"]])
    yield fault("token-changed", TOKEN, "the token is fixed by the verifier", "malformed_claim", headers={"X-Amz-Security-Token": "another"})
    yield fault("token-missing", TOKEN, "a signed header taken away", "malformed_claim", remove_headers=["X-Amz-Security-Token"])
    yield edit("scope-of-another-day", "the scope's date must be the signed time's", "malformed_claim", "/20260102/", "/20260103/")
    yield edit("scope-of-another-region", "the scope must be the configured one", "malformed_claim", "/us-east-1/", "/eu-west-1/")
    yield edit("scope-with-another-end", "the scope's last part is a constant", "malformed_claim", "/aws4_request", "/aws5_request")
    yield edit("scope-missing", "a credential without its scope", "malformed_claim", f"/20260102/us-east-1/{service}/aws4_request", "")
    yield edit("parameters-in-another-order", "the order of the parameters is free", "accepted", f", SignedHeaders={names}, Signature={signature}", f", Signature={signature}, SignedHeaders={names}")
    yield edit("parameters-without-blanks", "blanks between the parameters are free", "accepted", ", SignedHeaders", ",SignedHeaders")
    yield edit("signature-twice", "a parameter repeated", "malformed_claim", "Signature=", "Signature=00, Signature=")
    yield edit("signed-headers-missing", "a parameter taken away", "malformed_claim", f"SignedHeaders={names}, ", "")
    yield edit("signature-parameter-missing", "a header of the scheme without a signature", "malformed_claim", f", Signature={signature}", "")
    yield edit("name-listed-twice", "a name stands twice in the list", "malformed_claim", "content-type;host", "content-type;content-type;host")
    yield edit("another-scheme", "another scheme is no signature of ours", "missing_signature", "AWS4-HMAC-SHA256 ", "Bearer ")
    yield fault("authorization-missing", POST, "the signature taken away", "missing_signature", remove_headers=["Authorization"])
    yield fault("time-missing", POST, "the time taken away", "malformed_claim", remove_headers=["X-Amz-Date"])
    yield fault("time-misshapen", POST, "a time in another form", "malformed_claim", headers={"X-Amz-Date": "2026-01-02T03:04:05Z"})
    yield from faults.headers_twice(POST, [("X-Amz-Date", "20260102T030405Z"), ("Authorization", "AWS4-HMAC-SHA256 Credential=a/20260102/us-east-1/service/aws4_request, SignedHeaders=host, Signature=00")])
    yield from faults.hex_text(POST, WHERE, signature)


def shared(by_name):
    """Faults of all four: what both the header and the query form sign."""
    service = by_name[GET]["inputs"].value["service"]
    yield from faults.secret(GET)
    yield from faults.signed([
        ("method", GET, {"method": "DELETE"}), ("path", GET, {"replace": replace("target", "/path", "/path2")}), ("path-case", GET, {"replace": replace("target", "/path", "/Path")}),
        ("query-value", GET, {"replace": replace("target", "b=2", "b=3")}), ("query-name", GET, {"replace": replace("target", "b=2", "c=2")}),
        ("query-added", GET, {"replace": replace("target", "b=2", "b=2&c=3")}), ("query-removed", GET, {"replace": replace("target", "b=2&", "")}),
        ("host", GET, {"headers": {"Host": "evil.example.com"}}),
    ])
    yield fault("query-in-another-order", GET, "the query is sorted before it is signed", "accepted", replace=replace("target", "b=2&a=1", "a=1&b=2"))
    yield fault("broken-escape", GET, "a % that begins no triplet is read in several ways", "malformed_request", replace=replace("target", "b=2", "b=%zz"))
    yield fault("broken-escape-in-path", GET, "a % that begins no triplet is read in several ways", "malformed_request", replace=replace("target", "/path", "/path%2"))
    yield fault("query-spelt-otherwise", GET, "another spelling of the same query is equal", "accepted", replace=replace("target", "b=2", "%62=%32"))
    yield fault("amz-header-added", GET, "every x-amz header that is present must be signed", "required_part_unsigned", add_headers=[["X-Amz-Meta-Note", "x"]])
    yield fault("other-header-added", GET, "a header that is not listed is not signed", "accepted", add_headers=[["X-Other", "x"]])
    yield fault("another-region-configured", GET, "the scope must be the configured one", "malformed_claim", inputs={"region": "eu-west-1", "service": service})
    yield fault("another-service-configured", GET, "the scope must be the configured one", "malformed_claim", inputs={"region": "us-east-1", "service": "other"})


# ---------------------------------------------------------------- presigned URL

def presigned(by_name):
    yield from faults.percent("encoded-percent")
    yield from shared(by_name)
    yield from in_query(by_name, "service")
    yield fault("body-added", GET, "the digest of the empty body is signed", "signature_mismatch", body="x")
    yield fault("path-with-dot-segments", GET, "a path is normalised before it is signed", "accepted", replace=replace("target", "/path", "/./x/..//path"))


def s3_presigned(by_name):
    yield from faults.percent("encoded-percent")
    yield from shared(by_name)
    yield from in_query(by_name, "s3")
    yield fault("body-added", GET, "the body of a presigned S3 URL is never signed", "accepted", body="x")
    yield fault("doubled-slash-changed", "botocore-dot-segments", "an S3 path is not normalised", "signature_mismatch", replace=replace("target", "//", "/"))


def in_query(by_name, service):
    signature = by_name[GET]["signature"]
    def edit(name, why, expect, text, with_, origin=GET):
        return fault(name, origin, why, expect, replace=replace("target", text, with_))
    yield from faults.clock(GET, SDK_CLOCK, 900, 300)
    yield from faults.signed([
        ("time", GET, {"replace": replace("target", "030405Z", "030406Z")}), ("expires", GET, {"replace": replace("target", "X-Amz-Expires=900", "X-Amz-Expires=901")}),
        ("key-id", GET, {"replace": replace("target", sigv4.KEY_ID, "AKIDEXAMPLF")}),
    ])
    yield edit("expires-over-seven-days", "a longer life than the dialect allows", "malformed_claim", "X-Amz-Expires=900", "X-Amz-Expires=604801")
    yield edit("expires-no-number", "a life that is no number", "malformed_claim", "X-Amz-Expires=900", "X-Amz-Expires=forever")
    yield edit("expires-zero", "a life without a length", "malformed_claim", "X-Amz-Expires=900", "X-Amz-Expires=0")
    yield edit("expires-negative", "a life that ended before it began", "malformed_claim", "X-Amz-Expires=900", "X-Amz-Expires=-1")
    yield edit("expires-missing", "a URL without an end", "malformed_claim", "&X-Amz-Expires=900", "")
    yield edit("algorithm-changed", "the algorithm is a constant", "malformed_claim", "X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Algorithm=none")
    yield edit("algorithm-missing", "the algorithm taken away", "malformed_claim", "&X-Amz-Algorithm=AWS4-HMAC-SHA256", "")
    yield edit("scope-of-another-day", "the scope's date must be the signed time's", "malformed_claim", "%2F20260102%2F", "%2F20260103%2F")
    yield edit("scope-of-another-region", "the scope must be the configured one", "malformed_claim", "us-east-1", "eu-west-1")
    yield edit("scope-missing", "a credential without its scope", "malformed_claim", f"%2F20260102%2Fus-east-1%2F{service}%2Faws4_request", "")
    yield edit("signature-missing", "the signature taken away", "missing_signature", f"&X-Amz-Signature={signature}", "")
    yield edit("signed-headers-missing", "the list taken away", "malformed_claim", "&X-Amz-SignedHeaders=host", "")
    yield edit("signature-twice", "a second signature", "malformed_claim", "&X-Amz-Signature=", "&X-Amz-Signature=00&X-Amz-Signature=")
    yield edit("time-twice", "a second time", "malformed_claim", "&X-Amz-Date=", "&X-Amz-Date=20260102T030405Z&X-Amz-Date=")
    yield fault("signature-first", GET, "the signature may stand anywhere", "accepted", target=moved(by_name[GET]["placed"]["target"], signature))
    yield edit("token-changed", "the token is fixed by the verifier", "malformed_claim", "X-Amz-Security-Token=AQo", "X-Amz-Security-Token=BQo", TOKEN)
    yield edit("listed-header-absent", "the list names a header that is not there", "malformed_claim", "X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=host%3Bx-tag")
    yield from faults.hex_text(GET, "target", signature)


def moved(target, signature):
    """The signature as the first parameter of the query."""
    path, _, query = target.replace(f"&X-Amz-Signature={signature}", "").partition("?")
    return f"{path}?X-Amz-Signature={signature}&{query}"
