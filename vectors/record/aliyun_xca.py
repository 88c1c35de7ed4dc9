"""Witnesses of X-Ca: aliyun-api-gateway-python, Alibaba's own alibabacloud-apigateway-util, and a transcript of the written rule."""
import hashlib
import hmac
import json

import faults
from common import BINARY, MEBIBYTE, SDK_CLOCK, SDK_SECONDS, Recording, Request, b64, fault, frozen, left_out, moment, octets, replace, sdk, transcript, vector
from transcripts import joined

HOST, KEY_ID, SECRET = "api.example.com", "203753385", "MyAppSecret"
NONCE = "11111111-2222-4333-8444-555555555555"
NI_HAO = "\u4f60\u597d"
FORM = "application/x-www-form-urlencoded"
# X-Ca-Signature-Method stays in `request`: it names the default, and whether to name that is the caller's choice.
CARRIED = {"x-ca-key", "x-ca-timestamp", "x-ca-nonce", "content-md5", "x-ca-signature-headers", "x-ca-signature"}
OURS = {"HmacSHA256": "hmac-sha256", "HmacSHA1": "hmac-sha1"}
AMBIGUOUS = {"allow_ambiguous": True}
FIRST_ONLY = {"allow_ambiguous": True, "waive": ["query"]}


def recording(source, placed, text, *, credentials, at=SDK_CLOCK, omit=()):
    """A recording of a request as sent; what the dialect carries is taken away for `request`."""
    sent = {name.lower(): value for name, value in placed.headers}
    lines = tuple(line for line in placed.headers if line[0].lower() not in CARRIED)
    sign = {"headers": sent["x-ca-signature-headers"].split(",") if "x-ca-signature-headers" in sent else []}
    omitted = [part for part, name in (("time", "x-ca-timestamp"), ("nonce", "x-ca-nonce"), ("algorithm", "x-ca-signature-method")) if name not in sent] + list(omit)
    if omitted:
        sign["omit"] = omitted
    return Recording(source=source, at=at, credentials=credentials, nonce=sent.get("x-ca-nonce", ""), sign=sign,
                     request=Request(placed.method, placed.target, lines, placed.body, placed.scheme), placed=placed,
                     stages={"string_to_sign": text}, signature=sent["x-ca-signature"])


# ---------------------------------------------------------------- aliyun-api-gateway-python

def client_signed(method, path, *, algorithm="HmacSHA256", **parts):
    """One request signed by the client, as it would leave."""
    from aliyun_api_gateway import ApiGatewayClient, ApiGatewayRequest
    client = ApiGatewayClient(f"https://{HOST}", KEY_ID, SECRET, signature_method=algorithm, clock=lambda: SDK_SECONDS, nonce_factory=lambda: NONCE)
    made = client.sign(ApiGatewayRequest(method=method, path=path, **parts))
    placed = Request(made.method, made.url[len(f"https://{HOST}"):], (("Host", HOST), *made.headers.items()), made.body or b"")
    credentials = {"key_id": KEY_ID, "secret": SECRET, "algorithm": OURS[algorithm]}
    return recording(sdk("aliyun-api-gateway-python", "Apache-2.0"), placed, made.string_to_sign, credentials=credentials)


def client_vectors():
    def case(name, why, method, path, policy=None, expect="accepted", covers=None, **parts):
        return vector(f"client-{name}", why, client_signed(method, path, **parts), policy=policy, expect=expect, covers=covers)
    yield case("get", "the x-ca headers in the client's spelling, signed and listed as spelt", "GET", "/http2test/test", covers=["method", "path", "time", "nonce"])
    yield case("query", "the parameters sorted", "GET", "/test?b=2&a=1", covers=["method", "path", "query", "time", "nonce"])
    yield case("form", "query and form merged and sorted", "POST", "/http2test/test?param1=test", form=(("username", "xiaoming"), ("password", "123456789")),
               covers=["method", "path", "query", "body", "time", "nonce"])
    yield case("unicode-query", "values are signed decoded, as octets of UTF-8", "GET", "/test", query=(("name", NI_HAO),))
    yield case("unicode-form", "values are signed decoded, as octets of UTF-8", "POST", "/test", form=(("name", NI_HAO),))
    yield case("unicode-body", "a JSON body is bound by Content-MD5", "POST", "/test", json_body={"name": NI_HAO}, covers=["method", "path", "body", "time", "nonce"])
    yield case("empty-value", "an empty value leaves the name without =", "GET", "/test", query=(("b", ""), ("a", "1")))
    yield case("blank-in-query", "the client writes a blank as a plus sign and signs a blank", "GET", "/test", query=(("q", "a b"),))
    yield case("blank-in-form", "the client writes a blank as a plus sign and signs a blank", "POST", "/test", form=(("q", "a b"),))
    yield case("plus-in-query", "a plus sign leaves as %2B and is signed as itself", "GET", "/test", query=(("q", "1+2"),))
    yield case("slash-in-query", "a slash leaves as %2F and is signed as itself", "GET", "/test", query=(("q", "a/b"),))
    yield case("encoded-slash-in-path", "the path is signed as sent", "GET", "/a%2Fb")
    yield case("dot-segments", "the path is signed as sent", "GET", "/a/./b/../c//d")
    yield case("encoded-path", "the path is signed as sent, percent-encoded", "GET", "/%E4%BD%A0%E5%A5%BD")
    yield case("repeated-parameter", "only the first value of a repeated name is signed", "GET", "/test", FIRST_ONLY, query=(("a", "1"), ("a", "2")))
    yield case("separator-in-value", "a decoded & in a value looks like the next parameter", "GET", "/test", AMBIGUOUS, query=(("a", "x&b"),))
    yield case("further-signed-header", "a header beyond the x-ca ones, listed in the caller's spelling", "GET", "/test", headers={"X-Device-Id": "d 1"}, additional_signed_headers=["X-Device-Id"])
    yield case("empty-signed-header", "a signed header with an empty value keeps its line", "GET", "/test", headers={"X-Empty": ""}, additional_signed_headers=["X-Empty"])
    yield case("date", "a Date beside the timestamp has a line of its own", "GET", "/test", headers={"Date": "Fri, 02 Jan 2026 03:04:05 GMT"})
    yield case("no-accept", "an absent Accept is an empty line", "GET", "/test", accept=None)
    yield case("empty-body", "no digest where there is no body", "POST", "/test", content_type="application/json")
    yield case("binary-body", "the digest of octets that are not UTF-8", "PUT", "/test", body=BINARY)
    yield case("body-of-one-mebibyte", "a long body", "PUT", "/test", body=b"a" * MEBIBYTE)
    yield case("hmac-sha1", "the weaker algorithm, where it is the registered one", "GET", "/test", algorithm="HmacSHA1")


CLIENT_GAPS = [
    left_out("repeated-header", "aliyun-api-gateway-python", "takes one value for each header"),
    left_out("parameter in query and form", "aliyun-api-gateway-python", "signs the query's value, the vendor's own clients the form's"),
    left_out("unicode path, not encoded", "aliyun-api-gateway-python", "signs the path decoded and sends it encoded"),
    left_out("official example of the gateway's manual", "published", "the secret was never published"),
    left_out("TimestampCheck and TimestampSecCheck of plugin_test.cc", "published", "the printed signatures do not recompute with the printed secret"),
]


# ---------------------------------------------------------------- alibabacloud-apigateway-util

def util_signed(method, path, query=None, headers=(), body=""):
    """One request signed by Alibaba's util, in the headers that its callers set; the URL is the one its core writes."""
    from Tea.core import TeaCore
    from Tea.request import TeaRequest
    from alibabacloud_apigateway_util.client import Client
    request = TeaRequest()
    request.method, request.pathname, request.query = method, path, dict(query or {})
    request.protocol, request.port = "https", 80
    with frozen():
        request.headers = {"host": HOST, "accept": "application/json", "content-type": "application/json", "date": "Fri, 02 Jan 2026 03:04:05 GMT", "x-ca-key": KEY_ID,
                           "x-ca-timestamp": Client.get_time_stamp(), "x-ca-nonce": NONCE, "x-ca-signature-method": "HmacSHA256", **dict(headers)}
        if body:
            request.headers["content-md5"] = Client.get_content_md5(body)
        text, signature = observed(lambda: Client.get_signature(request, SECRET))
    lines = (*request.headers.items(), ("x-ca-signature", signature))
    placed = Request(method, TeaCore.compose_url(request)[len(f"https://{HOST}"):], lines, octets(body))
    return recording(sdk("alibabacloud-apigateway-util", "Apache-2.0"), placed, text, credentials={"key_id": KEY_ID, "secret": SECRET, "algorithm": "hmac-sha256"})


def observed(sign):
    """The text that went into the HMAC, and what `sign` returned."""
    import alibabacloud_apigateway_util.client as module
    seen, true = [], module.hmac

    class Observer:
        @staticmethod
        def new(key, text, digest):
            seen.append(text.decode())
            return true.new(key, text, digest)
    module.hmac = Observer
    try:
        return (result := sign()) and (seen[0], result)
    finally:
        module.hmac = true


def util_vectors():
    def case(name, why, *args, covers=None, **kw):
        return vector(f"util-{name}", why, util_signed(*args, **kw), covers=covers)
    yield case("get", "the x-ca headers in small letters, signed and listed so", "GET", "/api/test", covers=["method", "path", "time", "nonce"])
    yield case("post", "query, date and digest", "POST", "/api/test", {"a": "1", "b": "2"}, body='{"x":1}', covers=["method", "path", "query", "body", "time", "nonce"])
    yield case("unicode", "values are signed decoded", "POST", "/api/test", {"name": NI_HAO}, body=json.dumps({"name": NI_HAO}, ensure_ascii=False))
    yield case("blank-plus-and-slash-in-query", "values are signed decoded", "GET", "/api/test", {"q": "a b+c/d"})
    yield case("further-signed-header", "every header that the util does not skip is signed", "GET", "/api/test", headers={"x-device-id": "d1"})
    yield case("encoded-path", "the path is signed as sent", "GET", "/a%2Fb/%E4%BD%A0/./c/../d")


UTIL_GAPS = [
    left_out("empty-value", "alibabacloud-apigateway-util", "signs an empty value with =, against the rule"),
    left_out("query out of order", "alibabacloud-apigateway-util", "signs the parameters in the order of insertion, against the rule"),
    left_out("no accept, no date", "alibabacloud-apigateway-util", "signs the word None"),
    left_out("form", "alibabacloud-apigateway-util", "signs the query only"),
    left_out("repeated-parameter, repeated-header", "alibabacloud-apigateway-util", "takes one value for each name"),
    left_out("binary body", "alibabacloud-apigateway-util", "takes text only"),
]


# ---------------------------------------------------------------- the written rule

STAMP_MS = SDK_SECONDS * 1000


def by_rule(method, target, resource, listed, headers=(), body=b"", *, key=KEY_ID, secret=SECRET, stamp=str(STAMP_MS), nonce=NONCE, method_header=None,
            list_order=None, algorithm="sha256", registered=None, source=None, at=None, digest=True, host=HOST):
    """METHOD, Accept, Content-MD5, Content-Type, Date, the listed headers sorted by their spelling, path and parameters.

    `resource` is the last line, by hand; `listed` are names as listed; `stamp`, `nonce` and `method_header` are left out where empty.
    """
    body, headers = octets(body), (("Host", host), *headers)
    given = joined(headers)
    lines = [("x-ca-key", key)] + [(n, v) for n, v in (("x-ca-timestamp", stamp), ("x-ca-nonce", nonce), ("x-ca-signature-method", method_header)) if v]
    if body and digest and not given.get("content-type", "").startswith(FORM):
        lines.append(("Content-MD5", b64(hashlib.md5(body).digest())))
    sent = {**given, **{name.lower(): value for name, value in lines}}
    block = "".join(f"{name}:{sent[name.lower()]}\n" for name in sorted(listed))
    text = "\n".join([method, sent.get("accept", ""), sent.get("content-md5", ""), sent.get("content-type", ""), sent.get("date", ""), block + resource])
    signature = b64(hmac.new(octets(secret), octets(text), algorithm).digest())
    if listed:
        lines.append(("x-ca-signature-headers", ",".join(list_order or listed)))
    placed = Request(method, target, (*headers, *lines, ("x-ca-signature", signature)), body)
    credentials = {"key_id": key, "secret": secret, **({"algorithm": registered or OURS[method_header]} if method_header else {})}
    return recording(source or transcript("X-Ca rules"), placed, text, credentials=credentials, at=at or moment(int(stamp or STAMP_MS) / 1000), omit=[] if digest else ["body_digest"])


ALL = ["x-ca-key", "x-ca-nonce", "x-ca-signature-method", "x-ca-timestamp"]
JSON = (("Accept", "application/json"), ("Content-Type", "application/json"))


def rule_vectors():
    def case(name, why, *args, policy=None, expect="accepted", sign=None, **kw):
        kw.setdefault("method_header", "HmacSHA256")
        return vector(name, why, by_rule(*args, **kw), policy=policy, expect=expect, sign=sign)
    yield case("digest-of-abc", "the published digest of a body: base64 of MD5", "POST", "/test", "/test", ALL, JSON, "abc")
    yield case("multipart", "a multipart body is no form: it has a digest and no parameters", "POST", "/test", "/test", ALL, (("Content-Type", "multipart/form-data; boundary=x"),), "--x--\r\n")
    yield case("form-with-charset", "a form with a parameter of its media type", "POST", "/test", "/test?a=1", ALL, (("Content-Type", FORM + "; charset=UTF-8"),), "a=1")
    yield case("host-with-port", "the Host header is signed as sent", "GET", "/test", "/test", [*ALL, "host"], host=HOST + ":8443")
    yield case("repeated-header", "lines of one name are joined by a comma", "GET", "/test", "/test", [*ALL, "x-tag"], (("X-Tag", "b"), ("X-Tag", "a")))
    yield case("names-in-two-spellings", "capitals sort before small letters", "GET", "/test", "/test", ["X-Ca-Key", "x-ca-nonce", "X-Ca-Timestamp", "x-ca-signature-method"])
    yield case("parameter-in-query-and-form", "the form's value is signed, the query's is not", "POST", "/test?a=1", "/test?a=2", ALL, (("Content-Type", FORM),), "a=2", policy=FIRST_ONLY)
    yield case("timestamp-not-listed", "a time that is sent and not signed", "GET", "/test", "/test", ["x-ca-key", "x-ca-nonce"], expect="required_part_unsigned")
    yield case("nonce-not-listed", "a nonce that is sent and not signed", "GET", "/test", "/test", ["x-ca-key", "x-ca-timestamp"], expect="required_part_unsigned")
    yield case("key-id-not-listed", "a key id that is sent and not signed", "GET", "/test", "/test", ["x-ca-nonce", "x-ca-timestamp"], expect="required_part_unsigned")
    yield case("broken-escape-in-form", "a % that begins no triplet is read in several ways", "POST", "/test", "/test?a=%zz", ALL, (("Content-Type", FORM),), "a=%zz", expect="ambiguous_request")
    yield case("semicolon-in-query", "a semicolon parts nothing", "GET", "/test?a=1;b=2", "/test?a=1;b=2", ALL)
    yield case("no-nonce", "a client that sends no nonce", "GET", "/test", "/test", ["x-ca-key", "x-ca-timestamp"], nonce="", policy={"waive": ["nonce"]})
    yield case("no-timestamp", "a client that sends no time", "GET", "/test", "/test", ["x-ca-key", "x-ca-nonce"], stamp="", policy={"waive": ["time"]})
    yield case("no-digest", "a client that sends a JSON body without its digest", "POST", "/test", "/test", ALL, JSON, '{"a":1}', digest=False, policy={"waive": ["body"]})
    yield case("algorithm-not-registered", "HmacSHA1 is known and the tag is right, but the key was registered for HMAC-SHA256", "GET", "/test", "/test", ALL,
               method_header="HmacSHA1", algorithm="sha1", registered="hmac-sha256", expect="algorithm_not_allowed", sign={"skip": "a signer uses the registered algorithm"})


# ---------------------------------------------------------------- faults

def xca_faults(by_name):
    get, post, form, query = "util-get", "util-post", "client-form", "client-query"
    signature = by_name[post]["signature"]
    for name in ("no-nonce", "no-timestamp", "no-digest"):
        yield fault(f"{name}-default-policy", name, "what a dialect can sign, a request must sign", "required_part_unsigned", policy={})
    for name in ("client-repeated-parameter", "parameter-in-query-and-form", "client-separator-in-value"):
        yield fault(f"{name}-default-policy", name, "one of several requests with that string to sign", "ambiguous_request", policy={})
    yield fault("published-no-signed-headers-default-policy", "published-no-signed-headers", "neither key id nor time nor nonce is signed", "required_part_unsigned", policy={})
    yield from faults.clock(post, SDK_CLOCK, 900, 900)
    yield from faults.secret(post)
    yield from faults.signed([
        ("method", post, {"method": "PUT"}), ("path", post, {"replace": replace("target", "/api/test", "/api/tests")}),
        ("query-value", post, {"replace": replace("target", "a=1", "a=2")}), ("query-name", post, {"replace": replace("target", "a=1", "c=1")}), ("query-added", get, {"target": "/api/test?a=1"}),
        ("accept", post, {"headers": {"accept": "*/*"}}), ("content-type", post, {"headers": {"content-type": "text/plain"}}), ("digest", post, {"headers": {"content-md5": "kAFQmDzST7DWlj99KOF/cg=="}}),
        ("date", post, {"headers": {"date": "Fri, 02 Jan 2026 03:04:06 GMT"}}), ("timestamp", post, {"headers": {"x-ca-timestamp": str(STAMP_MS + 1)}}),
        ("nonce", post, {"headers": {"x-ca-nonce": NONCE[:-1] + "6"}}), ("key-id", post, {"headers": {"x-ca-key": "203753386"}}),
        ("further-signed-header", "util-further-signed-header", {"headers": {"x-device-id": "d2"}}),
        ("list", post, {"replace": replace("header.x-ca-signature-headers", "x-ca-nonce,", "")}),
        ("list-spelling", post, {"replace": replace("header.x-ca-signature-headers", "x-ca-nonce", "X-Ca-Nonce")}),
        ("form-value", form, {"replace": replace("body", "xiaoming", "xiaohong")}), ("form-name", form, {"replace": replace("body", "username", "user")}),
        ("form-query-value", form, {"replace": replace("target", "param1=test", "param1=best")}),
    ])
    yield fault("date-missing", post, "an absent Date is an empty line", "signature_mismatch", remove_headers=["date"])
    yield fault("digest-missing", post, "an absent digest is an empty line", "signature_mismatch", remove_headers=["content-md5"])
    yield fault("list-missing", post, "without the list no header is signed", "signature_mismatch", remove_headers=["x-ca-signature-headers"])
    yield fault("body-changed", post, "the body is not the digest's", "body_digest_mismatch", body='{"x":2}')
    yield fault("body-emptied", post, "the body is not the digest's", "body_digest_mismatch", body="")
    yield fault("body-added", get, "a body that no digest binds", "required_part_unsigned", body="{}")
    yield fault("semicolon-changed", "semicolon-in-query", "a semicolon is no &", "signature_mismatch", replace=replace("target", ";", "&"))
    yield fault("timestamp-in-seconds", post, "seconds are not taken for milliseconds", "too_old", headers={"x-ca-timestamp": str(SDK_SECONDS)})
    yield fault("broken-escape", query, "a % that begins no triplet is read in several ways", "malformed_request", target="/test?b=2&a=%zz")
    yield fault("host-changed", post, "the host is not signed", "accepted", headers={"host": "api2.example.com"})
    yield fault("query-in-another-order", query, "the parameters are sorted before they are signed", "accepted", target="/test?a=1&b=2")
    yield fault("list-in-another-order", post, "the order of the list does not matter", "accepted", headers={"x-ca-signature-headers": "x-ca-timestamp,x-ca-key,x-ca-nonce,x-ca-signature-method"})
    yield fault("second-value-added", query, "a second value is not signed", "ambiguous_request", target="/test?b=2&a=1&a=2")
    yield fault("nameless-parameter-added", "client-get", "a parameter of empty name and value leaves no trace in the string to sign", "ambiguous_request", target="/http2test/test?=")
    yield fault("first-value-added", query, "the first value is the signed one", "signature_mismatch", target="/test?a=2&b=2&a=1")
    yield fault("algorithm-outside-the-map", post, "an algorithm that the dialect does not know", "malformed_claim", headers={"x-ca-signature-method": "none"})
    yield fault("listed-header-absent", "util-further-signed-header", "the list names a header that is not there", "malformed_claim", remove_headers=["x-device-id"])
    yield fault("name-listed-twice", post, "a name stands twice in the list", "malformed_claim", replace=replace("header.x-ca-signature-headers", "x-ca-key,", "x-ca-key,x-ca-key,"))
    yield fault("timestamp-no-number", post, "a time that is no number", "malformed_claim", headers={"x-ca-timestamp": "2026-01-02T03:04:05Z"})
    yield fault("key-id-too-long", post, "a key id of more than 128 bytes", "malformed_claim", headers={"x-ca-key": "k" * 129})
    yield fault("nonce-too-long", post, "a nonce of more than 128 bytes", "malformed_claim", headers={"x-ca-nonce": "n" * 129})
    yield from faults.headers_gone(post, [("x-ca-signature", "missing_signature"), ("x-ca-key", "malformed_claim")])
    yield from faults.headers_twice(post, [("x-ca-signature", signature), ("x-ca-key", KEY_ID), ("x-ca-timestamp", str(STAMP_MS)), ("x-ca-nonce", NONCE)])
    yield from faults.base64_text(post, "header.x-ca-signature", signature)
