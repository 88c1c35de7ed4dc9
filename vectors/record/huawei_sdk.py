"""Witnesses of Huawei Cloud's SDK-HMAC-SHA256 and SDK-HMAC-SM3: huaweicloudsdkcore, and transcripts of the written rule."""
import dataclasses

import canonical
import faults
from canonical import JSON, NI_HAO
from common import BINARY, MEBIBYTE, SDK_CLOCK, Request, fault, frozen, left_out, octets, published, replace, sdk, transcript, vector
from published import QUOTED, check
from transcripts import encode, query_cases

KEY_ID, SECRET, HOST, STAMP = "QTWAOYTTINDUT2QVKYUC", "MFyfvK41ba2giqM7EXAMPLE", "service.region.example.com", "20260102T030405Z"
UNSIGNED = "UNSIGNED-PAYLOAD"
CARRIED = ("x-sdk-date", "x-security-token", "authorization", "x-sdk-content-sha256", "x-sdk-content-sm3")
SHA256 = canonical.Scheme("SDK-HMAC-SHA256", "sha256", "X-Sdk-Date", "X-Sdk-Content-Sha256", "Access", ", ", CARRIED, closing=True)
SM3 = canonical.Scheme("SDK-HMAC-SM3", "sm3", "X-Sdk-Date", "X-Sdk-Content-Sm3", "Access", ", ", CARRIED, closing=True)
POST, GET = "sdk-post", "sdk-get"


def recording(scheme, source, placed, path, pairs, *, secret=SECRET, key_id=KEY_ID, at=SDK_CLOCK):
    """A request as sent, held against the rule: the secret itself is the key. `path` is decoded and encoded again."""
    _, names, _ = scheme.read(placed)
    sent = {name.lower(): value for name, value in placed.headers}
    content = sent.get(scheme.content.lower()) or scheme.hash(placed.body)
    text = scheme.canonical_request(placed, path, pairs, names.split(";"), content)
    stages = {"canonical_request": text, "string_to_sign": f"{scheme.word}\n{sent['x-sdk-date']}\n{scheme.hash(text)}"}
    token = {"token": sent["x-security-token"]} if "x-security-token" in sent else {}
    kept = () if content == UNSIGNED else ("x-sdk-content-sha256", "x-sdk-content-sm3")
    made = scheme.recording(source, placed, stages, scheme.mac(secret, stages["string_to_sign"]).hexdigest(), at=at, key_id=key_id, secret=secret, inputs=token, kept=kept)
    return dataclasses.replace(made, sign={**made.sign, "body_digest": UNSIGNED}) if content == UNSIGNED else made


def package(scheme, method="POST", path="/v1/items", query=(), headers=(), body=b""):
    """The SDK's signature on a request whose target the SDK composes."""
    from huaweicloudsdkcore.auth.credentials import BasicCredentials
    from huaweicloudsdkcore.sdk_request import SdkRequest
    from huaweicloudsdkcore.signer.signer import Signer, SM3Signer
    made = SdkRequest(method, "https", HOST, path, "", list(query), dict(headers), octets(body))
    with frozen():
        (Signer if scheme is SHA256 else SM3Signer)(BasicCredentials(KEY_ID, SECRET, "pid")).sign(made)
    lines = tuple((name, value.encode("iso-8859-1").decode()) for name, value in made.header_params.items())
    placed = Request(method, made.uri, lines, octets(body))
    from urllib.parse import unquote
    signed_path = "/".join(encode(piece) for piece in unquote(path).split("/"))
    return recording(scheme, sdk("huaweicloudsdkcore", "Apache-2.0"), placed, signed_path, list(query))


def package_vectors(scheme):
    def case(name, why, *args, covers=None, policy=None, expect="accepted", **kw):
        return vector(f"sdk-{name}", why, package(scheme, *args, **kw), covers=covers, policy=policy, expect=expect)
    blob = (("Content-Type", "application/octet-stream"),)
    yield case("post", "a JSON body; every header is signed", "POST", "/v1/items", (), (JSON, ("X-Tag", "t")), '{"a":1}', covers=["method", "path", "body", "header.host", "time"])
    yield case("get", "the parameters in the query, sorted", "GET", "/v1/items", [("b", "2"), ("a", "1")], (JSON,), covers=["method", "path", "query", "header.host", "time"])
    yield case("token", "a temporary key's token, sent and signed", "GET", "/v1/items", (), (JSON, ("X-Security-Token", "TOKEN/EXAMPLE=")))
    yield case("unicode", "unicode in query, header and body", "POST", "/v1/items", [("name", NI_HAO)], (JSON, ("X-Name", NI_HAO)), f'{{"name":"{NI_HAO}"}}'.encode())
    yield case("unicode-in-path", "a path is decoded and encoded again", "GET", "/v1/%E4%BD%A0%E5%A5%BD", (), (JSON,))
    yield case("empty-value", "an empty value in the query", "GET", "/v1/items", [("a", ""), ("b", "1")], (JSON,))
    yield case("blank-plus-and-slash", "reserved letters, encoded", "GET", "/v1/items", [("q/", "a b+c/d*~")], (JSON,))
    yield case("repeated-parameter", "all values of a name, sorted", "GET", "/v1/items", [("a", "2"), ("b", "0"), ("a", "1"), ("a", "2")], (JSON,))
    yield case("path-with-reserved-letters", "a colon and a comma, bare on the wire and encoded in the text", "GET", "/v1/a:b,c/d~e", (), (JSON,))
    yield case("root", "the shortest path", "GET", "/", (), (JSON,))
    yield case("path-that-ends-in-a-slash", "a path with its slash and the path without it have one text", "GET", "/v1/items/", (), (JSON,), expect="ambiguous_request")
    yield case("path-that-ends-in-a-slash-allowed", "the same, where the route takes it", "GET", "/v1/items/", (), (JSON,), policy={"allow_ambiguous": True})
    yield case("encoded-slash", "an encoded slash and a slash have one text", "GET", "/v1/a%2Fb", (), (JSON,), expect="ambiguous_request")
    yield case("encoded-slash-allowed", "the same, where the route takes it", "GET", "/v1/a%2Fb", (), (JSON,), policy={"allow_ambiguous": True})
    yield case("dot-segments", "dot segments stay as sent", "GET", "/v1/./a/../b//c", (), (JSON,))
    yield case("unsigned-payload", "with everything but JSON the SDK sends a literal in the digest's place: the body is open", "PUT", "/v1/blob", (), blob, BINARY, covers=["method", "path", "time"], policy={"waive": ["body"]})
    yield case("unsigned-form", "a form is sent so too", "POST", "/v1/items", (), (("Content-Type", "application/x-www-form-urlencoded"),), "a=1&b=2", policy={"waive": ["body"]})
    yield case("body-of-one-mebibyte", "a long body", "PUT", "/v1/blob", (), (JSON,), b"a" * MEBIBYTE)


SDK_GAPS = [
    left_out("everything but JSON without a body", "huaweicloudsdkcore", "sends the literal for an unsigned body and signs the digest of the empty one"),
    left_out("repeated-header", "huaweicloudsdkcore", "takes one line for each name: see the transcript"),
    left_out("V11-HMAC-SHA256, SDK-ECDSA-P256-SHA256, SDK-SM2-SM3", "huaweicloudsdkcore", "other schemes, with keys that no chain of HMAC derives"),
]


def by_rule(scheme, method="GET", target="/v1/items", pairs=(), headers=(JSON,), body=b"", *, path=None, source=None, stamp=STAMP, at=SDK_CLOCK, host=HOST, secret=SECRET, digest=None, leave=()):
    """A request signed by the written rule over every header that is not left out; the digest is sent where it is given."""
    body = octets(body)
    lines = [("Host", host), *headers, ("X-Sdk-Date", stamp), *([(scheme.content, digest)] if digest else [])]
    signed = sorted({name.lower() for name, _ in lines} - set(leave))
    bare = Request(method, target, tuple(lines), body)
    path = path or target.partition("?")[0]
    text = scheme.canonical_request(bare, path, pairs, signed, digest or scheme.hash(body))
    signature = scheme.mac(secret, f"{scheme.word}\n{stamp}\n{scheme.hash(text)}").hexdigest()
    placed = bare.with_headers(("Authorization", scheme.authorization(KEY_ID, signed, signature)))
    return recording(scheme, source or transcript(f"{scheme.word} rules"), placed, path, pairs, at=at, secret=secret)


def published_vectors():
    source = published("Huawei Cloud documentation, AK/SK signing and authentication algorithm", "https://support.huaweicloud.com/intl/en-us/devg-apisign/api-sign-algorithm.html", QUOTED)
    target = "/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs?limit=2&marker=13551d6b-755d-4757-b956-536f674975c0"
    made = by_rule(SHA256, "GET", target, [("limit", "2"), ("marker", "13551d6b-755d-4757-b956-536f674975c0")], source=source, stamp="20191115T033655Z", at="2019-11-15T03:36:55Z",
                   secret="MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc")
    yield vector("published-list-vpcs", "the documented request", check(made, "7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe"), covers=["method", "path", "query", "body", "header.host", "time"])


def rule_vectors(scheme):
    # The path is decoded here, so that the shared cases with an encoded slash and a plus sign have their own text above.
    for made in query_cases(lambda path, query: by_rule(scheme, "GET", ("/v1/a%2Bc" if "%2F" in path else path) + query[0], query[1])):
        if made["name"] not in ("unicode-in-path", "dot-segments", "root", "repeated-parameter"):
            yield made
    yield from canonical.header_cases(lambda lines: by_rule(scheme, headers=(JSON, *lines)))
    yield vector("binary-body", "octets that are not UTF-8, under their digest", by_rule(scheme, "PUT", headers=(("Content-Type", "application/octet-stream"),), body=BINARY), covers=["body"])
    yield vector("digest-sent", "the digest of the body in its header", by_rule(scheme, "POST", body='{"a":1}', digest=scheme.hash(b'{"a":1}')), covers=["body"])
    yield vector("host-with-port", "the Host header is signed as sent", by_rule(scheme, host="service.region.example.com:8443"))
    yield vector("host-not-signed", "a signer that leaves the host out", by_rule(scheme, leave=["host"]), expect="required_part_unsigned")
    yield vector("time-not-signed", "the time is in the string to sign, but its header must be listed too", by_rule(scheme, leave=["x-sdk-date"]), expect="required_part_unsigned")
    yield vector("token-not-signed", "a signer that leaves the token out", by_rule(scheme, headers=(JSON, ("X-Security-Token", "T")), leave=["x-security-token"]), expect="required_part_unsigned",
                 sign={"skip": "our signer signs the token"})
    yield vector("digest-not-signed", "a signer that leaves the digest's header out", by_rule(scheme, "POST", body="{}", digest=scheme.hash(b"{}"), leave=[scheme.content.lower()]), expect="required_part_unsigned")
    yield vector("wrong-digest-sent", "the digest that was sent is recomputed", by_rule(scheme, "POST", body="x", digest="0" * 64), expect="body_digest_mismatch", sign={"skip": "a signer sends the digest"})


def huawei_faults(scheme, by_name):
    yield from canonical.canonical_faults(scheme, by_name, POST, GET, signed_at=SDK_CLOCK, required=[], key_id=KEY_ID)
    yield from faults.signed([
        ("timestamp", POST, {"headers": {"X-Sdk-Date": "20260102T030406Z"}}), ("digest", "digest-sent", {"headers": {scheme.content: "0" * 64}}), ("digest-to-unsigned-payload", "digest-sent", {"headers": {scheme.content: UNSIGNED}}),
        ("body", POST, {"body": '{"a":2}'}), ("body-emptied", POST, {"body": ""}), ("body-added", GET, {"body": "x"}),
        ("token", "sdk-token", {"headers": {"X-Security-Token": "OTHER"}, "inputs": {}}), ("dot-segment", "sdk-dot-segments", {"replace": replace("target", "/./", "/")}),
    ])
    yield fault("path-spelt-otherwise", GET, "another spelling of the same path is equal", "accepted", replace=replace("target", "/items", "/%69tems"))
    yield fault("slash-added", GET, "a path with a slash at its end has the same text: which one was meant is not known", "ambiguous_request", replace=replace("target", "/items", "/items/"))
    yield fault("body-changed-digest-sent", "digest-sent", "the body is not the digest's", "body_digest_mismatch", body='{"a":2}')
    yield fault("sdk-header-added", POST, "every x-sdk header must be signed", "required_part_unsigned", add_headers=[["X-Sdk-Note", "x"]])
    yield fault("unsigned-payload-body-changed", "sdk-unsigned-payload", "under the literal the body is not signed", "accepted", body="x")
    for name in ("sdk-unsigned-payload", "sdk-unsigned-form"):
        yield fault(f"{name}-default-policy", name, "the body is open only where the policy says so", "required_part_unsigned", policy={})
    yield fault("unsigned-payload-over-plain-http", "sdk-unsigned-payload", "nothing protects the body", "insecure_transport", scheme="http")
    word = ("SDK-HMAC-SM3", "SDK-HMAC-SHA256")
    here, there = word if scheme is SM3 else reversed(word)
    yield fault("the-other-digest", POST, "the scheme of the other digest is another dialect", "missing_signature", replace=replace("header.Authorization", here, there))
