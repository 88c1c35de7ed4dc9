"""Faults of the dialects whose witnesses are transcripts."""
import hashlib

import faults
from common import b64, fault, replace
from transcripts import CLOCK_MS, CLOCK_S, LABELLED_NONCE, TOKEN


def x_ca_labelled(by_name):
    yield fault("header-that-looks-like-the-body-default-policy", "header-that-looks-like-the-body", "one of several requests with that string to sign", "ambiguous_request", policy={})
    yield from _labelled(by_name, "1.0")
    yield fault("time-zone-changed", "post-with-token", "a header that is sent and not listed is not signed", "accepted", headers={"x-time-zone": "Europe/Berlin"})
    yield fault("encrypted-setting-off", "encrypted-flag-signed-not-sent", "the setting is the application's: without it the line is missing", "signature_mismatch", inputs={})
    yield fault("encrypted-header-changed", "encrypted-header-sent", "a header that is sent is signed with its own value", "signature_mismatch", headers={"x-enc-encrypted": "false"})


def x_ca_labelled_2(by_name):
    yield from faults.percent("encoded-percent")
    yield from _labelled(by_name, "2.0")
    yield fault("host-changed", "post-with-token", "the host is always signed", "signature_mismatch", headers={"Host": "evil.example.com"})
    yield fault("host-missing", "post-with-token", "a header that is always signed is absent", "malformed_claim", remove_headers=["Host"])
    yield fault("query-spelt-otherwise", "get-with-query-no-body", "another spelling and order of the same query is equal", "accepted", target="/v1/items?a=%e4%bd%a0&%61=1%20%2b&empty&b=2")


def _labelled(by_name, version):
    yield from faults.required("post-with-token")
    post = "post-with-token"
    get = "get-with-query-no-body-nothing-listed" if version == "1.0" else "get-with-query-no-body"
    signature = by_name[post]["signature"]
    yield from faults.clock(post, CLOCK_MS / 1000)
    yield from faults.secret(post)
    yield from faults.signed([
        ("method", post, {"method": "PUT"}),
        ("path", post, {"target": "/ums-api/api/auth/logout"}),
        ("path-case", post, {"target": "/ums-api/api/auth/Login"}),
        ("query-value", get, {"replace": replace("target", "b=2", "b=3")}),
        ("query-name", get, {"replace": replace("target", "b=2", "c=2")}),
        ("query-added", post, {"target": "/ums-api/api/auth/login?a=1"}),
        ("body", post, {"body": '{"a":2}'}),
        ("body-emptied", post, {"body": ""}),
        ("listed-header", post, {"headers": {"x-access-token": TOKEN[:-1] + "q"}}),
        ("key-id", post, {"headers": {"x-ca-key": "appkey-2"}}),
        ("nonce", post, {"headers": {"x-ca-nonce": "7124736198582273"}}),
        ("timestamp", post, {"headers": {"x-ca-timestamp": str(CLOCK_MS + 1)}}),
        ("list", post, {"remove_headers": ["x-ca-signature-header-in"]}),
    ])
    yield fault("listed-header-twice", post, "a second line of a signed header joins the first", "signature_mismatch", add_headers=[["x-access-token", "x"]])
    yield fault("listed-header-absent", post, "the list names a header that is not there", "malformed_claim", remove_headers=["x-access-token"])
    yield fault("name-listed-twice", post, "a name stands twice in the list", "malformed_claim", headers={"x-ca-signature-header-in": "X-Access-Token,x-access-token"})
    yield fault("version-changed", post, "another version than this dialect's", "malformed_claim", headers={"x-ca-ver": "3.0"})
    yield fault("algorithm-named", post, "X-Ca-Signature-Method may be sent; it must be the registered algorithm's", "accepted", add_headers=[["x-ca-signature-method", "HmacSHA256"]])
    yield fault("algorithm-outside-the-map", post, "an algorithm that the dialect does not know", "malformed_claim", add_headers=[["x-ca-signature-method", "none"]])
    yield fault("timestamp-no-number", post, "a time that is no number", "malformed_claim", headers={"x-ca-timestamp": "2025-02-13T09:05:48Z"})
    yield fault("timestamp-negative", post, "a time before 1970", "malformed_claim", headers={"x-ca-timestamp": "-1"})
    yield fault("key-id-too-long", post, "a key id of more than 128 bytes", "malformed_claim", headers={"x-ca-key": "k" * 129})
    yield fault("nonce-too-long", post, "a nonce of more than 128 bytes", "malformed_claim", headers={"x-ca-nonce": "n" * 129})
    yield fault("signature-too-long", post, "a signature of more than 1024 bytes", "malformed_claim", headers={"x-ca-signature": "A" * 1028})
    yield fault("too-many-signed-headers", post, "more than 64 names in the list", "malformed_claim",
                headers={"x-ca-signature-header-in": ",".join(f"x-h{n}" for n in range(65))})
    yield from faults.headers_gone(post, [("x-ca-signature", "missing_signature"), ("x-ca-key", "malformed_claim"), ("x-ca-nonce", "malformed_claim"),
                                          ("x-ca-timestamp", "malformed_claim"), ("x-ca-ver", "malformed_claim")])
    yield from faults.headers_twice(post, [("x-ca-signature", signature), ("x-ca-key", "appkey-1"), ("x-ca-nonce", LABELLED_NONCE), ("x-ca-timestamp", str(CLOCK_MS)), ("x-ca-ver", version)])
    yield from faults.base64_text(post, "header.x-ca-signature", signature)
    yield fault("rsa-algorithm-named", "rsa", "X-Ca-Signature-Method may be sent; it must be the registered algorithm's", "accepted", add_headers=[["x-ca-signature-method", "SHA256withRSA"]])
    yield fault("rsa-body-changed", "rsa", "an RSA signature over another body", "signature_mismatch", body='{"a":2}')


def qlm_open(by_name):
    yield from _qlm_open(by_name)
    new = '{"id":2}'
    yield fault("body-and-digest-replaced", "post-json", "the digest is checked but not signed, so both can be replaced together: the dialect's weakness", "accepted",
                body=new, headers={"Content-MD5": b64(hashlib.md5(new.encode()).digest())})
    yield fault("digest-changed", "post-json", "the digest is not signed, but it must be the body's", "body_digest_mismatch", headers={"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="})


def qlm_open_md5(by_name):
    yield from _qlm_open(by_name)
    yield fault("digest-changed", "post-json", "the digest is signed", "signature_mismatch", headers={"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="})


def _qlm_open(by_name):
    post, get = "post-json", "get-with-query"
    yield fault("content-type-twice", post, "the first line is the signed one, and an upstream may take the other", "ambiguous_request", add_headers=[["Content-Type", "text/plain"]])
    signature = by_name[post]["signature"]
    yield from faults.clock(post, CLOCK_MS / 1000)
    yield from faults.secret(post)
    yield from faults.required(post)
    yield from faults.signed([
        ("method", post, {"method": "PUT"}), ("path", post, {"target": "/V1/order/cancel"}), ("api-version", post, {"target": "/V2/order/create"}),
        ("query", get, {"replace": replace("target", "id=1", "id=2")}), ("query-order", get, {"target": "/V2/order?name=%E4%BD%A0&id=1"}),
        ("query-spelling", get, {"target": "/V2/order?id=1&name=%e4%bd%a0"}),
        ("content-type", post, {"headers": {"Content-Type": "application/json"}}),
        ("timestamp", post, {"headers": {"QLM-Open-CA-Timestamp": str(CLOCK_MS + 1)}}),
    ])
    yield fault("content-type-missing", post, "an absent Content-Type is an empty line", "signature_mismatch", remove_headers=["Content-Type"])
    yield fault("body-changed", post, "the body is not the digest's", "body_digest_mismatch", body='{"id":2}')
    yield fault("body-added", get, "a body under the digest of the empty body", "body_digest_mismatch", body="x")
    yield fault("host-changed", post, "the host is not signed", "accepted", headers={"Host": "api2.example.com"})
    yield fault("app-id-unknown", post, "an unknown app id shows as a wrong signature", "signature_mismatch", headers={"QLM-Open-App-Id": "app-2"})
    yield fault("accept-changed", post, "Accept is a constant", "malformed_claim", headers={"Accept": "application/json"})
    yield fault("auth-mode-changed", post, "the mode is a constant", "malformed_claim", headers={"QLM-Open-Auth-Mode": "Token"})
    yield fault("timestamp-no-number", post, "a time that is no number", "malformed_claim", headers={"QLM-Open-CA-Timestamp": "now"})
    yield from faults.headers_gone(post, [("QLM-Open-CA-Signature", "missing_signature")] + [(n, "malformed_claim") for n in
                                   ("QLM-Open-App-Id", "QLM-Open-Auth-Mode", "QLM-Open-CA-Timestamp", "Accept", "Content-MD5")])
    yield from faults.headers_twice(post, [("QLM-Open-CA-Signature", signature), ("QLM-Open-App-Id", "app-1"), ("QLM-Open-CA-Timestamp", str(CLOCK_MS)),
                                           ("Content-MD5", "0s4ouaf9fkQH4rD9SZt/5A==")])
    yield from faults.base64_text(post, "header.QLM-Open-CA-Signature", signature)


def aws_sigv1(by_name):
    origin = "published-example"
    signature = by_name[origin]["signature"]
    def spelt(text):
        return text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    yield fault("published-example-default-policy", origin, "refused where the route does not say that it takes an unsafe dialect", "dialect_not_allowed", policy={})
    yield fault("repeated-parameter-not-allowed", "repeated-parameter", "a repeated name is one of several requests with that string", "ambiguous_request", policy={"unsafe": True})
    yield fault("names-that-differ-in-case-not-allowed", "names-that-differ-in-case", "the two can change places under one signature", "ambiguous_request", policy={"unsafe": True})
    yield fault("parameter-in-query-and-form-not-allowed", "parameter-in-query-and-form", "the two can change places under one signature", "ambiguous_request", policy={"unsafe": True})
    yield fault("collision", "collision-one-of-two", "the same signature on another request: why the dialect is unsafe", "accepted", replace=replace("target", "foo=bar", "foob=ar"))
    yield from faults.clock(origin, "2006-12-08T07:48:03Z", 900, 900)
    yield from faults.secret(origin)
    yield from faults.signed([
        ("parameter-value", origin, {"replace": replace("target", "DescribeImages", "TerminateInstances")}),
        ("parameter-name", origin, {"replace": replace("target", "Action", "Aktion")}),
        ("parameter-added", origin, {"replace": replace("target", "&Version=", "&x=1&Version=")}),
        ("parameter-removed", origin, {"replace": replace("target", "&Version=2007-01-03", "")}),
        ("timestamp", origin, {"replace": replace("target", "07%3A48%3A03Z", "07%3A48%3A04Z")}),
        ("key-id", origin, {"replace": replace("target", "10QMXFEV71ZS32XQFTR2", "10QMXFEV71ZS32XQFTR3")}),
        ("form-value", "form", {"replace": replace("body", "DescribeImages", "TerminateInstances")}),
    ])
    yield fault("method-changed", origin, "the method is not signed", "accepted", method="DELETE")
    yield fault("path-changed", origin, "the path is not signed", "accepted", replace=replace("target", "/?", "/other?"))
    yield fault("parameter-reordered", origin, "the order of sending is not signed", "accepted",
                replace=replace("target", "Action=DescribeImages&AWSAccessKeyId=10QMXFEV71ZS32XQFTR2", "AWSAccessKeyId=10QMXFEV71ZS32XQFTR2&Action=DescribeImages"))
    yield fault("signature-missing", origin, "the signature taken away", "missing_signature", replace=replace("target", "&Signature=" + spelt(signature), ""))
    yield fault("key-id-missing", origin, "the key id taken away", "malformed_claim", replace=replace("target", "&AWSAccessKeyId=10QMXFEV71ZS32XQFTR2", ""))
    yield fault("timestamp-missing", origin, "the time taken away", "malformed_claim", replace=replace("target", "&Timestamp=2006-12-08T07%3A48%3A03Z", ""))
    yield fault("version-missing", origin, "the version taken away", "malformed_claim", replace=replace("target", "&SignatureVersion=1", ""))
    yield fault("version-changed", origin, "another version than this dialect's", "malformed_claim", replace=replace("target", "SignatureVersion=1", "SignatureVersion=2"))
    yield fault("timestamp-misshapen", origin, "a time in another form", "malformed_claim", replace=replace("target", "2006-12-08T07%3A48%3A03Z", "1165564083"))
    yield fault("signature-twice", origin, "a second signature", "malformed_claim", replace=replace("target", "&Signature=", "&Signature=AAAA&Signature="))
    yield fault("key-id-twice", origin, "a second key id", "malformed_claim", replace=replace("target", "&Version=", "&AWSAccessKeyId=k&Version="))
    yield from faults.base64_text(origin, "target", signature, spelt)


def hmac_sha256(by_name):
    yield from faults.percent("encoded-percent")
    post, get = "post-with-two-signed-headers", "get-with-query"
    signature = by_name[post]["signature"]
    where = "header.Authorization"
    def edit(name, why, expect, text, with_):
        return fault(name, post, why, expect, replace=replace(where, text, with_))
    yield from faults.clock(post, CLOCK_S)
    yield from faults.secret(post)
    yield fault("broken-escape", get, "a % that begins no triplet is read in several ways", "malformed_request", replace=replace("target", "b=2", "b=%zz"))
    yield from faults.signed([
        ("method", post, {"method": "PUT"}), ("path", post, {"target": "/v1/item"}), ("query-added", post, {"target": "/v1/items?a=1"}),
        ("query-value", get, {"replace": replace("target", "b=2", "b=3")}), ("query-name", get, {"replace": replace("target", "b=2", "c=2")}),
        ("query-removed", get, {"target": "/v1/items"}),
        ("host", post, {"headers": {"Host": "evil.example.com"}}), ("content-type", post, {"headers": {"Content-Type": "text/plain"}}),
        ("token-header", post, {"headers": {"X-Access-Token": "x"}}), ("digest", post, {"headers": {"X-Content-SHA256": "0" * 64}}),
        ("timestamp", post, {"replace": replace(where, "Timestamp=1739437548", "Timestamp=1739437549")}),
        ("nonce", post, {"replace": replace(where, "n-0001", "n-0002")}), ("key-id", post, {"replace": replace(where, "key-1", "key-2")}),
        ("list", post, {"replace": replace(where, "content-type;host", "host")}),
    ])
    yield fault("signed-header-twice", post, "a second line of a signed header joins the first", "signature_mismatch", add_headers=[["X-Access-Token", "x"]])
    yield fault("header-added", post, "a header that is not listed is not signed", "accepted", add_headers=[["X-Other", "x"]])
    yield fault("header-blanks", post, "blanks around a value are not part of it", "accepted", headers={"Content-Type": "  application/json "})
    yield fault("query-spelt-otherwise", get, "another spelling and order of the same query is equal", "accepted", target="/v1/items?a=%e4%bd%a0&%61=1%20%2b&empty&b=2")
    yield fault("body-changed", post, "the body is not the digest's", "body_digest_mismatch", body='{"a":2}')
    yield fault("body-emptied", post, "the body is not the digest's", "body_digest_mismatch", body="")
    yield fault("body-added", get, "a body under the digest of the empty body", "body_digest_mismatch", body="x")
    yield edit("parameters-in-another-order", "the order of the parameters is free", "accepted", "Credential=key-1, Timestamp=1739437548", "Timestamp=1739437548, Credential=key-1")
    yield edit("parameters-without-blanks", "blanks between the parameters are free", "accepted", ", Nonce=", ",Nonce=")
    yield edit("unknown-parameter", "an unknown parameter is ignored", "accepted", ", Nonce=", ", Extra=1, Nonce=")
    yield edit("another-scheme", "another scheme is no signature of ours", "missing_signature", "HMAC-SHA256 ", "Bearer ")
    for name in ("Credential=key-1, ", "Timestamp=1739437548, ", "Nonce=n-0001, "):
        yield edit(name.split("=")[0].lower() + "-missing", "a required parameter taken away", "malformed_claim", name, "")
        yield edit(name.split("=")[0].lower() + "-twice", "a parameter repeated", "malformed_claim", name, name + name)
    yield edit("signature-parameter-twice", "a parameter repeated", "malformed_claim", "Signature=", "Signature=00, Signature=")
    yield edit("name-listed-twice", "a name stands twice in the list", "malformed_claim", "content-type;host", "content-type;content-type;host")
    yield edit("timestamp-no-number", "a time that is no number", "malformed_claim", "1739437548", "17394375xx")
    yield edit("timestamp-negative", "a time before 1970", "malformed_claim", "Timestamp=1739437548", "Timestamp=-1")
    yield edit("key-id-too-long", "a key id of more than 128 bytes", "malformed_claim", "key-1", "k" * 129)
    yield edit("nonce-too-long", "a nonce of more than 128 bytes", "malformed_claim", "n-0001", "n" * 129)
    yield edit("signature-too-long", "a signature of more than 1024 bytes", "malformed_claim", signature, "0" * 1026)
    yield edit("too-many-signed-headers", "more than 64 names in the list", "malformed_claim", "content-type;host", ";".join(f"x-h{n}" for n in range(65)) + ";host")
    yield fault("signed-header-absent", post, "the list names a header that is not there", "malformed_claim", remove_headers=["X-Access-Token"])
    yield fault("authorization-missing", post, "the signature taken away", "missing_signature", remove_headers=["Authorization"])
    yield fault("digest-missing", post, "the digest is always sent", "malformed_claim", remove_headers=["X-Content-SHA256"])
    yield from faults.headers_twice(post, [("Authorization", "HMAC-SHA256 Credential=k, Timestamp=1, Nonce=n, SignedHeaders=host, Signature=00"), ("X-Content-SHA256", "0" * 64)])
    yield from faults.hex_text(post, where, signature)


def hmac_sha256_body(by_name):
    yield from faults.required("json")
    post, form, query = "json", "form", "json-member-in-the-middle"
    signature = by_name[post]["signature"]
    def edit(name, why, expect, text, with_, origin=post):
        return fault(name, origin, why, expect, replace=replace("body", text, with_))
    yield from faults.clock(post, CLOCK_S)
    yield from faults.secret(post)
    yield from faults.signed([
        ("method", post, {"method": "PUT"}), ("path", post, {"target": "/v1/item"}), ("query", query, {"target": "/v1/items?x=2"}), ("query-added", post, {"target": "/v1/items?a=1"}),
        ("host", post, {"headers": {"host": "evil.example.com"}}),
        ("body-value", post, {"replace": replace("body", "12.50", "99.50")}), ("body-name", post, {"replace": replace("body", "amount", "amounts")}),
        ("body-blank", post, {"replace": replace("body", ',"amount"', ', "amount"')}),
        ("key-id", post, {"replace": replace("body", "key-1", "key-2")}), ("timestamp", post, {"replace": replace("body", "1739437548", "1739437549")}),
        ("nonce", post, {"replace": replace("body", "n-0001", "n-0002")}),
        ("form-value", form, {"replace": replace("body", "12.50", "99.50")}), ("form-spelling", form, {"replace": replace("body", "amount=12.50", "amount=12%2E50")}),
        ("form-order", form, {"replace": replace("body", "key_id=key-1&timestamp=1739437548", "timestamp=1739437548&key_id=key-1")}),
    ])
    yield edit("second-signature-added", "a second member changes the body: the tag fails before ambiguity is judged", "signature_mismatch", ',"amount"', ',"signature":"00","amount"')
    yield edit("nested-signature-added", "a nested member changes the body: the tag fails before ambiguity is judged", "signature_mismatch", ',"amount"', ',"data":{"signature":"00"},"amount"')
    yield fault("default-port-written-out", post, "the default port is dropped before signing", "accepted", headers={"host": "api.example.com:443"})
    yield edit("signature-missing", "the signature taken away", "missing_signature", f'"signature":"{signature}",', "")
    for member in ('"key_id":"key-1",', '"timestamp":"1739437548",', '"nonce":"n-0001",'):
        yield edit(member.split('"')[1].replace("_", "-") + "-missing", "a member of the claim taken away", "malformed_claim", member, "")
    yield edit("form-signature-missing", "the signature taken away", "missing_signature", "&signature=" + by_name[form]["signature"], "", form)
    yield edit("form-nonce-missing", "a field of the claim taken away", "malformed_claim", "&nonce=n-0003", "", form)
    yield fault("body-missing", post, "without a body there is no claim", "missing_signature", body="")
    yield edit("timestamp-no-number", "a time that is no number", "malformed_claim", "1739437548", "17394375xx")
    yield edit("key-id-too-long", "a key id of more than 128 bytes", "malformed_claim", "key-1", "k" * 129)
    yield edit("nonce-too-long", "a nonce of more than 128 bytes", "malformed_claim", "n-0001", "n" * 129)
    yield from faults.hex_text(post, "body", signature)


def api_key(by_name):
    key = by_name["header"]["credentials"].value["secret"]
    yield fault("wrong-key-in-header", "header", "another key", "signature_mismatch", headers={"X-Api-Key": key[:-1] + "5"})
    yield fault("wrong-key-in-query", "query", "another key", "signature_mismatch", replace=replace("target", key, key[:-1] + "5"))
    yield fault("key-with-a-tail", "header", "a longer key that begins like the right one", "signature_mismatch", headers={"X-Api-Key": key + "x"})
    yield fault("key-in-another-case", "header", "keys are compared as they are", "signature_mismatch", headers={"X-Api-Key": key.upper()})
    yield fault("wrong-secret", "header", "the key of another caller", "signature_mismatch", credentials={"secret": "another-key"})
    yield fault("missing", "header", "no key at all", "missing_signature", remove_headers=["X-Api-Key"])
    yield fault("missing-in-query", "query-alone", "no key at all", "missing_signature", target="/v1/items")
    yield fault("header-twice", "header", "two header lines", "malformed_claim", add_headers=[["X-Api-Key", key]])
    yield fault("parameter-twice", "query", "two parameters", "malformed_claim", replace=replace("target", "api_key=", "api_key=x&api_key="))
    yield fault("header-and-query-differ", "query", "two keys, in two places", "malformed_claim", add_headers=[["X-Api-Key", "another-key"]])
    yield fault("plain-http-header", "header", "a key is only taken over TLS", "insecure_transport", scheme="http")
    yield fault("plain-http-query", "query", "a key is only taken over TLS", "insecure_transport", scheme="http")
    yield fault("body-changed", "post-with-anything", "a key signs nothing", "accepted", body="other")
    yield fault("path-changed", "header", "a key signs nothing", "accepted", target="/v1/other")
