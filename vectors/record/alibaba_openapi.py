"""Witnesses of Alibaba Cloud's OpenAPI: ACS3-HMAC-SHA256 by alibabacloud-openapi-util, RPC version 1.0 by aliyun-python-sdk-core, and transcripts of both."""
import hashlib
import hmac
import re
from urllib.parse import parse_qsl

import canonical
import faults
from canonical import JSON, NI_HAO, NO_QUERY
from common import (BINARY, MEBIBYTE, SDK_CLOCK, Recording, Request, b64, fault, frozen, left_out, octets, published, replace, sdk, sha256_hex, transcript, vector)
from published import QUOTED, check
from transcripts import QUERY, encode, query_cases, sorted_query

KEY_ID, SECRET = "YourAccessKeyId", "YourAccessKeySecret"
NONCE = "3156853299f313e23d1673dc12e1703d"
ACS3 = canonical.Scheme("ACS3-HMAC-SHA256", "sha256", "x-acs-date", "x-acs-content-sha256", "Credential", ",",
                        ("x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256", "x-acs-security-token", "Authorization"))
ECS = "ecs.cn-shanghai.aliyuncs.com"
POST = "util-post"


# ---------------------------------------------------------------- ACS3

def acs3(source, placed, pairs, *, path=None, at=SDK_CLOCK, secret=SECRET, key_id=KEY_ID):
    """A request as sent, held against the rule: the secret itself is the key."""
    _, names, _ = ACS3.read(placed)
    sent = {name.lower(): value for name, value in placed.headers}
    text = ACS3.canonical_request(placed, path or placed.target.partition("?")[0], pairs, names.split(";"), sent["x-acs-content-sha256"])
    stages = {"canonical_request": text, "string_to_sign": f"ACS3-HMAC-SHA256\n{ACS3.hash(text)}"}
    token = {"token": sent["x-acs-security-token"]} if "x-acs-security-token" in sent else {}
    return ACS3.recording(source, placed, stages, ACS3.mac(secret, stages["string_to_sign"]).hexdigest(), at=at, key_id=key_id, secret=secret, inputs=token, nonce=sent["x-acs-signature-nonce"])


def util(method="POST", path="/", query=None, headers=(), body=b"", *, token=None, host=ECS, at=SDK_CLOCK):
    """The package's signature on a request as its client composes it."""
    from Tea.core import TeaCore
    from Tea.request import TeaRequest
    from alibabacloud_openapi_util.client import Client
    made = TeaRequest()
    made.method, made.pathname, made.query, made.protocol, made.port = method, path, dict(query or {}), "HTTPS", 80
    digest = Client.hex_encode(Client.hash(body, ACS3.word))
    made.headers = {"host": host, **dict(headers), "x-acs-date": at, "x-acs-signature-nonce": NONCE, "x-acs-content-sha256": digest}
    if token:
        made.headers["x-acs-security-token"] = token
    made.headers["Authorization"] = Client.get_authorization(made, ACS3.word, digest, KEY_ID, SECRET)
    target = TeaCore.compose_url(made).removeprefix(f"https://{host}")
    placed = Request(method, target, tuple(made.headers.items()), body)
    return acs3(sdk("alibabacloud-openapi-util", "Apache-2.0"), placed, list((query or {}).items()), path=path, at=at)


def util_vectors():
    action = (("x-acs-action", "RunInstances"), ("x-acs-version", "2014-05-26"))
    def case(name, why, *args, covers=None, **kw):
        return vector(f"util-{name}", why, util(*args, **kw), covers=covers)
    yield case("post", "a JSON body, action and version signed", "POST", "/v1/items", None, (*action, JSON, ("X-Tag", "t")), b'{"a":1}', covers=["method", "path", "body", "header.host", "time", "nonce"])
    yield case("get", "the parameters in the query, sorted", "GET", "/v1/items", {"b": "2", "a": "1"}, (*action, JSON), covers=["method", "path", "query", "header.host", "time", "nonce"])
    yield case("rpc", "an operation of RPC style: everything in query and headers", "POST", "/", {"RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"}, action)
    yield case("token", "a temporary key's token, sent and signed", "POST", "/", {"RegionId": "cn-shanghai"}, action, token="TOKEN/EXAMPLE=")
    yield case("unicode", "unicode in query and body", "POST", "/", {"Name": NI_HAO}, (*action, JSON), f'{{"name":"{NI_HAO}"}}'.encode())
    yield case("empty-value", "an empty value in the query", "GET", "/", {"A": "", "B": "1"}, action)
    yield case("blank-in-query", "a blank, sent as a plus sign and signed as %20", "GET", "/", {"Q": "a b"}, action)
    yield case("plus-slash-and-tilde", "reserved letters, encoded", "GET", "/", {"Q": "1+2/3*~"}, action)
    yield case("form-body", "a form is a body like any other", "POST", "/", None, (*action, ("Content-Type", "application/x-www-form-urlencoded")), b"Name=a+b&Tag=1")
    yield case("header-with-blanks", "blanks around a value are not signed", "POST", "/", None, (*action, ("x-acs-note", "  a  b  ")))
    yield case("binary-body", "octets that are not UTF-8", "PUT", "/v1/blob", None, (*action, ("Content-Type", "application/octet-stream")), BINARY)
    yield case("body-of-one-mebibyte", "a long body", "PUT", "/v1/blob", None, (*action, ("Content-Type", "application/octet-stream")), b"a" * MEBIBYTE)


UTIL_GAPS = [
    left_out("repeated-parameter", "alibabacloud-openapi-util", "takes one value for each name: see the transcript"),
    left_out("reserved letter in a parameter's name", "alibabacloud-openapi-util", "signs names as they are, which the written rule encodes"),
    left_out("repeated-header", "alibabacloud-openapi-util", "takes one line for each name, and sorts the values of names that differ in case only"),
    left_out("ACS3-RSA-SHA256, ACS3-HMAC-SM3", "alibabacloud-openapi-util", "other schemes, with words and digest headers of their own"),
]


def acs3_rule(method="GET", target="/v1/items", pairs=(), headers=(), body=b"", names=None, *, source=None, at=SDK_CLOCK, nonce=NONCE, host=ECS, digest=None, leave=()):
    """A request signed by the written rule: host, Content-Type and every x-acs header unless `names` says otherwise."""
    body = octets(body)
    lines = [("Host", host), *headers, ("x-acs-date", at), ("x-acs-signature-nonce", nonce), ("x-acs-content-sha256", digest or sha256_hex(body))]
    signed = names or sorted({name.lower() for name, _ in lines} - set(leave))
    bare = Request(method, target, tuple(lines), body)
    text = ACS3.canonical_request(bare, target.partition("?")[0], pairs, signed, digest or sha256_hex(body))
    signature = ACS3.mac(SECRET, f"ACS3-HMAC-SHA256\n{ACS3.hash(text)}").hexdigest()
    return acs3(source or transcript("ACS3-HMAC-SHA256 rules"), bare.with_headers(("Authorization", ACS3.authorization(KEY_ID, signed, signature))), pairs, at=at)


def acs3_published():
    source = published("Alibaba Cloud documentation, request syntax and signature method V3", "https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature", QUOTED)
    pairs = [("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"), ("RegionId", "cn-shanghai")]
    made = acs3_rule("POST", "/?" + sorted_query(pairs), pairs, (("x-acs-action", "RunInstances"), ("x-acs-version", "2014-05-26")), source=source, at="2023-10-26T10:22:32Z")
    yield vector("published-run-instances", "the documented request, with the fixed values of the page", check(made, "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"),
                 covers=["method", "path", "query", "body", "header.x-acs-action", "time", "nonce"])


def acs3_vectors():
    yield from query_cases(lambda path, query: acs3_rule("GET", path + query[0], query[1]) if query[0] != "?q=1+2" else acs3_rule("GET", path + query[0], [("q", "1 2")]))
    yield vector("query-of-everything", "unicode, an empty value, a repeated name and a plus sign together", acs3_rule("GET", "/v1/items" + QUERY[0], QUERY[1]))
    yield from canonical.header_cases(lambda lines: acs3_rule("GET", headers=lines))
    yield vector("host-with-port", "the Host header is signed as sent", acs3_rule(host="api.example.com:8443"))
    yield vector("host-not-signed", "a signer that leaves the host out", acs3_rule(leave=["host"]), expect="required_part_unsigned")
    yield vector("acs-header-not-signed", "a signer that leaves an x-acs header out", acs3_rule(headers=(("x-acs-action", "RunInstances"),), leave=["x-acs-action"]), expect="required_part_unsigned")
    yield vector("time-not-signed", "a signer that leaves the time out", acs3_rule(leave=["x-acs-date"]), expect="required_part_unsigned")
    yield vector("nonce-not-signed", "a signer that leaves the nonce out", acs3_rule(leave=["x-acs-signature-nonce"]), expect="required_part_unsigned")
    forged = {"digest": "UNSIGNED-PAYLOAD", "body": "x"}
    yield vector("unsigned-payload", "the literal of other vendors is no digest here", acs3_rule("POST", **forged), expect="body_digest_mismatch", sign={"skip": "a signer sends the digest"})


def acs3_faults(by_name):
    yield from canonical.canonical_faults(ACS3, by_name, POST, "util-get", signed_at=SDK_CLOCK, required=["x-acs-signature-nonce", "x-acs-content-sha256"], key_id=KEY_ID)
    yield from faults.signed([
        ("timestamp", POST, {"headers": {"x-acs-date": "2026-01-02T03:04:06Z"}}), ("nonce", POST, {"headers": {"x-acs-signature-nonce": NONCE[:-1] + "e"}}),
        ("digest", POST, {"headers": {"x-acs-content-sha256": "0" * 64}}), ("action", POST, {"headers": {"x-acs-action": "DeleteInstances"}}),
        ("token", "util-token", {"headers": {"x-acs-security-token": "OTHER"}, "inputs": {}}), ("path-spelling", "encoded-slash-and-plus", {"replace": replace("target", "/a%2Fb", "/a%2fb")}),
    ])
    yield fault("another-token-configured", "util-token", "the token must be the configured one", "malformed_claim", inputs={"token": "OTHER"})
    yield fault("acs-header-added", POST, "every x-acs header must be signed", "required_part_unsigned", add_headers=[["x-acs-note", "x"]])
    yield fault("body-changed", POST, "the body is not the digest's", "body_digest_mismatch", body='{"a":2}')
    yield fault("body-emptied", POST, "the body is not the digest's", "body_digest_mismatch", body="")
    yield fault("body-added", "util-get", "a body under the digest of the empty body", "body_digest_mismatch", body="x")
    yield fault("nonce-too-long", POST, "a nonce of more than 128 bytes", "malformed_claim", headers={"x-acs-signature-nonce": "n" * 129})
    yield fault("time-without-zone", POST, "a time without its zone", "malformed_claim", headers={"x-acs-date": "2026-01-02T03:04:05"})


# ---------------------------------------------------------------- RPC, signature version 1.0

RPC_ID, RPC_SECRET, RPC_NONCE = "testid", "testsecret", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
CLAIM = ("AccessKeyId", "SignatureMethod", "SignatureNonce", "SignatureVersion", "Timestamp")


def rpc_text(method, pairs):
    """Method, an encoded slash, and the sorted pairs, encoded a second time as a whole."""
    return f"{method}&%2F&{encode(sorted_query(pairs))}"


def rpc_sign(text, secret=RPC_SECRET):
    return b64(hmac.new(octets(secret + "&"), octets(text), hashlib.sha1).digest())


def rpc_recording(source, placed, pairs, *, secret=RPC_SECRET, at=SDK_CLOCK):
    """A request as sent; `pairs` are all decoded ones but Signature. The signature rides in the query, or in the form."""
    text = rpc_text(placed.method, pairs)
    signature = rpc_sign(text, secret)
    spelt = "Signature=" + signature.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    where = placed.target if "Signature=" in placed.target else placed.body.decode()
    if spelt not in where:
        raise ValueError(f"{source}: {spelt} is not in {where}\n{text}")
    def bare(raw):
        return "&".join(piece for piece in raw.split("&") if piece and piece.partition("=")[0] != "Signature")
    path, _, query = placed.target.partition("?")
    query, body = bare(query), placed.body if "Signature=" in placed.target else bare(placed.body.decode()).encode()
    claim = dict(pairs)
    # What stands in the request is filled in where it stands, so that the order of sending is kept; an empty Signature keeps its place.
    put = (path + "?" + query + "&Signature=", body) if "Signature=" in placed.target else (placed.target, body + b"&Signature=")
    order_kept = placed.target.endswith(spelt) or placed.body.decode("latin-1").endswith(spelt)
    if not order_kept:
        raise ValueError(f"{source}: the signature is not the last parameter")
    token = {"token": claim["SecurityToken"]} if "SecurityToken" in claim else {}
    return Recording(source=source, at=at, credentials={"key_id": claim["AccessKeyId"], "secret": secret}, inputs=token, nonce=claim["SignatureNonce"],
                     request=Request(placed.method, put[0], placed.headers, put[1]), placed=placed, stages={"string_to_sign": text}, signature=signature)


def core(params, method="GET", form=None):
    """The request target, and the form, that the SDK's composer makes."""
    import aliyunsdkcore.utils.parameter_helper as helper
    from aliyunsdkcore.auth.composer import rpc_signature_composer
    from urllib.parse import urlencode
    true, helper.get_uuid = helper.get_uuid, lambda: RPC_NONCE
    try:
        with frozen():
            target, text = rpc_signature_composer.get_signed_url(dict(params), RPC_ID, RPC_SECRET, "JSON", method, dict(form or {}))
    finally:
        helper.get_uuid = true
    query = parse_qsl(target.partition("?")[2], keep_blank_values=True)
    pairs = [pair for pair in query if pair[0] != "Signature"] + list((form or {}).items())
    if rpc_text(method, pairs) != text:
        raise ValueError(f"{text}, by the rule {rpc_text(method, pairs)}")
    headers = (("Host", "ecs.aliyuncs.com"), *((FORM,) if form else ()))
    return rpc_recording(sdk("aliyun-python-sdk-core", "Apache-2.0"), Request(method, target, headers, urlencode(form or {}).encode()), pairs)


def core_vectors():
    base = {"Action": "DescribeRegions", "Version": "2014-05-26"}
    def case(name, why, params=None, covers=None, **kw):
        return vector(f"core-{name}", why, core({**base, **(params or {})}, **kw), covers=covers)
    yield case("get", "every parameter is signed, the empty SignatureType too", {"RegionId": "cn-hangzhou"}, covers=["method", "query", "time", "nonce"])
    yield case("post", "the same with another method", {"RegionId": "cn-hangzhou"}, method="POST")
    yield case("post-form", "the parameters of a form are signed together with those of the query", method="POST", form={"RegionId": "cn-hangzhou", "Tag": "a b"}, covers=["method", "query", "body", "time", "nonce"])
    yield case("unicode", "unicode, as the octets of UTF-8", {"Name": NI_HAO})
    yield case("empty-value", "an empty value keeps its =", {"Name": ""})
    yield case("reserved-letters", "blank, asterisk, tilde, plus and slash, encoded twice", {"Key*": "a b~/+*"})
    yield case("percent-sign", "a percent sign in a value", {"Name": "100%25"})
    yield case("separators", "an ampersand and an equals sign in a value", {"Name": "a&b=c"})
    yield case("token", "a temporary key's token is a parameter like any other", {"SecurityToken": "TOKEN/EXAMPLE="})


CORE_GAPS = [
    left_out("repeated-parameter", "aliyun-python-sdk-core", "takes one value for each name: see the transcript"),
    left_out("repeated-header, %2F in the path, dot segments", "aliyun-python-sdk-core", "neither headers nor the path are signed"),
    left_out("binary and 1 MiB bodies", "aliyun-python-sdk-core", "only forms are signed"),
]


def rpc_rule(method="GET", further=(("Action", "DescribeRegions"), ("Format", "XML"), ("Version", "2014-05-26")), *, form=None, in_form=False, nonce=RPC_NONCE, stamp=SDK_CLOCK, source=None,
             path="/", headers=(), version="1.0", algorithm="HMAC-SHA1", at=None, secret=RPC_SECRET, json=None):
    """Every parameter in the query, or all in the form; `form` is a list of pairs besides."""
    claim = list(zip(CLAIM, (RPC_ID, algorithm, nonce, version, stamp)))
    pairs = [*claim, *further]
    signature = rpc_sign(rpc_text(method, [*pairs, *(form or [])]), secret)
    raw = "&".join(f"{encode(n)}={encode(v)}" for n, v in [*pairs, ("Signature", signature)])
    bare = "&".join(f"{encode(n)}={encode(v)}" for n, v in form or [])
    lines = (("Host", "ecs.aliyuncs.com"), *headers, *((FORM,) if form or in_form else (JSON,) if json else ()))
    placed = Request(method, path, lines, raw.encode()) if in_form else Request(method, f"{path}?{raw}", lines, (json or bare).encode())
    return rpc_recording(source or transcript("Alibaba Cloud RPC rules, signature version 1.0"), placed, [*pairs, *(form or [])], at=at or stamp, secret=secret)


def rpc_published():
    source = published("Alibaba Cloud documentation, RPC signature mechanism", "https://help.aliyun.com/zh/sdk/product-overview/rpc-mechanism", QUOTED)
    yield vector("published-describe-regions", "the documented request", check(rpc_rule(stamp="2016-02-23T12:46:24Z", source=source), "OLeaidS1JvxuMvnyHOwuJ+uX5qY="), covers=["method", "query", "time", "nonce"])


def rpc_vectors():
    few = (("Action", "A"), ("Version", "1"))
    relaxed = {"allow_ambiguous": True}
    yield vector("everything-in-the-form", "a POST whose claim rides in the form", rpc_rule("POST", in_form=True), covers=["method", "body", "time", "nonce"])
    yield vector("long-form", "a form longer than most", rpc_rule("POST", few, form=[("Blob", "a" * 4000)]))
    yield vector("repeated-parameter", "all values of a name, sorted", rpc_rule(further=(*few, ("a", "2"), ("a", "1"), ("a", "2"))))
    yield vector("order-of-names-that-begin-alike", "pairs are sorted by name, not as whole texts", rpc_rule(further=(*few, ("Id-Type", "1"), ("Id", "2"))))
    yield vector("names-in-capitals-first", "names are sorted by their octets", rpc_rule(further=(*few, ("a", "1"), ("B", "2"))))
    yield vector("path-and-headers", "neither the path nor a header is signed, dot segments and repeated lines included", rpc_rule(path="/a/../b%2Fc", headers=(("X-Tag", "b"), ("X-Tag", "a"))))
    both = rpc_rule("POST", (*few, ("a", "1")), form=[("a", "2")])
    yield vector("parameter-in-query-and-form", "one name in both places could change them", both, expect="ambiguous_request")
    yield vector("parameter-in-query-and-form-allowed", "the same, where the route takes it", both, policy=relaxed)
    yield vector("body-that-is-no-form", "a body that is no form cannot be signed", rpc_rule("POST", json='{"a":1}'), expect="required_part_unsigned")
    yield vector("body-that-is-no-form-allowed", "the same, where the route takes it", rpc_rule("POST", json='{"a":1}'), policy={"waive": ["body"]}, covers=["method", "query"])


def rpc_faults(by_name):
    origin, form = "core-get", "core-post-form"
    signature = by_name[origin]["signature"]
    def spelt(text):
        return text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    def edit(name, why, expect, text, with_, from_=origin):
        return fault(name, from_, why, expect, replace=replace("target", text, with_))
    yield from faults.clock(origin, SDK_CLOCK, 900, 900)
    yield from faults.secret(origin)
    yield fault("secret-with-its-ampersand", origin, "the ampersand is added by the rule", "signature_mismatch", credentials={"secret": RPC_SECRET + "&"})
    yield from faults.signed([
        ("method", origin, {"method": "POST"}), ("parameter-value", origin, {"replace": replace("target", "cn-hangzhou", "cn-shanghai")}), ("parameter-name", origin, {"replace": replace("target", "RegionId", "Regionid")}),
        ("parameter-added", origin, {"replace": replace("target", "&Signature=", "&DryRun=false&Signature=")}), ("parameter-removed", origin, {"replace": replace("target", "&RegionId=cn-hangzhou", "")}),
        ("empty-parameter-removed", origin, {"replace": replace("target", "&SignatureType=", "")}), ("timestamp", origin, {"replace": replace("target", "03%3A04%3A05Z", "03%3A04%3A06Z")}),
        ("nonce", origin, {"replace": replace("target", RPC_NONCE, RPC_NONCE[:-1] + "e")}), ("key-id", origin, {"replace": replace("target", "AccessKeyId=testid", "AccessKeyId=testic")}),
        ("form-value", form, {"replace": replace("body", "cn-hangzhou", "cn-shanghai")}), ("form-parameter-added", form, {"replace": replace("body", "RegionId", "x=1&RegionId")}), ("form-emptied", form, {"body": ""}),
        ("token", "core-token", {"replace": replace("target", "TOKEN%2F", "TOKENX%2F"), "inputs": {}}),
    ])
    yield fault("form-type-taken-away", form, "a body that is no form is not signed: its parameters are missing", "signature_mismatch", headers={"Content-Type": "text/plain"})
    yield fault("path-changed", origin, "the path is not signed", "accepted", replace=replace("target", "/?", "/other?"))
    yield fault("host-changed", origin, "the host is not signed", "accepted", headers={"Host": "rds.aliyuncs.com"})
    yield edit("parameter-respelt", "another spelling of the same value is equal", "accepted", "cn-hangzhou", "cn%2dhangzhou")
    yield edit("empty-fragment", "an empty fragment is no parameter", "accepted", "&Signature=", "&&Signature=")
    yield edit("another-algorithm", "an algorithm that the dialect does not know", "malformed_claim", "HMAC-SHA1", "HMAC-SHA256")
    yield edit("another-version", "another version of the signature", "malformed_claim", "SignatureVersion=1.0", "SignatureVersion=2.0")
    yield edit("timestamp-no-date", "a time of another form", "malformed_claim", "2026-01-02T03%3A04%3A05Z", "1767323045")
    yield edit("signature-twice", "a second signature", "malformed_claim", "&Signature=", "&Signature=AAAA&Signature=")
    yield fault("signature-in-query-and-form", form, "a second signature, in the other place", "malformed_claim", replace=replace("body", "RegionId", "Signature=AAAA&RegionId"))
    yield edit("nonce-too-long", "a nonce of more than 128 bytes", "malformed_claim", RPC_NONCE, "n" * 129)
    yield edit("another-token-configured", "the token must be the configured one", "malformed_claim", "TOKEN%2F", "TOKENX%2F", "core-token")
    target = by_name[origin]["placed"]["target"]
    for name, expect in [("Signature", "missing_signature"), *((n, "malformed_claim") for n in CLAIM)]:
        piece = re.search(rf"(^|[?&]){name}=[^&]*", target).group(0).lstrip("?&")
        yield edit(f"{name.lower()}-missing", f"{name} taken away", expect, piece, "Left=out")
        if name != "Signature":
            yield edit(f"{name.lower()}-twice", f"a second {name}", "malformed_claim", piece, piece + "&" + piece)
    yield from faults.base64_text(origin, "target", signature, spelt)
