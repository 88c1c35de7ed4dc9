"""Witnesses of draft-cavage HTTP signatures: the draft's own examples, httpsig, and a transcript of the draft with the primitives of `cryptography`."""
import base64
import functools
import hashlib
import hmac
import re

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding

import faults
from common import BINARY, MEBIBYTE, READ_ON, SDK_CLOCK, SDK_SECONDS, Recording, Request, b64, fault, frozen, http_date, left_out, moment, octets, replace, sdk, transcript, vector
from transcripts import RSA_PEM, rsa_public, rsa_sign

HOST, KEY_ID, SECRET = "api.example.com", "alice", "s3cr3t"
DATE = http_date(SDK_SECONDS)
NI_HAO = "\u4f60\u597d"
JSON = (("Content-Type", "application/json"),)
FULL = ("(request-target)", "host", "date")
NEW = ("(request-target)", "(created)", "host")
CARRIED = {"date", "digest", "authorization"}
TARGET = ["method", "path", "query", "host"]
WORDS = {"hmac-sha256": "hmac-sha256", "rsa-sha256": "rsa-sha256", "ecdsa-sha256": "ecdsa-p256-sha256-der"}
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
P256 = ec.derive_private_key(int.from_bytes(bytes(range(1, 33)), "big"), ec.SECP256R1())
EMPTY_DIGEST = "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
ABC_DIGEST = "SHA-256=ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="


# ---------------------------------------------------------------- keys

def pair(key, algorithm):
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {"algorithm": algorithm, "private_key_pem": private.decode(), "public_key_pem": public(key).decode()}


def public(key, form=serialization.Encoding.PEM):
    return key.public_key().public_bytes(form, serialization.PublicFormat.SubjectPublicKeyInfo)


def shared(digest, secret=SECRET):
    return {"secret": secret, "algorithm": f"hmac-{digest}"}, lambda text: hmac.new(octets(secret), octets(text), digest).digest()


def rsa_pss_sign(text):
    """RFC 8017, section 8.1.1, with a salt that stands still: else each recording would have another one."""
    key = serialization.load_pem_private_key(RSA_PEM.encode(), None)
    numbers = key.private_numbers()
    size, salt = key.key_size // 8, bytes(range(64))
    hashed = hashlib.sha512(bytes(8) + hashlib.sha512(octets(text)).digest() + salt).digest()
    block = bytes(size - 130) + b"\x01" + salt
    mask = b"".join(hashlib.sha512(hashed + count.to_bytes(4, "big")).digest() for count in range(size // 64))
    masked = bytes(a ^ b for a, b in zip(block, mask))
    encoded = bytes([masked[0] & 0x7F]) + masked[1:] + hashed + b"\xbc"
    signature = pow(int.from_bytes(encoded, "big"), numbers.d, numbers.public_numbers.n).to_bytes(size, "big")
    key.public_key().verify(signature, octets(text), padding.PSS(padding.MGF1(hashes.SHA512()), 64), hashes.SHA512())      # or it stops here
    return signature


RSA = {"private_key_pem": RSA_PEM, "public_key_pem": rsa_public().decode()}
KINDS = {
    "hmac-sha256": shared("sha256"), "hmac-sha512": shared("sha512"),
    "rsa-sha256": ({**RSA, "algorithm": "rsa-sha256"}, rsa_sign),
    "ed25519": (pair(ED25519, "ed25519"), lambda text: ED25519.sign(octets(text))),
    "rsa-pss-sha512": ({**RSA, "algorithm": "rsa-pss-sha512"}, rsa_pss_sign),
    "ecdsa": (pair(P256, "ecdsa-p256-sha256-der"), lambda text: P256.sign(octets(text), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))),
}
ECDSA_ONLY_VERIFIED = {"skip": "an ECDSA signature has a new random number each time"}
PSS_ONLY_VERIFIED = {"skip": "an RSASSA-PSS signature has a new salt each time"}
FORGED = {"skip": "a forgery: no signer makes it"}
REGISTERED = {"skip": "a signer uses the registered algorithm"}


# ---------------------------------------------------------------- the draft's rule

def signing_string(placed, names, claim):
    """One line a name, in the order of the list; names in small letters; lines of one name joined by a comma and a blank."""
    lines = []
    for name in names:
        name = name.lower()
        if name == "(request-target)":
            lines.append(f"{name}: {placed.method.lower()} {placed.target}")
        elif name in ("(created)", "(expires)"):
            lines.append(f"{name}: {claim[name.strip('()')]}")
        else:
            lines.append(f"{name}: " + ", ".join(shown(v).strip(" \t") for n, v in placed.headers if n.lower() == name))
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def shown(value):
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def recording(source, placed, text, signature, credentials, *, at, sign=None, carried=CARRIED):
    request = Request(placed.method, placed.target, tuple(line for line in placed.headers if line[0].lower() not in carried), placed.body, placed.scheme)
    return Recording(source=source, at=at, credentials=credentials, sign=sign or {}, request=request, placed=placed, stages={"string_to_sign": text}, signature=signature)


def by_rule(method, target, listed=FULL, headers=(), body=b"", *, kind="hmac-sha256", word=None, credentials=None, by=None, key_id=KEY_ID, date=DATE, created=None, expires=None,
            digest=True, listing=True, at=SDK_CLOCK, host=HOST, scheme="https", extra=()):
    """A request with its Date (or `created`), the digest of its body, and the draft's header over the listed names.

    `word` is the algorithm's; an empty one is left out. `by` signs in place of the kind's own key.
    """
    body = octets(body)
    own, own_by = KINDS[kind]
    word = (kind if kind in WORDS else "ecdsa-sha256" if kind == "ecdsa" and created is None else "hs2019") if word is None else word
    lines = [("Host", host), *headers] + ([("Date", date)] if date and created is None else [])
    if body and digest:
        lines.append(("Digest", "SHA-256=" + b64(hashlib.sha256(body).digest())))
    bare = Request(method, target, tuple(lines), body, scheme)
    text = signing_string(bare, listed, {"created": created, "expires": expires})
    tag = b64((by or own_by)(text))
    parameters = [f'keyId="{key_id}"'] + ([f'algorithm="{word}"'] if word else []) + ([f"created={created}"] if created is not None else []) + ([f"expires={expires}"] if expires else [])
    parameters += ([f'headers="{" ".join(listed)}"'] if listing else []) + [f'signature="{tag}"']
    sign = {"headers": list(listed), "omit": [name for name, left in (("algorithm", not word), ("signed_headers", not listing), ("body_digest", body and not digest)) if left]}
    sign = {key: value for key, value in {**sign, "expires": str(expires) if expires else None}.items() if value}
    placed = bare.with_headers(("Authorization", "Signature " + ",".join(parameters)), *extra)
    return recording(transcript("draft-cavage-http-signatures rules"), placed, text, tag, {"key_id": key_id, **(credentials or own)}, at=at, sign=sign, carried=CARRIED if created is None else CARRIED - {"date"})


# ---------------------------------------------------------------- the draft's examples

DRAFT = {"name": "draft-cavage-http-signatures-10, appendix C", "address": "https://datatracker.ietf.org/doc/html/draft-cavage-http-signatures-10", "date": READ_ON,
         "licence": "quotation of a published example"}
DRAFT_KEY = """-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDCFENGw33yGihy92pDjZQhl0C3
6rPJj+CvfSC8+q28hxA161QFNUd13wuCTUcq0Qd2qsBe/2hFyc2DCJJg0h1L78+6
Z4UMR7EOcpfdUE9Hf3m/hs+FUR45uBJeDK1HSFHD8bHKD6kv8FPGfJTotc+2xjJw
oYi+1hqp1fIekaxsyQIDAQAB
-----END PUBLIC KEY-----
"""
DRAFT_AT = "2014-01-05T21:31:40Z"
DRAFT_LINES = (("Host", "example.com"), ("Date", "Sun, 05 Jan 2014 21:31:40 GMT"), ("Content-Type", "application/json"),
               ("Digest", "SHA-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE="), ("Content-Length", "18"))
DRAFT_SIGNATURES = {
    "default": (None, "SjWJWbWN7i0wzBvtPl8rbASWz5xQW6mcJmn+ibttBqtifLN7Sazz6m79cNfwwb8DMJ5cou1s7uEGKKCs+FLEEaDV5lp7q25WqS+lavg7T8hc0GppauB6hbgEKTwblDHYGEtbGmtdHgVCk9SuS13F0hZ8FD0k/5OxEPXe5WozsbM="),
    "basic": ("(request-target) host date", "qdx+H7PHHDZgy4y/Ahn9Tny9V3GP6YgBPyUXMmoxWtLbHpUnXS2mg2+SbrQDMCJypxBLSPQR2aAjn7ndmw2iicw3HMbe8VfEdKFYRqzic+efkb3nndiv/x1xSHDJWeSWkx3ButlYSuBskLu6kd9Fswtemr3lgdDEmn04swr2Os0="),
    "all-headers": ("(request-target) host date content-type digest content-length",
                    "vSdrb+dS3EceC9bcwHSo4MlyKS59iFIrhgYkz8+oVLEEzmYZZvRs8rgOp+63LEM3v+MFHB32NfpB2bEKBIvB1q52LaEUHFv120V01IL+TAD48XaERZFukWgHoBTLMhYS2Gb51gWxpeIq8knRmPnYePbF5MOkR0Zkly4zKH7s1dE="),
}


def published_vectors():
    key = serialization.load_pem_public_key(DRAFT_KEY.encode())
    def case(name, why, **kw):
        listed, signature = DRAFT_SIGNATURES[name]
        bare = Request("POST", "/foo?param=value&pet=dog", DRAFT_LINES, b'{"hello": "world"}')
        text = signing_string(bare, (listed or "date").split(" "), {})
        key.verify(base64.b64decode(signature), text, padding.PKCS1v15(), hashes.SHA256())      # or it stops here
        parameters = 'keyId="Test",algorithm="rsa-sha256",' + (f'headers="{listed}",' if listed else "") + f'signature="{signature}"'
        made = recording(DRAFT, bare.with_headers(("Authorization", "Signature " + parameters)), text, signature, {"key_id": "Test", "algorithm": "rsa-sha256", "public_key_pem": DRAFT_KEY},
                         at=DRAFT_AT, sign={"skip": "the draft's key has 1024 bits: nothing is signed with it"})
        return vector(f"published-{name}", why, made, **kw)
    yield case("default", "no list: the date alone is signed", policy={"waive": [*TARGET, "body"]}, covers=["time"])
    yield case("basic", "request target, host and date; the body is left open", policy={"waive": ["body"]}, covers=["method", "path", "query", "host", "time"])
    yield case("all-headers", "everything that the request has", covers=["method", "path", "query", "host", "body", "time", "header.content-type", "header.content-length"])


# ---------------------------------------------------------------- httpsig

def package(method, target, listed=FULL, headers=(), body=b"", *, algorithm="hmac-sha256", ordered=True, digest=True):
    """One request signed by httpsig; the Date, the digest and the HTTP client's part are the caller's. Its parameters stand in the draft's order, or in the package's own."""
    from httpsig import HeaderSigner
    body = octets(body)
    lines = [("Host", HOST), *headers, ("Date", DATE)] + ([("Digest", "SHA-256=" + b64(hashlib.sha256(body).digest()))] if body and digest else [])
    credentials = KINDS[algorithm][0]
    with frozen():
        signer = HeaderSigner(KEY_ID, credentials.get("private_key_pem") or SECRET, algorithm=algorithm, headers=list(listed) if listed else None)
        if ordered and listed:
            signer.signature_template = 'Signature keyId="{}",algorithm="{}",headers="{}",signature="%s"'.format(KEY_ID, algorithm, " ".join(listed))
        made = signer.sign(dict(lines), host=HOST, method=method, path=target)
    placed = Request(method, target, (*lines, ("Authorization", made["authorization"])), body)
    text = signing_string(placed, listed or ["date"], {})
    signature = re.search('signature="([^"]+)"', made["authorization"])[1]
    if b64(KINDS[algorithm][1](text)) != signature:
        raise ValueError(f"httpsig: {signature} is not the tag of\n{text}")
    sign = {"headers": list(listed)} if listed else {"headers": ["date"], "omit": ["signed_headers"]}
    if listed and not ordered:
        sign = {"skip": "the parameters stand in another order than our signer's"}
    return recording(sdk("httpsig", "MIT"), placed, text, signature, {"key_id": KEY_ID, **credentials}, at=SDK_CLOCK, sign=sign)


def package_vectors():
    def case(name, why, *args, covers=None, policy=None, **kw):
        return vector(f"httpsig-{name}", why, package(*args, **kw), covers=covers, policy=policy)
    yield case("get", "request target, host and date", "GET", "/api", covers=["method", "path", "host", "time"])
    yield case("post", "a body brings a digest, which is signed", "POST", "/api?x=1&y=%20", (*FULL, "digest"), JSON, '{"a":1}', covers=["method", "path", "query", "host", "body", "time"])
    yield case("rsa", "an RSA key of 2048 bits", "POST", "/api?x=1", (*FULL, "digest"), JSON, '{"a":1}', algorithm="rsa-sha256", covers=["method", "path", "query", "host", "body", "time"])
    yield case("unicode", "target and body as sent", "POST", "/%E4%BD%A0%E5%A5%BD?name=%E4%BD%A0", (*FULL, "digest"), JSON, f'{{"name":"{NI_HAO}"}}'.encode())
    yield case("empty-value", "the query as sent", "GET", "/api?empty=&flag")
    yield case("repeated-parameter", "the query as sent", "GET", "/api?a=2&a=1&a=2")
    yield case("plus-and-encoded-slash", "nothing in the target is decoded", "GET", "/a%2Fb+c?q=1+2&r=%2F%2B")
    yield case("dot-segments", "the target as sent", "GET", "/a/./b/../c//d")
    yield case("empty-body", "no digest where there is no body", "POST", "/api", FULL, JSON)
    yield case("binary-body", "the digest of octets that are not UTF-8", "PUT", "/api", (*FULL, "digest"), body=BINARY)
    yield case("further-header", "a header of the caller in the list", "GET", "/api", ("date", "(request-target)", "host", "x-custom"), (("X-Custom", "a  b"),))
    yield case("empty-header-value", "a header without value leaves a colon and a blank", "GET", "/api", (*FULL, "x-empty"), (("X-Empty", ""),))
    yield case("date-alone", "no list: the date alone", "GET", "/api", None, policy={"waive": TARGET}, covers=["time"])
    yield case("own-order", "the package's own order of the parameters", "GET", "/api", ordered=False)


PACKAGE_GAPS = [
    left_out("repeated-header", "httpsig", "takes one value for each name"),
    left_out("rsa-sha1, rsa-sha512, hmac-sha1, hmac-sha512", "httpsig", "algorithms that the draft does not register, or calls insecure"),
    left_out("hs2019, (created), (expires)", "httpsig", "follows an earlier draft"),
    left_out("unicode in a header", "httpsig", "signs ASCII only"),
]


# ---------------------------------------------------------------- what no package signs

def rule_vectors():
    def case(name, why, *args, expect="accepted", policy=None, sign=None, covers=None, **kw):
        return vector(name, why, by_rule(*args, **kw), expect=expect, policy=policy, sign=sign, covers=covers)
    post = ("POST", "/api?x=1", (*FULL, "digest"), JSON, '{"a":1}')
    yield case("body-of-one-mebibyte", "a long body", "PUT", "/api", (*FULL, "digest"), (), b"a" * MEBIBYTE)
    yield case("repeated-header", "lines of one name are joined by a comma and a blank, in order of sending", "GET", "/api", (*FULL, "x-tag"), (("X-Tag", "b"), ("X-Tag", "a")))
    yield case("unicode-in-header", "octets of UTF-8 in a signed header", "GET", "/api", (*FULL, "x-name"), (("X-Name", NI_HAO),))
    yield case("names-in-capitals", "names are signed in small letters, however they are listed", "GET", "/api", ("(Request-Target)", "Host", "Date"))
    yield case("order-of-the-list", "the lines stand in the list's order", "POST", "/api", ("digest", "x-b", "date", "host", "x-a", "(request-target)"), (("X-A", "1"), ("X-B", "2")), "body")
    yield case("hs2019-hmac", "hs2019: the key says that it is HMAC-SHA512", *post, kind="hmac-sha512")
    yield case("hs2019-hmac-sha256", "hs2019: the key says that it is HMAC-SHA256", *post, word="hs2019", sign={"skip": "our signer writes the older word"})
    yield case("hs2019-rsa-sha256", "hs2019: the key says that it is RSA with SHA-256, as in ActivityPub", *post, kind="rsa-sha256", word="hs2019", sign={"skip": "our signer writes the older word"})
    yield case("hs2019-ed25519", "hs2019: the key says that it is Ed25519", *post, kind="ed25519", covers=["method", "path", "query", "host", "body", "time"])
    yield case("ed25519-get", "an Ed25519 key, without a body", "GET", "/api", kind="ed25519")
    yield case("ecdsa", "ECDSA on P-256, the signature in DER", *post, kind="ecdsa", sign=ECDSA_ONLY_VERIFIED)
    yield case("hs2019-rsa-pss", "hs2019: the key says that it is RSASSA-PSS with SHA-512", *post, kind="rsa-pss-sha512", sign=PSS_ONLY_VERIFIED)
    yield case("host-with-port", "the Host header is signed as sent", "GET", "/api", host=HOST + ":8443")
    yield case("no-algorithm", "the algorithm may be left out: the key says it", *post, word="")
    yield case("no-algorithm-ed25519", "the algorithm may be left out: the key says it", *post, kind="ed25519", word="")
    yield case("host-not-signed", "a signer that leaves the host out", "GET", "/api", ("(request-target)", "date"), expect="required_part_unsigned")
    yield case("request-target-not-signed", "a signer that leaves the request target out", "GET", "/api", ("host", "date"), expect="required_part_unsigned")
    yield case("no-date-signed", "a list without the date", "GET", "/api", ("(request-target)", "host"), expect="required_part_unsigned")
    yield case("digest-not-listed", "a digest that is sent and not signed", "POST", "/api", FULL, JSON, "body", expect="required_part_unsigned")
    yield case("no-digest", "a body that no digest binds", "POST", "/api", FULL, JSON, "body", digest=False, policy={"waive": ["body"]})
    yield case("nothing-listed", "an empty list signs nothing", "GET", "/api", (), listing=False, policy={"waive": [*TARGET, "time"]}, expect="signature_mismatch", sign=FORGED)
    yield case("algorithm-not-registered", "hs2019 takes HMAC-SHA256 too, but the key was registered for HMAC-SHA512", *post, word="hmac-sha256", credentials={"secret": SECRET, "algorithm": "hmac-sha512"},
               expect="algorithm_not_allowed", sign=REGISTERED)
    for name, forged in (("rsa", "rsa-sha256"), ("ed25519", "ed25519")):
        credentials = KINDS[forged][0]
        for form, octets_of in (("pem", credentials["public_key_pem"].encode()), ("der", der_of(credentials["public_key_pem"]))):
            yield case(f"{name}-forged-with-public-key-{form}", f"an HMAC under the {form.upper()} octets of the registered public key", *post, word="hmac-sha256", credentials=credentials,
                       by=lambda text, key=octets_of: hmac.new(key, octets(text), "sha256").digest(), expect="signature_mismatch", sign=FORGED)


def der_of(pem):
    key = serialization.load_pem_public_key(pem.encode())
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


# ---------------------------------------------------------------- faults

def shared_faults(post, get, signature, header):
    """What both dialects share: `header` is the name listed between the target and the host."""
    where = "header.Authorization"
    def edit(name, why, expect, text, with_):
        return fault(name, post, why, expect, replace=replace(where, text, with_))
    yield from faults.secret(post)
    yield fault("digest-missing", post, "the list names a header that is not there", "malformed_claim", remove_headers=["Digest"])
    yield fault("host-missing", post, "the list names a header that is not there", "malformed_claim", remove_headers=["Host"])
    yield fault("method-in-small-letters", post, "the method is signed in small letters: a request with that method has the same text", "ambiguous_request", method="post")
    yield fault("body-changed", post, "the body is not the digest's", "body_digest_mismatch", body='{"a":2}')
    yield fault("body-emptied", post, "the body is not the digest's", "body_digest_mismatch", body="")
    yield fault("body-added", get, "a body that no digest binds", "required_part_unsigned", body="x")
    yield fault("body-added-with-its-digest", get, "a body with a digest that is not signed", "required_part_unsigned", body="abc", add_headers=[["Digest", ABC_DIGEST]])
    yield fault("digest-of-another-kind", post, "a digest that is not the dialect's", "malformed_claim", headers={"Digest": "MD5=kAFQmDzST7DWlj99KOF/cg=="})
    yield fault("content-type-not-listed-changed", post, "a header that is not listed is not signed", "accepted", headers={"Content-Type": "text/plain"})
    yield edit("key-id-unknown", "an unknown key shows as a wrong signature", "signature_mismatch", f'keyId="{KEY_ID}"', 'keyId="mallory"')
    yield edit("key-id-too-long", "a key id of more than 128 bytes", "malformed_claim", f'keyId="{KEY_ID}"', f'keyId="{"k" * 129}"')
    yield edit("parameters-with-blanks", "blanks between the parameters are free", "accepted", ",signature", ", signature")
    yield edit("unknown-parameter", "an unknown parameter is passed over", "accepted", ",signature", ',x="1",signature')
    yield edit("name-listed-twice", "a name stands twice in the list", "malformed_claim", f"{header} host", f"{header} host host")
    yield edit("too-many-names", "more than 64 names in the list", "malformed_claim", f"{header} host", f"{header} host " + " ".join(f"x-{n}" for n in range(65)))
    yield edit("name-of-no-header", "what is neither a header's name nor a pseudo name", "malformed_claim", f"{header} host", f"{header} (path) host")
    yield edit("absent-header-listed", "the list names a header that is not there", "malformed_claim", f"{header} host", f"{header} host x-absent")
    yield edit("list-order-changed", "the order of the lines is signed", "signature_mismatch", f"{header} host", f"host {header}")
    yield edit("list-shortened", "the digest's line is gone", "signature_mismatch", " digest", "")
    yield edit("another-scheme", "another scheme is no signature of ours", "missing_signature", "Signature ", "Basic ")
    yield edit("key-id-missing", "a parameter taken away", "malformed_claim", f'keyId="{KEY_ID}",', "")
    yield edit("signature-parameter-missing", "a parameter taken away", "malformed_claim", f',signature="{signature}"', "")
    yield edit("signature-parameter-twice", "a parameter repeated", "malformed_claim", ',signature="', ',signature="AAAA",signature="')
    yield edit("headers-twice", "a parameter repeated", "malformed_claim", ',signature="', ',headers="date",signature="')
    yield fault("authorization-missing", post, "the signature taken away", "missing_signature", remove_headers=["Authorization"])
    yield from faults.headers_twice(post, [("Digest", EMPTY_DIGEST), ("Authorization", 'Signature keyId="a",headers="date",signature="AAAA"')])
    yield from faults.base64_text(post, where, signature)


def cavage_faults(by_name):
    post, get, where = "httpsig-post", "httpsig-get", "header.Authorization"
    signature = by_name[post]["signature"]
    def edit(name, why, expect, text, with_, origin=post):
        return fault(name, origin, why, expect, replace=replace(where, text, with_))
    for name in ("published-default", "published-basic", "httpsig-date-alone", "no-digest"):
        yield fault(f"{name}-default-policy", name, "what a dialect can sign, a request must sign", "required_part_unsigned", policy={})
    yield from faults.clock(get, SDK_CLOCK)
    yield from faults.signed([
        ("method", post, {"method": "PUT"}), ("path", post, {"replace": replace("target", "/api", "/apis")}), ("query-value", post, {"replace": replace("target", "x=1", "x=2")}),
        ("query-order", post, {"target": "/api?y=%20&x=1"}), ("query-spelling", post, {"replace": replace("target", "%20", "+")}), ("query-added", get, {"target": "/api?a=1"}),
        ("date", post, {"headers": {"Date": http_date(SDK_SECONDS + 1)}}), ("digest", post, {"headers": {"Digest": ABC_DIGEST}}), ("host", post, {"headers": {"Host": "evil.example.com"}}),
        ("further-header", "httpsig-further-header", {"headers": {"X-Custom": "a b"}}), ("empty-header", "httpsig-empty-header-value", {"headers": {"X-Empty": "x"}}),
        ("second-line-of-a-signed-header", "httpsig-further-header", {"add_headers": [["X-Custom", "a  b"]]}), ("rsa-method", "httpsig-rsa", {"method": "PUT"}),
        ("ed25519-method", "hs2019-ed25519", {"method": "PUT"}), ("ecdsa-method", "ecdsa", {"method": "PUT"}), ("draft-header", "published-all-headers", {"headers": {"Content-Type": "text/plain"}}),
    ])
    yield from shared_faults(post, get, signature, "(request-target)")
    yield fault("short-key-of-another", "published-all-headers", "the signature is another key's", "signature_mismatch", credentials={"public_key_pem": RSA["public_key_pem"]})
    yield fault("header-blanks", "httpsig-further-header", "blanks around a value are not part of it", "accepted", headers={"X-Custom": " a  b "})
    yield fault("date-missing", post, "no time at all", "malformed_claim", remove_headers=["Date"])
    yield fault("date-misshapen", post, "a time in another form", "malformed_claim", headers={"Date": SDK_CLOCK})
    yield fault("date-twice", post, "a second Date line", "malformed_claim", add_headers=[["Date", DATE]])
    yield edit("algorithm-outside-the-map", "an algorithm that the dialect does not know", "malformed_claim", 'algorithm="hmac-sha256"', 'algorithm="rsa-sha1"')
    yield edit("algorithm-changed", "another algorithm's word, under which the key gives another tag or none", "signature_mismatch", 'algorithm="hmac-sha256"', 'algorithm="rsa-sha256"')
    yield edit("algorithm-taken-away", "the algorithm is not signed: without it, the key says which", "accepted", 'algorithm="hmac-sha256",', "")
    yield edit("algorithm-twice", "a parameter repeated", "malformed_claim", ",signature", ',algorithm="hmac-sha256",signature')
    yield edit("headers-taken-away", "without a list the date alone counts", "signature_mismatch", 'headers="(request-target) host date digest",', "")
    yield edit("parameters-in-another-order", "the order of the parameters is free", "accepted", f'keyId="{KEY_ID}",algorithm="hmac-sha256"', f'algorithm="hmac-sha256",keyId="{KEY_ID}"')
    yield edit("created-is-not-known-here", "(created) is the other dialect's", "malformed_claim", "host date digest", "host date (created) digest")
    yield edit("colon-for-a-pseudo-name", "a real header cannot stand in for the request target", "malformed_claim", "(request-target)", "(request-target):")


# ---------------------------------------------------------------- (created)

def created_vectors():
    make = functools.partial(by_rule, created=SDK_SECONDS)
    def case(name, why, *args, expect="accepted", policy=None, sign=None, covers=None, **kw):
        kw = {"kind": "hmac-sha512", "created": SDK_SECONDS, **kw}
        return vector(name, why, make(*args, **kw), expect=expect, policy=policy, sign=sign, covers=covers)
    listed = (*NEW, "digest")
    post = ("POST", "/api?x=1&y=%20", listed, JSON, '{"a":1}')
    yield case("get", "request target, time of creation and host", "GET", "/api", NEW, covers=["method", "path", "host", "time"])
    yield case("post", "a body brings a digest, which is signed", *post, covers=["method", "path", "query", "host", "body", "time"])
    yield case("expires", "an expiry of the signature's own, signed", "GET", "/api", (*NEW, "(expires)"), expires=SDK_SECONDS + 600, covers=["method", "path", "host", "time", "expires"])
    yield case("unicode", "target and body as sent", "POST", "/%E4%BD%A0%E5%A5%BD?name=%E4%BD%A0", listed, JSON, f'{{"name":"{NI_HAO}"}}'.encode())
    yield case("empty-value", "the query as sent", "GET", "/api?empty=&flag", NEW)
    yield case("repeated-parameter", "the query as sent", "GET", "/api?a=2&a=1&a=2", NEW)
    yield case("repeated-header", "lines of one name are joined by a comma and a blank", "GET", "/api", (*NEW, "x-tag"), (("X-Tag", "b"), ("X-Tag", "a")))
    yield case("empty-header-value", "a header without value leaves a colon and a blank", "GET", "/api", (*NEW, "x-empty"), (("X-Empty", ""),))
    yield case("plus-and-encoded-slash", "nothing in the target is decoded", "GET", "/a%2Fb+c?q=1+2&r=%2F%2B", NEW)
    yield case("dot-segments", "the target as sent", "GET", "/a/./b/../c//d", NEW)
    yield case("empty-body", "no digest where there is no body", "POST", "/api", NEW, JSON)
    yield case("binary-body", "the digest of octets that are not UTF-8", "PUT", "/api", listed, body=BINARY)
    yield case("body-of-one-mebibyte", "a long body", "PUT", "/api", listed, body=b"a" * MEBIBYTE)
    yield case("date-beside-created", "a Date header may be signed as any other; the time is the one of creation", "GET", "/api", (*NEW, "date"), (("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),))
    yield case("hmac-sha256", "the key says that it is HMAC-SHA256", *post, kind="hmac-sha256", word="hs2019")
    yield case("ed25519", "the key says that it is Ed25519", *post, kind="ed25519")
    yield case("rsa-sha256", "the key says that it is RSA with SHA-256", *post, kind="rsa-sha256", word="hs2019")
    yield case("ecdsa", "the key says that it is ECDSA on P-256", *post, kind="ecdsa", sign=ECDSA_ONLY_VERIFIED)
    yield case("rsa-pss", "the key says that it is RSASSA-PSS with SHA-512", *post, kind="rsa-pss-sha512", sign=PSS_ONLY_VERIFIED)
    yield case("host-with-port", "the Host header is signed as sent", "GET", "/api", NEW, host=HOST + ":8443")
    yield case("no-algorithm", "the algorithm may be left out", *post, word="")
    yield case("created-alone", "no list: the time of creation alone", "GET", "/api", ("(created)",), listing=False, policy={"waive": TARGET}, covers=["time"])
    yield case("created-not-listed", "a time that nothing signs", "GET", "/api", ("(request-target)", "host"), expect="required_part_unsigned")
    yield case("expires-not-listed", "an expiry that nothing signs", "GET", "/api", NEW, expires=SDK_SECONDS + 600, expect="required_part_unsigned")
    yield case("digest-not-listed", "a digest that is sent and not signed", "POST", "/api", NEW, JSON, "body", expect="required_part_unsigned")
    yield case("no-digest", "a body that no digest binds", "POST", "/api", NEW, JSON, "body", digest=False, policy={"waive": ["body"]})
    yield case("host-not-signed", "a signer that leaves the host out", "GET", "/api", ("(request-target)", "(created)"), expect="required_part_unsigned")
    yield case("expires-too-far", "an expiry beyond the longest", "GET", "/api", (*NEW, "(expires)"), expires=SDK_SECONDS + 3601, expect="malformed_claim")
    yield case("older-word", "the draft forbids (created) under the older words", *post, kind="hmac-sha256", word="hmac-sha256", expect="malformed_claim", sign={"skip": "our signer writes hs2019"})


def created_faults(by_name):
    post, get, where = "post", "get", "header.Authorization"
    signature = by_name[post]["signature"]
    def edit(name, why, expect, text, with_, origin=post):
        return fault(name, origin, why, expect, replace=replace(where, text, with_))
    for name in ("created-alone", "no-digest"):
        yield fault(f"{name}-default-policy", name, "what a dialect can sign, a request must sign", "required_part_unsigned", policy={})
    yield from faults.clock(get, SDK_CLOCK)
    yield fault("expired", "expires", "one second after the expiry", "too_old", now=moment(SDK_SECONDS + 601))
    yield fault("last-second-of-the-expiry", "expires", "the expiry takes the place of the past window", "accepted", now=moment(SDK_SECONDS + 600))
    yield from faults.signed([
        ("method", post, {"method": "PUT"}), ("path", post, {"replace": replace("target", "/api", "/apis")}), ("query-value", post, {"replace": replace("target", "x=1", "x=2")}),
        ("query-order", post, {"target": "/api?y=%20&x=1"}), ("query-added", get, {"target": "/api?a=1"}), ("digest", post, {"headers": {"Digest": ABC_DIGEST}}),
        ("host", post, {"headers": {"Host": "evil.example.com"}}), ("created", post, {"replace": replace(where, f"created={SDK_SECONDS}", f"created={SDK_SECONDS + 1}")}),
        ("expires", "expires", {"replace": replace(where, f"expires={SDK_SECONDS + 600}", f"expires={SDK_SECONDS + 700}")}),
        ("signed-date", "date-beside-created", {"headers": {"Date": DATE}}), ("ed25519-method", "ed25519", {"method": "PUT"}), ("rsa-method", "rsa-sha256", {"method": "PUT"}),
    ])
    yield from shared_faults(post, get, signature, "(created)")
    yield edit("created-missing", "a parameter taken away", "malformed_claim", f"created={SDK_SECONDS},", "")
    yield edit("created-twice", "a parameter repeated", "malformed_claim", ",signature", f",created={SDK_SECONDS},signature")
    yield edit("created-with-a-fraction", "a time is whole seconds", "malformed_claim", f"created={SDK_SECONDS}", f"created={SDK_SECONDS}.5")
    yield edit("created-in-quotes", "quotes around a value are free", "accepted", f"created={SDK_SECONDS}", f'created="{SDK_SECONDS}"')
    yield edit("expires-taken-away", "the list names an expiry that is not there", "signature_mismatch", f"expires={SDK_SECONDS + 600},", "", "expires")
    yield edit("expires-added", "an expiry that nothing signs", "required_part_unsigned", ",signature", f",expires={SDK_SECONDS + 600},signature")
    yield edit("algorithm-outside-the-map", "an algorithm that the dialect does not know", "malformed_claim", "hs2019", "rsa-sha256")
    yield edit("parameters-in-another-order", "the order of the parameters is free", "accepted", f'keyId="{KEY_ID}",algorithm="hs2019"', f'algorithm="hs2019",keyId="{KEY_ID}"')
