"""Witnesses of Volcengine's HMAC-SHA256: the volcengine package, and a transcript of the written rule."""
import canonical
import faults
from canonical import JSON, NI_HAO
from common import BINARY, MEBIBYTE, SDK_CLOCK, Request, fault, frozen, left_out, octets, published, replace, sdk, sha256_hex, transcript, vector
from published import QUOTED, check
from transcripts import query_cases

KEY_ID, SECRET, REGION, SERVICE, HOST = "AKLTexample", "U0VDUkVU", "cn-north-1", "iam", "iam.volcengineapi.com"
STAMP = "20260102T030405Z"
SCHEME = canonical.Scheme("HMAC-SHA256", "sha256", "X-Date", "X-Content-Sha256", "Credential", ", ", ("x-date", "x-content-sha256", "x-security-token", "authorization"), sort_values=False)
POST, GET = "package-post", "package-get"


def recording(source, placed, pairs, *, secret=SECRET, region=REGION, service=SERVICE, at=SDK_CLOCK):
    """A request as sent, held against the rule. A digest that stands with an empty body stands in the request before signing too."""
    credential, names, _ = SCHEME.read(placed)
    sent = {name.lower(): value for name, value in placed.headers}
    text = SCHEME.canonical_request(placed, placed.target.partition("?")[0], pairs, names.split(";"), sha256_hex(placed.body))
    scope = f"{sent['x-date'][:8]}/{region}/{service}/request"
    key = octets(secret)
    for part in scope.split("/"):
        key = SCHEME.mac(key, part).digest()
    stages = {"canonical_request": text, "string_to_sign": f"HMAC-SHA256\n{sent['x-date']}\n{scope}\n{sha256_hex(text)}"}
    inputs = {"region": region, "service": service, **({"token": sent["x-security-token"]} if "x-security-token" in sent else {})}
    kept = () if placed.body else ("x-content-sha256",)
    return SCHEME.recording(source, placed, stages, SCHEME.mac(key, stages["string_to_sign"]).hexdigest(), at=at, key_id=credential.partition("/")[0], secret=secret, inputs=inputs, kept=kept)


def package(method="POST", query=None, headers=(), body="", *, path="/", token="", host=HOST):
    """The package's signature on a request whose target is composed as its service class does it."""
    from volcengine.Credentials import Credentials
    from volcengine.auth.SignerV4 import SignerV4
    from volcengine.base.Request import Request as Made
    made = Made()
    made.set_schema("https")
    made.set_method(method)
    made.set_host(host)
    made.set_path(path)
    made.set_query(dict(query or {}))
    made.set_headers({"Host": host, **dict(headers)})
    made.set_body(body)
    with frozen():
        SignerV4.sign(made, Credentials(KEY_ID, SECRET, SERVICE, REGION, token))
    target = made.build(1).removeprefix(f"https://{host}").removesuffix("?")
    pairs = [(name, value) for name, values in (query or {}).items() for value in (values if isinstance(values, list) else [values])]
    return recording(sdk("volcengine", "MIT"), Request(method, target, tuple(made.headers.items()), octets(body)), pairs)


def package_vectors():
    users = {"Action": "ListUsers", "Version": "2018-01-01"}
    def case(name, why, *args, covers=None, **kw):
        return vector(f"package-{name}", why, package(*args, **kw), covers=covers)
    yield case("post", "a JSON body", "POST", None, (JSON, ("X-Tag", "t")), '{"a":1}', path="/v1/items", covers=["method", "path", "body", "header.host", "time"])
    yield case("get", "the parameters in the query, sorted; the digest of the empty body is sent", "GET", {"b": "2", "a": "1"}, (JSON,), path="/v1/items", covers=["method", "path", "query", "header.host", "time"])
    yield case("action", "an action and its version in the query", "POST", {**users, "Limit": "10"}, (JSON,), '{"a":1}')
    yield case("form", "a form is a body like any other", "POST", users, (), "Name=a+b&Tag=1")
    yield case("token", "a temporary key's token, sent and signed", "GET", users, token="TOKEN/EXAMPLE=")
    yield case("unicode", "unicode in query and body", "POST", {**users, "Name": NI_HAO}, (JSON,), f'{{"name":"{NI_HAO}"}}')
    yield case("empty-value", "an empty value in the query", "GET", {"A": "", "B": "1"})
    yield case("blank-in-query", "a blank, sent as a plus sign and signed as %20", "GET", {"Q": "a b"})
    yield case("plus-slash-and-tilde", "reserved letters, encoded", "GET", {"Q/": "1+2/3*~"})
    yield case("repeated-parameter", "the values of one name keep the order of the request", "GET", {"b": "0", "a": ["2", "1", "2"]})
    yield case("binary-body", "octets that are not UTF-8", "PUT", None, (("Content-Type", "application/octet-stream"),), BINARY)
    yield case("body-of-one-mebibyte", "a long body", "PUT", None, (("Content-Type", "application/octet-stream"),), "a" * MEBIBYTE)


PACKAGE_GAPS = [
    left_out("reserved letters in the path", "volcengine", "encodes a path for the signature and sends it as it is"),
    left_out("host with the port 80 or 443", "volcengine", "signs the host without the port that it sends"),
    left_out("repeated-header, dot segments", "volcengine", "takes one line for each name: see the transcript"),
    left_out("signed URLs", "volcengine", "sign_url makes another scheme, with the claim in the query"),
]


def by_rule(method="GET", target="/v1/items", pairs=(), headers=(), body=b"", names=None, *, source=None, stamp=STAMP, at=SDK_CLOCK, host=HOST, key_id=KEY_ID, secret=SECRET, region=REGION, service=SERVICE,
            digest=None, leave=()):
    """A request signed by the written rule over every header unless `names` says otherwise."""
    body = octets(body)
    content = digest or (sha256_hex(body) if body else None)
    lines = [("Host", host), *headers, ("X-Date", stamp), *([("X-Content-Sha256", content)] if content else [])]
    signed = names or sorted({name.lower() for name, _ in lines} - set(leave))
    bare = Request(method, target, tuple(lines), body)
    text = SCHEME.canonical_request(bare, target.partition("?")[0], pairs, signed, sha256_hex(body))
    scope = f"{stamp[:8]}/{region}/{service}/request"
    key = octets(secret)
    for part in scope.split("/"):
        key = SCHEME.mac(key, part).digest()
    signature = SCHEME.mac(key, f"HMAC-SHA256\n{stamp}\n{scope}\n{sha256_hex(text)}").hexdigest()
    placed = bare.with_headers(("Authorization", SCHEME.authorization(f"{key_id}/{scope}", signed, signature)))
    return recording(source or transcript("Volcengine HMAC-SHA256 rules"), placed, pairs, at=at, secret=secret, region=region, service=service)


def published_vectors():
    source = published("Volcengine documentation, signature method", "https://www.volcengine.com/docs/6369/67269", QUOTED)
    pairs = [("Action", "ListUsers"), ("Limit", "10"), ("Offset", "0"), ("Version", "2018-01-01")]
    made = by_rule("GET", "/?Action=ListUsers&Limit=10&Offset=0&Version=2018-01-01", pairs, source=source, stamp="20240619T071306Z", at="2024-06-19T07:13:06Z", region="cn-beijing",
                   key_id="AKLTMjI2ODVlYzI3ZGY1NGU4ZjhjYWRjMTlmNTM5OTZkYzE", secret="WkRZeE1EQmxPVGhsWWpWak5HVmtNbUUxTXpZeU9UVXlOMlE1TmpZeVlqTQ==")
    yield vector("published-list-users", "the documented request; the secret is used as printed, base64 or not", check(made, "e31c4558bcfe08a286001f59cedbf0791ffd0b2362f10e55ee2627467bcdde93"),
                 covers=["method", "path", "query", "body", "header.host", "time"])


def rule_vectors():
    def query(path, raw):
        pairs = [("q", "1 2")] if raw[0] == "?q=1+2" else raw[1]
        return by_rule("GET", path + raw[0], pairs)
    for made in query_cases(query):
        # Equal names keep the order of the request here, under the same rule otherwise.
        if made["name"] != "repeated-parameter":
            yield made
    yield vector("repeated-parameter", "sorted by name; the values of one name keep their order", by_rule("GET", "/v1/items?a=2&b=0&a=1&a=2", [("a", "2"), ("b", "0"), ("a", "1"), ("a", "2")]))
    yield from canonical.header_cases(lambda lines: by_rule(headers=lines))
    yield vector("host-with-port", "the Host header is signed as sent", by_rule(host="iam.volcengineapi.com:8443"))
    yield vector("digest-not-sent", "the digest is in the canonical request anyway", by_rule("POST", body='{"a":1}', headers=(JSON,), leave=["x-content-sha256"]), covers=["body"])
    yield vector("host-not-signed", "a signer that leaves the host out", by_rule(leave=["host"]), expect="required_part_unsigned")
    yield vector("token-not-signed", "a signer that leaves the token out", by_rule(headers=(("X-Security-Token", "T"),), leave=["x-security-token"]), expect="required_part_unsigned", sign={"skip": "our signer signs the token"})
    yield vector("wrong-digest-sent", "the digest that was sent is recomputed, signed or not", by_rule("POST", body="x", digest="0" * 64), expect="body_digest_mismatch", sign={"skip": "a signer sends the digest"})


def volcengine_faults(by_name):
    where = "header.Authorization"
    scope = f"/20260102/{REGION}/{SERVICE}/request"
    def edit(name, why, text, with_):
        return fault(name, POST, why, "malformed_claim", replace=replace(where, text, with_))
    yield from canonical.canonical_faults(SCHEME, by_name, POST, GET, signed_at=SDK_CLOCK, required=["X-Content-Sha256"], key_id=KEY_ID)
    yield from faults.signed([
        ("timestamp", POST, {"headers": {"X-Date": "20260102T030406Z"}}), ("digest", POST, {"headers": {"X-Content-Sha256": "0" * 64}}), ("body", POST, {"body": '{"a":2}'}), ("body-emptied", POST, {"body": ""}),
        ("body-added", GET, {"body": "x"}), ("token", "package-token", {"headers": {"X-Security-Token": "OTHER"}, "inputs": {"region": REGION, "service": SERVICE}}),
        ("values-reordered", "package-repeated-parameter", {"target": "/?b=0&a=1&a=2&a=2"}), ("path-spelling", "encoded-slash-and-plus", {"replace": replace("target", "/a%2Fb", "/a%2fb")}),
    ])
    yield fault("body-changed-digest-not-sent", "digest-not-sent", "the body is signed without a digest header too", "signature_mismatch", body='{"a":2}', remove_headers=["X-Content-Sha256"])
    yield edit("scope-of-another-day", "the scope's date must be the signed time's", "/20260102/", "/20260103/")
    yield edit("scope-of-another-region", "the scope must be the configured one", f"/{REGION}/", "/cn-beijing/")
    yield edit("scope-of-another-service", "the scope must be the configured one", f"/{SERVICE}/", "/ecs/")
    yield edit("scope-with-another-end", "the scope's last part is a constant", "/request", "/aws4_request")
    yield edit("scope-missing", "a credential without its scope", scope, "")
    for name, inputs in (("region", {"region": "cn-beijing", "service": SERVICE}), ("service", {"region": REGION, "service": "ecs"})):
        yield fault(f"another-{name}-configured", POST, "the scope must be the configured one", "malformed_claim", inputs=inputs)
