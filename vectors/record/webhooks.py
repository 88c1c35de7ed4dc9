"""Witnesses of Standard Webhooks: standardwebhooks, svix, and a transcript of the specification."""
import base64
import datetime
import hashlib
import hmac

import faults
from common import BINARY, MEBIBYTE, SDK_CLOCK, SDK_SECONDS, SDK_TIME, Recording, Request, b64, fault, left_out, moment, octets, sdk, transcript, vector

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
BODY = '{"test": 2432232314}'
NI_HAO = "\u4f60\u597d"
JSON = (("Content-Type", "application/json"),)


def recording(source, tag, body, *, secret=SECRET, id_=ID, at=SDK_SECONDS, carried=None):
    """A delivery with the three headers; `carried` is the whole signature header where it holds more than one entry."""
    body = octets(body)
    request = Request("POST", "/hooks", (("Host", "receiver.example"), *JSON), body)
    placed = request.with_headers(("webhook-id", id_), ("webhook-timestamp", str(at)), ("webhook-signature", carried or f"v1,{tag}"))
    return Recording(source=source, at=moment(at), credentials={"key_id": "endpoint-1", "secret": secret}, nonce=id_, request=request, placed=placed,
                     stages={"string_to_sign": octets(f"{id_}.{at}.") + body}, signature=tag)


# ---------------------------------------------------------------- the packages

def standardwebhooks(body=BODY, *, secret=SECRET, id_=ID, at=SDK_TIME):
    from standardwebhooks import Webhook
    tag = Webhook(secret).sign(id_, at, body).removeprefix("v1,")
    return recording(sdk("standardwebhooks", "MIT"), tag, body, secret=secret, id_=id_, at=int(at.timestamp()))


def svix(body=BODY, *, secret=SECRET, id_=ID, at=SDK_TIME):
    from svix.webhooks import Webhook
    tag = Webhook(secret).sign(id_, at, body).removeprefix("v1,")
    return recording(sdk("svix", "MIT"), tag, body, secret=secret, id_=id_, at=int(at.timestamp()))


def package_vectors(prefix, sign):
    def case(name, why, covers=None, **kw):
        return vector(f"{prefix}-{name}", why, sign(**kw), covers=covers)
    yield case("delivery", "id, time and body, joined by dots", ["body", "time", "nonce"])
    yield case("unicode-body", "the octets of UTF-8", body=f'{{"name":"{NI_HAO}"}}')
    yield case("empty-body", "the string to sign ends in a dot", body="")
    yield case("body-with-dots-and-line-breaks", "the body is the last part, so its dots do no harm", body='{\n  "a": 1.5,\n  "b": "..."\n}\n')
    yield case("body-of-one-mebibyte", "a long body", body="a" * MEBIBYTE)
    yield case("secret-without-prefix", "the prefix of the secret may be left out", secret=SECRET.removeprefix("whsec_"))
    yield case("secret-without-padding", "the padding of the secret may be left out", secret="whsec_" + base64.b64encode(bytes(range(32))).decode().rstrip("="))
    yield case("another-time", "a time of its own", at=SDK_TIME + datetime.timedelta(days=100))


def standardwebhooks_vectors():
    yield from package_vectors("standardwebhooks", standardwebhooks)
    yield vector("id-with-a-dot", "a dot in the id can be taken for the border to the time", standardwebhooks(id_="msg.1"), expect="ambiguous_request", sign={"skip": "a signer refuses an id with a dot"})
    yield vector("id-with-a-dot-allowed", "the same, where the route takes it", standardwebhooks(id_="msg.1"), policy={"allow_ambiguous": True}, sign={"skip": "a signer refuses an id with a dot"})


def svix_vectors():
    yield from package_vectors("svix", svix)


GAPS = [
    left_out("binary body", "standardwebhooks, svix", "take text only: see the transcript"),
    left_out("unicode, +, %2F, dot segments in the target, repeated parameter, repeated header", "standardwebhooks, svix", "nothing of the target is signed, and no further header"),
    left_out("svix-id, svix-timestamp, svix-signature", "svix", "the older names of the three headers are no part of the dialect"),
]


# ---------------------------------------------------------------- the specification

def by_rule(body=BODY, *, secret=SECRET, id_=ID, at=SDK_SECONDS, before=(), after=(), source=None):
    """HMAC-SHA256 under the decoded secret; `before` and `after` are further entries of the signature header."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    tag = b64(hmac.new(key, octets(f"{id_}.{at}.") + octets(body), hashlib.sha256).digest())
    return recording(source or transcript("Standard Webhooks rules"), tag, body, secret=secret, id_=id_, at=at, carried=" ".join([*before, f"v1,{tag}", *after]))


OTHER = "v1," + b64(hashlib.sha256(b"another tag").digest())
ASYMMETRIC = "v1a," + b64(hashlib.sha512(b"another tag").digest())
SEVERAL = {"skip": "a signer writes one entry"}


def rule_vectors():
    yield vector("binary-body", "octets that are not UTF-8", by_rule(BINARY))
    yield vector("two-signatures", "old and new secret side by side: any one that holds is enough", by_rule(before=[OTHER]), sign=SEVERAL)
    yield vector("other-versions", "entries of versions that the dialect does not know are passed over", by_rule(before=[ASYMMETRIC], after=["v2,AAAA"]), sign=SEVERAL)


# ---------------------------------------------------------------- faults

def webhook_faults(by_name):
    origin, two = "standardwebhooks-delivery", "two-signatures"
    signature = by_name[origin]["signature"]
    yield from faults.clock(origin, SDK_CLOCK)
    yield from faults.required(origin)
    yield from faults.secret(origin, secret="whsec_" + "A" * 32)
    yield from faults.signed([
        ("body", origin, {"body": BODY + " "}), ("body-emptied", origin, {"body": ""}), ("body-re-serialised", origin, {"body": '{"test":2432232314}'}),
        ("id", origin, {"headers": {"webhook-id": "msg_2KWPBgLlAfxdpx2AI54pPJ85f4X"}}), ("timestamp", origin, {"headers": {"webhook-timestamp": str(SDK_SECONDS + 1)}}),
    ])
    yield fault("method-changed", origin, "the method is not signed", "accepted", method="PUT")
    yield fault("target-changed", origin, "the target is not signed", "accepted", target="/other?a=1")
    yield fault("host-changed", origin, "the host is not signed", "accepted", headers={"Host": "other.example"})
    yield fault("last-signature-taken-away", two, "of two entries only the wrong one is left", "signature_mismatch", headers={"webhook-signature": OTHER})
    yield fault("signature-of-another-version-only", origin, "no entry of the dialect's version", "missing_signature", headers={"webhook-signature": ASYMMETRIC})
    yield fault("signature-without-version", origin, "an entry without its version", "missing_signature", headers={"webhook-signature": signature})
    yield fault("timestamp-no-number", origin, "a time that is no number", "malformed_claim", headers={"webhook-timestamp": SDK_CLOCK})
    yield fault("timestamp-with-a-fraction", origin, "a time that is no whole number", "malformed_claim", headers={"webhook-timestamp": f"{SDK_SECONDS}.0"})
    yield fault("id-too-long", origin, "an id of more than 128 bytes", "malformed_claim", headers={"webhook-id": "m" * 129})
    yield from faults.headers_gone(origin, [("webhook-signature", "missing_signature"), ("webhook-id", "malformed_claim"), ("webhook-timestamp", "malformed_claim")])
    yield from faults.headers_twice(origin, [("webhook-signature", OTHER), ("webhook-id", ID), ("webhook-timestamp", str(SDK_SECONDS))])
    yield from faults.base64_text(origin, "header.webhook-signature", signature)
