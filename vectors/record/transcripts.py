"""Witnesses for rules that have no public SDK: straight transcripts of the written rules.

Standard library only (`cryptography` for RSA). Each function follows its rule line by line, shares no code with any
signer, and is given every form that the rule needs by hand: the raw target *and* the decoded pairs, so that nothing here
has to parse what it signs. Nothing is clever on purpose.
"""
import dataclasses
import hashlib
import hmac
import pathlib
from urllib.parse import quote

from common import BINARY, MEBIBYTE, Recording, Request, b64, left_out, moment, octets, sha256_hex, transcript, vector

CLOCK_MS, CLOCK_S, CLOCK = 1739437548482, 1739437548, "2025-02-13T09:05:48.482Z"
HOST = "api.example.com"
TOKEN = "bJW8yvKhfzFpALIuRQwTF1nR1w0w9VYL1u-kespeRX5ZKQmE9tLVWxXLHPoFg2Qp"
LABELLED_NONCE = "7124736198582272"
NI_HAO = "\u4f60\u597d"
RSA_PEM = (pathlib.Path(__file__).parent / "rsa2048-test.pem").read_text()
QUERY = ("?b=2&a=%E4%BD%A0&empty=&a=1%20%2B", [("b", "2"), ("a", "\u4f60"), ("empty", ""), ("a", "1 +")])


# ---------------------------------------------------------------- small parts of the rules

def mac(algorithm, secret, text):
    return hmac.new(octets(secret), octets(text), algorithm).digest()


def encode(text):
    return quote(text, safe="-_.~")


def sorted_query(pairs):
    return "&".join(f"{name}={value}" for name, value in sorted((encode(n), encode(v)) for n, v in pairs))


def joined(lines):
    """Header lines as one value a name: lower-case, repeated lines joined by a comma."""
    out = {}
    for name, value in lines:
        out[name.lower()] = out[name.lower()] + "," + value if name.lower() in out else value
    return out


def squeezed(value):
    return " ".join(value.split())


def shown(value):
    """A header's octets as text that turns back into them."""
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def rsa_sign(text):
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding
    key = serialization.load_pem_private_key(RSA_PEM.encode(), None)
    return key.sign(octets(text), padding.PKCS1v15(), hashes.SHA256())


def rsa_public(der=False):
    from cryptography.hazmat.primitives import serialization
    key = serialization.load_pem_private_key(RSA_PEM.encode(), None).public_key()
    form = serialization.Encoding.DER if der else serialization.Encoding.PEM
    return key.public_bytes(form, serialization.PublicFormat.SubjectPublicKeyInfo)


def rsa_credentials(key):
    return {"key_id": key, "algorithm": "rsa-sha256", "private_key_pem": RSA_PEM, "public_key_pem": rsa_public().decode()}


def with_host(headers):
    return headers if any(n.lower() == "host" for n, _ in headers) else (("Host", HOST), *headers)


# ---------------------------------------------------------------- x-ca-labelled

def x_ca_labelled(method, target, headers=(), body=b"", listed=(), *, encrypted=False, comma=True, rsa=False, forged=None,
                  key="appkey-1", secret="appsecret-1", nonce=LABELLED_NONCE, at_ms=CLOCK_MS):
    """Lines joined by LF, no LF at the end; `header:` and the first header share a line; the secret is the last line.

    With `rsa`, the `secret:` line is empty and the private key signs. `forged` is an HMAC secret used in place of the RSA key.
    """
    headers, body = with_host(tuple(headers)), octets(body)
    claim = [("x-ca-key", key), ("x-ca-nonce", nonce), ("x-ca-timestamp", str(at_ms)), ("x-ca-ver", "1.0")]
    sent = joined([*headers, *claim])
    block = {name: sent[name] for name in [n for n, _ in claim] + [n.lower() for n in listed]}
    if encrypted or "x-enc-encrypted" in sent:
        block["x-enc-encrypted"] = sent.get("x-enc-encrypted", "true")
    head = "\n".join(["method:" + method, "uri:" + target, "header:" + "\n".join(f"{n}:{block[n]}" for n in sorted(block)), "body:"])
    text = octets(head) + body + b"\nsecret:" + (b"" if rsa else octets(secret))
    tag = mac("sha256", forged or secret, text) if forged or not rsa else rsa_sign(text)
    lines = [*claim, ("x-ca-signature", b64(tag))]
    if listed:
        lines.append(("x-ca-signature-header-in", "".join(n + "," for n in listed) if comma else ",".join(listed)))
    request = Request(method, target, headers, body)
    return Recording(
        source=transcript("x-ca-labelled rules"), at=moment(at_ms / 1000), nonce=nonce,
        credentials=rsa_credentials(key) if rsa else {"key_id": key, "secret": secret},
        inputs={"encrypted": "true"} if encrypted else {}, sign={"headers": list(listed), "omit": ["algorithm"]},
        request=request, placed=request.with_headers(*lines), stages={"string_to_sign": text}, signature=b64(tag))


def x_ca_labelled_vectors():
    enveloped = '{"content":"AAAA","encryptKey":"BBBB"}'
    login, token = "/ums-api/api/auth/login", ("x-access-token", TOKEN)
    yield vector("post-with-token", "the shape of the source: a listed token, a header that is sent unsigned, a trailing comma in the list",
                 x_ca_labelled("POST", login, (token, ("x-time-zone", "Asia/Shanghai")), '{"a":1}', ["X-Access-Token"]),
                 covers=["method", "path", "body", "header.x-access-token", "time", "nonce"])
    yield vector("encrypted-flag-signed-not-sent", "the application's setting supplies the line of a header that is not sent",
                 x_ca_labelled("POST", login, (token,), enveloped, ["X-Access-Token"], encrypted=True))
    yield vector("encrypted-header-sent", "a header that is sent is signed with its own value, listed or not",
                 x_ca_labelled("POST", login, (("x-enc-encrypted", "true"),), enveloped))
    yield vector("encrypted-header-sent-under-the-setting", "the value sent wins over the setting",
                 x_ca_labelled("POST", login, (("x-enc-encrypted", "false"),), enveloped, encrypted=True))
    yield vector("get-with-query-no-body-nothing-listed", "path and query as sent, no list header, an empty body line",
                 x_ca_labelled("GET", "/v1/items?b=2&a=%E4%BD%A0&empty="), covers=["method", "path", "query", "time", "nonce"])
    yield vector("body-with-newline-and-unicode", "a body is signed raw, line breaks and all",
                 x_ca_labelled("PUT", "/v1/items/7", (("x-access-token", "t"),), "line1\nline2 " + NI_HAO, ["X-Access-Token"]))
    yield vector("two-listed-headers", "listed in one order, signed in another",
                 x_ca_labelled("DELETE", "/v1/items/7", (("x-access-token", "t"), ("x-device", "d 1")), "", ["X-Device", "X-Access-Token"]))
    yield vector("list-without-trailing-comma", "the trailing comma of the source is tolerated, not needed",
                 x_ca_labelled("GET", "/v1/items/7", (("x-access-token", "t"),), "", ["X-Access-Token"], comma=False))
    yield vector("unicode-in-path-and-header", "percent-encoded in the path, octets of UTF-8 in a signed header",
                 x_ca_labelled("GET", "/v1/%E4%BD%A0%E5%A5%BD", (("x-name", NI_HAO),), "", ["X-Name"], comma=False))
    yield vector("empty-value", "a listed header with an empty value keeps its line",
                 x_ca_labelled("GET", "/v1/items?empty=&flag", (("x-empty", ""),), "", ["X-Empty"], comma=False))
    yield vector("repeated-parameter", "the query is signed as sent, so a repeated name maps to one string only",
                 x_ca_labelled("GET", "/v1/items?a=2&a=1&a=2"))
    yield vector("repeated-header", "two lines of one name are joined by a comma",
                 x_ca_labelled("GET", "/v1/items", (("x-tag", "b"), ("x-tag", "a")), "", ["X-Tag"], comma=False))
    yield vector("plus-and-encoded-slash", "nothing in the target is decoded", x_ca_labelled("GET", "/v1/a%2Fb+c?q=1+2&r=%2F%2b"))
    yield vector("dot-segments", "dot segments stay as sent", x_ca_labelled("GET", "/v1/./a/../b//c"))
    yield vector("binary-body", "the octets of a body that is not UTF-8", x_ca_labelled("POST", "/v1/blob", (), BINARY))
    yield vector("body-of-one-mebibyte", "a long body", x_ca_labelled("POST", "/v1/blob", (), b"a" * MEBIBYTE))
    yield vector("host-with-port", "a listed host is signed as sent",
                 x_ca_labelled("GET", "/v1/items", (("Host", "api.example.com:8443"),), "", ["Host"], comma=False))
    yield vector("header-that-looks-like-the-body", "the line of a header called body looks like the one that follows the headers",
                 x_ca_labelled("POST", login, (("Body", "x"),), '{"a":1}', ["Body"], comma=False), policy={"allow_ambiguous": True})
    yield vector("rsa", "the secret line is empty and the application's private key signs",
                 x_ca_labelled("POST", login, (token,), '{"a":1}', ["X-Access-Token"], rsa=True, comma=False))
    yield vector("rsa-encrypted-flag", "the setting works under RSA too", x_ca_labelled("POST", login, (), enveloped, rsa=True, encrypted=True))
    yield from forged_by_public_key(lambda **forgery: x_ca_labelled("POST", login, (token,), '{"a":1}', ["X-Access-Token"], comma=False, **forgery))


def forged_by_public_key(sign):
    """A public key can never be used as an HMAC secret."""
    for form, der in (("pem", False), ("der", True)):
        yield vector(f"forged-with-public-key-{form}", f"an HMAC under the {form.upper()} octets of the registered public key",
                     sign(rsa=True, forged=rsa_public(der)), expect="signature_mismatch", sign={"skip": "a forgery: no signer makes it"})


# ---------------------------------------------------------------- x-ca-labelled-2

def x_ca_labelled_2(method, path, query=("", ()), headers=(), body=b"", listed=(), *, rsa=False, forged=None,
                    key="appkey-1", secret="appsecret-1", nonce=LABELLED_NONCE, at_ms=CLOCK_MS):
    """Version 2.0: every part on a line of its own, the header block last, no secret line. `query` is (raw, pairs)."""
    headers, body = with_host(tuple(headers)), octets(body)
    claim = [("x-ca-key", key), ("x-ca-nonce", nonce), ("x-ca-timestamp", str(at_ms)), ("x-ca-ver", "2.0")]
    sent = joined([*headers, *claim])
    names = sorted({"host", *(n for n, _ in claim), *(n.lower() for n in listed)})
    text = "\n".join(["method:" + method, "uri:" + path, "query:" + sorted_query(query[1]), "body-sha256:" + sha256_hex(body),
                      *(f"{n}:{sent[n]}" for n in names)])
    tag = mac("sha256", forged or secret, text) if forged or not rsa else rsa_sign(text)
    lines = [*claim, ("x-ca-signature", b64(tag))]
    if listed:
        lines.append(("x-ca-signature-header-in", ",".join(listed)))
    request = Request(method, path + query[0], headers, body)
    return Recording(
        source=transcript("x-ca-labelled-2 rules"), at=moment(at_ms / 1000), nonce=nonce,
        credentials=rsa_credentials(key) if rsa else {"key_id": key, "secret": secret}, sign={"headers": list(listed), "omit": ["algorithm"]},
        request=request, placed=request.with_headers(*lines), stages={"string_to_sign": text}, signature=b64(tag))


def x_ca_labelled_2_vectors():
    login, token = "/ums-api/api/auth/login", ("x-access-token", TOKEN)
    yield vector("post-with-token", "a listed token and a body",
                 x_ca_labelled_2("POST", login, headers=(token,), body='{"a":1}', listed=["X-Access-Token"]),
                 covers=["method", "path", "body", "header.x-access-token", "time", "nonce"])
    yield vector("get-with-query-no-body", "the query decoded, encoded and sorted; unicode, an empty value and a repeated name in it",
                 x_ca_labelled_2("GET", "/v1/items", QUERY), covers=["method", "path", "query", "time", "nonce"])
    yield from query_cases(lambda path, query: x_ca_labelled_2("GET", path, query))
    yield vector("two-listed-headers", "listed in one order, signed in another",
                 x_ca_labelled_2("DELETE", "/v1/items/7", headers=(("x-access-token", "t"), ("x-device", "d 1")), listed=["X-Device", "X-Access-Token"]))
    yield vector("unicode-in-header", "octets of UTF-8 in a signed header",
                 x_ca_labelled_2("GET", "/v1/items", headers=(("x-name", NI_HAO),), listed=["X-Name"]))
    yield vector("empty-header-value", "a listed header with an empty value keeps its line",
                 x_ca_labelled_2("GET", "/v1/items", headers=(("x-empty", ""),), listed=["X-Empty"]))
    yield vector("repeated-header", "two lines of one name are joined by a comma",
                 x_ca_labelled_2("GET", "/v1/items", headers=(("x-tag", "b"), ("x-tag", "a")), listed=["X-Tag"]))
    yield from body_cases(lambda body: x_ca_labelled_2("POST", "/v1/blob", body=body))
    yield vector("host-with-port", "the Host header is signed as sent", x_ca_labelled_2("GET", "/v1/items", headers=(("Host", "api.example.com:8443"),)))
    yield vector("rsa", "the application's private key signs", x_ca_labelled_2("POST", login, headers=(token,), body='{"a":1}', listed=["X-Access-Token"], rsa=True))
    yield from forged_by_public_key(lambda **forgery: x_ca_labelled_2("POST", login, headers=(token,), body='{"a":1}', listed=["X-Access-Token"], **forgery))


def query_cases(sign):
    """Targets that every dialect with a raw path and an RFC 3986 query can carry; `sign` takes the path and (raw query, pairs)."""
    yield vector("unicode-in-path", "the path is signed as sent, percent-encoded", sign("/v1/%E4%BD%A0%E5%A5%BD", ("", ())))
    yield vector("empty-value-and-bare-name", "a name without = gets one", sign("/v1/items", ("?empty=&flag", [("empty", ""), ("flag", "")])))
    yield vector("repeated-parameter", "all values of a name, sorted", sign("/v1/items", ("?a=2&b=0&a=1&a=2", [("a", "2"), ("b", "0"), ("a", "1"), ("a", "2")])))
    yield vector("order-of-names-that-begin-alike", "pairs are sorted by name, not as whole texts",
                 sign("/v1/items", ("?id-type=1&id=2", [("id-type", "1"), ("id", "2")])))
    yield vector("plus-in-query", "a plus sign on the wire is a plus sign", sign("/v1/items", ("?q=1+2", [("q", "1+2")])))
    yield vector("encoded-slash-and-plus", "%2F stays in the path; in the query it is decoded and encoded again, in capitals",
                 sign("/v1/a%2Fb+c", ("?r=%2f%2b", [("r", "/+")])))
    yield vector("unreserved-spelt-out", "a needlessly encoded letter is equal to the letter", sign("/v1/items", ("?%61=%7e", [("a", "~")])))
    yield vector("reserved-left-bare", "colon, slash and at sign bare in the query are signed encoded", sign("/v1/items", ("?t=10:30/@", [("t", "10:30/@")])))
    yield vector("encoded-percent", "an encoded percent sign", sign("/v1/items", ("?q=100%25&r=1", [("q", "100%"), ("r", "1")])))
    yield vector("dot-segments", "dot segments stay as sent", sign("/v1/./a/../b//c", ("", ())))
    yield vector("root", "an empty query and the shortest path", sign("/", ("", ())))


def body_cases(sign):
    """Bodies that every dialect that signs the body's octets can carry."""
    yield vector("unicode-body", "the octets of UTF-8", sign(f'{{"name":"{NI_HAO}"}}'))
    yield vector("binary-body", "the octets of a body that is not UTF-8", sign(BINARY))
    yield vector("body-of-one-mebibyte", "a long body", sign(b"a" * MEBIBYTE))


# ---------------------------------------------------------------- qlm-open

def qlm_open(method, target, body=b"", *, third="timestamp", app="app-1", secret="app-secret-1", content_type="application/json; charset=UTF-8",
             headers=(), at_ms=CLOCK_MS):
    """Six lines, each ended by LF. Third line: the timestamp as published, Content-MD5 in the -md5 variant."""
    body, stamp = octets(body), str(at_ms)
    digest = b64(hashlib.md5(body).digest())
    text = "".join(line + "\n" for line in [method.upper(), "*/*", stamp if third == "timestamp" else digest, content_type, stamp, target])
    signature = b64(mac("sha256", secret, text))
    request = Request(method, target, (*with_host(tuple(headers)), ("Content-Type", content_type)), body)
    placed = request.with_headers(("QLM-Open-App-Id", app), ("QLM-Open-Auth-Mode", "Signature"), ("QLM-Open-CA-Signature", signature),
                                  ("QLM-Open-CA-Timestamp", stamp), ("Accept", "*/*"), ("Content-MD5", digest))
    return Recording(source=transcript("qlm-open rules"), at=moment(at_ms / 1000), credentials={"key_id": app, "secret": secret},
                     request=request, placed=placed, stages={"string_to_sign": text}, signature=signature)


def qlm_open_vectors(third):
    def sign(*args, **kw):
        return qlm_open(*args, third=third, **kw)
    covers = ["method", "path", "time", "header.content-type"] + (["body"] if third == "md5" else [])
    yield vector("post-json", "six lines, each ended by a line break", sign("POST", "/V1/order/create", '{"id":1}'), covers=covers)
    yield vector("get-with-query", "path and query as sent; the digest of the empty body is sent", sign("GET", "/V2/order?id=1&name=%E4%BD%A0"), covers=["method", "path", "query", "time"])
    yield vector("unicode-body", "another body: the same signature as published, another one with the digest signed" if third == "md5"
                 else "the body is not signed: the signature is that of post-json", sign("POST", "/V1/order/create", f'{{"name":"{NI_HAO}"}}'))
    yield vector("unicode-in-path", "the path is signed as sent, percent-encoded", sign("GET", "/V1/%E4%BD%A0%E5%A5%BD"))
    yield vector("empty-value-and-bare-name", "the query is signed as sent", sign("GET", "/V1/order?empty=&flag"))
    yield vector("repeated-parameter", "the query is signed as sent, so a repeated name maps to one string only", sign("GET", "/V1/order?a=2&a=1&a=2"))
    yield vector("plus-and-encoded-slash", "nothing in the target is decoded", sign("GET", "/V1/a%2Fb+c?q=1+2&r=%2F%2b"))
    yield vector("dot-segments", "dot segments stay as sent", sign("GET", "/V1/./a/../b//c"))
    yield vector("binary-body", "the digest of octets that are not UTF-8", sign("POST", "/V1/blob", BINARY))
    yield vector("body-of-one-mebibyte", "a long body", sign("POST", "/V1/blob", b"a" * MEBIBYTE))
    yield vector("another-content-type", "Content-Type is signed as sent", sign("POST", "/V1/blob", "a=1", content_type="application/x-www-form-urlencoded"))


# ---------------------------------------------------------------- aws-sigv1

SIGV1_CLOCK = "2006-12-08T07:48:03Z"
SIGV1 = [("AWSAccessKeyId", "k"), ("SignatureVersion", "1"), ("Timestamp", SIGV1_CLOCK)]


def aws_sigv1(pairs, *, form=None, key="k", secret="s", body=b"", content_type=None, host=HOST):
    """Parameters sorted by name ignoring case; name and value with nothing between; HMAC-SHA1; the signature is one more parameter.

    `pairs` are the query's in order of sending, `form` those of a form body; the signature goes into the form where there is one.
    """
    def raw(items):
        return "&".join(f"{encode(n)}={encode(v)}" for n, v in items)
    text = "".join(n + v for n, v in sorted([*pairs, *(form or ())], key=lambda pair: pair[0].lower()))
    signature = b64(mac("sha1", secret, text))
    extra = "&Signature=" + encode(signature)
    target = "/?" + raw(pairs) if pairs else "/"
    headers = (("Host", host),)
    if form is not None:
        headers += (("Content-Type", "application/x-www-form-urlencoded"),)
        request = Request("POST", target, headers, raw(form).encode())
        placed = Request("POST", target, headers, (raw(form) + extra).encode())
    else:
        headers += (("Content-Type", content_type),) if content_type else ()
        request = Request("POST" if body else "GET", target, headers, octets(body))
        placed = Request(request.method, target + extra, headers, octets(body))
    stamp = dict([*pairs, *(form or ())])["Timestamp"]
    return Recording(source=transcript("AWS Signature Version 1 rules"), at=stamp, credentials={"key_id": key, "secret": secret},
                     request=request, placed=placed, stages={"string_to_sign": text}, signature=signature)


def unescaped(made, escaped, bare):
    """The same recording with a piece of its target in another spelling of the same value."""
    request, placed = (dataclasses.replace(sent, target=sent.target.replace(escaped, bare)) for sent in (made.request, made.placed))
    return dataclasses.replace(made, request=request, placed=placed)


def aws_sigv1_vectors():
    unsafe = {"unsafe": True}
    def case(name, why, pairs, policy=None, **kw):
        return vector(name, why, aws_sigv1(pairs, **kw), policy=policy or unsafe)
    yield case("case-insensitive-order", "names are sorted ignoring case, so A stands before AWSAccessKeyId and b behind both",
               [("A", "2"), ("AWSAccessKeyId", "k"), ("b", "1"), ("SignatureVersion", "1"), ("Timestamp", SIGV1_CLOCK), ("Y", "4"), ("z", "3")])
    yield case("collision-one-of-two", "foo=bar and foob=ar make one string to sign: why the dialect is unsafe",
               [("AWSAccessKeyId", "k"), ("foo", "bar"), ("SignatureVersion", "1"), ("Timestamp", SIGV1_CLOCK)])
    yield case("collision-two-of-two", "the other half of the pair, with the same signature",
               [("AWSAccessKeyId", "k"), ("foob", "ar"), ("SignatureVersion", "1"), ("Timestamp", SIGV1_CLOCK)])
    yield case("order-of-sending", "the order of sending does not matter", [("z", "3"), *reversed(SIGV1), ("Action", "DescribeImages")])
    yield case("unicode", "values are signed decoded, as octets of UTF-8", [*SIGV1, ("Name", NI_HAO)])
    yield case("empty-value", "an empty value leaves the bare name", [*SIGV1, ("Empty", "")])
    yield case("encoded-plus-blank-and-slash", "values are signed decoded", [*SIGV1, ("Path", "a/b + c")])
    yield vector("bare-plus", "a plus sign on the wire is a plus sign", unescaped(aws_sigv1([*SIGV1, ("q", "1+2")]), "q=1%2B2", "q=1+2"), policy=unsafe)
    yield case("form", "the parameters ride in a form, the signature too", [], form=[*SIGV1, ("Action", "DescribeImages")])
    yield case("form-and-query", "the parameters of both are signed together", [("Version", "2007-01-03")], form=[*SIGV1, ("Action", "DescribeImages")])
    yield case("repeated-parameter", "all values of a repeated name are signed, one behind the other", [*SIGV1, ("x", "1"), ("x", "2")], {"unsafe": True, "allow_ambiguous": True})
    yield case("names-that-differ-in-case", "names are sorted ignoring case, so either may stand first", [*SIGV1, ("X", "1"), ("x", "2")], {"unsafe": True, "allow_ambiguous": True})
    yield case("parameter-in-query-and-form", "which of the two is which cannot be seen from the string to sign", [("x", "1")], {"unsafe": True, "allow_ambiguous": True}, form=[*SIGV1, ("x", "2")])
    yield vector("body-that-is-no-form", "only a form is signed: another body is a part left open", aws_sigv1(SIGV1, body='{"a":1}', content_type="application/json"),
                 policy=unsafe, expect="required_part_unsigned")


# ---------------------------------------------------------------- hmac-sha256

def hmac_sha256(method, path, query=("", ()), headers=(), body=b"", listed=("host",), *, key="key-1", secret="secret-1", nonce="n-0001", at=CLOCK_S):
    """The plain scheme, signature in the Authorization header. `query` is (raw, pairs); `listed` are the signed names, sorted."""
    headers, body = with_host(tuple(headers)), octets(body)
    sent = {name: squeezed(value) for name, value in joined((n, shown(v)) for n, v in headers).items()}
    names = sorted(n.lower() for n in listed)
    digest = sha256_hex(body)
    text = "\n".join(["HMAC-SHA256", str(at), nonce, key, method, path, sorted_query(query[1]),
                      "\n".join(f"{n}:{sent[n]}" for n in names), "", ";".join(names), digest]).encode("utf-8", "surrogateescape")
    signature = mac("sha256", secret, text).hex()
    request = Request(method, path + query[0], headers, body)
    authorization = f"HMAC-SHA256 Credential={key}, Timestamp={at}, Nonce={nonce}, SignedHeaders={';'.join(names)}, Signature={signature}"
    placed = request.with_headers(("X-Content-SHA256", digest), ("Authorization", authorization))
    return Recording(source=transcript("hmac-sha256 rules"), at=CLOCK if at == CLOCK_S else moment(at), nonce=nonce,
                     credentials={"key_id": key, **({"secret": secret} if isinstance(secret, str) else {"secret_base64": b64(secret)})},
                     sign={"headers": names}, request=request, placed=placed, stages={"string_to_sign": text}, signature=signature)


def hmac_sha256_vectors():
    two = (("Content-Type", "application/json"), ("X-Access-Token", TOKEN))
    yield vector("get-with-query", "the query decoded, encoded and sorted; unicode, an empty value and a repeated name in it",
                 hmac_sha256("GET", "/v1/items", QUERY), covers=["method", "path", "query", "header.host", "time", "nonce"])
    yield vector("post-with-two-signed-headers", "two headers besides the host, and a body",
                 hmac_sha256("POST", "/v1/items", headers=two, body='{"a":1}', listed=["host", "content-type", "x-access-token"]),
                 covers=["method", "path", "body", "header.host", "header.content-type", "header.x-access-token", "time", "nonce"])
    yield from query_cases(lambda path, query: hmac_sha256("GET", path, query))
    yield vector("unicode-in-header", "octets of UTF-8 in a signed header", hmac_sha256("GET", "/v1/items", headers=(("X-Name", NI_HAO),), listed=["host", "x-name"]))
    yield vector("empty-header-value", "a signed header with an empty value keeps its line", hmac_sha256("GET", "/v1/items", headers=(("X-Empty", ""),), listed=["host", "x-empty"]))
    yield vector("repeated-header", "two lines of one name are joined by a comma, in order of sending",
                 hmac_sha256("GET", "/v1/items", headers=(("X-Tag", "b"), ("X-Tag", "a")), listed=["host", "x-tag"]))
    yield vector("blanks-in-header", "inner runs of blanks become one", hmac_sha256("GET", "/v1/items", headers=(("X-Note", "a   b  c"),), listed=["host", "x-note"]))
    yield from body_cases(lambda body: hmac_sha256("POST", "/v1/blob", body=body))
    yield vector("header-that-is-not-utf-8", "the octets of a signed header, whatever they are",
                 hmac_sha256("GET", "/v1/items", headers=(("X-Name", "caf\u00e9".encode("latin-1")),), listed=["host", "x-name"]))
    yield vector("secret-that-is-not-text", "a secret of any octets", hmac_sha256("GET", "/v1/items", secret=bytes(range(128, 160))))
    yield vector("host-with-port", "the Host header is signed as sent", hmac_sha256("GET", "/v1/items", headers=(("Host", "api.example.com:8443"),)))
    yield vector("host-not-signed", "a caller that does not list the host", hmac_sha256("POST", "/v1/items", headers=two, body='{"a":1}', listed=["content-type"]),
                 expect="required_part_unsigned")


# ---------------------------------------------------------------- hmac-sha256-body

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


def hmac_sha256_body(target, query, emptied, content_type=JSON, *, method="POST", authority=HOST, host=HOST, nonce="n-0001",
                     key="key-1", secret="secret-1"):
    """The plain scheme, everything in the body. `emptied` is the raw body with the signature's value empty.

    The value goes between the quotes of the first `"signature":""` (JSON) or behind the first `signature=` (form).
    """
    path = target.split("?")[0]
    text = "\n".join(["HMAC-SHA256-BODY", method, authority, path, sorted_query(query), emptied])
    signature = mac("sha256", secret, text).hex()
    mark = '"signature":""' if content_type == JSON else "signature="
    filled = mark[:-1] + signature + '"' if content_type == JSON else mark + signature
    headers = (("host", host), ("content-type", content_type))
    return Recording(source=transcript("hmac-sha256-body rules"), at=CLOCK, nonce=nonce, credentials={"key_id": key, "secret": secret},
                     request=Request(method, target, headers, emptied.encode()),
                     placed=Request(method, target, headers, emptied.replace(mark, filled, 1).encode()),
                     stages={"string_to_sign": text}, signature=signature)


def json_body(*rest, nonce="n-0001", signature='"signature":""'):
    """The four members of the claim and what follows them."""
    return "{" + ",".join(['"key_id":"key-1"', f'"timestamp":"{CLOCK_S}"', f'"nonce":"{nonce}"', signature, *rest]) + "}"


def form_body(*rest):
    return "&".join(["key_id=key-1", f"timestamp={CLOCK_S}", "nonce=n-0001", *rest, "signature="])


def hmac_sha256_body_vectors():
    def case(name, why, emptied, content_type=JSON, target="/v1/items", query=(), **kw):
        return vector(name, why, hmac_sha256_body(target, query, emptied, content_type, **kw))
    covers = ["method", "path", "body", "time", "nonce"]
    yield vector("json", "the claim rides in four members of the body", hmac_sha256_body("/v1/items", (), json_body('"amount":"12.50"')), covers=covers)
    spaced = f'{{ "name": "{NI_HAO}", "signature":"", "key_id": "key-1", "timestamp": "{CLOCK_S}", "nonce": "n-0002" }}'
    yield case("json-member-in-the-middle", "blanks and unicode are kept: nothing is parsed and written again", spaced, target="/v1/items?x=1", query=[("x", "1")], nonce="n-0002")
    form = f"key_id=key-1&timestamp={CLOCK_S}&nonce=n-0003&amount=12.50&signature="
    yield vector("form", "the claim rides in four fields of a form", hmac_sha256_body("/v1/items", (), form, FORM, nonce="n-0003"), covers=covers)
    for made in query_cases(lambda path, query: hmac_sha256_body(path + query[0], query[1], json_body())):
        yield made
    yield case("query-with-unicode", "the query decoded, encoded and sorted", json_body(), target="/v1/items" + QUERY[0], query=QUERY[1])
    yield case("json-nothing-else", "a body of the claim alone", json_body())
    yield case("json-empty-values", "empty members beside the claim", json_body('"note":""', '"list":[]', '"none":null'))
    yield case("json-nested-data", "nested members of other names are data", json_body('"order":{"id":7,"lines":[{"sku":"a"}]}'))
    yield case("json-escapes-in-values", "escapes in values stay as sent", json_body(r'"note":"say \"signature\": \u4f60"'))
    yield case("json-line-breaks", "a body laid out over lines", '{\n  "key_id": "key-1",\n  "timestamp": "%d",\n  "nonce": "n-0001",\n  "signature":"",\n  "amount": 12.5\n}\n' % CLOCK_S)
    yield case("form-unicode-plus-and-slash", "field values stay as sent", form_body("name=%E4%BD%A0", "q=1+2", "r=%2F%2b"), FORM)
    yield case("form-empty-and-repeated", "empty and repeated fields of other names are data", form_body("empty=", "flag", "a=2", "a=1"), FORM)
    yield case("put", "another method", json_body(), method="PUT")
    yield case("host-in-capitals", "the authority is signed in lower case", json_body(), host="API.Example.com")
    yield case("host-with-default-port", "the default port is dropped", json_body(), host="api.example.com:443")
    yield case("host-with-other-port", "another port is kept", json_body(), host="api.example.com:8443", authority="api.example.com:8443")
    yield from hmac_sha256_body_ambiguous()
    yield vector("timestamp-as-number", "the claim's members are strings", hmac_sha256_body("/v1/items", (), json_body().replace(f'"{CLOCK_S}"', str(CLOCK_S))),
                 expect="malformed_claim", sign={"skip": "a signer writes strings"})


def hmac_sha256_body_ambiguous():
    """Bodies that two parsers could read in two ways; each has a tag that holds for the first plain member."""
    twice = [
        ("json-signature-twice", "two members called signature", json_body('"signature":"00"'), JSON),
        ("json-key-id-twice", "two members called key_id", json_body('"key_id":"key-2"'), JSON),
        ("json-timestamp-twice", "two members called timestamp", json_body('"timestamp":"1"'), JSON),
        ("json-nonce-twice", "two members called nonce", json_body('"nonce":"n-0002"'), JSON),
        ("json-signature-escaped", "the name spelt with an escape besides the plain one", json_body(r'"sign\u0061ture":"00"'), JSON),
        ("json-key-id-escaped", "the name spelt with an escape besides the plain one", json_body(r'"key\u005fid":"key-2"'), JSON),
        ("json-signature-nested", "the name inside another member", json_body('"data":{"signature":"00"}'), JSON),
        ("json-key-id-nested-in-a-list", "the name inside a list", json_body('"data":[{"key_id":"key-2"}]'), JSON),
        ("form-signature-twice", "two fields called signature", form_body() + "&signature=00", FORM),
        ("form-key-id-twice", "two fields called key_id", form_body("key_id=key-2"), FORM),
        ("form-signature-escaped", "the name spelt percent-encoded besides the plain one", form_body() + "&signatur%65=00", FORM),
        ("form-nonce-escaped", "the name spelt percent-encoded besides the plain one", form_body("nonc%65=n-0002"), FORM),
    ]
    for name, why, emptied, content_type in twice:
        yield vector(name, why, hmac_sha256_body("/v1/items", (), emptied, content_type), expect="ambiguous_request",
                     sign={"skip": "a signer refuses a body with a second place for its claim"})


# ---------------------------------------------------------------- api-key

def api_key_vectors():
    key = "k3y-9fB2xQ7rT1mZ8sV4"
    base = Request("GET", "/v1/items?b=2", (("Host", HOST),))
    def recording(request, placed, **sign):
        return Recording(source=transcript("API key rules"), at=CLOCK, credentials={"key_id": "partner-1", "secret": key}, request=request, placed=placed, sign=sign)
    yield vector("header", "the key in its header", recording(base, base.with_headers(("X-Api-Key", key))))
    yield vector("query", "the key in the query, for callers that can only write a URL",
                 recording(base, Request("GET", f"/v1/items?b=2&api_key={key}", (("Host", HOST),)), skip="our signer writes the header"))
    yield vector("query-alone", "the key as the only parameter",
                 recording(Request("GET", "/v1/items", (("Host", HOST),)), Request("GET", f"/v1/items?api_key={key}", (("Host", HOST),)), skip="our signer writes the header"))
    post = Request("POST", "/v1/%E4%BD%A0/../a%2Fb?q=1+2&q=&q", (("Host", HOST), ("Content-Type", "application/octet-stream")), BINARY)
    yield vector("post-with-anything", "nothing of the request is signed, so nothing of it matters", recording(post, post.with_headers(("X-Api-Key", key))))


# ---------------------------------------------------------------- what no transcript can carry

GAPS = {
    "aws-sigv1": [
        left_out("repeated header", "transcript", "no header is signed"),
        left_out("dot segments, %2F in the path", "transcript", "the path is not signed"),
        left_out("binary body, body of one MiB", "transcript", "only a form is signed"),
        left_out("names equal but for case", "transcript", "the rule does not order them"),
    ],
    "qlm-open": [left_out("repeated header", "transcript", "the signed headers are constants or carried once")],
    "qlm-open-md5": [left_out("repeated header", "transcript", "the signed headers are constants or carried once")],
    "hmac-sha256-body": [
        left_out("repeated header", "transcript", "no header is signed but the host"),
        left_out("empty body, binary body", "transcript", "the claim rides in a JSON or form body"),
        left_out("body of one MiB", "transcript", "a body with the claim in it cannot be written as a repetition"),
    ],
}
