"""Witnesses of WeChat Pay API v3: the wechatpayv3 package for requests, and transcripts for requests and for what WeChat Pay sends."""
import base64

import faults
from common import (BINARY, MEBIBYTE, SDK_CLOCK, SDK_SECONDS, Flow, Recording, Request, b64, body_document, fault, frozen, left_out, moment, octets, other, replace, sdk, spare_bits,
                    stage_document, transcript, vector)
from transcripts import RSA_PEM, forged_by_public_key, mac, rsa_credentials, rsa_public, rsa_sign

HOST, MCHID, SERIAL = "api.mch.weixin.qq.com", "1900000001", "408B07E79B8269FEC3D5D3E6AB8ED163A6A380DB"
NONCE = "593BEC0C930BF1AFEB40B4A08C8FB242"
BODY = '{"appid":"wxd678efh567hg6787","mchid":"1230000109"}'
NI_HAO = "\u4f60\u597d"
JSON = (("Accept", "application/json"), ("Content-Type", "application/json"))
SCHEME = "WECHATPAY2-SHA256-RSA2048"
NATIVE = "/v3/pay/transactions/native"
FOREIGN = b64(b"another tag".ljust(256, b"."))


# ---------------------------------------------------------------- requests to WeChat Pay

def recording(source, method, target, body, authorization, signature, *, nonce=NONCE, at=SDK_SECONDS, headers=JSON):
    request = Request(method, target, (("Host", HOST), *headers), octets(body))
    text = octets(f"{method}\n{target}\n{at}\n{nonce}\n") + octets(body) + b"\n"
    return Recording(source=source, at=moment(at), credentials=rsa_credentials(SERIAL), inputs={"mchid": MCHID}, nonce=nonce, request=request,
                     placed=request.with_headers(("Authorization", authorization)), stages={"string_to_sign": text}, signature=signature)


def package(method="POST", target=NATIVE, body=BODY):
    """The header that the package writes; its tag must be the one of the written rule."""
    from wechatpayv3.utils import build_authorization, load_private_key
    with frozen():
        made = build_authorization(target, method, MCHID, SERIAL, load_private_key(RSA_PEM), data=body, nonce_str=NONCE)
    signature = made.partition('signature="')[2].partition('"')[0]
    text = f"{method}\n{target}\n{SDK_SECONDS}\n{NONCE}\n{body}\n"
    if base64.b64decode(signature) != rsa_sign(text):
        raise ValueError(f"{made}: not the tag of\n{text}")
    return recording(sdk("wechatpayv3", "MIT"), method, target, body, made, signature)


def by_rule(method="POST", target=NATIVE, body=BODY, *, nonce=NONCE, at=SDK_SECONDS, order='mchid="{m}",nonce_str="{n}",signature="{s}",timestamp="{t}",serial_no="{k}"', rsa=True, forged=None, headers=JSON):
    text = octets(f"{method}\n{target}\n{at}\n{nonce}\n") + octets(body) + b"\n"
    signature = b64(mac("sha256", forged, text) if forged else rsa_sign(text))
    authorization = f"{SCHEME} " + order.format(m=MCHID, n=nonce, s=signature, t=at, k=SERIAL)
    return recording(transcript("WeChat Pay API v3 rules"), method, target, body, authorization, signature, nonce=nonce, at=at, headers=headers)


def request_vectors():
    def case(name, why, *args, covers=None, **kw):
        return vector(f"package-{name}", why, package(*args, **kw), covers=covers)
    yield case("post", "method, target, time, nonce and body, each ended by a line feed", covers=["method", "path", "body", "time", "nonce"])
    yield case("get", "the query as sent, and an empty body line", "GET", "/v3/pay/transactions/id/1217752501201407033233368018?mchid=1230000109", "", covers=["method", "path", "query", "time", "nonce"])
    yield case("unicode", "unicode in query and body", "POST", "/v3/certificates?name=%E4%BD%A0", f'{{"description":"{NI_HAO}"}}')
    yield case("empty-value", "the query as sent", "GET", "/v3/bills?empty=&flag", "")
    yield case("repeated-parameter", "the query as sent", "GET", "/v3/bills?a=2&a=1&a=2", "")
    yield case("plus-and-encoded-slash", "nothing in the target is decoded", "GET", "/v3/a%2Fb+c?q=1+2&r=%2f%2B", "")
    yield case("dot-segments", "dot segments stay as sent", "GET", "/v3/./a/../b//c", "")
    yield case("empty-post", "a POST without a body", "POST", "/v3/pay/transactions/out-trade-no/1/close", "")
    yield case("body-with-line-breaks", "line breaks in the body, which is the last part", "POST", NATIVE, '{\n "a": 1\n}\n')
    yield case("body-of-one-mebibyte", "a long body", "POST", NATIVE, "a" * MEBIBYTE)
    yield vector("binary-body", "octets that are not UTF-8", by_rule(body=BINARY))
    yield vector("documented-order", "the parameters in the order of the vendor's page", by_rule(order='mchid="{m}",nonce_str="{n}",timestamp="{t}",serial_no="{k}",signature="{s}"'), sign={"skip": "a signer writes the package's order"})
    yield vector("repeated-header", "no header is signed, repeated or not", by_rule(headers=(*JSON, ("X-Tag", "b"), ("X-Tag", "a"))))
    yield vector("nonce-with-blanks", "a nonce is any text", by_rule(nonce="a b=c"))
    yield from forged_by_public_key(lambda rsa, forged: by_rule(rsa=rsa, forged=forged))


REQUEST_GAPS = [
    left_out("binary body", "wechatpayv3", "takes text only: see the transcript"),
    left_out("uploads", "wechatpayv3", "a multipart body is signed by its field meta alone, which the dialect does not take"),
]


def request_faults(by_name):
    post, get, where = "package-post", "package-get", "header.Authorization"
    signature = by_name[post]["signature"]
    def edit(name, why, expect, text, with_):
        return fault(name, post, why, expect, replace=replace(where, text, with_))
    yield from faults.clock(post, SDK_CLOCK)
    yield fault("hmac-under-a-text", post, "a credential of another kind", "signature_mismatch", credentials={"secret": "a-secret"})
    yield from faults.signed([
        ("method", post, {"method": "PUT"}), ("path", post, {"target": "/v3/pay/transactions/jsapi"}), ("query-added", post, {"target": NATIVE + "?a=1"}), ("query-value", get, {"replace": replace("target", "0109", "0108")}),
        ("query-mark-added", post, {"target": NATIVE + "?"}), ("path-spelling", "package-plus-and-encoded-slash", {"replace": replace("target", "%2Fb", "%2fb")}),
        ("query-order", "package-repeated-parameter", {"target": "/v3/bills?a=1&a=2&a=2"}), ("dot-segment", "package-dot-segments", {"replace": replace("target", "/./", "/")}),
        ("body", post, {"body": BODY.replace("0109", "0108")}), ("body-emptied", post, {"body": ""}), ("body-added", get, {"body": "x"}), ("body-re-serialised", post, {"body": BODY.replace(":", ": ")}),
        ("timestamp", post, {"replace": replace(where, f'"{SDK_SECONDS}"', f'"{SDK_SECONDS + 1}"')}), ("nonce", post, {"replace": replace(where, NONCE, NONCE[:-1] + "3")}),
        ("key-id", post, {"replace": replace(where, SERIAL, SERIAL[:-1] + "A")}),
    ])
    yield fault("host-changed", post, "the host is not signed", "accepted", headers={"Host": "api2.mch.weixin.qq.com"})
    yield fault("content-type-changed", post, "no header is signed", "accepted", headers={"Content-Type": "text/plain"})
    yield edit("merchant-changed", "the merchant's id is not signed: it must be the configured one", "malformed_claim", MCHID, "1900000002")
    yield fault("merchant-not-configured", post, "the merchant's id is not signed: without one that is configured it is not taken from the request", "required_part_unsigned", inputs={})
    yield fault("another-merchant-configured", post, "the merchant's id must be the configured one", "malformed_claim", inputs={"mchid": "1900000002"})
    yield edit("blanks-between-parameters", "blanks between the parameters are free", "accepted", ',nonce_str', ',  nonce_str')
    yield edit("without-quotes", "the quotes are free", "accepted", f'"{MCHID}"', MCHID)
    yield edit("unknown-parameter", "an unknown parameter is passed over", "accepted", ",nonce_str", ',extra="1",nonce_str')
    yield edit("another-scheme", "another scheme is no signature of ours", "missing_signature", SCHEME, "Bearer")
    yield edit("scheme-of-sm2", "the scheme of another algorithm", "missing_signature", SCHEME, "WECHATPAY2-SM2-WITH-SM3")
    for name, text in (("mchid", f'mchid="{MCHID}",'), ("nonce", f'nonce_str="{NONCE}",'), ("timestamp", f'timestamp="{SDK_SECONDS}",'), ("serial-no", f',serial_no="{SERIAL}"')):
        yield edit(f"{name}-missing", "a parameter taken away", "malformed_claim", text, "")
        yield edit(f"{name}-twice", "a parameter repeated", "malformed_claim", text, (text.rstrip(",") + "," + text) if text.endswith(",") else text + text)
    yield edit("signature-missing", "the signature taken away", "malformed_claim", f'signature="{signature}",', "")
    yield edit("signature-twice", "a parameter repeated", "malformed_claim", 'signature="', f'signature="{FOREIGN}",signature="')
    yield edit("timestamp-no-number", "a time that is no number", "malformed_claim", f'timestamp="{SDK_SECONDS}"', 'timestamp="now"')
    yield edit("quote-not-closed", "a quote that is not closed", "malformed_claim", f'serial_no="{SERIAL}"', f'serial_no="{SERIAL}')
    yield edit("nonce-too-long", "a nonce of more than 128 bytes", "malformed_claim", NONCE, "n" * 129)
    yield from faults.headers_gone(post, [("Authorization", "missing_signature")])
    yield from faults.headers_twice(post, [("Authorization", f'{SCHEME} mchid="1",nonce_str="n",signature="{FOREIGN}",timestamp="1",serial_no="s"')])
    yield from faults.base64_text(post, where, signature)


# ---------------------------------------------------------------- notifications of WeChat Pay

PLATFORM = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
NOTICE = '{"id":"EV-2018022511223320873","event_type":"TRANSACTION.SUCCESS","resource":{"nonce":"fdasflkja484w"}}'


def notice(body=NOTICE, *, nonce=NONCE, at=SDK_SECONDS, target="/notify", more=(), forged=None, **_):
    """Time, nonce and body, each ended by a line feed. The package that verifies notifications must take it."""
    text = octets(f"{at}\n{nonce}\n") + octets(body) + b"\n"
    signature = b64(mac("sha256", forged, text) if forged else rsa_sign(text))
    if not forged and isinstance(body, str):
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from wechatpayv3.utils import rsa_verify
        if not rsa_verify(str(at), nonce, body, signature, load_pem_private_key(RSA_PEM.encode(), None).public_key()):
            raise ValueError(f"{text}: not taken by the package")
    request = Request("POST", target, (("Host", "merchant.example"), ("Content-Type", "application/json")), octets(body))
    placed = request.with_headers(("Wechatpay-Timestamp", str(at)), ("Wechatpay-Nonce", nonce), ("Wechatpay-Serial", PLATFORM), ("Wechatpay-Signature", signature), *more)
    return Recording(source=transcript("WeChat Pay API v3 notification rules"), at=moment(at), credentials=rsa_credentials(PLATFORM), nonce=nonce, request=request, placed=placed,
                     stages={"string_to_sign": text}, signature=signature)


def notice_vectors():
    yield vector("notification", "time, nonce and body", notice(), covers=["body", "time", "nonce"])
    yield vector("unicode-body", "the octets of UTF-8", notice(f'{{"summary":"{NI_HAO}"}}'))
    yield vector("body-with-line-breaks", "line breaks in the body, which is the last part", notice('{\n "a": 1\n}\n'))
    yield vector("empty-body", "an empty body keeps its line feed", notice(""))
    yield vector("binary-body", "octets that are not UTF-8", notice(BINARY + BINARY))
    yield vector("body-of-one-mebibyte", "a long body", notice("a" * MEBIBYTE))
    yield vector("target-and-further-headers", "nothing else is signed", notice(target="/notify/a%2Fb/../c?a=2&a=1", more=(("Request-ID", "08F78BB5AF0610D302"), ("Wechatpay-Signature-Type", SCHEME))), sign={"skip": "a signer writes no further header"})
    yield from forged_by_public_key(lambda rsa, forged: notice(forged=forged))


NOTICE_GAPS = [left_out("recordings of a signer", "wechatpayv3", "only verifies notifications: it takes every text of the transcript")]


def notice_faults(by_name):
    origin, where = "notification", "header.Wechatpay-Signature"
    signature = by_name[origin]["signature"]
    yield from faults.required(origin)
    yield from faults.clock(origin, SDK_CLOCK)
    yield from faults.signed([
        ("body", origin, {"body": NOTICE.replace("SUCCESS", "REFUND")}), ("body-emptied", origin, {"body": ""}), ("body-re-serialised", origin, {"body": NOTICE.replace(":", ": ")}), ("body-added", "empty-body", {"body": "x"}),
        ("timestamp", origin, {"headers": {"Wechatpay-Timestamp": str(SDK_SECONDS + 1)}}), ("nonce", origin, {"headers": {"Wechatpay-Nonce": NONCE[:-1] + "3"}}),
        ("serial", origin, {"headers": {"Wechatpay-Serial": PLATFORM[:-1] + "0"}}),
    ])
    yield fault("probe-of-the-vendor", origin, "the vendor sends signatures that begin like this to see whether they are verified", "signature_mismatch", headers={"Wechatpay-Signature": "WECHATPAY/SIGNTEST/" + signature[19:]})
    yield fault("method-changed", origin, "the method is not signed", "accepted", method="PUT")
    yield fault("target-changed", origin, "the target is not signed", "accepted", target="/other?a=1")
    yield fault("timestamp-no-number", origin, "a time that is no number", "malformed_claim", headers={"Wechatpay-Timestamp": SDK_CLOCK})
    yield fault("nonce-too-long", origin, "a nonce of more than 128 bytes", "malformed_claim", headers={"Wechatpay-Nonce": "n" * 129})
    yield from faults.headers_gone(origin, [("Wechatpay-Signature", "missing_signature")] + [(n, "malformed_claim") for n in ("Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Serial")])
    yield from faults.headers_twice(origin, [("Wechatpay-Signature", FOREIGN), ("Wechatpay-Timestamp", str(SDK_SECONDS)), ("Wechatpay-Nonce", NONCE), ("Wechatpay-Serial", PLATFORM)])
    yield from faults.base64_text(origin, where, signature)


# ---------------------------------------------------------------- answers of WeChat Pay

ANSWER = '{"prepay_id":"wx201410272009395522657a690389285100"}'


def answer(name, why, body=ANSWER, *, status=200, nonce=NONCE, at=SDK_SECONDS, headers=(("Content-Type", "application/json"),), forged=None, expect="accepted", covers=None, skip=None):
    """A known answer: time, nonce and body, each ended by a line feed, as a notification. The package verifies each text that it can take."""
    made = notice(body, nonce=nonce, at=at, forged=forged)
    carried = made.placed.headers[-4:]
    def document(lines):
        out = {"status": status, "headers": [Flow([n, v]) for n, v in lines]}
        return {**out, **(body_document(octets(body)) if body else {})}
    out = {"name": name, "why": why, "source": Flow(transcript("WeChat Pay API v3 rules for answers")), "at": made.at, "credentials": dict(made.credentials), "nonce": nonce}
    if skip:
        out["skip"] = skip
    out.update(response=document(headers), stages={"string_to_sign": stage_document(made.stages["string_to_sign"])}, signature=made.signature, placed=document((*headers, *carried)), expect=expect)
    return {**out, **({"covers": Flow(covers)} if covers else {})}


def answer_vectors():
    yield answer("order", "time, nonce and body", covers=["body", "time", "nonce"])
    yield answer("refusal", "an answer that refuses is signed as any other", '{"code":"PARAM_ERROR","message":"openid"}', status=400)
    yield answer("no-content", "an answer without a body keeps the last line feed", "", status=204, headers=())
    yield answer("unicode-body", "the octets of UTF-8", f'{{"code":"PARAM_ERROR","message":"{NI_HAO}"}}')
    yield answer("body-with-line-breaks", "line breaks in the body, which is the last part", '{\n "a": 1\n}\n')
    yield answer("binary-body", "a bill is a file: octets that are not UTF-8", BINARY + BINARY, headers=(("Content-Type", "application/octet-stream"),))
    yield answer("body-of-one-mebibyte", "a long body", "a" * MEBIBYTE)
    yield answer("further-headers", "no other header is signed, repeated or not", headers=(("Request-ID", "08F78BB5AF0610D302"), ("X-Tag", "b"), ("X-Tag", "a")))
    for form, der in (("pem", False), ("der", True)):
        yield answer(f"forged-with-public-key-{form}", f"an HMAC under the {form.upper()} octets of the platform's public key", forged=rsa_public(der), expect="signature_mismatch", skip="a forgery: no signer makes it")


def answer_faults(by_name):
    origin, where = "order", "Wechatpay-Signature"
    signature = by_name[origin]["signature"]
    yield from faults.clock(origin, SDK_CLOCK)
    yield from faults.required(origin)
    yield fault("status-changed", origin, "the status is not signed: whoever changes an answer on its way can turn it into a success or a failure", "accepted", status=500)
    yield from faults.signed([
        ("body", origin, {"body": ANSWER.replace("wx2014", "wx2015")}), ("body-emptied", origin, {"body": ""}), ("body-added", "no-content", {"body": "x"}), ("body-re-serialised", origin, {"body": ANSWER.replace(":", ": ")}),
        ("timestamp", origin, {"headers": {"Wechatpay-Timestamp": str(SDK_SECONDS + 1)}}), ("nonce", origin, {"headers": {"Wechatpay-Nonce": NONCE[:-1] + "3"}}),
        ("serial", origin, {"headers": {"Wechatpay-Serial": PLATFORM[:-1] + "0"}}), ("signature", origin, {"headers": {where: other(signature)}}),
    ])
    yield fault("probe-of-the-vendor", origin, "the vendor sends signatures that begin like this to see whether they are verified", "signature_mismatch", headers={where: "WECHATPAY/SIGNTEST/" + signature[19:]})
    yield fault("hmac-under-a-text", origin, "a credential of another kind", "signature_mismatch", credentials={"secret": "a-secret"})
    yield fault("key-of-another-algorithm", origin, "the tag holds, but the key was registered for rsa-pss-sha512, which is none of the dialect's", "algorithm_not_allowed", credentials={"algorithm": "rsa-pss-sha512"})
    yield fault("header-with-a-control-character", origin, "a header that no reader may take", "malformed_request", add_headers=[["X-Note", "a\0b"]])
    yield fault("timestamp-no-number", origin, "a time that is no number", "malformed_claim", headers={"Wechatpay-Timestamp": SDK_CLOCK})
    yield fault("nonce-too-long", origin, "a nonce of more than 128 bytes", "malformed_claim", headers={"Wechatpay-Nonce": "n" * 129})
    yield fault("signature-without-padding", origin, "base64: the padding left out", "malformed_claim", headers={where: signature.rstrip("=")})
    yield fault("signature-spare-bits", origin, "base64: a bit set behind the last octet", "malformed_claim", headers={where: spare_bits(signature)})
    yield from faults.headers_gone(origin, [(where, "missing_signature")] + [(n, "malformed_claim") for n in ("Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Serial")])
    yield from faults.headers_twice(origin, [(where, FOREIGN), ("Wechatpay-Timestamp", str(SDK_SECONDS)), ("Wechatpay-Nonce", NONCE), ("Wechatpay-Serial", PLATFORM)])
