"""Witnesses of TC3-HMAC-SHA256: Tencent Cloud's SDK, and a transcript of the written rule."""
import hashlib
import hmac
import json
import re

import faults
from common import BINARY, MEBIBYTE, SDK_CLOCK, SDK_SECONDS, Recording, Request, counted_uuids, fault, frozen, left_out, moment, octets, replace, sdk, sha256_hex, transcript, vector
from transcripts import joined, sorted_query

HOST, SERVICE = "cvm.tencentcloudapi.com", "cvm"
KEY_ID, SECRET = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"
NI_HAO = "\u4f60\u597d"
JSON = "application/json"
TRANSPORT = {"user-agent", "accept", "accept-encoding", "connection"}


def rule(placed, names, query, *, at, service, secret):
    """Canonical request, string to sign and signature; `query` is the list of decoded pairs."""
    sent = joined(placed.headers)
    canonical = "\n".join([placed.method, placed.target.partition("?")[0], sorted_query(query), *(f"{n}:{sent[n].strip().lower()}" for n in names), "", ";".join(names), sha256_hex(placed.body)])
    date = moment(at)[:10]
    text = f"TC3-HMAC-SHA256\n{at}\n{date}/{service}/tc3_request\n{sha256_hex(canonical)}"
    key = octets("TC3" + secret)
    for part in (date, service, "tc3_request"):
        key = hmac.new(key, octets(part), hashlib.sha256).digest()
    return {"canonical_request": canonical, "string_to_sign": text}, hmac.new(key, octets(text), hashlib.sha256).hexdigest()


def recording(source, placed, query=(), *, secret=SECRET, service=SERVICE):
    """A recording of a request as sent, whose signature must be the rule's."""
    sent = {name.lower(): value for name, value in placed.headers}
    key_id, names, signature = re.fullmatch(r"TC3-HMAC-SHA256 Credential=([^/]+)/[^,]+, SignedHeaders=([^,]+), Signature=(\w+)", sent["authorization"]).groups()
    at = int(sent["x-tc-timestamp"])
    stages, expected = rule(placed, names.split(";"), query, at=at, service=service, secret=secret)
    if signature != expected:
        raise ValueError(f"{source}: {signature}, by the rule {expected}\n{stages['canonical_request']}")
    request = Request(placed.method, placed.target, tuple(line for line in placed.headers if line[0].lower() not in ("x-tc-timestamp", "authorization")), placed.body)
    return Recording(source=source, at=moment(at), credentials={"key_id": key_id, "secret": secret}, inputs={"service": service}, sign={"headers": names.split(";")},
                     request=request, placed=placed, stages=stages, signature=signature)


# ---------------------------------------------------------------- the SDK

def called(call, *, method="POST", token=None, query=()):
    """The request that the SDK's client would send, caught before it leaves."""
    import requests
    from tencentcloud.common import credential
    from tencentcloud.common.common_client import CommonClient
    from tencentcloud.common.profile.client_profile import ClientProfile
    from tencentcloud.common.profile.http_profile import HttpProfile
    caught = []

    def catch(_, request, **__):
        caught.append(request)
        raise Caught
    true, requests.adapters.HTTPAdapter.send = requests.adapters.HTTPAdapter.send, catch
    try:
        with frozen(), counted_uuids():
            profile = ClientProfile(httpProfile=HttpProfile(protocol="https", endpoint=HOST, reqMethod=method))
            call(CommonClient(SERVICE, "2017-03-12", credential.Credential(KEY_ID, SECRET, token), "ap-guangzhou", profile))
    except Exception:
        if not caught:
            raise
    finally:
        requests.adapters.HTTPAdapter.send = true
    made = caught[0]
    lines = tuple((text(n), text(v)) for n, v in made.headers.items() if n.lower() not in TRANSPORT)
    return recording(sdk("tencentcloud-sdk-python-common", "Apache-2.0"), Request(made.method, made.path_url, lines, octets(made.body or b"")), query)


class Caught(Exception):
    """The request was seen; nothing was sent."""


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def sdk_vectors():
    def case(name, why, call, covers=None, **kw):
        return vector(f"sdk-{name}", why, called(call, **kw), covers=covers)
    post = {"Limit": 1, "Filters": [{"Values": [NI_HAO], "Name": "instance-name"}]}
    yield case("post", "a JSON body; the SDK escapes its unicode", lambda c: c.call_json("DescribeInstances", post), covers=["method", "path", "body", "header.host", "header.content-type", "time"])
    yield case("empty-payload", "an empty object", lambda c: c.call_json("DescribeZones", {}))
    yield case("token", "a temporary key's token is sent and not signed", lambda c: c.call_json("DescribeZones", {}), token="TOKEN/EXAMPLE=")
    yield case("get", "the parameters in the query of a GET", lambda c: c.call_json("DescribeZones", {"Limit": "1", "Offset": "0"}), method="GET", query=[("Limit", "1"), ("Offset", "0")],
               covers=["method", "path", "query", "header.host", "time"])
    yield case("get-unicode", "unicode in the query", lambda c: c.call_json("DescribeZones", {"Name": NI_HAO}), method="GET", query=[("Name", NI_HAO)])
    yield case("get-empty-value", "an empty value in the query", lambda c: c.call_json("DescribeZones", {"A": "", "B": "1"}), method="GET", query=[("A", ""), ("B", "1")])
    yield case("get-plus-and-slash", "a plus sign and a slash, encoded", lambda c: c.call_json("DescribeZones", {"Q": "1+2/3"}), method="GET", query=[("Q", "1+2/3")])
    octet = {"Content-Type": "application/octet-stream"}
    yield case("binary-body", "octets that are not UTF-8", lambda c: c.call_octet_stream("Upload", dict(octet), BINARY))
    yield case("body-of-one-mebibyte", "a long body", lambda c: c.call_octet_stream("Upload", dict(octet), b"a" * MEBIBYTE))


SDK_GAPS = [
    left_out("blank in a GET parameter", "tencentcloud-sdk-python-common", "signs the plus sign that it writes for a blank as it stands"),
    left_out("GET parameters out of order", "tencentcloud-sdk-python-common", "signs the query in the order of sending"),
    left_out("unsigned payload", "tencentcloud-sdk-python-common", "signs the digest of the word UNSIGNED-PAYLOAD, which the dialect does not take"),
    left_out("repeated-parameter, repeated-header, dot segments, %2F in the path", "tencentcloud-sdk-python-common", "takes one value for each name and sends to / only: see the transcript"),
]


# ---------------------------------------------------------------- the written rule

def by_rule(method, target, query=(), headers=(("Content-Type", JSON),), body=b"", names=("content-type", "host"), *, key_id=KEY_ID, secret=SECRET, at=SDK_SECONDS, service=SERVICE, host=HOST, source=None):
    """A request signed over exactly these headers; `query` is the list of decoded pairs."""
    bare = Request(method, target, (("Host", host), *headers, ("X-TC-Timestamp", str(at))), octets(body))
    _, signature = rule(bare, names, query, at=at, service=service, secret=secret)
    authorization = f"TC3-HMAC-SHA256 Credential={key_id}/{moment(at)[:10]}/{service}/tc3_request, SignedHeaders={';'.join(names)}, Signature={signature}"
    return recording(source or transcript("TC3-HMAC-SHA256 rules"), bare.with_headers(("Authorization", authorization)), query, secret=secret, service=service)


def rule_vectors():
    action = (("Content-Type", JSON + "; charset=UTF-8"), ("X-TC-Action", "DescribeInstances"))
    yield vector("action-signed", "further headers are signed, values in small letters", by_rule("POST", "/", headers=action, body="{}", names=("content-type", "host", "x-tc-action")))
    yield vector("unicode-body", "octets of UTF-8 in the body", by_rule("POST", "/", body=json.dumps({"Name": NI_HAO}, ensure_ascii=False)))
    yield vector("repeated-parameter", "all values of a name, sorted", by_rule("GET", "/?a=2&b=0&a=1&a=2", [("a", "2"), ("b", "0"), ("a", "1"), ("a", "2")]))
    yield vector("encoded-percent", "an encoded percent sign", by_rule("GET", "/?q=100%25&r=1", [("q", "100%"), ("r", "1")]))
    yield vector("bare-plus", "a plus sign in the query is a plus sign", by_rule("GET", "/?q=1+2", [("q", "1+2")]))
    yield vector("dot-segments", "dot segments stay as sent", by_rule("GET", "/a/./b/../c//d"))
    yield vector("repeated-header", "lines of one name are joined by a comma", by_rule("GET", "/", headers=(("Content-Type", JSON), ("X-TC-Tag", "b"), ("X-TC-Tag", "a")), names=("content-type", "host", "x-tc-tag")))
    yield vector("host-with-port", "the Host header is signed as sent", by_rule("POST", "/", body="{}", host=HOST + ":8443"))
    yield vector("host-not-signed", "a signer that leaves the host out", by_rule("POST", "/", body="{}", names=("content-type",)), expect="required_part_unsigned")
    yield vector("content-type-not-signed", "a signer that leaves Content-Type out", by_rule("POST", "/", body="{}", names=("host",)), expect="required_part_unsigned")


# ---------------------------------------------------------------- faults

def tc3_faults(by_name):
    post, get, where = "sdk-post", "sdk-get", "header.Authorization"
    signature = by_name[post]["signature"]
    def edit(name, why, expect, text_, with_):
        return fault(name, post, why, expect, replace=replace(where, text_, with_))
    yield from faults.clock(post, SDK_CLOCK)
    yield from faults.secret(post)
    yield from faults.percent("encoded-percent")
    yield from faults.signed([
        ("method", post, {"method": "PUT"}), ("path", post, {"target": "/other"}), ("query-value", get, {"replace": replace("target", "Limit=1", "Limit=2")}), ("query-added", post, {"target": "/?a=1"}),
        ("query-name", get, {"replace": replace("target", "Limit=1", "Limits=1")}), ("host", post, {"headers": {"Host": "cbs.tencentcloudapi.com"}}),
        ("content-type", post, {"headers": {"Content-Type": "text/plain"}}), ("body", post, {"body": "{}"}), ("body-emptied", post, {"body": ""}),
        ("timestamp", post, {"headers": {"X-TC-Timestamp": str(SDK_SECONDS + 1)}}), ("action", "action-signed", {"headers": {"X-TC-Action": "TerminateInstances"}}),
        ("key-id", post, {"replace": replace(where, KEY_ID, KEY_ID[:-1] + "F")}), ("list-order", post, {"replace": replace(where, "content-type;host", "host;content-type")}),
    ])
    yield fault("content-type-in-capitals", post, "values are signed in small letters, so their case is free", "accepted", headers={"Content-Type": "Application/JSON"})
    yield fault("action-not-listed-changed", post, "the SDK does not sign the action", "accepted", headers={"X-TC-Action": "TerminateInstances"})
    yield fault("query-in-another-order", get, "the query is sorted before it is signed", "accepted", target="/?Offset=0&Limit=1")
    yield fault("query-spelt-otherwise", get, "another spelling of the same query is equal", "accepted", target="/?%4cimit=%31&Offset=0")
    yield fault("another-service-configured", post, "the scope must be the configured one", "malformed_claim", inputs={"service": "cbs"})
    yield edit("scope-of-another-day", "the scope's date must be the signed time's", "malformed_claim", "/2026-01-02/", "/2026-01-03/")
    yield edit("scope-of-another-service", "the scope must be the configured one", "malformed_claim", "/cvm/", "/cbs/")
    yield edit("scope-with-another-end", "the scope's last part is a constant", "malformed_claim", "tc3_request", "tc4_request")
    yield edit("scope-missing", "a credential without its scope", "malformed_claim", "/2026-01-02/cvm/tc3_request", "")
    yield edit("parameters-without-blanks", "blanks between the parameters are free", "accepted", ", SignedHeaders", ",SignedHeaders")
    yield edit("signed-headers-missing", "a parameter taken away", "malformed_claim", "SignedHeaders=content-type;host, ", "")
    yield edit("signature-parameter-twice", "a parameter repeated", "malformed_claim", "Signature=", "Signature=00, Signature=")
    yield edit("name-listed-twice", "a name stands twice in the list", "malformed_claim", "content-type;host", "content-type;host;host")
    yield edit("another-scheme", "another scheme is no signature of ours", "missing_signature", "TC3-HMAC-SHA256 ", "Bearer ")
    yield fault("content-type-missing", post, "a signed header taken away", "malformed_claim", remove_headers=["Content-Type"])
    yield fault("authorization-missing", post, "the signature taken away", "missing_signature", remove_headers=["Authorization"])
    yield fault("timestamp-missing", post, "the time taken away", "malformed_claim", remove_headers=["X-TC-Timestamp"])
    yield fault("timestamp-no-number", post, "a time that is no number", "malformed_claim", headers={"X-TC-Timestamp": "now"})
    yield from faults.headers_twice(post, [("X-TC-Timestamp", str(SDK_SECONDS)), ("Authorization", "TC3-HMAC-SHA256 Credential=a/2026-01-02/cvm/tc3_request, SignedHeaders=host, Signature=00")])
    yield from faults.hex_text(post, where, signature)
