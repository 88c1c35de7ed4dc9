"""Witnesses of Hawk: the examples of its README, mohawk, and a transcript of its rules."""
import hashlib
import hmac
import re

import faults
from common import BINARY, MEBIBYTE, READ_ON, SDK_CLOCK, SDK_SECONDS, Recording, Request, b64, fault, frozen, left_out, moment, octets, replace, sdk, transcript, vector

HOST, KEY_ID, SECRET, NONCE = "example.com", "dh37fgj492je", "werxhqb98rpaxn39848xrunpaw3489ruxnpa98w4rxn", "j4h3g2"
NI_HAO = "\u4f60\u597d"
ORDER = ("id", "ts", "nonce", "hash", "ext", "app", "dlg", "mac")
TEXT, JSON = (("Content-Type", "text/plain"),), (("Content-Type", "application/json"),)
COVERS = ["method", "path", "query", "host", "time", "nonce"]


class NotAsPublished(Exception):
    """A recomputed value differs from the printed one."""


def payload_hash(media, body):
    """The digest of three lines: the version, the media type in small letters without parameters, the body; each ended by LF."""
    return b64(hashlib.sha256(f"hawk.1.payload\n{media.partition(';')[0].strip().lower()}\n".encode() + octets(body) + b"\n").digest())


def normalized(placed, claim):
    """The lines that are signed, each ended by LF; the last two only where an application is named."""
    host = next(v for n, v in placed.headers if n.lower() == "host").lower()
    name, _, port = host.partition(":")
    lines = ["hawk.1.header", claim["ts"], claim["nonce"], placed.method, placed.target, name, port or {"http": "80", "https": "443"}[placed.scheme], claim.get("hash", ""), claim.get("ext", "")]
    if claim.get("app"):
        lines += [claim["app"], claim.get("dlg", "")]
    return "".join(line + "\n" for line in lines)


def recording(source, placed, *, secret=SECRET, sign=None, at=None):
    """A recording of a request as sent; its MAC must be the rule's."""
    header = next(v for n, v in placed.headers if n == "Authorization")
    claim = dict(re.findall(r'(\w+)="([^"]*)"', header))
    text = normalized(placed, claim)
    made = b64(hmac.new(octets(secret), octets(text), hashlib.sha256).digest())
    if made != claim["mac"]:
        raise NotAsPublished(f"{source}: {claim['mac']} is not the MAC of\n{text}")
    if sign is None and list(claim) != [name for name in ORDER if name in claim]:
        sign = {"skip": "the parameters stand in another order than our signer's"}
    if sign is None and placed.body and "hash" not in claim:
        sign = {"omit": ["body_digest"]}
    if sign is None and not placed.body and "hash" in claim:
        sign = {"skip": "our signer sends no hash of an empty body"}
    request = Request(placed.method, placed.target, tuple(line for line in placed.headers if line[0] != "Authorization"), placed.body, placed.scheme)
    return Recording(source=source, at=at or moment(int(claim["ts"])), credentials={"key_id": claim["id"], "secret": secret}, inputs={n: claim[n] for n in ("ext", "app", "dlg") if n in claim}, nonce=claim["nonce"],
                     sign=sign or {}, request=request, placed=placed, stages={"string_to_sign": text}, signature=made)


def by_rule(method, target, headers=(), body=b"", *, ext=None, app=None, dlg=None, hashed=True, ts=SDK_SECONDS, nonce=NONCE, scheme="https", host=HOST, secret=SECRET, source=None, sign=None):
    body = octets(body)
    media = next((v for n, v in headers if n.lower() == "content-type"), "")
    given = {"id": KEY_ID, "ts": str(ts), "nonce": nonce, "hash": payload_hash(media, body) if body and hashed else None, "ext": ext, "app": app, "dlg": dlg}
    claim = {name: value for name, value in given.items() if value}
    bare = Request(method, target, (("Host", host), *headers), body, scheme)
    claim["mac"] = b64(hmac.new(octets(secret), octets(normalized(bare, claim)), hashlib.sha256).digest())
    header = "Hawk " + ", ".join(f'{name}="{claim[name]}"' for name in ORDER if name in claim)
    return recording(source or transcript("Hawk rules"), bare.with_headers(("Authorization", header)), secret=secret, sign=sign)


def published_vectors():
    source = {"name": "Hawk, README", "address": "https://github.com/mozilla/hawk/blob/main/API.md", "date": READ_ON, "licence": "BSD-3-Clause"}
    def case(name, why, mac, *args):
        made = by_rule(*args, ext="some-app-ext-data", ts=1353832234, scheme="http", host="example.com:8000", source=source)
        if made.signature != mac:
            raise NotAsPublished(f"{name}: {made.signature} instead of {mac}")
        return vector(f"published-{name}", why, made, covers=COVERS + (["body"] if name == "payload" else []))
    yield case("get", "the first worked example: a port of its own, application data", "6R4rV5iE+NPoym+WwjeHzjAGXUtLNIxmo1vpMofpLAE=", "GET", "/resource/1?b=1&a=2")
    yield case("payload", "the second worked example: the payload is hashed with its media type", "aSe1DERmZuRl3pI36/9BdZmnErTw3sNzOOAUlfeKjVw=", "POST", "/resource/1?b=1&a=2", TEXT, "Thank you for flying Hawk")


# ---------------------------------------------------------------- mohawk

def library(method, target, headers=(), body=b"", *, hashed=True, ordered=True, scheme="https", host=HOST, **claim):
    """One request signed by mohawk; its parameters in the README's order, or in its own."""
    from mohawk import Sender

    class Ordered(Sender):
        def _make_header(self, *args, **kw):
            made = dict(re.findall(r'(\w+)="([^"]*)"', super()._make_header(*args, **kw)))
            return "Hawk " + ", ".join(f'{name}="{made[name]}"' for name in ORDER if name in made)

    body = octets(body)
    media = next((v for n, v in headers if n.lower() == "content-type"), "")
    content = {"content": body, "content_type": media} if hashed else {}
    with frozen():
        sender = (Ordered if ordered else Sender)({"id": KEY_ID, "key": SECRET, "algorithm": "sha256"}, f"{scheme}://{host}{target}", method, always_hash_content=hashed, nonce=NONCE, _timestamp=SDK_SECONDS, **content, **claim)
    return recording(sdk("mohawk", "MPL-2.0"), Request(method, target, (("Host", host), *headers, ("Authorization", sender.request_header)), body, scheme))


def library_vectors():
    def case(name, why, *args, covers=None, policy=None, **kw):
        return vector(f"mohawk-{name}", why, library(*args, **kw), covers=covers, policy=policy)
    yield case("get", "no payload, so no hash", "GET", "/resource?a=1", hashed=False, covers=COVERS)
    yield case("post", "the payload is hashed", "POST", "/resource?b=1&a=2", JSON, '{"a":1}', covers=[*COVERS, "body"])
    yield case("ext", "application data", "POST", "/resource", JSON, "{}", ext="some-app-ext-data")
    yield case("app", "an application, and who delegated to it", "POST", "/resource", JSON, "{}", app="app-1", dlg="dlg-1")
    yield case("app-alone", "an application without a delegation: the line is empty", "GET", "/resource", hashed=False, app="app-1")
    yield case("media-type-with-parameters", "parameters of the media type are not hashed, nor is its case", "POST", "/resource", (("Content-Type", "Text/Plain; charset=utf-8"),), "x")
    yield case("no-media-type", "a payload without a media type", "POST", "/resource", (), "x")
    yield case("hash-of-an-empty-payload", "a hash where there is no payload", "GET", "/resource")
    yield case("unhashed-payload", "a payload that nothing binds", "POST", "/resource", JSON, "{}", hashed=False, policy={"waive": ["body"]})
    yield case("unicode", "target and payload as sent", "POST", "/%E4%BD%A0%E5%A5%BD?name=%E4%BD%A0", JSON, f'{{"name":"{NI_HAO}"}}')
    yield case("empty-value", "the query as sent", "GET", "/resource?empty=&flag", hashed=False)
    yield case("repeated-parameter", "the query as sent", "GET", "/resource?a=2&a=1&a=2", hashed=False)
    yield case("plus-and-encoded-slash", "nothing in the target is decoded", "GET", "/a%2Fb+c?q=1+2&r=%2F%2B", hashed=False)
    yield case("dot-segments", "the target as sent", "GET", "/a/./b/../c//d", hashed=False)
    yield case("other-port", "a port of its own", "GET", "/resource", hashed=False, host="example.com:8443")
    yield case("plain-http", "the scheme's own port", "GET", "/resource", hashed=False, scheme="http")
    yield case("host-in-capitals", "the host is signed in small letters", "GET", "/resource", hashed=False, host="Example.COM")
    yield case("binary-body", "octets that are not UTF-8", "PUT", "/resource", (("Content-Type", "application/octet-stream"),), BINARY)
    yield case("body-of-one-mebibyte", "a long payload", "PUT", "/resource", (("Content-Type", "application/octet-stream"),), b"a" * MEBIBYTE)
    yield case("own-order", "the library's own order of the parameters", "GET", "/resource", hashed=False, ordered=False)


LIBRARY_GAPS = [
    left_out("repeated-header, unicode in a header", "mohawk", "no header is signed but the host"),
    left_out("backslash or quote in ext", "mohawk", "refuses them; a value of the header cannot hold a quote"),
    left_out("dlg without app", "mohawk", "sends it and does not sign it"),
    left_out("SHA-1", "the rules", "the payload's hash would be SHA-1 too: the dialect takes SHA-256 alone"),
    left_out("bewit, Server-Authorization", "the rules", "a signed URL and a signed answer are dialects of their own"),
]


def rule_vectors():
    def case(name, why, *args, expect="accepted", policy=None, **kw):
        return vector(name, why, by_rule(*args, **kw), expect=expect, policy=policy)
    yield case("default-port-written-out", "the default port may be written out", "GET", "/resource", host="example.com:443")
    yield case("ext-of-all-letters", "every letter that ext may hold but a backslash and a quote", "GET", "/resource", ext="!#$%&'()*+,-./:;<=>?@[]^_`{|}~ az AZ 09")
    yield case("ext-and-app", "all three further values", "GET", "/resource", ext="e", app="a", dlg="d")


def hawk_faults(by_name):
    post, get, where = "mohawk-post", "mohawk-get", "header.Authorization"
    signature = by_name[post]["signature"]
    def edit(name, why, expect, text, with_, origin=post):
        return fault(name, origin, why, expect, replace=replace(where, text, with_))
    yield fault("mohawk-unhashed-payload-default-policy", "mohawk-unhashed-payload", "what a dialect can sign, a request must sign", "required_part_unsigned", policy={})
    yield from faults.clock(get, SDK_CLOCK, 60, 60)
    yield from faults.secret(post)
    yield from faults.signed([
        ("method", post, {"method": "PUT"}), ("path", post, {"replace": replace("target", "/resource", "/resources")}), ("query-value", post, {"replace": replace("target", "b=1", "b=2")}),
        ("query-order", post, {"target": "/resource?a=2&b=1"}), ("query-added", "mohawk-app-alone", {"target": "/resource?a=1"}), ("host", post, {"headers": {"Host": "evil.example.com"}}), ("port", post, {"headers": {"Host": "example.com:444"}}),
        ("scheme", post, {"scheme": "http"}), ("timestamp", post, {"replace": replace(where, f'ts="{SDK_SECONDS}"', f'ts="{SDK_SECONDS + 1}"')}), ("nonce", post, {"replace": replace(where, NONCE, "j4h3g3")}),
        ("hash", post, {"replace": replace(where, 'hash="', 'hash="AA')}), ("ext", "ext-and-app", {"replace": replace(where, 'ext="e"', 'ext="f"'), "inputs": {}}), ("app", "ext-and-app", {"replace": replace(where, 'app="a"', 'app="b"'), "inputs": {}}),
        ("dlg", "ext-and-app", {"replace": replace(where, 'dlg="d"', 'dlg="e"'), "inputs": {}}), ("ext-taken-away", "ext-and-app", {"replace": replace(where, 'ext="e", ', ""), "inputs": {}}),
        ("hash-taken-away", post, {"replace": [replace(where, f'hash="{payload_hash("application/json", chr(123) + chr(34) + "a" + chr(34) + ":1}")}", ', "")]}),
        ("ext-moved-to-app", "mohawk-ext", {"replace": replace(where, "ext=", "app="), "inputs": {}}),
    ])
    yield fault("body-changed", post, "the payload is not the hash's", "body_digest_mismatch", body='{"a":2}')
    yield fault("body-emptied", post, "the payload is not the hash's", "body_digest_mismatch", body="")
    yield fault("media-type-changed", post, "the media type is hashed with the payload", "body_digest_mismatch", headers={"Content-Type": "text/plain"})
    yield fault("media-type-parameter-added", post, "parameters of the media type are not hashed", "accepted", headers={"Content-Type": "application/json; charset=utf-8"})
    yield fault("body-added", get, "a payload that nothing binds", "required_part_unsigned", body="x")
    yield fault("default-port-left-out", "default-port-written-out", "the default port is the same, written or not", "accepted", headers={"Host": "example.com"})
    yield fault("another-ext-configured", "mohawk-ext", "a configured value must be the one that is sent", "malformed_claim", inputs={"ext": "other"})
    yield fault("header-added", get, "no header is signed but the host", "accepted", add_headers=[["X-Other", "x"]])
    yield edit("key-id-unknown", "an unknown id shows as a wrong signature", "signature_mismatch", KEY_ID, "dh37fgj492jf")
    yield edit("key-id-too-long", "a key id of more than 128 bytes", "malformed_claim", KEY_ID, "k" * 129)
    yield edit("nonce-too-long", "a nonce of more than 128 bytes", "malformed_claim", NONCE, "n" * 129)
    yield edit("timestamp-no-number", "a time that is no number", "malformed_claim", str(SDK_SECONDS), "now")
    yield edit("timestamp-with-a-fraction", "a time is whole seconds", "malformed_claim", str(SDK_SECONDS), f"{SDK_SECONDS}.0")
    yield edit("parameters-in-another-order", "the order of the parameters is free", "accepted", f'id="{KEY_ID}", ts="{SDK_SECONDS}"', f'ts="{SDK_SECONDS}", id="{KEY_ID}"')
    yield edit("parameters-without-blanks", "blanks between the parameters are free", "accepted", ", mac", ",mac")
    yield edit("scheme-in-small-letters", "the scheme's case is free", "accepted", "Hawk ", "hawk ")
    yield edit("another-scheme", "another scheme is no signature of ours", "missing_signature", "Hawk ", "Bearer ")
    for text in (f'id="{KEY_ID}", ', f'ts="{SDK_SECONDS}", ', f'nonce="{NONCE}", '):
        name = text.split("=")[0]
        yield edit(f"{name}-missing", "a parameter taken away", "malformed_claim", text, "")
        yield edit(f"{name}-twice", "a parameter repeated", "malformed_claim", text, text + text)
    yield edit("mac-missing", "a parameter taken away", "malformed_claim", f', mac="{signature}"', "")
    yield edit("mac-twice", "a parameter repeated", "malformed_claim", "mac=", 'mac="AAAA", mac=')
    yield fault("authorization-missing", post, "the signature taken away", "missing_signature", remove_headers=["Authorization"])
    yield from faults.headers_twice(post, [("Authorization", 'Hawk id="a", ts="1", nonce="n", mac="AAAA"')])
    yield from faults.base64_text(post, where, signature)
