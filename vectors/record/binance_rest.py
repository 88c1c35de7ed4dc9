"""Witnesses of Binance's signed endpoints: binance-connector, and a transcript of the written rule."""
import hmac

import faults
from common import SDK_CLOCK, SDK_SECONDS, Recording, Request, fault, frozen, left_out, moment, octets, published, replace, sdk, transcript, vector
from published import QUOTED, check

KEY_ID = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
HOST, ORDER = "api.binance.com", "/api/v3/order"
NI_HAO = "\u4f60\u597d"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
ORDER_TEXT = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
ORDER_TIME = "2017-07-12T02:41:59.559Z"
RELAXED = {"allow_ambiguous": True}


def recording(source, method, query, form="", *, at=SDK_CLOCK, secret=SECRET, path=ORDER, headers=(), spot="query", raw=b""):
    """Query and form as sent, one behind the other, without the signature, which is put at the end of one of them."""
    text = query + form
    signature = hmac.new(octets(secret), octets(text), "sha256").hexdigest()
    mark = "&signature=" if (query if spot == "query" else form) else "signature="
    def both(tag):
        return (query + mark + tag, form) if spot == "query" else (query, form + mark + tag)
    lines = (("Host", HOST), *headers, *((FORM,) if form else ()))
    def request(tag, further):
        made, body = both(tag)
        return Request(method, path + (f"?{made}" if made else ""), (*lines, *further), raw or octets(body))
    return Recording(source=source, at=at, credentials={"key_id": KEY_ID, "secret": secret}, 
                     request=request("", ()), placed=request(signature, (("X-MBX-APIKEY", KEY_ID),)), stages={"string_to_sign": text}, signature=signature)


def package(method="POST", path=ORDER, payload=None):
    """The request that the package's client would send, caught before it leaves."""
    import requests
    from binance.api import API
    caught = []

    def catch(_, request, **__):
        caught.append(request)
        raise Caught
    true, requests.adapters.HTTPAdapter.send = requests.adapters.HTTPAdapter.send, catch
    try:
        with frozen():
            API(KEY_ID, SECRET, base_url=f"https://{HOST}").sign_request(method, path, dict(payload or {}))
    except Caught:
        pass
    finally:
        requests.adapters.HTTPAdapter.send = true
    made = caught[0]
    query, _, signature = made.path_url.partition("?")[2].rpartition("&signature=")
    result = recording(sdk("binance-connector", "MIT"), method, query, path=path)
    if result.signature != signature or made.body:
        raise ValueError(f"{made.path_url}: by the rule {result.signature}")
    return result


class Caught(Exception):
    """The request was seen; nothing was sent."""


def package_vectors():
    order = {"symbol": "LTCBTC", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "0.1"}
    def case(name, why, *args, covers=None, **kw):
        return vector(f"package-{name}", why, package(*args, **kw), covers=covers)
    yield case("order", "the parameters in the order of the caller, the time and the signature last", "POST", ORDER, order, covers=["query", "time"])
    yield case("get", "the same for what is only read", "GET", ORDER, {"symbol": "LTCBTC", "orderId": "1"}, covers=["query", "time"])
    yield case("receive-window", "how long the request is good, in milliseconds", "POST", ORDER, {**order, "recvWindow": "5000"}, covers=["query", "time", "expires"])
    yield case("time-alone", "no parameter of the caller", "GET", "/api/v3/account")
    yield case("unicode", "percent-encoded as sent", "POST", ORDER, {**order, "symbol": NI_HAO})
    yield case("blank-plus-and-slash", "the encoded text is signed as sent", "POST", ORDER, {**order, "newClientOrderId": "a b+c/d~*"})
    yield case("repeated-parameter", "a list repeats its name", "GET", ORDER, {"symbols": ["b", "a", "b"]})
    yield case("at-sign", "the package leaves an @ bare", "POST", ORDER, {**order, "email": "a@b.example"})


PACKAGE_GAPS = [
    left_out("form", "binance-connector", "puts everything into the query: see the transcript"),
    left_out("repeated-header, %2F in the path, dot segments", "binance-connector", "neither headers nor the path are signed"),
    left_out("binary and 1 MiB bodies", "binance-connector", "only forms are signed"),
    left_out("RSA and Ed25519 keys", "binance-connector", "their signatures have another encoding than those of HMAC keys, so they are another dialect"),
]


def published_vectors():
    page = published("Binance documentation, request security", "https://developers.binance.com/docs/binance-spot-api-docs/rest-api/request-security", QUOTED)
    known = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    yield vector("published-order-in-form", "everything in the form", check(recording(page, "POST", "", ORDER_TEXT, at=ORDER_TIME, spot="form"), known), covers=["body", "time", "expires"])
    yield vector("published-order-in-query", "everything in the query: the same signature", check(recording(page, "POST", ORDER_TEXT, at=ORDER_TIME), known), covers=["query", "time", "expires"])
    wide = ORDER_TEXT.replace("LTCBTC", "%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96")
    yield vector("published-unicode", "percent-encoded as sent", check(recording(page, "POST", "", wide, at=ORDER_TIME, spot="form"), "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"))


def by_rule(method, query, form="", **kw):
    return recording(transcript("Binance signed endpoint rules"), method, query, form, **kw)


def rule_vectors():
    time = f"timestamp={SDK_SECONDS}000"
    half = ("symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC", f"quantity=1&price=0.1&{time}")
    mixed = by_rule("POST", *half, spot="form")
    yield vector("query-and-form", "one behind the other with nothing between: another cut gives another request with that text", mixed, expect="ambiguous_request")
    yield vector("query-and-form-allowed", "the same, where the route takes it", mixed, policy=RELAXED, covers=["query", "body", "time"])
    yield vector("signature-alone-in-the-query", "everything but the signature in the form", by_rule("POST", "", f"symbol=LTCBTC&{time}", spot="query"), covers=["body", "time"], sign={"skip": "our signer puts the signature where the form is"})
    yield vector("empty-value-and-bare-name", "an = behind a name without value is signed as if it were not there", by_rule("GET", f"flag&{time}"))
    yield vector("order-of-sending", "nothing is sorted", by_rule("GET", f"b=2&a=1&{time}&c=3"))
    yield vector("plus-and-encoded-slash", "nothing is decoded", by_rule("GET", f"q=1+2&r=%2f%2B&{time}"))
    yield vector("path-and-headers", "neither the path nor a header is signed, dot segments and repeated lines included", by_rule("GET", time, path="/api/../v3/a%2Fb", headers=(("X-Tag", "b"), ("X-Tag", "a"))))
    yield vector("widest-window", "the longest window that the vendor takes", by_rule("GET", f"recvWindow=60000&{time}"), now=moment(SDK_SECONDS + 60))
    yield vector("window-too-wide", "a window that the vendor does not take", by_rule("GET", f"recvWindow=60001&{time}"), expect="malformed_claim", sign={"skip": "a signer refuses such a window"})
    yield vector("window-of-nothing", "a window of no length", by_rule("GET", f"recvWindow=0&{time}"), expect="malformed_claim", sign={"skip": "a signer refuses such a window"})
    yield vector("long-form", "a form longer than most", by_rule("POST", "", f"note={'a' * 4000}&{time}", spot="form"))
    yield vector("content-type-of-no-form", "a request without a form, whatever its type", by_rule("POST", time, headers=(("Content-Type", "application/json"),)))
    body = by_rule("POST", time, headers=(("Content-Type", "application/json"),), raw=b'{"a":1}')
    yield vector("body-that-is-no-form", "a body that is no form cannot be signed", body, expect="required_part_unsigned")
    yield vector("body-that-is-no-form-allowed", "the same, where the route takes it", body, policy={"waive": ["body"]}, covers=["query", "time"])


def binance_faults(by_name):
    origin, form, window = "package-order", "published-order-in-form", "package-receive-window"
    signature = by_name[origin]["signature"]
    stamp = f"timestamp={SDK_SECONDS}000"
    def edit(name, why, expect, text, with_, from_=origin, where="target"):
        return fault(name, from_, why, expect, replace=replace(where, text, with_))
    yield from faults.clock(origin, SDK_CLOCK, 5, 1)
    yield fault("receive-window-over", window, "one second behind the window of the request", "too_old", now=moment(SDK_SECONDS + 6))
    yield from faults.secret(origin)
    yield from faults.signed([
        ("parameter-value", origin, {"replace": replace("target", "quantity=1", "quantity=9")}), ("parameter-name", origin, {"replace": replace("target", "price=", "stopPrice=")}),
        ("parameter-added", origin, {"replace": replace("target", "&signature=", "&icebergQty=1&signature=")}), ("parameter-removed", origin, {"replace": replace("target", "&timeInForce=GTC", "")}),
        ("parameters-reordered", origin, {"replace": replace("target", "symbol=LTCBTC&side=BUY", "side=BUY&symbol=LTCBTC")}), ("parameter-respelt", origin, {"replace": replace("target", "LTCBTC", "LTCBT%43")}),
        ("timestamp", origin, {"replace": replace("target", stamp, f"timestamp={SDK_SECONDS}001")}), ("receive-window", window, {"replace": replace("target", "recvWindow=5000", "recvWindow=5001")}),
        ("form-value", form, {"replace": replace("body", "quantity=1", "quantity=9")}), ("form-parameter-added", form, {"replace": replace("body", "symbol", "x=1&symbol")}),
    ])
    yield fault("key-id-unknown", origin, "an unknown key shows as a wrong signature", "signature_mismatch", headers={"X-MBX-APIKEY": KEY_ID[:-1] + "B"})
    yield fault("moved-from-form-to-query", form, "a parameter in the other place is the same parameter to this protocol", "accepted", target=ORDER + "?" + ORDER_TEXT + "&signature=" + by_name[form]["signature"], body="")
    yield fault("another-cut", "query-and-form-allowed", "the first parameter of the form became the end of the query's last: why such requests are refused by default", "accepted",
                target=f"{ORDER}?symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTCquantity=1&price=0.1&{stamp}", body="signature=" + by_name["query-and-form-allowed"]["signature"])
    yield fault("form-value-beside-a-query", "query-and-form-allowed", "form value: signed, so a change breaks the tag", "signature_mismatch", replace=replace("body", "quantity=1", "quantity=2"))
    yield fault("method-changed", origin, "the method is not signed", "accepted", method="DELETE")
    yield fault("path-changed", origin, "the path is not signed", "accepted", replace=replace("target", "/order", "/order/test"))
    yield fault("host-changed", origin, "the host is not signed", "accepted", headers={"Host": "api1.binance.com"})
    yield edit("equals-sign-added-to-a-bare-name", "an empty value is the same with and without its =", "accepted", "flag&", "flag=&", "empty-value-and-bare-name")
    yield edit("parameter-without-text-added", "it leaves an & in the text", "signature_mismatch", "&signature=", "&=&signature=")
    yield edit("empty-fragment-added", "an empty fragment is no parameter", "accepted", "&signature=", "&&signature=")
    yield edit("timestamp-missing", "the time taken away", "malformed_claim", stamp, "t=1")
    yield edit("timestamp-twice", "a second time", "malformed_claim", stamp, f"{stamp}&{stamp}")
    yield edit("timestamp-no-number", "a time that is no number", "malformed_claim", stamp, "timestamp=now")
    yield edit("timestamp-in-seconds", "a time in another unit is far away", "too_old", stamp, f"timestamp={SDK_SECONDS}")
    yield edit("receive-window-twice", "a second window", "malformed_claim", "recvWindow=5000", "recvWindow=5000&recvWindow=5000", window)
    yield edit("receive-window-no-number", "a window that is no number", "malformed_claim", "recvWindow=5000", "recvWindow=5s", window)
    yield edit("signature-missing", "the signature taken away", "missing_signature", f"&signature={signature}", "")
    yield edit("signature-twice", "a second signature", "malformed_claim", "&signature=", "&signature=00&signature=")
    yield fault("form-type-taken-away", form, "a body that is no form carries no claim", "missing_signature", headers={"Content-Type": "text/plain"})
    yield from faults.headers_gone(origin, [("X-MBX-APIKEY", "malformed_claim")])
    yield from faults.headers_twice(origin, [("X-MBX-APIKEY", KEY_ID)])
    yield from faults.hex_text(origin, "target", signature)
