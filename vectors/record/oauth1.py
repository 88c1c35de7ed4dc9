"""Witnesses of OAuth 1.0: oauthlib, requests-oauthlib, and a transcript of RFC 5849."""
import contextlib
import hmac
from urllib.parse import unquote

import faults
from common import BINARY, MEBIBYTE, SDK_CLOCK, SDK_SECONDS, Recording, Request, b64, fault, left_out, moment, octets, replace, sdk, transcript, vector
from transcripts import encode, sorted_query

HOST, KEY_ID, SECRET = "api.example.com", "dpf43f3p2l4k3l03", "kd94hf93k423kf44"
TOKEN, TOKEN_SECRET = "nnch734d00sl2jdk", "pfkkdhi9sl3r4s00"
NONCE = "kllo9940pd9333jh"
NI_HAO = "\u4f60\u597d"
FORM = (("Content-Type", "application/x-www-form-urlencoded"),)
JSON = (("Content-Type", "application/json"),)
OURS = {"HMAC-SHA1": "hmac-sha1", "HMAC-SHA256": "hmac-sha256"}
ORDER = ["oauth_consumer_key", "oauth_token", "oauth_signature_method", "oauth_timestamp", "oauth_nonce", "oauth_version", "oauth_callback", "oauth_verifier", "oauth_signature"]


def recording(source, placed, text, *, secret=SECRET, token_secret=""):
    """A recording of a request as sent; the claim is read from its Authorization header."""
    header = next(value for name, value in placed.headers if name.lower() == "authorization")
    claim = {name.strip(): unquote(value.strip().strip('"')) for name, value in (part.split("=", 1) for part in header[len("OAuth "):].split(","))}
    algorithm = claim["oauth_signature_method"]
    tag = b64(hmac.new(octets(f"{encode(secret)}&{encode(token_secret)}"), octets(text), OURS[algorithm][5:]).digest())
    if tag != claim["oauth_signature"]:
        raise ValueError(f"{source}: {claim['oauth_signature']} is not the tag of\n{text}")
    credentials = {"key_id": claim["oauth_consumer_key"], "secret": secret, "algorithm": OURS[algorithm]}
    if token_secret:
        credentials["parts"] = {"token_secret": token_secret}
    inputs = {name: claim[f"oauth_{name}"] for name in ("token", "version", "callback", "verifier") if f"oauth_{name}" in claim}
    request = Request(placed.method, placed.target, tuple(line for line in placed.headers if line[0].lower() != "authorization"), placed.body, placed.scheme)
    return Recording(source=source, at=moment(int(claim["oauth_timestamp"])), credentials=credentials, inputs=inputs, nonce=claim["oauth_nonce"], sign=choices(claim),
                     request=request, placed=placed, stages={"string_to_sign": text}, signature=tag)


def choices(claim):
    """Why our signer is not run, where it would write another header."""
    if "oauth_body_hash" in claim:
        return {"skip": "our signer writes no oauth_body_hash"}
    if "realm" in claim:
        return {"skip": "our signer writes no realm"}
    if [name for name in claim] != [name for name in ORDER if name in claim]:
        return {"skip": "the parameters stand in another order than our signer's"}
    return {}


# ---------------------------------------------------------------- oauthlib

def ordered_client():
    """oauthlib's client with its parameters in the order of RFC 5849's examples."""
    from oauthlib.oauth1 import Client

    class Ordered(Client):
        def get_oauth_params(self, request):
            given = super().get_oauth_params(request)
            return sorted(given, key=lambda pair: ORDER.index(pair[0]) if pair[0] in ORDER else len(ORDER))
    return Ordered


@contextlib.contextmanager
def base_strings():
    """The base strings that oauthlib makes meanwhile."""
    import oauthlib.oauth1.rfc5849.signature as module
    seen, true = [], module.signature_base_string

    def observe(*args, **kw):
        seen.append(true(*args, **kw))
        return seen[-1]
    module.signature_base_string = observe
    try:
        yield seen
    finally:
        module.signature_base_string = true


def library(method, target, *, body=None, headers=(), algorithm="HMAC-SHA1", token=True, ordered=True, scheme="https", host=HOST, realm=None, secret=SECRET, token_secret=TOKEN_SECRET, **claim):
    """One request signed by oauthlib."""
    from oauthlib.oauth1 import Client
    pair = {"resource_owner_key": TOKEN, "resource_owner_secret": token_secret} if token else {}
    kind = ordered_client() if ordered else Client
    client = kind(KEY_ID, client_secret=secret, signature_method=algorithm, timestamp=str(SDK_SECONDS), nonce=NONCE, **pair, **claim)
    with base_strings() as seen:
        url, made, sent = client.sign(f"{scheme}://{host}{target}", http_method=method, body=body, headers={"Host": host, **dict(headers)}, realm=realm)
    placed = Request(method, url[len(f"{scheme}://{host}"):], tuple(made.items()), octets(sent or ""), scheme)
    return recording(sdk("oauthlib", "BSD-3-Clause"), placed, seen[0], secret=secret, token_secret=token_secret if token else "")


def library_vectors():
    def case(name, why, *args, policy=None, covers=None, **kw):
        return vector(f"oauthlib-{name}", why, library(*args, **kw), policy=policy, covers=covers)
    yield case("get", "the parameters of query and header, sorted", "GET", "/photos?file=vacation.jpg&size=original", covers=["method", "path", "query", "time", "nonce"])
    yield case("get-sha256", "the stronger algorithm, where it is the registered one", "GET", "/photos?file=vacation.jpg&size=original", algorithm="HMAC-SHA256")
    yield case("form", "the fields of a form are parameters", "POST", "/photos?b=2", body="a=1&c=3", headers=FORM, covers=["method", "path", "query", "body", "time", "nonce"])
    yield case("form-sha256", "the fields of a form are parameters", "POST", "/photos?b=2", body="a=1&c=3", headers=FORM, algorithm="HMAC-SHA256")
    yield case("no-token", "a key without a token secret still ends in &", "GET", "/request?a=1", token=False)
    yield case("callback", "the first leg", "POST", "/initiate", token=False, callback_uri="http://printer.example.com/ready?a=1&b=2")
    yield case("verifier", "the third leg", "POST", "/token", verifier="hfdp7dh39dks9884")
    yield case("realm", "the realm is not signed", "GET", "/photos?a=1", realm="Photos")
    yield case("field-named-realm", "a field of the name of the realm is a parameter like any other", "POST", "/photos?b=2", body="a=1&realm=Photos", headers=FORM, covers=["query", "body"])
    yield case("parameter-named-realm", "a parameter of the name of the realm is one like any other", "GET", "/photos?realm=Photos", covers=["query"])
    yield case("unicode", "unicode in query and form", "POST", "/%E4%BD%A0%E5%A5%BD?name=%E4%BD%A0", body="title=%E5%A5%BD", headers=FORM)
    yield case("empty-value", "an empty value keeps its =", "GET", "/photos?empty=&a=1")
    yield case("repeated-parameter", "all values of a name, sorted", "GET", "/photos?a=2&b=0&a=1&a=2")
    yield case("repeated-field", "all values of a name, sorted", "POST", "/photos", body="a=2&a=1", headers=FORM)
    yield case("plus-in-query", "a bare plus sign is a blank, as in a form", "GET", "/photos?q=1+2")
    yield case("plus-in-form", "a bare plus sign is a blank", "POST", "/photos", body="q=1+2", headers=FORM)
    yield case("encoded-plus-and-slash", "decoded, then encoded", "GET", "/photos?q=1%2B2&r=%2F")
    yield case("encoded-slash-in-path", "the path is encoded as it stands", "GET", "/a%2Fb%20c")
    yield case("dot-segments", "dot segments stay as sent", "GET", "/a/./b/../c//d")
    yield case("secrets-with-reserved-letters", "both secrets are encoded in the key", "GET", "/photos", secret="a&b=c/d+e", token_secret="%25 &")
    yield case("default-port", "the default port is dropped", "GET", "/photos", host="api.example.com:443")
    yield case("other-port", "another port is kept", "GET", "/photos", host="api.example.com:8443")
    yield case("plain-http", "the scheme is signed", "GET", "/photos", scheme="http")
    yield case("host-in-capitals", "the host is signed in small letters", "GET", "/photos", host="API.Example.com")
    yield case("own-order", "oauthlib's own order of the header's parameters", "GET", "/photos?a=1", ordered=False)
    yield case("body-hash", "a body that is no form: the library signs its digest as a further parameter", "POST", "/photos", body='{"a":1}', headers=JSON)
    yield case("parameter-in-query-and-form", "both values are signed, but not where they stood", "POST", "/photos?a=1", body="a=2", headers=FORM, policy={"allow_ambiguous": True})


LIBRARY_GAPS = [
    left_out("bare-name", "oauthlib", "refuses a query with a name without ="),
    left_out("binary body, body of one MiB", "oauthlib", "takes text; see requests-oauthlib"),
    left_out("repeated-header", "oauthlib", "no header is signed but the host"),
    left_out("RSA-SHA1, RSA-SHA256, PLAINTEXT", "oauthlib", "algorithms outside the dialect's map"),
]


# ---------------------------------------------------------------- requests-oauthlib

def session(method, target, body=None, headers=(), algorithm="HMAC-SHA1"):
    """One request prepared by requests and signed by requests-oauthlib."""
    import requests
    from requests_oauthlib import OAuth1
    auth = OAuth1(KEY_ID, SECRET, TOKEN, TOKEN_SECRET, signature_method=algorithm, client_class=ordered_client(), nonce=NONCE, timestamp=str(SDK_SECONDS))
    with base_strings() as seen:
        made = requests.Request(method, f"https://{HOST}{target}", data=body, headers=dict(headers), auth=auth).prepare()
    lines = (("Host", HOST), *((text(n), text(v)) for n, v in made.headers.items()))
    return recording(sdk("requests-oauthlib", "ISC"), Request(made.method, made.path_url, lines, octets(made.body or b"")), seen[0], token_secret=TOKEN_SECRET)


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def session_vectors():
    def case(name, why, *args, covers=None, **kw):
        return vector(f"requests-{name}", why, session(*args, **kw), covers=covers)
    octet = (("Content-Type", "application/octet-stream"),)
    yield case("get", "the parameters of the query", "GET", "/photos?b=2&a=1", covers=["method", "path", "query", "time", "nonce"])
    yield case("form", "the fields of a form", "POST", "/photos", {"title": NI_HAO, "note": "a b+c"}, covers=["method", "path", "body", "time", "nonce"])
    yield case("form-sha256", "the fields of a form", "POST", "/photos", {"title": NI_HAO}, algorithm="HMAC-SHA256")
    yield case("json-body", "a body that is no form is not signed", "POST", "/photos", f'{{"title":"{NI_HAO}"}}'.encode(), JSON, covers=["method", "path", "time", "nonce"])
    yield case("empty-body", "a POST without a body", "POST", "/photos")
    yield case("binary-body", "octets that are not UTF-8, not signed", "PUT", "/photos", BINARY, octet)
    yield case("body-of-one-mebibyte", "a long body, not signed", "PUT", "/photos", b"a" * MEBIBYTE, octet)


SESSION_GAPS = [left_out("dot-segments", "requests-oauthlib", "requests removes them before the request is signed: see oauthlib")]


# ---------------------------------------------------------------- the rule

def by_rule(method, target, base_uri, pairs, claim, *, secret=SECRET, token_secret="", headers=(), body=b"", scheme="https", host=HOST, source=None, order=ORDER, realm=None, registered=None):
    """METHOD & base URI & sorted parameters, each encoded. `pairs` are the decoded parameters of query and form, `claim` those of the header."""
    base = "&".join([method, encode(base_uri), encode(sorted_query([*pairs, *claim.items()]))])
    digest = {"HMAC-SHA1": "sha1", "HMAC-SHA256": "sha256"}[claim["oauth_signature_method"]]
    tag = b64(hmac.new(octets(f"{encode(secret)}&{encode(token_secret)}"), octets(base), digest).digest())
    carried = {**claim, "oauth_signature": tag}
    listed = ([f'realm="{realm}"'] if realm else []) + [f'{name}="{encode(carried[name])}"' for name in order if name in carried]
    placed = Request(method, target, (("Host", host), *headers, ("Authorization", "OAuth " + ", ".join(listed))), octets(body), scheme)
    made = recording(source or transcript("RFC 5849 rules"), placed, base, secret=secret, token_secret=token_secret)
    if registered:
        made.credentials["algorithm"] = registered
    return made


def claim(method="HMAC-SHA1", **more):
    return {"oauth_consumer_key": KEY_ID, "oauth_signature_method": method, "oauth_timestamp": str(SDK_SECONDS), "oauth_nonce": NONCE, **more}


def rule_vectors():
    yield vector("no-version", "oauth_version may be left out", by_rule("GET", "/photos?a=1", f"https://{HOST}/photos", [("a", "1")], claim()))
    yield vector("bare-name", "a name without = gets one", by_rule("GET", "/photos?flag", f"https://{HOST}/photos", [("flag", "")], claim()))
    yield vector("nonce-with-reserved-letters", "the header's values are encoded", by_rule("GET", "/photos", f"https://{HOST}/photos", [], {**claim(), "oauth_nonce": "a+b/c=&d"}))
    yield vector("algorithm-not-registered", "HMAC-SHA1 is known and the tag is right, but the key was registered for HMAC-SHA256",
                 by_rule("GET", "/photos", f"https://{HOST}/photos", [], claim(), registered="hmac-sha256"), expect="algorithm_not_allowed", sign={"skip": "a signer uses the registered algorithm"})


# ---------------------------------------------------------------- faults

def oauth1_faults(by_name):
    get, form, where = "oauthlib-get", "oauthlib-form", "header.Authorization"
    signature = by_name[get]["signature"]
    def edit(name, why, expect, text_, with_, origin=get):
        return fault(name, origin, why, expect, replace=replace(where, text_, with_))
    for name in ("oauthlib-parameter-in-query-and-form", "rfc5849-parameters"):
        yield fault(f"{name}-default-policy", name, "the two values can change places under one signature", "ambiguous_request", policy={})
    yield from faults.clock(get, SDK_CLOCK)
    yield from faults.secret(get)
    yield fault("wrong-token-secret", get, "the tag is another token's", "signature_mismatch", credentials={"parts": {"token_secret": "another-secret"}})
    yield from faults.signed([
        ("method", get, {"method": "PUT"}), ("path", get, {"replace": replace("target", "/photos", "/photo")}), ("query-value", get, {"replace": replace("target", "original", "small")}),
        ("query-name", get, {"replace": replace("target", "size", "sizes")}), ("query-added", get, {"replace": replace("target", "size=", "a=1&size=")}), ("query-removed", get, {"target": "/photos?size=original"}),
        ("host", get, {"headers": {"Host": "evil.example.com"}}), ("port", get, {"headers": {"Host": "api.example.com:8443"}}), ("scheme", get, {"scheme": "http"}),
        ("form-value", form, {"replace": replace("body", "a=1", "a=2")}), ("form-name", form, {"replace": replace("body", "c=3", "d=3")}), ("form-added", form, {"body": "a=1&c=3&d=4"}),
        ("form-made-no-form", form, {"headers": {"Content-Type": "text/plain"}}),
        ("timestamp", get, {"replace": replace(where, str(SDK_SECONDS), str(SDK_SECONDS + 1))}), ("nonce", get, {"replace": replace(where, NONCE, "k" + NONCE[1:-1] + "i")}),
        ("key-id", get, {"replace": replace(where, KEY_ID, KEY_ID[:-1] + "4")}), ("parameter-of-the-header-added", get, {"replace": replace(where, "oauth_nonce", 'oauth_extra="1", oauth_nonce')}),
    ])
    yield fault("query-in-another-order", get, "the parameters are sorted before they are signed", "accepted", target="/photos?size=original&file=vacation.jpg")
    yield fault("broken-escape", get, "a % that begins no triplet is read in several ways", "malformed_request", target="/photos?file=%zz&size=original")
    yield fault("query-spelt-otherwise", get, "another spelling of the same query is equal", "accepted", target="/photos?file=v%61cation.jpg&size=original")
    yield edit("realm-added", "the realm is not signed", "accepted", "OAuth ", 'OAuth realm="Photos", ')
    yield edit("parameters-in-another-order", "the order of the parameters is free", "accepted", f'oauth_nonce="{NONCE}", oauth_version="1.0"', f'oauth_version="1.0", oauth_nonce="{NONCE}"')
    yield edit("parameters-without-blanks", "blanks between the parameters are free", "accepted", ", oauth_nonce", ",oauth_nonce")
    yield edit("scheme-word-in-small-letters", "the scheme's case is free", "accepted", "OAuth ", "oauth ")
    yield fault("json-body-changed", "requests-json-body", "a body that is no form is not signed", "accepted", body='{"title":"x"}')
    yield fault("json-body-required", "requests-json-body", "a route that asks for the body refuses one that is no form", "required_part_unsigned", policy={"require": ["body"]})
    yield edit("token-changed", "the token is fixed by the verifier", "malformed_claim", TOKEN, "nnch734d00sl2jdj")
    yield edit("token-missing", "the token is signed like any other parameter", "signature_mismatch", f'oauth_token="{TOKEN}", ', "")
    yield edit("algorithm-outside-the-map", "an algorithm that the dialect does not know", "malformed_claim", "HMAC-SHA1", "PLAINTEXT")
    yield edit("algorithm-changed", "the algorithm is signed too", "signature_mismatch", "HMAC-SHA1", "HMAC-SHA256")
    for name in (f'oauth_consumer_key="{KEY_ID}", ', 'oauth_signature_method="HMAC-SHA1", ', f'oauth_timestamp="{SDK_SECONDS}", ', f'oauth_nonce="{NONCE}", '):
        short = name.split("=")[0].replace("_", "-")
        yield edit(f"{short}-missing", "a parameter taken away", "malformed_claim", name, "")
        yield edit(f"{short}-twice", "a parameter repeated", "malformed_claim", name, name + name)
    yield edit("oauth-signature-missing", "a header of the scheme without a signature", "malformed_claim", ", oauth_signature=", ", oauth_signatur=")
    yield edit("oauth-signature-twice", "a parameter repeated", "malformed_claim", "oauth_signature=", 'oauth_signature="AAAA", oauth_signature=')
    yield edit("timestamp-no-number", "a time that is no number", "malformed_claim", str(SDK_SECONDS), "now")
    yield edit("timestamp-negative", "a time before 1970", "malformed_claim", f'"{SDK_SECONDS}"', '"-1"')
    yield edit("nonce-too-long", "a nonce of more than 128 bytes", "malformed_claim", NONCE, "n" * 129)
    yield edit("another-scheme", "another scheme is no signature of ours", "missing_signature", "OAuth ", "Bearer ")
    yield fault("authorization-missing", get, "the signature taken away", "missing_signature", remove_headers=["Authorization"])
    yield from faults.headers_twice(get, [("Authorization", 'OAuth oauth_consumer_key="a", oauth_signature_method="HMAC-SHA1", oauth_timestamp="1", oauth_nonce="n", oauth_signature="AAAA"')])
    yield from faults.base64_text(get, where, signature, encode)
