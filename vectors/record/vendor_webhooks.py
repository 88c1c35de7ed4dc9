"""Witnesses of vendors' webhooks: stripe, slack_sdk, published deliveries, and transcripts of the written rules."""
import hashlib
import hmac

import faults
from common import (BINARY, MEBIBYTE, SDK_CLOCK, SDK_SECONDS, Recording, Request, fault, frozen, left_out, moment, octets, other, published, replace, sdk, sha256_hex, transcript,
                    vector)
from published import APACHE, QUOTED, check

NI_HAO = "\u4f60\u597d"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
FOREIGN = hashlib.sha256(b"another tag").hexdigest()
SEVERAL = {"skip": "a signer writes one entry"}


def tag(secret, text, algorithm="sha256"):
    return hmac.new(octets(secret), octets(text), algorithm).hexdigest()


def delivery(source, body, signature, text, lines, *, secret, at=SDK_SECONDS, before=(), content_type=JSON, target="/hooks"):
    """A delivery as sent: `lines` are the headers that carry the claim."""
    request = Request("POST", target, (("Host", "receiver.example"), ("Content-Type", content_type), *before), octets(body))
    return Recording(source=source, at=moment(at), credentials={"key_id": "endpoint-1", "secret": secret}, request=request, placed=request.with_headers(*lines),
                     stages={"string_to_sign": text}, signature=signature)


def body_cases(case):
    """Bodies that every witness takes as text."""
    yield case("unicode-body", "the octets of UTF-8", f'{{"name":"{NI_HAO}"}}')
    yield case("body-with-line-breaks", "spaces, line breaks and dots are part of the body", '{\r\n  "a": 1.5,\n\t"b": "..."\n}\n')
    yield case("body-with-escapes", "nothing in a body is decoded", "a=%E4%BD%A0&empty=&b=1+2&c=%2F%2b&a=2")


# ---------------------------------------------------------------- GitHub

GITHUB_SECRET = "It's a Secret to Everybody"
GITHUB_LINES = (("X-GitHub-Event", "push"), ("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"))
GITHUB_BODY = '{"zen":"Keep it logically awesome.","hook_id":30}'


def github(body=GITHUB_BODY, *, secret=GITHUB_SECRET, source=None, more=(), **kw):
    signature = tag(secret, body)
    return delivery(source or transcript("GitHub webhook rules"), body, signature, octets(body), [("X-Hub-Signature-256", "sha256=" + signature), *more], secret=secret, before=GITHUB_LINES, **kw)


def github_published():
    source = published("GitHub documentation, validating webhook deliveries", "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries", QUOTED)
    made = github("Hello, World!", source=source, content_type="text/plain")
    yield vector("published-delivery", "the values with which the page lets an implementation be tested", check(made, "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"), covers=["body"])


def github_vectors():
    yield vector("delivery", "the body alone is signed", github(), covers=["body"])
    yield from body_cases(lambda name, why, body: vector(name, why, github(body)))
    yield vector("form-delivery", "a hook may send its payload as a form field; the raw body is signed", github("payload=%7B%22zen%22%3A%22Design+for+failure.%22%7D", content_type=FORM))
    yield vector("binary-body", "octets that are not UTF-8", github(BINARY))
    yield vector("empty-body", "the tag of nothing", github(""))
    yield vector("body-of-one-mebibyte", "a long body", github("a" * MEBIBYTE))
    yield vector("unicode-secret", "the secret is used as the octets of UTF-8", github(secret="\u5bc6\u94a5 \u00e9"))
    yield vector("long-secret", "a secret that is longer than the block of the digest", github(secret="s" * 100))
    yield vector("secret-that-looks-like-hex", "a secret is text, whatever it looks like", github(secret="00ff" * 10))
    yield vector("with-the-older-header", "the header of SHA-1 stands beside it and is not looked at", github(more=[("X-Hub-Signature", "sha1=" + tag(GITHUB_SECRET, GITHUB_BODY, "sha1"))]),
                 sign={"skip": "a signer writes one header"})
    yield vector("repeated-header-and-parameter", "headers and target are not signed, repeated or not", github(target="/hooks?a=2&a=1&b=%2F+/../c"), sign={})


GITHUB_GAPS = [left_out("unicode, +, %2F, dot segments in the target, repeated parameter, repeated header as signed parts", "GitHub webhook rules", "nothing but the body is signed")]


def github_faults(by_name):
    origin, where = "delivery", "header.X-Hub-Signature-256"
    signature = by_name[origin]["signature"]
    yield from faults.required(origin)
    yield fault("years-later", origin, "no time is signed: nothing bounds the age of a delivery", "accepted", now="2036-01-02T03:04:05Z")
    yield fault("years-earlier", origin, "no time is signed", "accepted", now="2016-01-02T03:04:05Z")
    yield from faults.secret(origin, secret=GITHUB_SECRET + "!")
    yield fault("secret-with-a-line-break", origin, "a secret is used as it is, its last line break too", "signature_mismatch", credentials={"secret": GITHUB_SECRET + "\n"})
    yield from faults.signed([
        ("body", origin, {"replace": replace("body", '"hook_id":30', '"hook_id":31')}), ("body-lengthened", origin, {"body": GITHUB_BODY + "\n"}), ("body-emptied", origin, {"body": ""}),
        ("body-re-serialised", origin, {"body": GITHUB_BODY.replace(":", ": ")}), ("body-where-none-was", "empty-body", {"body": " "}),
        ("form-value", "form-delivery", {"replace": replace("body", "failure", "success")}),
    ])
    yield fault("delivery-id-changed", origin, "the delivery's id is not signed", "accepted", headers={"X-GitHub-Delivery": "00000000-cc78-11e3-81ab-4c9367dc0958"})
    yield fault("event-changed", origin, "the event's name is not signed", "accepted", headers={"X-GitHub-Event": "ping"})
    yield fault("method-changed", origin, "the method is not signed", "accepted", method="PUT")
    yield fault("target-changed", origin, "the target is not signed", "accepted", target="/other?a=1")
    yield fault("host-changed", origin, "the host is not signed", "accepted", headers={"Host": "other.example"})
    yield fault("of-another-digest", origin, "the header with another digest's word", "missing_signature", headers={"X-Hub-Signature-256": "sha1=" + signature[:40]})
    yield fault("word-in-capitals", origin, "the word has one spelling", "missing_signature", headers={"X-Hub-Signature-256": "SHA256=" + signature})
    yield fault("without-word", origin, "the signature without its word", "missing_signature", headers={"X-Hub-Signature-256": signature})
    yield fault("older-header-only", "with-the-older-header", "SHA-1 is not taken", "missing_signature", remove_headers=["X-Hub-Signature-256"])
    yield fault("signature-empty", origin, "the word without a signature", "malformed_claim", headers={"X-Hub-Signature-256": "sha256="})
    yield fault("signature-in-base64", origin, "the tag in another encoding", "malformed_claim", headers={"X-Hub-Signature-256": "sha256=dXEH6g6yUJ/CESIczphLijdXC211hsIsRvQ3nIsEPhc="})
    yield fault("signature-of-sha1", origin, "the tag of SHA-1 under the word of SHA-256", "signature_mismatch", headers={"X-Hub-Signature-256": "sha256=" + tag(GITHUB_SECRET, GITHUB_BODY, "sha1")})
    yield fault("signature-unkeyed", origin, "the digest of the body without a key", "signature_mismatch", headers={"X-Hub-Signature-256": "sha256=" + sha256_hex(GITHUB_BODY)})
    yield fault("signature-cut", origin, "the first half of the tag", "signature_mismatch", headers={"X-Hub-Signature-256": "sha256=" + signature[:32]})
    yield fault("signature-too-long", origin, "a signature of more than 1024 bytes", "malformed_claim", replace=replace(where, signature, "0" * 1026))
    yield from faults.headers_gone(origin, [("X-Hub-Signature-256", "missing_signature")])
    yield from faults.headers_twice(origin, [("X-Hub-Signature-256", "sha256=" + FOREIGN)])
    yield from faults.hex_text(origin, where, signature)


# ---------------------------------------------------------------- Stripe

STRIPE_SECRET = "whsec_test_secret"
STRIPE_BODY = '{"id":"evt_1","object":"event","type":"customer.created"}'
STRIPE_EXAMPLE = """{
  "id": "evt_123",
  "object": "event",
  "account": "acct_123",
  "api_version": "2017-05-25",
  "created": 1533204620,
  "data": {
    "object": {
      "id": "cus_123",
      "object": "customer",
      "created": 123456789,
      "email": "test@stripe.com",
      "livemode": false,
      "metadata": {}
    }
  },
  "livemode": false,
  "pending_webhooks": 1,
  "request": {
    "id": "req_123",
    "idempotency_key": "idempotency-key-123"
  },
  "type": "customer.created"
}
"""


def stripe_delivery(source, body, signature, header, *, secret=STRIPE_SECRET, at=SDK_SECONDS):
    return delivery(source, body, signature, octets(f"{at}.") + octets(body), [("Stripe-Signature", header)], secret=secret, at=at)


def stripe_package(body=STRIPE_BODY, *, secret=STRIPE_SECRET, at=SDK_SECONDS):
    """The header that the package's helper for tests writes; the package takes it too."""
    from stripe import WebhookSignature
    header = WebhookSignature.generate_signature_header(body, secret, at)
    with frozen(moment(at)):
        WebhookSignature.verify_header(body, header, secret, 300)
    return stripe_delivery(sdk("stripe", "MIT"), body, header.partition(",v1=")[2], header, secret=secret, at=at)


def stripe_rule(body=STRIPE_BODY, *, secret=STRIPE_SECRET, at=SDK_SECONDS, source=None, header="t={t},v1={v1}"):
    """HMAC-SHA256 over time, dot and body, under the whole secret; `header` shows where time and tag stand."""
    signature = tag(secret, octets(f"{at}.") + octets(body))
    return stripe_delivery(source or transcript("Stripe webhook rules"), body, signature, header.format(t=at, v1=signature), secret=secret, at=at)


def stripe_published():
    source = published("stripe-dotnet, tests of its webhook events", "https://github.com/stripe/stripe-dotnet", APACHE)
    made = stripe_rule(STRIPE_EXAMPLE, secret="webhook_secret", at=1533204620, source=source)
    yield vector("published-delivery", "the delivery of the vendor's own tests", check(made, "2220f87ef101a04665f11cdf770523143f875572008577fa0f20882ddb9cc3c7"), covers=["body", "time"])


def stripe_vectors():
    def case(name, why, *args, covers=None, **kw):
        return vector(f"package-{name}", why, stripe_package(*args, **kw), covers=covers)
    yield case("delivery", "time and body, joined by a dot", covers=["body", "time"])
    yield from body_cases(case)
    yield case("empty-body", "the string to sign ends in a dot", "")
    yield case("body-of-one-mebibyte", "a long body", "a" * MEBIBYTE)
    yield case("another-time", "a time of its own", at=SDK_SECONDS + 86400)
    yield case("secret-without-prefix", "a secret is used as it is, with a prefix or without", secret="webhook_secret")
    yield vector("binary-body", "octets that are not UTF-8", stripe_rule(BINARY))
    for name, why, header in [
        ("other-scheme-behind", "an entry of another scheme is passed over", "t={t},v1={v1},v0=" + FOREIGN), ("other-scheme-before", "an entry of another scheme is passed over", "t={t},v0=" + FOREIGN + ",v1={v1}"),
        ("two-signatures", "old and new secret side by side: any one that holds is enough", "t={t},v1=" + FOREIGN + ",v1={v1}"),
        ("two-signatures-the-first-holds", "old and new secret side by side: any one that holds is enough", "t={t},v1={v1},v1=" + FOREIGN),
        ("time-behind", "the order of the entries is free", "v1={v1},t={t}"), ("blanks-behind-commas", "blanks between the entries are free", "t={t}, v1={v1}"),
        ("sixteen-signatures", "as many signatures as are tried", "t={t}," + ",".join(["v1=" + FOREIGN] * 15) + ",v1={v1}"),
        ("signature-of-another-length-beside", "an entry that is no tag of this algorithm fits nothing and harms nothing", "t={t},v1=00ff,v1={v1}"),
    ]:
        yield vector(name, why, stripe_rule(header=header), sign=SEVERAL)


STRIPE_GAPS = [
    left_out("binary body", "stripe", "takes text only: see the transcript"),
    left_out("unicode, +, %2F, dot segments in the target, repeated parameter, repeated header", "stripe", "nothing of the target is signed, and no further header"),
]


def stripe_faults(by_name):
    origin, where = "package-delivery", "header.Stripe-Signature"
    signature = by_name[origin]["signature"]
    yield from faults.required(origin)
    def header(name, why, expect, text):
        return fault(name, origin, why, expect, headers={"Stripe-Signature": text})
    yield from faults.clock(origin, SDK_CLOCK)
    yield from faults.secret(origin)
    yield fault("secret-without-its-prefix", origin, "the prefix belongs to the key", "signature_mismatch", credentials={"secret": STRIPE_SECRET.removeprefix("whsec_")})
    yield from faults.signed([
        ("body", origin, {"body": STRIPE_BODY + " "}), ("body-emptied", origin, {"body": ""}), ("body-re-serialised", origin, {"body": STRIPE_BODY.replace(":", ": ")}),
        ("timestamp", origin, {"replace": replace(where, f"t={SDK_SECONDS}", f"t={SDK_SECONDS + 1}")}),
        ("digit-moved-to-the-time", origin, {"replace": replace(where, f"t={SDK_SECONDS}", f"t=0{SDK_SECONDS}")}),
    ])
    yield fault("method-changed", origin, "the method is not signed", "accepted", method="PUT")
    yield fault("target-changed", origin, "the target is not signed", "accepted", target="/other?a=1")
    yield fault("host-changed", origin, "the host is not signed", "accepted", headers={"Host": "other.example"})
    yield header("last-signature-taken-away", "of two entries only the wrong one is left", "signature_mismatch", f"t={SDK_SECONDS},v1={FOREIGN}")
    yield header("two-wrong-signatures", "neither holds", "signature_mismatch", f"t={SDK_SECONDS},v1={FOREIGN},v1={other(FOREIGN)}")
    yield header("signature-of-another-scheme-only", "no entry of the dialect's scheme: the right tag under another name", "malformed_claim", f"t={SDK_SECONDS},v0={signature}")
    yield header("scheme-in-capitals", "a scheme has one spelling", "malformed_claim", f"t={SDK_SECONDS},V1={signature}")
    yield header("timestamp-twice", "two times, the signed one first", "malformed_claim", f"t={SDK_SECONDS},t={SDK_SECONDS + 1},v1={signature}")
    yield header("timestamp-twice-equal", "two times, even if equal", "malformed_claim", f"t={SDK_SECONDS},t={SDK_SECONDS},v1={signature}")
    yield header("timestamp-missing", "no time", "malformed_claim", f"v1={signature}")
    yield header("timestamp-empty", "an empty time", "malformed_claim", f"t=,v1={signature}")
    yield header("timestamp-no-number", "a time that is no number", "malformed_claim", f"t={SDK_CLOCK},v1={signature}")
    yield header("timestamp-with-a-fraction", "a time that is no whole number", "malformed_claim", f"t={SDK_SECONDS}.0,v1={signature}")
    yield header("timestamp-negative", "a time before 1970", "malformed_claim", f"t=-1,v1={signature}")
    yield header("timestamp-in-milliseconds", "no time in seconds has so many digits", "malformed_claim", f"t={SDK_SECONDS}000,v1={signature}")
    yield header("entry-without-value", "a piece that is no name and value", "malformed_claim", f"t={SDK_SECONDS},v1={signature},v2")
    yield header("seventeen-signatures", "more signatures than are tried", "malformed_claim", f"t={SDK_SECONDS}," + ",".join([f"v1={FOREIGN}"] * 16) + f",v1={signature}")
    yield header("misshapen-signature-beside", "an entry of the scheme that is no lower-case hex", "malformed_claim", f"t={SDK_SECONDS},v1={FOREIGN.upper()},v1={signature}")
    yield header("header-empty", "nothing in the header", "malformed_claim", "")
    yield from faults.headers_gone(origin, [("Stripe-Signature", "missing_signature")])
    yield from faults.headers_twice(origin, [("Stripe-Signature", f"t={SDK_SECONDS},v1={FOREIGN}")])
    yield from faults.hex_text(origin, where, signature)


# ---------------------------------------------------------------- Slack

SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SLACK_BODY = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&text="
SLACK_EXAMPLE = ("token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
                 "&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
                 "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c")


def slack_delivery(source, body, signature, *, secret=SLACK_SECRET, at=SDK_SECONDS, content_type=FORM):
    return delivery(source, body, signature, octets(f"v0:{at}:") + octets(body), [("X-Slack-Request-Timestamp", str(at)), ("X-Slack-Signature", "v0=" + signature)],
                    secret=secret, at=at, content_type=content_type, target="/slack")


def slack_package(body=SLACK_BODY, *, secret=SLACK_SECRET, at=SDK_SECONDS, content_type=FORM):
    from slack_sdk.signature import SignatureVerifier
    verifier = SignatureVerifier(secret)
    header = verifier.generate_signature(timestamp=str(at), body=body)
    with frozen(moment(at)):
        if not verifier.is_valid_request(body, {"X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": header}):
            raise ValueError(f"{body}: not taken by the package that signed it")
    return slack_delivery(sdk("slack_sdk", "MIT"), body, header.removeprefix("v0="), secret=secret, at=at, content_type=content_type)


def slack_rule(body=SLACK_BODY, *, secret=SLACK_SECRET, at=SDK_SECONDS, source=None):
    return slack_delivery(source or transcript("Slack signing rules, v0"), body, tag(secret, octets(f"v0:{at}:") + octets(body)), secret=secret, at=at)


def slack_published():
    source = published("Slack documentation, verifying requests from Slack", "https://docs.slack.dev/authentication/verifying-requests-from-slack", QUOTED)
    yield vector("published-command", "the command of the vendor's page", check(slack_rule(SLACK_EXAMPLE, at=1531420618, source=source), "a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
                 covers=["body", "time"])


def slack_vectors():
    def case(name, why, *args, covers=None, **kw):
        return vector(f"package-{name}", why, slack_package(*args, **kw), covers=covers)
    yield case("command", "version, time and the raw form, joined by colons", covers=["body", "time"])
    yield case("event", "a JSON body", '{"type":"event_callback","event_id":"Ev123ABC456"}', content_type=JSON)
    yield from body_cases(case)
    yield case("body-with-colons", "the body is the last part, so its colons do no harm", "v0:1:a:b")
    yield case("empty-body", "the string to sign ends in a colon", "")
    yield case("body-of-one-mebibyte", "a long body", "a" * MEBIBYTE)
    yield case("another-time", "a time of its own", at=SDK_SECONDS + 86400)
    yield vector("binary-body", "octets that are not UTF-8", slack_rule(BINARY))


SLACK_GAPS = [
    left_out("binary body", "slack_sdk", "takes UTF-8 only: see the transcript"),
    left_out("unicode, +, %2F, dot segments in the target, repeated parameter, repeated header", "slack_sdk", "nothing of the target is signed, and no further header"),
]


def slack_faults(by_name):
    origin, where = "package-command", "header.X-Slack-Signature"
    signature = by_name[origin]["signature"]
    yield from faults.required(origin)
    yield from faults.clock(origin, SDK_CLOCK)
    yield from faults.secret(origin)
    yield from faults.signed([
        ("body", origin, {"replace": replace("body", "T1DC2JH3J", "T1DC2JH3K")}), ("body-emptied", origin, {"body": ""}), ("form-respelt", origin, {"replace": replace("body", "team_id", "team%5Fid")}),
        ("form-reordered", origin, {"body": "text=&team_id=T1DC2JH3J&token=xyzz0WbapA4vBCDEFasx0q6G"}), ("body-where-none-was", "package-empty-body", {"body": " "}),
        ("timestamp", origin, {"headers": {"X-Slack-Request-Timestamp": str(SDK_SECONDS + 1)}}), ("timestamp-respelt", origin, {"headers": {"X-Slack-Request-Timestamp": f"0{SDK_SECONDS}"}}),
    ])
    yield fault("method-changed", origin, "the method is not signed", "accepted", method="PUT")
    yield fault("target-changed", origin, "the target is not signed", "accepted", target="/other?a=1")
    yield fault("host-changed", origin, "the host is not signed", "accepted", headers={"Host": "other.example"})
    yield fault("retry-header-added", origin, "what a repeated delivery says of itself is not signed", "accepted", add_headers=[["X-Slack-Retry-Num", "1"]])
    yield fault("another-version", origin, "a version that the dialect does not know", "missing_signature", headers={"X-Slack-Signature": "v1=" + signature})
    yield fault("without-version", origin, "the signature without its version", "missing_signature", headers={"X-Slack-Signature": signature})
    yield fault("signature-empty", origin, "the version without a signature", "malformed_claim", headers={"X-Slack-Signature": "v0="})
    yield fault("signature-cut", origin, "the first half of the tag", "signature_mismatch", headers={"X-Slack-Signature": "v0=" + signature[:32]})
    yield fault("two-signatures-in-one-header", origin, "one signature only", "malformed_claim", headers={"X-Slack-Signature": f"v0={FOREIGN},v0={signature}"})
    yield fault("timestamp-no-number", origin, "a time that is no number", "malformed_claim", headers={"X-Slack-Request-Timestamp": SDK_CLOCK})
    yield fault("timestamp-with-a-fraction", origin, "a time that is no whole number", "malformed_claim", headers={"X-Slack-Request-Timestamp": f"{SDK_SECONDS}.0"})
    yield fault("timestamp-empty", origin, "an empty time", "malformed_claim", headers={"X-Slack-Request-Timestamp": ""})
    yield from faults.headers_gone(origin, [("X-Slack-Signature", "missing_signature"), ("X-Slack-Request-Timestamp", "malformed_claim")])
    yield from faults.headers_twice(origin, [("X-Slack-Signature", "v0=" + FOREIGN), ("X-Slack-Request-Timestamp", str(SDK_SECONDS))])
    yield from faults.hex_text(origin, where, signature)
