"""Witnesses of Apache APISIX's hmac-auth, in its form since 3.11 and the one before: published examples, and transcripts of the plugin's rules."""
import hashlib
import hmac
import re

import faults
from common import BINARY, MEBIBYTE, READ_ON, SDK_CLOCK, SDK_SECONDS, Recording, Request, b64, fault, http_date, left_out, octets, replace, transcript, vector
from transcripts import sorted_query

HOST, KEY_ID, SECRET = "api.example.com", "user-key", "my-secret-key"
DATE = http_date(SDK_SECONDS)
NI_HAO = "\u4f60\u597d"
JSON = (("Content-Type", "application/json"),)
TARGET = ["method", "path", "query"]
ONLY_VERIFIED = {"skip": "a signer lists what is there"}
REGISTERED = {"skip": "a signer uses the registered algorithm"}


class NotAsPublished(Exception):
    """A recomputed value differs from the printed one."""


def printed(made, signature):
    if made.signature != signature:
        raise NotAsPublished(f"{made.source}: {made.signature} instead of {signature}\n{made.stages['string_to_sign']}")
    return made


def tag(algorithm, secret, text):
    return b64(hmac.new(octets(secret), octets(text), algorithm[5:]).digest())


def first(lines, name):
    return next((value for n, value in lines if n.lower() == name.lower()), None)


# ---------------------------------------------------------------- since 3.11

FULL = ("@request-target", "date")
CARRIED = {"date", "digest", "authorization"}


def by_rule(method, target, listed=FULL, headers=(), body=b"", *, date=DATE, digest=True, algorithm="hmac-sha256", registered=None, key_id=KEY_ID, secret=SECRET, source=None, at=SDK_CLOCK, host=HOST, sign=None):
    """The key id's line, then one line a listed name, each ended by LF; an absent header has no line."""
    body = octets(body)
    lines = [("Host", host), *headers] + ([("Date", date)] if date else [])
    if body and digest:
        lines.append(("Digest", "SHA-256=" + b64(hashlib.sha256(body).digest())))
    text = key_id + "\n"
    for name in listed:
        value = first(lines, name)
        text += f"{method} {target}\n" if name == "@request-target" else "" if value is None else f"{name}: {value}\n"
    made = tag(algorithm, secret, text)
    bare = Request(method, target, tuple(lines), body)
    authorization = f'Signature keyId="{key_id}",algorithm="{algorithm}",headers="{" ".join(listed)}",signature="{made}"'
    request = Request(method, target, tuple(line for line in lines if line[0].lower() not in CARRIED), body)
    omit = {"omit": ["body_digest"]} if body and not digest else {}
    return Recording(source=source or transcript("Apache APISIX hmac-auth rules"), at=at, credentials={"key_id": key_id, "secret": secret, "algorithm": registered or algorithm}, sign=sign or {"headers": list(listed), **omit},
                     request=request, placed=bare.with_headers(("Authorization", authorization)), stages={"string_to_sign": text}, signature=made)


def published_vectors():
    source = {"name": "Higress, README of hmac-auth-apisix", "address": "https://github.com/alibaba/higress/tree/main/plugins/wasm-go/extensions/hmac-auth-apisix", "date": READ_ON, "licence": "Apache-2.0"}
    made = by_rule("POST", "/foo", date="Fri, 12 Sep 2025 23:53:18 GMT", at="2025-09-12T23:53:18Z", key_id="consumer1-key", secret="2bda943c-ba2b-11ec-ba07-00163e1250b5", source=source, host="localhost:8082")
    yield vector("published-higress", "the worked example of Higress's plugin, which speaks the same scheme", printed(made, "746z4VISwZehUwZdzTV486ZMMbBtakmMHKPfs/A4RdU="), covers=["method", "path", "time", "key_id"])


def rule_vectors():
    def case(name, why, *args, expect="accepted", policy=None, covers=None, **kw):
        return vector(name, why, by_rule(*args, **kw), expect=expect, policy=policy, covers=covers)
    body = (*FULL, "digest")
    yield case("get", "the request's line and the date", "GET", "/api", covers=["method", "path", "time"])
    yield case("post", "a body brings a digest, which is signed", "POST", "/api?x=1&y=%20", body, JSON, '{"a":1}', covers=["method", "path", "query", "body", "time"])
    yield case("unicode", "target and body as sent", "POST", "/%E4%BD%A0%E5%A5%BD?name=%E4%BD%A0", body, JSON, f'{{"name":"{NI_HAO}"}}'.encode())
    yield case("empty-value", "the query as sent", "GET", "/api?empty=&flag")
    yield case("repeated-parameter", "the query as sent", "GET", "/api?a=2&a=1&a=2")
    yield case("plus-and-encoded-slash", "nothing in the target is decoded", "GET", "/a%2Fb+c?q=1+2&r=%2F%2B")
    yield case("dot-segments", "the target as sent", "GET", "/a/./b/../c//d")
    yield case("empty-body", "no digest where there is no body", "POST", "/api", FULL, JSON)
    yield case("binary-body", "the digest of octets that are not UTF-8", "PUT", "/api", body, body=BINARY)
    yield case("body-of-one-mebibyte", "a long body", "PUT", "/api", body, body=b"a" * MEBIBYTE)
    yield case("further-header", "a header of the caller in the list", "GET", "/api", (*FULL, "x-custom"), (("X-Custom", "a  b"),))
    yield case("names-as-listed", "a name is signed as it is listed", "GET", "/api", ("@request-target", "Date", "X-Custom"), (("x-custom", "1"),))
    yield case("order-of-the-list", "the lines stand in the list's order", "POST", "/api", ("digest", "x-b", "date", "x-a", "@request-target"), (("X-A", "1"), ("X-B", "2")), "body")
    yield case("empty-header-value", "a header without value keeps its line", "GET", "/api", (*FULL, "x-empty"), (("X-Empty", ""),))
    yield case("unicode-in-header", "octets of UTF-8 in a signed header", "GET", "/api", (*FULL, "x-name"), (("X-Name", NI_HAO),))
    yield case("host", "the host in the list", "GET", "/api", (*FULL, "host"), covers=["method", "path", "host", "time"])
    for algorithm in ("hmac-sha512", "hmac-sha1"):
        yield case(algorithm, "another algorithm of the map, where it is the registered one", "GET", "/api?a=1", algorithm=algorithm)
    yield case("repeated-header", "of two lines the plugin signs the first: another request has this string to sign", "GET", "/api", (*FULL, "x-tag"), (("X-Tag", "b"), ("X-Tag", "a")), policy={"allow_ambiguous": True})
    yield case("absent-header", "a listed header that is absent: the plugin leaves its line out, here it is refused", "GET", "/api", (*FULL, "x-absent"), expect="malformed_claim", sign=ONLY_VERIFIED)
    yield case("absent-digest", "a listed digest that is absent", "GET", "/api", body, expect="malformed_claim", sign=ONLY_VERIFIED)
    yield case("date-alone", "what the plugin asks for by default: the date", "GET", "/api?a=1", ("date",), policy={"waive": TARGET}, covers=["time"])
    yield case("no-date-signed", "a list without the date", "GET", "/api", ("@request-target",), expect="required_part_unsigned")
    yield case("digest-not-listed", "a digest that is sent and not signed: the plugin holds the body against it all the same", "POST", "/api", FULL, JSON, "body", expect="required_part_unsigned")
    yield case("no-digest", "a body that no digest binds", "POST", "/api", FULL, JSON, "body", digest=False, policy={"waive": ["body"]})
    yield case("algorithm-not-registered", "hmac-sha1 is known and the tag is right, but the key was registered for HMAC-SHA256", "GET", "/api", algorithm="hmac-sha1", registered="hmac-sha256",
               expect="algorithm_not_allowed", sign=REGISTERED)


def apisix_faults(by_name):
    post, get, where = "post", "get", "header.Authorization"
    signature = by_name[post]["signature"]
    def edit(name, why, expect, text, with_):
        return fault(name, post, why, expect, replace=replace(where, text, with_))
    for name in ("date-alone", "no-digest"):
        yield fault(f"{name}-default-policy", name, "what a dialect can sign, a request must sign", "required_part_unsigned", policy={})
    yield fault("repeated-header-default-policy", "repeated-header", "one of several requests with that string to sign", "ambiguous_request", policy={})
    yield from faults.clock(get, SDK_CLOCK)
    yield from faults.secret(post)
    yield from faults.signed([
        ("method", post, {"method": "PUT"}), ("path", post, {"replace": replace("target", "/api", "/apis")}), ("query-value", post, {"replace": replace("target", "x=1", "x=2")}),
        ("query-order", post, {"target": "/api?y=%20&x=1"}), ("query-spelling", post, {"replace": replace("target", "%20", "+")}), ("date", post, {"headers": {"Date": http_date(SDK_SECONDS + 1)}}),
        ("digest", post, {"headers": {"Digest": "SHA-256=ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="}}), ("further-header", "further-header", {"headers": {"X-Custom": "a b"}}), ("host", "host", {"headers": {"Host": "evil.example.com"}}),
        ("list-order", post, {"replace": replace(where, "@request-target date", "date @request-target")}), ("list", post, {"replace": replace(where, " digest", "")}),
        ("list-spelling", post, {"replace": replace(where, " digest", " Digest")}), ("key-id", post, {"replace": replace(where, KEY_ID, "user-kez")}),
    ])
    yield fault("digest-missing", post, "the list names a header that is not there", "malformed_claim", remove_headers=["Digest"])
    yield fault("body-changed", post, "the body is not the digest's", "body_digest_mismatch", body='{"a":2}')
    yield fault("body-emptied", post, "the body is not the digest's", "body_digest_mismatch", body="")
    yield fault("body-added", get, "a body that no digest binds", "required_part_unsigned", body="x")
    yield fault("host-not-listed-changed", post, "a header that is not listed is not signed", "accepted", headers={"Host": "api2.example.com"})
    yield fault("second-line-of-a-signed-header", "further-header", "the first line is the signed one, and an upstream may take the other", "ambiguous_request", add_headers=[["X-Custom", "x"]])
    yield edit("key-id-too-long", "a key id of more than 128 bytes", "malformed_claim", KEY_ID, "k" * 129)
    yield edit("algorithm-outside-the-map", "an algorithm that the dialect does not know", "malformed_claim", "hmac-sha256", "none")
    yield edit("algorithm-changed", "another algorithm than the tag's", "signature_mismatch", "hmac-sha256", "hmac-sha512")
    yield edit("parameters-in-another-order", "the order of the parameters is free", "accepted", f'keyId="{KEY_ID}",algorithm="hmac-sha256"', f'algorithm="hmac-sha256",keyId="{KEY_ID}"')
    yield edit("parameters-with-blanks", "blanks between the parameters are free", "accepted", ",signature", ", signature")
    yield edit("name-listed-twice", "a name stands twice in the list", "malformed_claim", "@request-target date", "date @request-target date")
    yield edit("another-scheme", "another scheme is no signature of ours", "missing_signature", "Signature ", "Basic ")
    for text in (f'keyId="{KEY_ID}",', 'algorithm="hmac-sha256",', 'headers="@request-target date digest",'):
        name = re.sub("(?<=[a-z])(?=[A-Z])", "-", text.split("=")[0]).lower()
        yield edit(f"{name}-missing", "a parameter taken away", "malformed_claim", text, "")
        yield edit(f"{name}-twice", "a parameter repeated", "malformed_claim", text, text + text)
    yield fault("authorization-missing", post, "the signature taken away", "missing_signature", remove_headers=["Authorization"])
    yield fault("date-missing", post, "no time at all", "malformed_claim", remove_headers=["Date"])
    yield fault("x-date-instead", get, "the plugin reads Date alone", "malformed_claim", remove_headers=["Date"], add_headers=[["X-Date", DATE]])
    yield fault("date-misshapen", post, "a time in another form", "malformed_claim", headers={"Date": SDK_CLOCK})
    yield from faults.headers_twice(post, [("Date", DATE), ("Digest", "SHA-256=ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
                                           ("Authorization", 'Signature keyId="a",algorithm="hmac-sha256",headers="date",signature="AAAA"')])
    yield from faults.base64_text(post, where, signature)


# ---------------------------------------------------------------- up to 3.10

OLD_CARRIED = {"date", "x-hmac-access-key", "x-hmac-algorithm", "x-hmac-digest", "x-hmac-signed-headers", "x-hmac-signature"}


def old_by_rule(method, path, query=("", ()), listed=(), headers=(), body=b"", *, decoded=None, date=DATE, digest=True, algorithm="hmac-sha256", registered=None, source=None, at=SDK_CLOCK, host=HOST, sign=None):
    """METHOD, the decoded path, the sorted query, the key, the date, `Name:value` for each listed name as listed; every line ended by LF. `query` is (raw, pairs)."""
    body = octets(body)
    lines = [("Host", host), *headers, ("Date", date), ("X-HMAC-ACCESS-KEY", KEY_ID), ("X-HMAC-ALGORITHM", algorithm)]
    if body and digest:
        lines.append(("X-HMAC-DIGEST", b64(hmac.new(octets(SECRET), body, algorithm[5:]).digest())))
    block = "".join(f"{name}:{first(lines, name) or ''}\n" for name in listed)
    text = "\n".join([method, path if decoded is None else decoded, sorted_query(query[1]), KEY_ID, date]) + "\n" + block
    made = tag(algorithm, SECRET, text)
    bare = Request(method, path + query[0], tuple(lines), body)
    names = (("X-HMAC-SIGNED-HEADERS", ";".join(listed)),) if listed else ()
    request = Request(method, path + query[0], tuple(line for line in lines if line[0].lower() not in OLD_CARRIED), body)
    omit = [name for name, left in (("body_digest", body and not digest), ("signed_headers", not listed)) if left]
    return Recording(source=source or transcript("Apache APISIX hmac-auth rules, up to 3.10"), at=at, credentials={"key_id": KEY_ID, "secret": SECRET, "algorithm": registered or algorithm},
                     sign=sign or {"headers": list(listed), **({"omit": omit} if omit else {})}, request=request, placed=bare.with_headers(*names, ("X-HMAC-SIGNATURE", made)), stages={"string_to_sign": text}, signature=made)


def old_published_vectors():
    source = {"name": "Apache APISIX documentation, hmac-auth plugin", "address": "https://apisix.apache.org/docs/apisix/2.15/plugins/hmac-auth/", "date": READ_ON, "licence": "Apache-2.0"}
    made = old_by_rule("GET", "/index.html", ("?name=james&age=36", [("name", "james"), ("age", "36")]), ("User-Agent", "x-custom-a"), (("User-Agent", "curl/7.29.0"), ("x-custom-a", "test")),
                       date="Tue, 19 Jan 2021 11:33:20 GMT", at="2021-01-19T11:33:20Z", source=source, host="127.0.0.1")
    yield vector("published-example", "the documented request: the query sorted, two headers in the caller's spelling", printed(made, "8XV1GB7Tq23OJcoz6wjqTs4ZLxr9DiLoY4PxzScWGYg="),
                 covers=["method", "path", "query", "time", "key_id", "header.user-agent", "header.x-custom-a"])


def old_rule_vectors():
    def case(name, why, *args, expect="accepted", policy=None, covers=None, **kw):
        return vector(name, why, old_by_rule(*args, **kw), expect=expect, policy=policy, covers=covers)
    bound = ("X-HMAC-DIGEST",)
    yield case("get", "nothing listed", "GET", "/api", covers=["method", "path", "time", "key_id"])
    yield case("post", "a body bound by its listed MAC", "POST", "/api", ("?x=1&y=%20", [("x", "1"), ("y", " ")]), bound, JSON, '{"a":1}', covers=["method", "path", "query", "body", "time"])
    yield case("unicode", "the path is signed decoded, the query encoded", "POST", "/%E4%BD%A0%E5%A5%BD", ("?name=%E4%BD%A0", [("name", "\u4f60")]), bound, JSON, f'{{"name":"{NI_HAO}"}}'.encode(), decoded=f"/{NI_HAO}")
    yield case("blank-in-path", "the path is signed decoded", "GET", "/a%20b", decoded="/a b")
    yield case("empty-value-and-bare-name", "a name without = gets one", "GET", "/api", ("?empty=&flag", [("empty", ""), ("flag", "")]))
    yield case("repeated-parameter", "all values of a name, sorted", "GET", "/api", ("?a=2&b=0&a=1&a=2", [("a", "2"), ("b", "0"), ("a", "1"), ("a", "2")]))
    yield case("plus-in-query", "a plus sign in the query is a blank", "GET", "/api", ("?q=1+2", [("q", "1 2")]))
    yield case("encoded-slash-and-plus-in-query", "decoded, and encoded again in capitals", "GET", "/api", ("?r=%2f%2b", [("r", "/+")]))
    yield case("plus-in-path", "a plus sign in the path is a plus sign", "GET", "/a+b")
    yield case("dot-segments", "dot segments and doubled slashes are taken out of the path before it is signed", "GET", "/a/./b/../c//d", decoded="/a/c/d")
    yield case("host-with-port", "the Host header is signed as sent", "GET", "/api", listed=("Host",), host=HOST + ":8443")
    yield case("encoded-slash-in-path", "two paths have this string to sign", "GET", "/a%2Fb", decoded="/a/b", policy={"allow_ambiguous": True})
    yield case("empty-body", "no digest where there is no body", "POST", "/api", headers=JSON)
    yield case("binary-body", "the MAC of octets that are not UTF-8", "PUT", "/api", listed=bound, body=BINARY)
    yield case("body-of-one-mebibyte", "a long body", "PUT", "/api", listed=bound, body=b"a" * MEBIBYTE)
    yield case("order-and-spelling-of-the-list", "the lines stand in the list's order and spelling", "GET", "/api", listed=("x-b", "X-A"), headers=(("X-A", "1"), ("X-B", "2")))
    yield case("empty-header-value", "a header without value keeps its line", "GET", "/api", listed=("x-empty",), headers=(("X-Empty", ""),))
    yield case("unicode-in-header", "octets of UTF-8 in a signed header", "GET", "/api", listed=("x-name",), headers=(("X-Name", NI_HAO),))
    for algorithm in ("hmac-sha512", "hmac-sha1"):
        yield case(algorithm, "another algorithm, also of the body's MAC", "POST", "/api", listed=bound, headers=JSON, body="{}", algorithm=algorithm)
    yield case("repeated-header", "of two lines the plugin signs the first: another request has this string to sign", "GET", "/api", listed=("x-tag",), headers=(("X-Tag", "b"), ("X-Tag", "a")), policy={"allow_ambiguous": True})
    yield case("absent-header", "a listed header that is absent: the plugin signs an empty one, here it is refused", "GET", "/api", listed=("x-absent",), expect="malformed_claim", sign=ONLY_VERIFIED)
    yield case("digest-not-listed", "the body's MAC alone binds no body: with it, a body can be moved from one request to another", "POST", "/api", headers=JSON, body="{}", policy={"waive": ["body"]})
    yield case("no-digest", "a body that nothing binds, as the plugin takes it by default", "POST", "/api", headers=JSON, body="{}", digest=False, policy={"waive": ["body"]})
    yield case("algorithm-not-registered", "hmac-sha1 is known and the tag is right, but the key was registered for HMAC-SHA256", "GET", "/api", algorithm="hmac-sha1", registered="hmac-sha256",
               expect="algorithm_not_allowed", sign=REGISTERED)


OLD_GAPS = [
    left_out("unicode in a parameter's name", "the plugin", "sorts names before they are encoded; here they are sorted encoded"),
    left_out("hmac-auth-v1# in Authorization", "the plugin", "another place for the same signature"),
]


def old_faults(by_name):
    post, get, where, published = "post", "get", "header.X-HMAC-SIGNATURE", "published-example"
    signature = by_name[post]["signature"]
    for name in ("digest-not-listed", "no-digest"):
        yield fault(f"{name}-default-policy", name, "what a dialect can sign, a request must sign", "required_part_unsigned", policy={})
    for name in ("repeated-header", "encoded-slash-in-path"):
        yield fault(f"{name}-default-policy", name, "one of several requests with that string to sign", "ambiguous_request", policy={})
    yield from faults.clock(get, SDK_CLOCK)
    yield from faults.secret(get)
    yield from faults.signed([
        ("method", post, {"method": "PUT"}), ("path", post, {"replace": replace("target", "/api", "/apis")}), ("query-value", post, {"replace": replace("target", "x=1", "x=2")}),
        ("query-name", post, {"replace": replace("target", "x=1", "z=1")}), ("query-added", get, {"target": "/api?a=1"}), ("date", post, {"headers": {"Date": http_date(SDK_SECONDS + 1)}}),
        ("digest", post, {"headers": {"X-HMAC-DIGEST": "kAFQmDzST7DWlj99KOF/cg=="}}), ("key-id", post, {"headers": {"X-HMAC-ACCESS-KEY": "user-kez"}}), ("listed-header", published, {"headers": {"x-custom-a": "tesu"}}),
        ("list-order", published, {"headers": {"X-HMAC-SIGNED-HEADERS": "x-custom-a;User-Agent"}}), ("list-spelling", published, {"headers": {"X-HMAC-SIGNED-HEADERS": "user-agent;x-custom-a"}}),
        ("list-missing", published, {"remove_headers": ["X-HMAC-SIGNED-HEADERS"]}),
    ])
    yield fault("slash-encoded", "plus-in-path", "an escape of a slash is lost once the path is decoded", "signature_mismatch", target="/a%2Fb")
    yield fault("path-spelt-otherwise", get, "the path is signed decoded, so another spelling is equal", "accepted", target="/%61pi")
    yield fault("query-in-another-order", published, "the query is sorted before it is signed", "accepted", target="/index.html?age=36&name=james")
    yield fault("listed-header-missing", published, "the list names a header that is not there", "malformed_claim", remove_headers=["x-custom-a"])
    yield fault("name-listed-twice", published, "a name stands twice in the list", "malformed_claim", headers={"X-HMAC-SIGNED-HEADERS": "User-Agent;x-custom-a;user-agent"})
    yield fault("second-line-of-a-signed-header", published, "the first line is the signed one, and an upstream may take the other", "ambiguous_request", add_headers=[["x-custom-a", "x"]])
    yield fault("body-changed", post, "the body is not the digest's", "body_digest_mismatch", body='{"a":2}')
    yield fault("body-emptied", post, "the body is not the digest's", "body_digest_mismatch", body="")
    yield fault("body-added", get, "a body that nothing binds", "required_part_unsigned", body="x")
    yield fault("host-changed", post, "a header that is not listed is not signed", "accepted", headers={"Host": "api2.example.com"})
    yield fault("algorithm-outside-the-map", post, "an algorithm that the dialect does not know", "malformed_claim", headers={"X-HMAC-ALGORITHM": "none"})
    yield fault("algorithm-changed", post, "another algorithm than the tag's", "signature_mismatch", headers={"X-HMAC-ALGORITHM": "hmac-sha512"})
    yield fault("key-id-too-long", post, "a key id of more than 128 bytes", "malformed_claim", headers={"X-HMAC-ACCESS-KEY": "k" * 129})
    yield fault("date-misshapen", post, "a time in another form", "malformed_claim", headers={"Date": SDK_CLOCK})
    yield from faults.headers_gone(post, [("X-HMAC-SIGNATURE", "missing_signature"), ("X-HMAC-ACCESS-KEY", "malformed_claim"), ("X-HMAC-ALGORITHM", "malformed_claim"), ("Date", "malformed_claim")])
    yield from faults.headers_twice(post, [("X-HMAC-SIGNATURE", signature), ("X-HMAC-ACCESS-KEY", KEY_ID), ("X-HMAC-ALGORITHM", "hmac-sha256"), ("X-HMAC-DIGEST", "kAFQmDzST7DWlj99KOF/cg=="), ("Date", DATE)])
    yield from faults.base64_text(post, where, signature)
