"""Faults that several dialects share: a placed request of a recorded vector with one thing changed.

Nothing here computes a tag. A fault whose request needs a tag that holds is recorded by a witness instead.
"""
from common import Flow, fault, moment, other, replace, seconds, spare_bits


def clock(origin, signed_at, past=300, future=300):
    """The edges of the window and one second beyond them; `signed_at` is the carried time."""
    start = seconds(signed_at) if isinstance(signed_at, str) else signed_at
    yield fault("oldest-in-the-window", origin, "the window's last instant", "accepted", now=moment(start + past))
    yield fault("too-old", origin, "one second beyond the window", "too_old", now=moment(start + past + 1))
    yield fault("newest-in-the-window", origin, "a signer's clock ahead by the whole window", "accepted", now=moment(start - future))
    yield fault("from-the-future", origin, "a signer's clock ahead by one second more", "from_the_future", now=moment(start - future - 1))


def secret(origin, **wrong):
    """Another secret, and the key of another caller."""
    yield fault("wrong-secret", origin, "the tag is another secret's", "signature_mismatch", credentials=wrong or {"secret": "another-secret"})


def percent(origin):
    """A bare percent sign in the place of an encoded one. `origin` has `q=100%25` in its query."""
    yield fault("percent-that-begins-no-triplet", origin, "a percent sign that begins no triplet is read in several ways", "malformed_request",
                replace=replace("target", "100%25", "100%"))


def required(origin):
    """A header that the signature leaves open, on a route that asks for it."""
    yield fault("required-header-unsigned", origin, "a route asks for a header that the signature leaves open", "required_part_unsigned",
                add_headers=[["X-Note", "a"]], policy={"require": ["header.x-note"]})


def everywhere(vectors):
    """What every dialect must refuse, on the first request that is accepted, unless the dialect has such a fault of its own."""
    have = {made["expect"] for made in vectors}
    origin = next(made for made in vectors if "from" not in made and made["expect"] == "accepted")
    target, registered = origin["placed"]["target"], origin["credentials"]
    registered = registered.value if isinstance(registered, Flow) else registered
    if "malformed_request" not in have:
        yield fault("parameter-that-cannot-be-decoded", origin["name"], "a % that begins no triplet is read in several ways", "malformed_request", target=f"{target}{'&' if '?' in target else '?'}x=%zz")
    if "algorithm_not_allowed" not in have and "signature" in origin:
        another = "rsa-pss-sha512" if "public_key_pem" in registered else "hmac-sha384"
        yield fault("key-of-another-algorithm", origin["name"], f"the tag holds, but the key was registered for {another}, which is none of the dialect's", "algorithm_not_allowed", credentials={"algorithm": another})


def signed(parts):
    """One change for each signed part: (what, origin, change); every one must break the tag."""
    for what, origin, change in parts:
        yield fault(f"{what}-changed", origin, f"{what.replace('-', ' ')}: signed, so a change breaks the tag", "signature_mismatch", **change)


def base64_text(origin, where, signature, spelt=lambda text: text):
    """Texts that decode, or nearly decode, to the right tag but are not its one spelling. `spelt` is the spelling on the wire."""
    texts = [
        ("spare-bits", "a bit set behind the last octet", spelt(signature[-8:]), spelt(spare_bits(signature)[-8:])),
        ("without-padding", "the padding left out", spelt(signature[-8:]), spelt(signature[-8:].rstrip("="))),
        ("with-a-foreign-letter", "a letter outside the alphabet", spelt(signature[:8]), spelt("*" + signature[1:8])),
    ]
    for name, why, text, with_ in texts:
        yield fault(f"signature-{name}", origin, f"base64: {why}", "malformed_claim", replace=replace(where, text, with_))
    yield fault("signature-changed", origin, "one letter of the signature", "signature_mismatch", replace=replace(where, spelt(signature[:8]), spelt(other(signature[:8]))))


def hex_text(origin, where, signature):
    """Texts that are not lower-case hex of a whole tag."""
    head = next(signature[i:i + 12] for i in range(50) if any(c in "abcdef" for c in signature[i:i + 12]))
    yield fault("signature-in-capitals", origin, "hex has one spelling: lower case", "malformed_claim", replace=replace(where, signature, signature.upper()))
    yield fault("signature-with-a-foreign-letter", origin, "a letter that is no hex digit", "malformed_claim", replace=replace(where, head, "g" + head[1:]))
    yield fault("signature-of-odd-length", origin, "half an octet is missing", "malformed_claim", replace=replace(where, signature, signature[:-1]))
    yield fault("signature-changed", origin, "one digit of the signature", "signature_mismatch", replace=replace(where, head, other(head)))


def headers_gone(origin, required):
    """Each carried header taken away: the signature's is missing, any other leaves the claim misshapen."""
    for name, reason in required:
        yield fault(f"{name.lower()}-missing", origin, f"{name} taken away", reason, remove_headers=[name])


def headers_twice(origin, lines):
    """Each carried header sent twice."""
    for name, value in lines:
        yield fault(f"{name.lower()}-twice", origin, f"a second {name} line", "malformed_claim", add_headers=[[name, value]])
