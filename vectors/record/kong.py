"""Witnesses of Kong's hmac-auth: httpie-kong-hmac, kong-hmac, and a transcript of the plugin's rule."""
import base64
import hashlib
import hmac
import re

import faults
from common import BINARY, MEBIBYTE, SDK_CLOCK, SDK_SECONDS, Recording, Request, b64, fault, frozen, http_date, left_out, moment, octets, replace, sdk, transcript, vector

HOST, KEY_ID, SECRET = "api.example.com", "alice", "s3cr3t"
DATE = http_date(SDK_SECONDS)
NI_HAO = "\u4f60\u597d"
JSON = (("Content-Type", "application/json"),)
CARRIED = {"date", "digest", "authorization"}
TARGET = ["method", "path", "query"]
OURS = {"hmac-sha1": "hmac-sha1", "hmac-sha256": "hmac-sha256", "hmac-sha384": "hmac-sha384", "hmac-sha512": "hmac-sha512"}


def string_to_sign(placed, names):
    """One line a name, in order: the pseudo names' lines, `name: value`, `name:` for a header that is not there."""
    sent = {name.lower(): value for name, value in reversed(placed.headers)}      # of a repeated header, the first line
    lines = []
    for name in names:
        if name == "request-line":
            lines.append(f"{placed.method} {placed.target} HTTP/1.1")
        elif name == "@request-target":
            lines.append(f"@request-target: {placed.method.lower()} {placed.target}")
        else:
            lines.append(f"{name}: {sent[name]}" if name in sent else f"{name}:")
    return "\n".join(lines)


def recording(source, placed, *, secret=SECRET, at=SDK_CLOCK, registered=None):
    """A recording of a request as sent. The string to sign follows from the list; the tag must be that of the string."""
    authorization = next(value for name, value in placed.headers if name == "Authorization")
    claim = dict(re.findall(r'(\w+)="([^"]*)"', authorization))
    text = string_to_sign(placed, claim["headers"].split(" "))
    tag = b64(hmac.new(octets(secret), octets(text), claim["algorithm"][5:]).digest())
    if tag != claim["signature"]:
        raise ValueError(f"{source}: {claim['signature']} is not the tag of\n{text}")
    request = Request(placed.method, placed.target, tuple(line for line in placed.headers if line[0].lower() not in CARRIED), placed.body)
    return Recording(source=source, at=at, credentials={"key_id": claim["username"], "secret": secret, "algorithm": registered or OURS[claim["algorithm"]]},
                     sign={"headers": claim["headers"].split(" ")}, request=request, placed=placed, stages={"string_to_sign": text}, signature=tag)


# ---------------------------------------------------------------- httpie-kong-hmac

def httpie(method, target, *, algorithm="hmac-sha256", listed=("request-line", "date"), headers=(), body=None):
    """One request of HTTPie's plugin; the list is handed over because the plugin would share its own between requests."""
    import requests
    from httpie_kong_hmac import KongHMAC
    with frozen():
        made = requests.Request(method, f"https://{HOST}{target}", headers=dict(headers), data=body, auth=KongHMAC(KEY_ID, SECRET, algorithm, list(listed))).prepare()
    sent = made.body or b""
    placed = Request(made.method, made.path_url, (("Host", HOST), *((n, v) for n, v in made.headers.items() if n != "Host")), octets(sent))
    return recording(sdk("httpie-kong-hmac", "MIT"), placed)


def httpie_vectors():
    def case(name, why, *args, covers=None, **kw):
        return vector(f"httpie-{name}", why, httpie(*args, **kw), covers=covers)
    yield case("get", "the request line and the date", "GET", "/api", covers=["method", "path", "time"])
    yield case("post", "a body brings a digest, which is signed", "POST", "/api?x=1&y=%20", headers=JSON, body='{"a":1}', covers=["method", "path", "query", "body", "time"])
    yield case("unicode", "target and body as sent", "POST", "/%E4%BD%A0%E5%A5%BD?name=%E4%BD%A0", headers=JSON, body=f'{{"name":"{NI_HAO}"}}'.encode())
    yield case("empty-value", "the query as sent", "GET", "/api?empty=&flag")
    yield case("repeated-parameter", "the query as sent", "GET", "/api?a=2&a=1&a=2")
    yield case("plus-and-encoded-slash", "nothing in the target is decoded", "GET", "/a%2Fb+c?q=1+2&r=%2F%2B")
    yield case("empty-body", "no digest where there is no body", "POST", "/api", headers=JSON)
    yield case("binary-body", "the digest of octets that are not UTF-8", "PUT", "/api", body=BINARY)
    yield case("body-of-one-mebibyte", "a long body", "PUT", "/api", body=b"a" * MEBIBYTE)
    yield case("further-header", "a header of the caller in the list", "GET", "/api", listed=["date", "request-line", "x-custom"], headers=(("X-Custom", "a b"),))
    yield case("host", "the host in the list", "GET", "/api", listed=["request-line", "host", "date"], headers=(("Host", HOST),), covers=["method", "path", "header.host", "time"])
    for algorithm in ("hmac-sha384", "hmac-sha512", "hmac-sha1"):
        yield case(algorithm, "another algorithm of the map, where it is the registered one", "GET", "/api?a=1", algorithm=algorithm)


HTTPIE_GAPS = [
    left_out("repeated-header", "httpie-kong-hmac", "requests sends one line for each name"),
    left_out("dot-segments", "httpie-kong-hmac", "requests removes them before the request is signed: see the transcript"),
]


# ---------------------------------------------------------------- kong-hmac

def package(body):
    """The three headers of the kong-hmac package, on a request."""
    from kong_hmac import HmacAuth
    with frozen():
        made = HmacAuth(KEY_ID, SECRET).get_auth_headers(body=body)
    placed = Request("POST" if body else "GET", "/api?a=1", (("Host", HOST), *((n, made[n]) for n in ("Date", "Digest", "Authorization"))), octets(body))
    return recording(sdk("kong-hmac", "Apache-2.0"), placed)


def package_vectors():
    relaxed = {"waive": TARGET}
    yield vector("package-post", "date and digest only: the target is left open", package('{"a":1}'), policy=relaxed, covers=["body", "time"])
    yield vector("package-unicode", "date and digest only", package(f'{{"name":"{NI_HAO}"}}'), policy=relaxed)
    yield vector("package-get", "the digest of an empty body", package(""), policy=relaxed, sign={"skip": "our signer sends no digest of an empty body"})


PACKAGE_GAPS = [left_out("everything but the body", "kong-hmac", "signs the date and the digest only"),
                left_out("a listed header that is empty", "Kong hmac-auth rules", "a blank stands behind its colon there; the dialect writes it as an absent one, and refuses both")]


# ---------------------------------------------------------------- the plugin's rule

def by_rule(method, target, listed, headers=(), body=b"", *, date=DATE, digest=True, algorithm="hmac-sha256", username=KEY_ID, secret=SECRET, registered=None,
            source=None, at=SDK_CLOCK, host=HOST, extra=()):
    """A request with Date, the digest of its body and the plugin's Authorization header over the listed names."""
    body = octets(body)
    lines = [("Host", host), *headers] + ([("Date", date)] if date else [])
    if body and digest:
        lines.append(("Digest", "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()))
    bare = Request(method, target, tuple(lines), body)
    tag = b64(hmac.new(octets(secret), octets(string_to_sign(bare, listed)), algorithm[5:]).digest())
    authorization = f'hmac username="{username}", algorithm="{algorithm}", headers="{" ".join(listed)}", signature="{tag}"'
    return recording(source or transcript("Kong hmac-auth rules"), bare.with_headers(("Authorization", authorization), *extra), secret=secret, at=at, registered=registered)


def rule_vectors():
    full = ["request-line", "date"]
    def case(name, why, *args, expect="accepted", policy=None, sign=None, **kw):
        return vector(name, why, by_rule(*args, **kw), expect=expect, policy=policy, sign=sign)
    yield case("request-target", "the other pseudo name: the method in small letters, the name in the line", "GET", "/api?x=1", ["@request-target", "date"])
    yield case("dot-segments", "the target as sent", "GET", "/a/./b/../c//d", full)
    yield case("host-with-port", "the Host header is signed as sent", "GET", "/api", ["request-line", "host", "date"], host=HOST + ":8443")
    yield case("repeated-header", "of two lines the plugin signs the first: another request has this string to sign", "GET", "/api", [*full, "x-tag"], (("X-Tag", "b"), ("X-Tag", "a")), policy={"allow_ambiguous": True})
    yield case("absent-header", "a listed header that is absent is a bare name", "GET", "/api", ["request-line", "date", "x-absent"], policy={"allow_ambiguous": True})
    yield case("order-of-the-list", "the lines stand in the list's order", "POST", "/api", ["digest", "x-b", "date", "x-a", "request-line"], (("X-A", "1"), ("X-B", "2")), "body")
    yield case("x-date", "callers that cannot set Date send X-Date", "GET", "/api", ["request-line", "x-date"], (("X-Date", DATE),), date="", sign={"skip": "our signer writes Date"})
    yield case("x-date-wins", "where both are sent, X-Date is the time", "GET", "/api", ["request-line", "x-date"], (("X-Date", DATE),), date="Thu, 01 Jan 1970 00:00:00 GMT", sign={"skip": "our signer writes Date"})
    yield case("date-alone", "a list of nothing but the date", "GET", "/api?a=1", ["date"], policy={"waive": TARGET})
    yield case("no-date-signed", "a list without the date", "GET", "/api", ["request-line"], expect="required_part_unsigned")
    yield case("digest-not-listed", "a digest that is sent and not signed", "POST", "/api", full, JSON, "body", expect="required_part_unsigned")
    yield case("no-digest", "a body that no digest binds", "POST", "/api", full, JSON, "body", digest=False, policy={"waive": ["body"]}, sign={"omit": ["body_digest"]})
    yield case("algorithm-not-registered", "hmac-sha1 is known and the tag is right, but the key was registered for HMAC-SHA256", "GET", "/api", full, algorithm="hmac-sha1", registered="hmac-sha256",
               expect="algorithm_not_allowed", sign={"skip": "a signer uses the registered algorithm"})


# ---------------------------------------------------------------- faults

def kong_faults(by_name):
    post, get, where = "httpie-post", "httpie-get", "header.Authorization"
    signature = by_name[post]["signature"]
    def edit(name, why, expect, text, with_):
        return fault(name, post, why, expect, replace=replace(where, text, with_))
    for name in ("package-post", "package-get", "date-alone", "no-digest"):
        yield fault(f"{name}-default-policy", name, "what a dialect can sign, a request must sign", "required_part_unsigned", policy={})
    yield fault("absent-header-default-policy", "absent-header", "absent and empty are one text", "ambiguous_request", policy={})
    yield fault("repeated-header-default-policy", "repeated-header", "one of several requests with that string to sign", "ambiguous_request", policy={})
    yield fault("second-line-of-a-signed-header", "httpie-further-header", "the first line is the signed one, and an upstream may take the other", "ambiguous_request", add_headers=[["X-Custom", "x"]])
    yield fault("absent-header-added-empty", "absent-header", "absent and empty are one text", "ambiguous_request", policy={}, add_headers=[["X-Absent", ""]])
    yield fault("broken-escape", get, "a % that begins no triplet is read in several ways", "malformed_request", target="/api?x=%zz")
    yield fault("fresh-x-date-unsigned", get, "an unsigned X-Date is the time that counts, and nothing signs it", "required_part_unsigned", add_headers=[["X-Date", DATE]])
    yield fault("captured-and-sent-again-with-x-date", get, "a request captured two hours ago, made fresh by an unsigned X-Date", "required_part_unsigned",
                now=moment(SDK_SECONDS + 7200), add_headers=[["X-Date", http_date(SDK_SECONDS + 7200)]])
    yield from faults.clock(get, SDK_CLOCK)
    yield from faults.secret(post)
    yield from faults.signed([
        ("method", post, {"method": "PUT"}), ("path", post, {"replace": replace("target", "/api", "/apis")}), ("query-value", post, {"replace": replace("target", "x=1", "x=2")}),
        ("query-order", post, {"target": "/api?y=%20&x=1"}), ("query-spelling", post, {"replace": replace("target", "%20", "+")}),
        ("date", post, {"headers": {"Date": http_date(SDK_SECONDS + 1)}}), ("digest", post, {"headers": {"Digest": "SHA-256=SBH7QEtqnYUpEcIhDbmStNd1MxtHg2+feBfWc1105MA="}}),
        ("further-header", "httpie-further-header", {"headers": {"X-Custom": "a c"}}), ("host", "httpie-host", {"headers": {"Host": "evil.example.com"}}),
        ("list-order", post, {"replace": replace(where, "request-line date", "date request-line")}), ("list", post, {"replace": replace(where, " digest", "")}),
    ])
    yield fault("absent-header-added", "absent-header", "a header that was signed as absent", "signature_mismatch", add_headers=[["X-Absent", "x"]])
    yield fault("digest-missing", post, "a listed header that is absent is a bare name", "signature_mismatch", remove_headers=["Digest"])
    yield fault("body-changed", post, "the body is not the digest's", "body_digest_mismatch", body='{"a":2}')
    yield fault("body-emptied", post, "the body is not the digest's", "body_digest_mismatch", body="")
    yield fault("body-added", get, "a body that no digest binds", "required_part_unsigned", body="x")
    yield fault("host-not-listed-changed", post, "a header that is not listed is not signed", "accepted", headers={"Host": "api2.example.com"})
    yield edit("username-unknown", "an unknown name shows as a wrong signature", "signature_mismatch", 'username="alice"', 'username="mallory"')
    yield edit("algorithm-outside-the-map", "an algorithm that the dialect does not know", "malformed_claim", "hmac-sha256", "none")
    yield edit("algorithm-changed", "another algorithm than the tag's", "signature_mismatch", "hmac-sha256", "hmac-sha512")
    yield edit("parameters-in-another-order", "the order of the parameters is free", "accepted", 'username="alice", algorithm="hmac-sha256"', 'algorithm="hmac-sha256", username="alice"')
    yield edit("parameters-without-blanks", "blanks between the parameters are free", "accepted", ", signature", ",signature")
    yield edit("name-listed-twice", "a name stands twice in the list", "malformed_claim", "request-line date", "date request-line date")
    yield edit("headers-empty", "a list of nothing", "malformed_claim", "request-line date digest", "")
    yield edit("list-with-commas", "names are parted by a blank", "malformed_claim", "request-line date digest", "request-line,date,digest")
    yield edit("another-scheme", "another scheme is no signature of ours", "missing_signature", "hmac ", "Basic ")
    for text in ('username="alice", ', 'algorithm="hmac-sha256", ', 'headers="request-line date digest", '):
        name = text.split("=")[0]
        yield edit(f"{name}-missing", "a parameter taken away", "malformed_claim", text, "")
        yield edit(f"{name}-twice", "a parameter repeated", "malformed_claim", text, text + text)
    yield fault("authorization-missing", post, "the signature taken away", "missing_signature", remove_headers=["Authorization"])
    yield fault("date-missing", post, "no time at all", "malformed_claim", remove_headers=["Date"])
    yield fault("date-misshapen", post, "a time in another form", "malformed_claim", headers={"Date": SDK_CLOCK})
    yield from faults.headers_twice(post, [("Date", DATE), ("Digest", "SHA-256=SBH7QEtqnYUpEcIhDbmStNd1MxtHg2+feBfWc1105MA="),
                                           ("Authorization", 'hmac username="a", algorithm="hmac-sha256", headers="date", signature="AAAA"')])
    yield from faults.base64_text(post, where, signature)
