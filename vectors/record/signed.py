"""The witness of `signed-sha256`: a straight transcript of its rules, with keys of the `cryptography` package.

One scheme for three kinds of keys. An ECDSA signature has a new random number each time, so those vectors are only verified; here
the number is the one of RFC 6979, so that a recording can be repeated.
"""
import functools

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

import faults
from common import Recording, Request, fault, moment, octets, replace, sha256_hex, transcript, vector
from transcripts import CLOCK, CLOCK_S, NI_HAO, QUERY, TOKEN, body_cases, joined, mac, query_cases, shown, sorted_query, squeezed, with_host

NONCE = "n-0001"
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
P256 = ec.derive_private_key(int.from_bytes(bytes(range(1, 33)), "big"), ec.SECP256R1())
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
TWO = (("Content-Type", "application/json"), ("X-Access-Token", TOKEN))
LISTED = ["host", "content-type", "x-access-token"]
POST, GET = "post-with-two-signed-headers", "get-with-query"


# ---------------------------------------------------------------- keys

def pair(key):
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {"private_key_pem": private.decode(), "public_key_pem": public(key).decode()}


def public(key, form=serialization.Encoding.PEM):
    return key.public_key().public_bytes(form, serialization.PublicFormat.SubjectPublicKeyInfo)


def by_ed25519(text):
    return ED25519.sign(text)


def by_p256(text, altered=lambda r, s: (r, s)):
    r, s = altered(*decode_dss_signature(P256.sign(text, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def by_secret(secret, text):
    return mac("sha256", secret, text)


KINDS = {
    "ed25519": (pair(ED25519), by_ed25519),
    "ecdsa": (pair(P256), by_p256),
    "hmac": ({"secret": "secret-1"}, functools.partial(by_secret, "secret-1")),
}


# ---------------------------------------------------------------- the rule

def signed(method, path, query=("", ()), headers=(), body=b"", listed=("host",), *, kind="ed25519", by=None, credentials=None, first="SIGNED-SHA256", key="key-1", algorithm=None):
    """`query` is (raw, pairs); `listed` are the signed names. `by` signs in place of the kind's own key."""
    headers, body = with_host(tuple(headers)), octets(body)
    sent = {name: squeezed(value) for name, value in joined((n, shown(v)) for n, v in headers).items()}
    names = sorted(n.lower() for n in listed)
    digest = sha256_hex(body)
    text = "\n".join([first, str(CLOCK_S), NONCE, key, method, path, sorted_query(query[1]),
                      "\n".join(f"{n}:{sent[n]}" for n in names), "", ";".join(names), digest]).encode("utf-8", "surrogateescape")
    own, own_by = KINDS[kind]
    signature = (by or own_by)(text).hex()
    request = Request(method, path + query[0], headers, body)
    authorization = f"SIGNED-SHA256 Credential={key}, Timestamp={CLOCK_S}, Nonce={NONCE}, SignedHeaders={';'.join(names)}, Signature={signature}"
    known = {"key_id": key, **(credentials or own), **({"algorithm": algorithm} if algorithm else {})}
    return Recording(source=transcript("signed-sha256 rules"), at=CLOCK, nonce=NONCE, credentials=known, sign={"headers": names}, request=request,
                     placed=request.with_headers(("X-Content-SHA256", digest), ("Authorization", authorization)),
                     stages={"string_to_sign": text}, signature=signature)


def post(**kw):
    return signed("POST", "/v1/items", headers=TWO, body='{"a":1}', listed=LISTED, **kw)


ONLY_VERIFIED = {"skip": "an ECDSA signature has a new random number each time"}
FORGED = {"skip": "a forgery: no signer makes it"}


def vectors():
    covers = ["method", "path", "body", "header.host", "header.content-type", "header.x-access-token", "time", "nonce"]
    yield vector(POST, "two headers besides the host, and a body", post(), covers=covers)
    yield vector(GET, "the query decoded, encoded and sorted; unicode, an empty value and a repeated name in it",
                 signed("GET", "/v1/items", QUERY), covers=["method", "path", "query", "header.host", "time", "nonce"])
    yield from query_cases(lambda path, query: signed("GET", path, query))
    yield from body_cases(lambda body: signed("POST", "/v1/blob", body=body))
    yield vector("unicode-in-header", "octets of UTF-8 in a signed header", signed("GET", "/v1/items", headers=(("X-Name", NI_HAO),), listed=["host", "x-name"]))
    yield vector("empty-header-value", "a signed header with an empty value keeps its line", signed("GET", "/v1/items", headers=(("X-Empty", ""),), listed=["host", "x-empty"]))
    yield vector("repeated-header", "two lines of one name are joined by a comma, in order of sending",
                 signed("GET", "/v1/items", headers=(("X-Tag", "b"), ("X-Tag", "a")), listed=["host", "x-tag"]))
    yield vector("host-with-port", "the Host header is signed as sent", signed("GET", "/v1/items", headers=(("Host", "api.example.com:8443"),)))
    yield vector("host-not-signed", "a caller that does not list the host", signed("POST", "/v1/items", headers=TWO, body='{"a":1}', listed=["content-type"]),
                 expect="required_part_unsigned")
    yield vector("hmac", "a shared secret signs the same text", post(kind="hmac"), covers=covers)
    yield vector("hmac-get-with-query", "a shared secret, without a body", signed("GET", "/v1/items", QUERY, kind="hmac"))
    yield vector("ecdsa", "an ECDSA key on P-256 signs the same text; the signature is r and s of 32 octets each", post(kind="ecdsa"), covers=covers, sign=ONLY_VERIFIED)
    yield vector("ecdsa-get-with-query", "an ECDSA key, without a body", signed("GET", "/v1/items", QUERY, kind="ecdsa"), sign=ONLY_VERIFIED)
    yield from forgeries()


def forgeries():
    """Signatures that would hold for a verifier that lets the message choose, and one of another scheme under the same key."""
    for name, key in (("ed25519", ED25519), ("ecdsa", P256)):
        for form, encoding in (("pem", serialization.Encoding.PEM), ("der", serialization.Encoding.DER)):
            yield vector(f"{name}-forged-with-public-key-{form}", f"an HMAC under the {form.upper()} octets of the registered public key",
                         post(kind=name, by=functools.partial(by_secret, public(key, encoding))), expect="signature_mismatch", sign=FORGED)
    yield vector("ed25519-key-signed-by-ecdsa", "another family's signature of the same text", post(by=by_p256), expect="signature_mismatch", sign=FORGED)
    yield vector("ecdsa-key-signed-by-ed25519", "another family's signature of the same text", post(kind="ecdsa", by=by_ed25519), expect="signature_mismatch", sign=FORGED)
    yield vector("hmac-key-signed-by-ed25519", "a key pair's signature where a secret is registered", post(kind="hmac", by=by_ed25519), expect="signature_mismatch", sign=FORGED)
    yield vector("hmac-of-another-scheme", "the text of hmac-sha256 under the same secret: its first line parts the two", post(kind="hmac", first="HMAC-SHA256"),
                 expect="signature_mismatch", sign=FORGED)
    yield vector("ecdsa-all-zero", "r and s are zero", post(kind="ecdsa", by=lambda text: bytes(64)), expect="signature_mismatch", sign=FORGED)
    yield vector("ecdsa-r-beyond-the-order", "r is not below the group's order", post(kind="ecdsa", by=lambda text: by_p256(text, lambda r, s: (ORDER, s))),
                 expect="signature_mismatch", sign=FORGED)
    yield vector("ecdsa-der", "the signature as DER where r and s are meant",
                 post(kind="ecdsa", by=lambda text: P256.sign(text, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))), expect="signature_mismatch", sign=FORGED)
    yield vector("ed25519-s-beyond-the-order", "s plus the group's order: a second spelling of the same signature", post(by=_malleable), expect="signature_mismatch", sign=FORGED)
    yield vector("ed25519-all-zero", "r and s are zero", post(by=lambda text: bytes(64)), expect="signature_mismatch", sign=FORGED)


def _malleable(text):
    signature = ED25519.sign(text)
    s = int.from_bytes(signature[32:], "little") + 2 ** 252 + 27742317777372353535851937790883648493
    return signature[:32] + s.to_bytes(32, "little")


# ---------------------------------------------------------------- one thing changed

def signed_faults(by_name):
    yield from faults.percent("encoded-percent")
    where = "header.Authorization"
    signature = by_name[POST]["signature"]

    def edit(name, why, expect, text, with_):
        return fault(name, POST, why, expect, replace=replace(where, text, with_))
    yield from faults.clock(POST, CLOCK_S)
    yield from faults.secret("hmac")
    for name, other in (("ed25519", ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))), ("ecdsa", ec.derive_private_key(7, ec.SECP256R1()))):
        yield fault(f"{name}-wrong-key", POST if name == "ed25519" else name, "the signature is another key's", "signature_mismatch", credentials=pair(other))
    yield from faults.signed([
        ("method", POST, {"method": "PUT"}), ("path", POST, {"target": "/v1/items/"}), ("query-added", POST, {"target": "/v1/items?a=1"}),
        ("query-value", GET, {"replace": replace("target", "b=2", "b=3")}), ("query-name", GET, {"replace": replace("target", "b=2", "c=2")}),
        ("query-removed", GET, {"target": "/v1/items"}),
        ("host", POST, {"headers": {"Host": "evil.example.com"}}), ("content-type", POST, {"headers": {"Content-Type": "text/plain"}}),
        ("token-header", POST, {"headers": {"X-Access-Token": "x"}}), ("digest", POST, {"headers": {"X-Content-SHA256": "0" * 64}}),
        ("timestamp", POST, {"replace": replace(where, "Timestamp=1739437548", "Timestamp=1739437549")}),
        ("nonce", POST, {"replace": replace(where, NONCE, "n-0002")}), ("key-id", POST, {"replace": replace(where, "key-1", "key-2")}),
        ("list", POST, {"replace": replace(where, "content-type;host", "host")}),
        ("ecdsa-body-and-digest", "ecdsa", {"headers": {"X-Content-SHA256": sha256_hex('{"a":2}')}, "body": '{"a":2}'}),
        ("hmac-token-header", "hmac", {"headers": {"X-Access-Token": "x"}}),
    ])
    yield fault("signed-header-twice", POST, "a second line of a signed header joins the first", "signature_mismatch", add_headers=[["X-Access-Token", "x"]])
    yield fault("header-added", POST, "a header that is not listed is not signed", "accepted", add_headers=[["X-Other", "x"]])
    yield fault("query-spelt-otherwise", GET, "another spelling and order of the same query is equal", "accepted", target="/v1/items?a=%e4%bd%a0&%61=1%20%2b&empty&b=2")
    for name in (POST, "ecdsa", "hmac"):
        kind = "ed25519" if name == POST else name
        yield fault(f"{kind}-body-changed", name, "the body is not the digest's", "body_digest_mismatch", body='{"a":2}')
    yield fault("body-emptied", POST, "the body is not the digest's", "body_digest_mismatch", body="")
    yield fault("body-added", GET, "a body under the digest of the empty body", "body_digest_mismatch", body="x")
    yield edit("parameters-in-another-order", "the order of the parameters is free", "accepted", "Credential=key-1, Timestamp=1739437548", "Timestamp=1739437548, Credential=key-1")
    yield edit("another-scheme", "another scheme is no signature of ours", "missing_signature", "SIGNED-SHA256 ", "HMAC-SHA256 ")
    for name in ("Credential=key-1, ", "Timestamp=1739437548, ", f"Nonce={NONCE}, "):
        yield edit(name.split("=")[0].lower() + "-missing", "a required parameter taken away", "malformed_claim", name, "")
        yield edit(name.split("=")[0].lower() + "-twice", "a parameter repeated", "malformed_claim", name, name + name)
    yield edit("name-listed-twice", "a name stands twice in the list", "malformed_claim", "content-type;host", "content-type;content-type;host")
    yield edit("timestamp-no-number", "a time that is no number", "malformed_claim", "1739437548", "17394375xx")
    yield edit("key-id-too-long", "a key id of more than 128 bytes", "malformed_claim", "key-1", "k" * 129)
    yield edit("nonce-too-long", "a nonce of more than 128 bytes", "malformed_claim", NONCE, "n" * 129)
    yield edit("signature-too-long", "a signature of more than 1024 bytes", "malformed_claim", signature, "0" * 1026)
    yield edit("signature-cut-short", "half of a signature", "signature_mismatch", signature, signature[:64])
    yield edit("too-many-signed-headers", "more than 64 names in the list", "malformed_claim", "content-type;host", ";".join(f"x-h{n}" for n in range(65)) + ";host")
    yield fault("signed-header-absent", POST, "the list names a header that is not there", "malformed_claim", remove_headers=["X-Access-Token"])
    yield fault("authorization-missing", POST, "the signature taken away", "missing_signature", remove_headers=["Authorization"])
    yield fault("digest-missing", POST, "the digest is always sent", "malformed_claim", remove_headers=["X-Content-SHA256"])
    yield from faults.headers_twice(POST, [("Authorization", "SIGNED-SHA256 Credential=k, Timestamp=1, Nonce=n, SignedHeaders=host, Signature=00"), ("X-Content-SHA256", "0" * 64)])
    yield from faults.hex_text(POST, where, signature)
