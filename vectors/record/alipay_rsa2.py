"""Witnesses of Alipay's RSA2: the python-alipay-sdk package, and a transcript of the written rule."""
import dataclasses
import json
import re
from urllib.parse import parse_qsl, quote_plus

import faults
from common import SDK_CLOCK, Recording, Request, b64, fault, left_out, octets, replace, sdk, transcript, vector
from transcripts import RSA_PEM, forged_by_public_key, mac, rsa_credentials, rsa_public, rsa_sign

APP, HOST, GATEWAY, STAMP = "2016091100486702", "openapi.alipay.com", "/gateway.do", "2026-01-02 11:04:05"
NI_HAO = "\u4f60\u597d"
FORM = ("Content-Type", "application/x-www-form-urlencoded;charset=utf-8")
CLAIM = ("app_id", "sign_type", "timestamp")
RELAXED = {"allow_ambiguous": True}


def text_of(pairs):
    """Names and values as they are, sorted by name, without empty values."""
    return "&".join(f"{name}={value}" for name, value in sorted(pairs, key=lambda pair: pair[0]) if value)


def recording(source, method, target, form, pairs, signature, *, headers=(), at=SDK_CLOCK):
    """A request as sent, the signature last in the query or in the form; `pairs` are all decoded ones but the signature."""
    spelt = "&sign=" + quote_plus(signature)
    lines = (("Host", HOST), *headers, *((FORM,) if form else ()))
    placed = Request(method, target, lines, octets(form))
    def open_(raw):
        return raw.removesuffix(spelt) + "&sign=" if raw.endswith(spelt) else raw
    if target.endswith(spelt) == form.endswith(spelt):
        raise ValueError(f"{source}: the signature is not the last parameter")
    return Recording(source=source, at=at, credentials=rsa_credentials(APP), request=Request(method, open_(target), lines, octets(open_(form))), placed=placed,
                     stages={"string_to_sign": text_of(pairs)}, signature=signature)


def package(call, *, form=False):
    """The text of parameters that the package makes, in the query of a GET or the form of a POST. Its clock is China's."""
    from alipay import AliPay
    from cryptography.hazmat.primitives import serialization
    from freezegun import freeze_time
    key = serialization.load_pem_private_key(RSA_PEM.encode(), None)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()).decode()
    with freeze_time(SDK_CLOCK, tz_offset=8):
        raw = call(AliPay(appid=APP, app_notify_url=None, app_private_key_string=private, alipay_public_key_string=rsa_public().decode(), sign_type="RSA2"))
    pairs = [pair for pair in parse_qsl(raw, keep_blank_values=True) if pair[0] != "sign"]
    signature = dict(parse_qsl(raw))["sign"]
    if b64(rsa_sign(text_of(pairs))) != signature:
        raise ValueError(f"{signature} is not the tag of\n{text_of(pairs)}")
    source = sdk("python-alipay-sdk", "BSD-3-Clause")
    return recording(source, "POST", GATEWAY, raw, pairs, signature) if form else recording(source, "GET", f"{GATEWAY}?{raw}", "", pairs, signature)


def package_vectors():
    def case(name, why, call, covers=None, policy=None, expect="accepted", **kw):
        return vector(f"package-{name}", why, package(call, **kw), covers=covers, policy=policy, expect=expect)
    def pay(**kw):
        return lambda client: client.api_alipay_trade_page_pay(**{"subject": "test", "out_trade_no": "1001", "total_amount": "0.01", **kw})
    yield case("page-pay", "every parameter of the query, sorted, as it is", pay(), covers=["query", "time"])
    yield case("page-pay-form", "the same as a form", pay(), covers=["body", "time"], form=True)
    yield case("return-address", "an address as a value", pay(return_url="https://m.example/ret"))
    yield case("unicode", "unicode in a value; the package escapes it in JSON", pay(subject=NI_HAO))
    yield case("app-pay", "another method of the platform", lambda client: client.api_alipay_trade_app_pay(subject="test", out_trade_no="1001", total_amount="0.01"))
    yield case("generic", "any method, with a value that holds = , : and blanks", lambda client: client.client_api("alipay.trade.query", {"out_trade_no": "a b=c"}), form=True)
    yield case("plus-and-percent", "a plus sign and a percent sign in a value", pay(subject="1+2 100%25"))
    yield case("ampersand-in-a-value", "a value that holds the separator: another set of parameters has the same text", pay(return_url="https://m.example/ret?a=1&b=2"), expect="ambiguous_request")
    yield case("ampersand-in-a-value-allowed", "the same, where the route takes it", pay(return_url="https://m.example/ret?a=1&b=2"), policy=RELAXED)


PACKAGE_GAPS = [
    left_out("repeated-parameter, empty-value", "python-alipay-sdk", "takes one value for each name, and drops empty ones before sending: see the transcript"),
    left_out("repeated-header, %2F in the path, dot segments", "python-alipay-sdk", "neither headers nor the path are signed"),
    left_out("binary and 1 MiB bodies", "python-alipay-sdk", "only forms are signed"),
    left_out("answers", "python-alipay-sdk", "a part of the JSON text is signed, which the dialect does not take"),
]


def by_rule(further=(("method", "alipay.trade.query"), ("biz_content", '{"out_trade_no":"1001"}')), *, form=None, method="GET", target=GATEWAY, headers=(), stamp=STAMP, at=SDK_CLOCK, forged=None, rsa=True, json_body=None):
    """Every parameter in the query; with `form`, these pairs in the form besides."""
    pairs = [*zip(CLAIM, (APP, "RSA2", stamp)), *further]
    text = text_of([*pairs, *(form or [])])
    signature = b64(mac("sha256", forged, text) if forged else rsa_sign(text))
    def raw(items):
        return "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in items)
    body = raw([*form, ("sign", signature)]) if form else ""
    query = raw(pairs) if form else raw([*pairs, ("sign", signature)])
    if json_body:
        made = recording(transcript("Alipay RSA2 rules"), "POST", f"{target}?{query}", "", pairs, signature, headers=(("Content-Type", "application/json"),), at=at)
        return dataclasses.replace(made, request=dataclasses.replace(made.request, body=octets(json_body)), placed=dataclasses.replace(made.placed, body=octets(json_body)))
    return recording(transcript("Alipay RSA2 rules"), "POST" if form else method, f"{target}?{query}", body, [*pairs, *(form or [])], signature, headers=headers, at=at)


def rule_vectors():
    few = (("method", "a.b"),)
    yield vector("public-parameters-in-the-query", "the platform's usual way: what is public in the query, what is asked for in the form", by_rule(few, form=[("biz_content", '{"a":"b c"}')]),
                 covers=["query", "body", "time"])
    yield vector("unicode", "the octets of UTF-8, neither escaped nor encoded", by_rule((*few, ("biz_content", json.dumps({"subject": NI_HAO}, ensure_ascii=False)))))
    yield vector("order-of-names-that-begin-alike", "pairs are sorted by name, not as whole texts", by_rule((*few, ("a_b", "1"), ("a", "2"))))
    yield vector("names-in-capitals-first", "names are sorted by their octets", by_rule((*few, ("a", "1"), ("B", "2"))))
    yield vector("value-with-equals-sign", "an equals sign in a value does no harm", by_rule((*few, ("x", "a=b"))))
    yield vector("path-and-headers", "neither the path nor a header is signed, dot segments and repeated lines included", by_rule(target="/a/../b%2Fc", headers=(("X-Tag", "b"), ("X-Tag", "a"))))
    yield vector("long-form", "a form longer than most", by_rule(few, form=[("biz_content", "a" * 4000)]))
    yield vector("empty-value", "an empty value is left out of the text: it is not signed", by_rule((*few, ("notify_url", ""))), expect="required_part_unsigned")
    yield vector("empty-value-allowed", "the same, where the route takes it", by_rule((*few, ("notify_url", ""))), policy={"waive": ["query"]})
    twice = by_rule((*few, ("a", "1"), ("a", "2")))
    yield vector("repeated-parameter", "the rule knows one value for each name", twice, expect="ambiguous_request", sign={"skip": "a signer has one value for each name"})
    yield vector("repeated-parameter-allowed", "the same, where the route takes it", twice, policy=RELAXED, sign={"skip": "a signer has one value for each name"})
    yield vector("equals-sign-in-a-name", "a name that holds the separator", by_rule((*few, ("a=b", "c"))), expect="ambiguous_request")
    yield vector("equals-sign-in-a-name-allowed", "the same, where the route takes it", by_rule((*few, ("a=b", "c"))), policy=RELAXED)
    both = by_rule((*few, ("a", "1")), form=[("a", "2")])
    yield vector("parameter-in-query-and-form", "one name in both places could change them", both, expect="ambiguous_request", sign={"skip": "a signer has one value for each name"})
    yield vector("body-that-is-no-form", "a body that is no form cannot be signed", by_rule(json_body='{"a":1}'), expect="required_part_unsigned")
    yield vector("body-that-is-no-form-allowed", "the same, where the route takes it", by_rule(json_body='{"a":1}'), policy={"waive": ["body"]}, covers=["query", "time"])
    yield from forged_by_public_key(lambda rsa, forged: by_rule(rsa=rsa, forged=forged))


def alipay_faults(by_name):
    origin, form = "package-page-pay", "public-parameters-in-the-query"
    signature = by_name[origin]["signature"]
    def edit(name, why, expect, text, with_, from_=origin, where="target"):
        return fault(name, from_, why, expect, replace=replace(where, text, with_))
    yield from faults.clock(origin, SDK_CLOCK, 900, 900)
    yield fault("time-of-another-zone", origin, "the time is China's: the same digits in UTC are eight hours away", "from_the_future", now="2026-01-01T19:04:05Z")
    yield fault("hmac-under-a-text", origin, "a credential of another kind", "signature_mismatch", credentials={"secret": "a-secret"})
    yield from faults.signed([
        ("parameter-value", origin, {"replace": replace("target", "0.01", "9.01")}), ("parameter-name", origin, {"replace": replace("target", "charset", "charsett")}),
        ("parameter-added", origin, {"replace": replace("target", "&sign=", "&app_auth_token=x&sign=")}), ("parameter-removed", origin, {"replace": replace("target", "&version=1.0", "")}),
        ("method-of-the-platform", origin, {"replace": replace("target", "trade.page.pay", "trade.refund")}), ("timestamp", origin, {"replace": replace("target", "11%3A04%3A05", "11%3A04%3A06")}),
        ("app-id", origin, {"replace": replace("target", APP, APP[:-1] + "3")}), ("form-value", form, {"replace": replace("body", "b+c", "b+d")}), ("form-parameter-added", form, {"replace": replace("body", "biz_content", "x=1&biz_content")}),
        ("value-emptied", origin, {"replace": replace("target", "version=1.0", "version=")}),
    ])
    yield fault("form-type-taken-away", "package-page-pay-form", "a body that is no form carries no claim", "missing_signature", headers={"Content-Type": "text/plain"})
    yield fault("http-method-changed", origin, "the method is not signed", "accepted", method="HEAD")
    yield fault("path-changed", origin, "the path is not signed", "accepted", replace=replace("target", "/gateway.do", "/other"))
    yield fault("host-changed", origin, "the host is not signed", "accepted", headers={"Host": "openapi.alipaydev.com"})
    yield edit("parameter-respelt", "another spelling of the same value is equal", "accepted", "charset=utf-8", "charset=utf%2d8")
    yield edit("blank-respelt", "a blank is + or %20", "accepted", "2026-01-02+11", "2026-01-02%2011")
    yield edit("empty-parameter-added", "an empty value is left out of the text: whoever adds one is not seen, so it is refused", "required_part_unsigned", "&sign=", "&notify_url=&sign=")
    yield edit("sign-type-older", "SHA-1 is not taken", "malformed_claim", "sign_type=RSA2", "sign_type=RSA")
    yield edit("timestamp-of-another-form", "a time of another form", "malformed_claim", "2026-01-02+11", "2026-01-02T11")
    yield edit("signature-twice", "a second signature", "malformed_claim", "&sign=", "&sign=AAAA&sign=")
    target = by_name[origin]["placed"]["target"]
    for name, expect in [("sign", "missing_signature"), *((n, "malformed_claim") for n in CLAIM)]:
        piece = re.search(rf"(?:^|[?&])({name}=[^&]*)", target).group(1)
        yield edit(f"{name.replace('_', '-')}-missing", f"{name} taken away", expect, piece, "left=out")
        if name != "sign":
            yield edit(f"{name.replace('_', '-')}-twice", f"a second {name}", "malformed_claim", piece, piece + "&" + piece)
    def spelt(text):
        return quote_plus(text)
    yield from faults.base64_text(origin, "target", signature, spelt)
