"""Witnesses of Higress's hmac-auth, which speaks the X-Ca headers in its own way: its plugin's tests, and a transcript of its rules."""
import hashlib
import hmac

import faults
from aliyun_xca import FORM
from common import BINARY, MEBIBYTE, READ_ON, SDK_CLOCK, SDK_SECONDS, Recording, Request, b64, fault, octets, replace, transcript, vector
from published import APACHE

HOST, KEY_ID, SECRET = "api.example.com", "appKey", "appSecret"
STAMP, NONCE = str(SDK_SECONDS * 1000), "ca5a6753-b76c-4fff-a9d9-e5bb643e8cdf"
NI_HAO = "\u4f60\u597d"
JSON = (("Accept", "application/json"), ("Content-Type", "application/json"))
FORMED = (("Accept", "application/json"), ("Content-Type", FORM))
ALL = ("x-ca-key", "x-ca-nonce", "x-ca-signature-method", "x-ca-timestamp")
THREE = ("x-ca-key", "x-ca-nonce", "x-ca-timestamp")
OURS = {"HmacSHA256": ("hmac-sha256", "sha256"), "HmacSHA1": ("hmac-sha1", "sha1"), "": ("hmac-sha256", "sha256")}
CARRIED = {"x-ca-key", "x-ca-timestamp", "x-ca-nonce", "x-ca-signature-method", "content-md5", "x-ca-signature-headers", "x-ca-signature"}
EXCEPTED = {"accept", "content-md5", "content-type", "date", "x-ca-signature", "x-ca-signature-headers"}
TEST = "https://github.com/alibaba/higress/blob/main/plugins/wasm-cpp/extensions/hmac_auth/plugin_test.cc"


class NotAsPublished(Exception):
    """A recomputed value differs from the printed one."""


def by_rule(method, target, resource, listed=ALL, headers=JSON, body=b"", *, stamp=STAMP, nonce=NONCE, word="HmacSHA256", digest=True, registered=None, source=None, at=SDK_CLOCK, spelt=str, sign=None, host=HOST):
    """METHOD, Accept, Content-MD5, Content-Type, Date, the listed headers sorted with their names in small letters, path and parameters by hand.

    `spelt` spells the names of the list; `stamp`, `nonce` and `word` are left out where empty.
    """
    body = octets(body)
    lines = [("Host", host), *headers, ("x-ca-key", KEY_ID), *[(n, v) for n, v in (("x-ca-timestamp", stamp), ("x-ca-nonce", nonce), ("x-ca-signature-method", word)) if v]]
    media = next((v for n, v in headers if n.lower() == "content-type"), "")
    if body and digest and not media.startswith(FORM):
        lines.append(("Content-MD5", b64(hashlib.md5(body).digest())))
    sent = {name.lower(): value for name, value in reversed(lines)}      # of a repeated header, the first line
    block = "".join(f"{name}:{sent[name]}\n" for name in sorted(n.lower() for n in listed) if name not in EXCEPTED)
    text = "\n".join([method, sent.get("accept", ""), sent.get("content-md5", ""), sent.get("content-type", ""), sent.get("date", ""), block + resource])
    algorithm, hashed = OURS[word]
    made = b64(hmac.new(octets(SECRET), octets(text), hashed).digest())
    names = (("x-ca-signature-headers", ",".join(spelt(n) for n in listed)),) if listed else ()
    placed = Request(method, target, (*lines, *names, ("x-ca-signature", made)), body)
    request = Request(method, target, tuple(line for line in lines if line[0].lower() not in CARRIED), body)
    omit = [name for name, left in (("time", not stamp), ("nonce", not nonce), ("algorithm", not word), ("body_digest", not digest), ("signed_headers", not listed)) if left]
    choices = {"headers": [spelt(n) for n in listed], **({"omit": omit} if omit else {})}
    return Recording(source=source or transcript("Higress hmac-auth rules"), at=at, credentials={"key_id": KEY_ID, "secret": SECRET, "algorithm": registered or algorithm}, nonce=nonce, sign=sign or choices,
                     request=request, placed=placed, stages={"string_to_sign": text}, signature=made)


def published_vectors():
    source = {"name": "Higress, plugin_test.cc of hmac_auth", "address": TEST, "date": READ_ON, "licence": APACHE}
    def case(name, why, signature, *args, policy=None, **kw):
        made = by_rule(*args, word="", source=source, **kw)
        if made.signature != signature:
            raise NotAsPublished(f"{name}: {made.signature} instead of {signature}")
        return vector(f"published-{name}", why, made, policy=policy)
    check, user = "/Third/Tools/checkSign", "/Third/User/getNyAccessToken"
    yield case("get", "three signed headers", "EdJSFAMOWyXZOpXhevZnjuS0ZafnwnCqaSk5hz+tXo8=", "GET", check, check, THREE, JSON, stamp="1646365291734", nonce="787dd0c2-7bd8-41cd-9c19-62c05ea524a2", at="2022-03-04T03:41:31.734Z")
    yield case("no-signed-headers", "no header signed", "ZpJhkHdtjLTJiR6CJWHL8ikLtPB2z6CoztG21wG3PT4=", "GET", check, check, (), JSON[:1], stamp="", nonce="", at="2022-03-04T03:41:31.734Z", policy={"waive": ["time", "nonce"]})
    yield case("form", "the form's fields are parameters", "gmf9xq0hc95Hmt+7G+OocS009ka3v1v0rvfshKzYc3w=", "POST", user, user + "?nickname=nickname&photo=photo&room_id=6893&uuid=uuid", THREE, FORMED,
               "nickname=nickname&room_id=6893&uuid=uuid&photo=photo", stamp="1646646682418", nonce=NONCE, at="2022-03-07T09:51:22.418Z")


def rule_vectors():
    def case(name, why, *args, policy=None, expect="accepted", covers=None, **kw):
        return vector(name, why, by_rule(*args, **kw), policy=policy, expect=expect, covers=covers)
    yield case("post", "a JSON body brings its digest", "POST", "/test?b=2&a=1", "/test?a=1&b=2", ALL, JSON, '{"a":1}', covers=["method", "path", "query", "body", "time", "nonce", "header.accept", "header.content-type"])
    yield case("get", "no body", "GET", "/test", "/test", covers=["method", "path", "time", "nonce"])
    yield case("names-in-another-spelling", "names are signed in small letters, however they are listed", "GET", "/test", "/test", spelt=str.title)
    yield case("empty-value", "an empty value and a bare name keep an =", "GET", "/test?empty=&flag", "/test?empty=&flag=")
    yield case("unicode", "parameters are signed decoded, the path as sent", "GET", "/%E4%BD%A0%E5%A5%BD?name=%E4%BD%A0", "/%E4%BD%A0%E5%A5%BD?name=\u4f60")
    yield case("unicode-body", "octets of UTF-8", "POST", "/test", "/test", ALL, JSON, f'{{"name":"{NI_HAO}"}}')
    yield case("unicode-in-header", "octets of UTF-8 in a signed header", "GET", "/test", "/test", (*ALL, "x-name"), (*JSON, ("X-Name", NI_HAO)))
    yield case("repeated-parameter", "the first value is signed", "GET", "/test?a=2&b=0&a=1", "/test?a=2&b=0", policy={"allow_ambiguous": True, "waive": ["query"]})
    yield case("parameter-in-query-and-form", "the query's value is signed, the form's is not", "POST", "/test?a=1", "/test?a=1", ALL, FORMED, "a=2", policy={"allow_ambiguous": True, "waive": ["body"]})
    yield case("query-and-form", "both are parameters", "POST", "/test?b=2", "/test?a=1&b=2", ALL, FORMED, "a=1", covers=["method", "path", "query", "body"])
    yield case("separator-in-value", "a decoded & in a value: another request has this string to sign", "GET", "/test?a=1%26b%3D2", "/test?a=1&b=2", policy={"allow_ambiguous": True})
    yield case("plus", "a plus sign in the query is a blank, in the path a plus sign", "GET", "/a+b?q=1+2", "/a+b?q=1 2")
    yield case("encoded-slash-and-plus", "%2F stays in the path; parameters are decoded", "GET", "/a%2Fb?r=%2f%2B", "/a%2Fb?r=/+")
    yield case("dot-segments", "the path as sent", "GET", "/a/./b/../c//d", "/a/./b/../c//d")
    yield case("host-with-port", "the Host header is signed as sent", "GET", "/test", "/test", (*ALL, "host"), host=HOST + ":8443")
    yield case("repeated-header", "of two lines the plugin sees the first: another request has this string to sign", "GET", "/test", "/test", (*ALL, "x-tag"), (*JSON, ("X-Tag", "b"), ("X-Tag", "a")), policy={"allow_ambiguous": True})
    yield case("empty-header-value", "a listed header with an empty value keeps its line", "GET", "/test", "/test", (*ALL, "x-empty"), (*JSON, ("X-Empty", "")))
    yield case("excepted-headers-listed", "headers with a line of their own have no second one", "GET", "/test", "/test", ("accept", "content-type", *ALL))
    yield case("date", "a Date line", "GET", "/test", "/test", ALL, (*JSON, ("Date", "Fri, 02 Jan 2026 03:04:05 GMT")), covers=["header.date"])
    yield case("binary-body", "octets that are not UTF-8", "PUT", "/test", "/test", ALL, (("Content-Type", "application/octet-stream"),), BINARY)
    yield case("body-of-one-mebibyte", "a long body", "PUT", "/test", "/test", ALL, (("Content-Type", "application/octet-stream"),), b"a" * MEBIBYTE)
    yield case("sha1", "the weaker algorithm, where it is the registered one", "GET", "/test", "/test", word="HmacSHA1")
    yield case("timestamp-not-listed", "a time that is sent and not signed", "GET", "/test", "/test", ("x-ca-key", "x-ca-nonce"), expect="required_part_unsigned")
    yield case("nonce-not-listed", "a nonce that is sent and not signed", "GET", "/test", "/test", ("x-ca-key", "x-ca-timestamp"), expect="required_part_unsigned")
    yield case("no-nonce", "a client that sends no nonce", "GET", "/test", "/test", ("x-ca-key", "x-ca-timestamp"), nonce="", policy={"waive": ["nonce"]})
    yield case("no-digest", "a client that sends a JSON body without its digest: the plugin does not miss it", "POST", "/test", "/test", ALL, JSON, "{}", digest=False, policy={"waive": ["body"]})
    yield case("algorithm-not-registered", "HmacSHA1 is known and the tag is right, but the key was registered for HMAC-SHA256", "GET", "/test", "/test", word="HmacSHA1", registered="hmac-sha256",
               expect="algorithm_not_allowed", sign={"skip": "a signer uses the registered algorithm"})


def higress_faults(by_name):
    post, get, form, where = "post", "get", "query-and-form", "header.x-ca-signature"
    signature = by_name[post]["signature"]
    for name in ("published-no-signed-headers", "no-nonce", "no-digest"):
        yield fault(f"{name}-default-policy", name, "what a dialect can sign, a request must sign", "required_part_unsigned", policy={})
    for name in ("repeated-parameter", "parameter-in-query-and-form", "separator-in-value"):
        yield fault(f"{name}-default-policy", name, "one of several requests with that string to sign", "ambiguous_request", policy={})
    yield from faults.clock(get, SDK_CLOCK, 900, 900)
    yield from faults.secret(post)
    yield from faults.signed([
        ("method", post, {"method": "PUT"}), ("path", post, {"replace": replace("target", "/test", "/tests")}), ("query-value", post, {"replace": replace("target", "a=1", "a=2")}), ("query-name", post, {"replace": replace("target", "a=1", "c=1")}),
        ("query-added", get, {"target": "/test?a=1"}), ("accept", post, {"headers": {"Accept": "*/*"}}), ("content-type", post, {"headers": {"Content-Type": "text/plain"}}), ("digest", post, {"headers": {"Content-MD5": "kAFQmDzST7DWlj99KOF/cg=="}}),
        ("date", "date", {"headers": {"Date": "Fri, 02 Jan 2026 03:04:06 GMT"}}), ("timestamp", post, {"headers": {"x-ca-timestamp": str(SDK_SECONDS * 1000 + 1)}}), ("nonce", post, {"headers": {"x-ca-nonce": NONCE[:-1] + "e"}}),
        ("key-id", post, {"headers": {"x-ca-key": "appKez"}}), ("list", post, {"replace": replace("header.x-ca-signature-headers", "x-ca-nonce,", "")}), ("form-value", form, {"body": "a=2"}), ("form-name", form, {"body": "c=1"}),
        ("further-header", "unicode-in-header", {"headers": {"X-Name": "x"}}),
    ])
    yield fault("list-in-another-spelling", post, "names are signed in small letters", "accepted", headers={"x-ca-signature-headers": "X-Ca-Key,X-Ca-Nonce,X-Ca-Signature-Method,X-Ca-Timestamp"})
    yield fault("list-in-another-order", post, "the order of the list does not matter", "accepted", headers={"x-ca-signature-headers": ",".join(reversed(ALL))})
    yield fault("query-in-another-order", post, "the parameters are sorted before they are signed", "accepted", target="/test?a=1&b=2")
    yield fault("bare-name-with-an-equals-sign", "empty-value", "a bare name and an empty value are one", "accepted", target="/test?empty&flag=")
    yield fault("second-value-added", post, "a second value is not signed", "ambiguous_request", target="/test?b=2&a=1&a=2")
    yield fault("field-moved-into-the-query", form, "query and form are one list", "accepted", target="/test?a=1", body="b=2")
    yield fault("host-changed", post, "the host is not signed", "accepted", headers={"Host": "api2.example.com"})
    yield fault("body-changed", post, "the body is not the digest's", "body_digest_mismatch", body='{"a":2}')
    yield fault("body-emptied", post, "the body is not the digest's", "body_digest_mismatch", body="")
    yield fault("body-added", get, "a body that no digest binds", "required_part_unsigned", body="{}")
    yield fault("digest-missing", post, "an absent digest is an empty line", "signature_mismatch", remove_headers=["Content-MD5"])
    yield fault("list-missing", post, "without the list no header is signed", "signature_mismatch", remove_headers=["x-ca-signature-headers"])
    yield fault("listed-header-absent", "unicode-in-header", "the list names a header that is not there", "malformed_claim", remove_headers=["X-Name"])
    yield fault("name-listed-twice", post, "a name stands twice in the list", "malformed_claim", replace=replace("header.x-ca-signature-headers", "x-ca-key,", "x-ca-key,X-Ca-Key,"))
    yield fault("algorithm-outside-the-map", post, "an algorithm that the dialect does not know", "malformed_claim", headers={"x-ca-signature-method": "none"})
    yield fault("timestamp-no-number", post, "a time that is no number", "malformed_claim", headers={"x-ca-timestamp": SDK_CLOCK})
    yield fault("timestamp-in-seconds", get, "a time of ten digits is milliseconds too", "too_old", headers={"x-ca-timestamp": str(SDK_SECONDS)})
    yield fault("key-id-too-long", post, "a key id of more than 128 bytes", "malformed_claim", headers={"x-ca-key": "k" * 129})
    yield fault("nonce-too-long", post, "a nonce of more than 128 bytes", "malformed_claim", headers={"x-ca-nonce": "n" * 129})
    yield from faults.headers_gone(post, [("x-ca-signature", "missing_signature"), ("x-ca-key", "malformed_claim")])
    yield from faults.headers_twice(post, [("x-ca-signature", signature), ("x-ca-key", KEY_ID), ("x-ca-timestamp", STAMP), ("x-ca-nonce", NONCE), ("x-ca-signature-headers", "x-ca-key"), ("Content-MD5", "kAFQmDzST7DWlj99KOF/cg==")])
    yield from faults.base64_text(post, where, signature)
