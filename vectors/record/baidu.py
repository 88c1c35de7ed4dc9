"""Witnesses of bce-auth-v1: the example of Baidu Cloud's documentation, bce-python-sdk, and a transcript of the documented rule."""
import hashlib
import hmac

import faults
from common import BINARY, MEBIBYTE, READ_ON, SDK_CLOCK, SDK_SECONDS, Recording, Request, b64, fault, frozen, left_out, moment, octets, replace, sdk, transcript, vector
from transcripts import encode

HOST, KEY_ID, SECRET = "bj.bcebos.com", "a" * 32, "b" * 32
NI_HAO = "\u4f60\u597d"
DEFAULT = ("host", "content-length", "content-md5", "content-type")
CARRIED = {"content-md5", "authorization"}


class NotByTheRule(Exception):
    """The SDK signed something else than the rule says, or a printed value does not come out."""


def rule(placed, canonical_path, query, listed, *, at, expires, key_id=KEY_ID, secret=SECRET):
    """The string to sign and the signature: whole query pairs and whole header lines sorted once they are encoded, empty values left out; `listed` None is the SDK's own set."""
    joined = {}
    for name, value in placed.headers:
        joined[name.lower()] = joined[name.lower()] + "," + value if name.lower() in joined else value
    taken = [n for n in joined if n.startswith("x-bce-") or n in DEFAULT] if listed is None else listed
    lines = sorted(f"{encode(n)}:{encode(joined[n].strip())}" for n in taken if joined[n].strip())
    pairs = "&".join(sorted(f"{encode(n)}={encode(v)}" for n, v in query))
    text = "\n".join([placed.method, canonical_path, pairs, *lines])
    prefix = f"bce-auth-v1/{key_id}/{at}/{expires}"
    key = hmac.new(octets(secret), octets(prefix), hashlib.sha256).hexdigest()
    return prefix, text, hmac.new(octets(key), octets(text), hashlib.sha256).hexdigest()


def recording(source, placed, canonical_path, query, listed, *, at, expires, body_digest=None, sign=None):
    prefix, text, made = rule(placed, canonical_path, query, listed, at=at, expires=expires)
    sent = {name.lower(): value for name, value in placed.headers}
    if sent["authorization"] != f"{prefix}/{';'.join(listed or ())}/{made}":
        raise NotByTheRule(f"{source}: {placed.target} {sent['authorization']} is not {made} of\n{text}")
    request = Request(placed.method, placed.target, tuple(line for line in placed.headers if line[0].lower() not in CARRIED), placed.body)
    omit = [name for name, left in (("signed_headers", not listed), ("body_digest", placed.body and "content-md5" not in sent)) if left]
    choices = {**({"headers": list(listed)} if listed else {}), **({"omit": omit} if omit else {}), **({"expires": str(expires)} if expires != 1800 else {}), **({"body_digest": body_digest} if body_digest else {})}
    return Recording(source=source, at=at, credentials={"key_id": KEY_ID, "secret": SECRET}, sign=sign or choices, request=request, placed=placed, stages={"string_to_sign": text}, signature=made)


def md5(body):
    return b64(hashlib.md5(octets(body)).digest())


# ---------------------------------------------------------------- the documented example

def published_vectors():
    source = {"name": "Baidu AI Cloud documentation, Include the Authentication String into the Header", "address": "https://intl.cloud.baidu.com/doc/Reference/s/Gjwvz1xez-en", "date": READ_ON,
              "licence": "quotation of a published example"}
    signature = "d74a04362e6a848f5b39b15421cb449427f419c95a480fd6b8cf9fc783e2999e"
    lines = (("Host", HOST), ("Content-Type", "text/plain"), ("Content-Length", "8"), ("Content-MD5", "NFzcPqhviddjRNnSOGo4rw=="), ("x-bce-date", "2015-04-27T08:23:49Z"),
             ("Authorization", f"bce-auth-v1/{KEY_ID}/2015-04-27T08:23:49Z/1800//{signature}"))
    placed = Request("PUT", "/v1/test/myfolder/readme.txt?partNumber=9&uploadId=a44cc9bab11cbd156984767aad637851", lines, b"Example\n")
    made = recording(source, placed, "/v1/test/myfolder/readme.txt", [("partNumber", "9"), ("uploadId", "a44cc9bab11cbd156984767aad637851")], None, at="2015-04-27T08:23:49Z", expires=1800, body_digest="NFzcPqhviddjRNnSOGo4rw==")
    if made.signature != signature:
        raise NotByTheRule(made.signature)
    yield vector("published-example", "the documented request, without a list; the signature holds, but the printed digest is not that of the printed body", made, expect="body_digest_mismatch")


# ---------------------------------------------------------------- the SDK

def signer(method, path, query=(), headers=(), body=b"", *, raw=None, listed=None, expires=1800, host=HOST):
    """One request signed by the SDK's signer, with the headers that its client adds. `raw` is the query as sent."""
    from baidubce.auth.bce_credentials import BceCredentials
    from baidubce.auth.bce_v1_signer import sign
    body = octets(body)
    lines = (("Host", host), *headers, ("Content-Length", str(len(body))), *((("Content-MD5", md5(body)),) if body else ()), ("x-bce-date", SDK_CLOCK))
    given = {n.encode(): octets(v) for n, v in lines}
    with frozen():
        made = sign(BceCredentials(KEY_ID, SECRET), method.encode(), path.encode(), given, {n.encode(): v.encode() for n, v in query}, timestamp=SDK_SECONDS, expiration_in_seconds=expires,
                    headers_to_sign=[n.encode() for n in listed] if listed else None)
    target = path + ("?" + raw if raw is not None else "?" + "&".join(f"{encode(n)}={encode(v)}" for n, v in query) if query else "")
    return recording(sdk("bce-python-sdk", "Apache-2.0"), Request(method, target, (*lines, ("Authorization", made.decode())), body), path, query, listed, at=SDK_CLOCK, expires=expires)


class Caught(Exception):
    """The request was seen; nothing was sent."""


def client(call, canonical_path, query=()):
    """The request that the SDK's BOS client would send, caught before it leaves."""
    import baidubce.http.bce_http_client as module
    from baidubce.auth.bce_credentials import BceCredentials
    from baidubce.bce_client_configuration import BceClientConfiguration
    from baidubce.retry.retry_policy import NoRetryPolicy
    from baidubce.services.bos.bos_client import BosClient
    caught, true = [], module._send_http_request

    def catch(_, method, uri, headers, body, __):
        caught.append((method, uri, {plain(n): plain(v) for n, v in headers.items()}, body.read() if hasattr(body, "read") else octets(body or b"")))
        raise Caught
    module._send_http_request = catch
    try:
        with frozen():
            call(BosClient(BceClientConfiguration(credentials=BceCredentials(KEY_ID, SECRET), endpoint=HOST, retry_policy=NoRetryPolicy())))
    except Exception:
        if not caught:
            raise
    finally:
        module._send_http_request = true
    method, uri, headers, body = caught[0]
    lines = tuple((n, v) for n, v in headers.items() if n.lower() not in ("user-agent", "connection"))
    return recording(sdk("bce-python-sdk", "Apache-2.0"), Request(plain(method), plain(uri), lines, body), canonical_path, query, None, at=SDK_CLOCK, expires=1800)


def plain(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def sdk_vectors():
    def case(name, why, *args, covers=None, **kw):
        return vector(f"sdk-{name}", why, signer(*args, **kw), covers=covers)
    text = (("Content-Type", "text/plain"),)
    listed = ("content-length", "content-md5", "content-type", "host", "x-bce-date")
    yield case("get", "no list: the SDK's own set of headers", "GET", "/bucket/a.txt", covers=["method", "path", "host", "time", "expires", "header.x-bce-date"])
    yield case("put", "a list, and a body bound by its digest", "PUT", "/bucket/a.txt", [("partNumber", "9"), ("uploadId", "x")], text, "hello", listed=listed, covers=["method", "path", "query", "host", "body", "time", "header.content-length"])
    yield case("put-without-list", "no list, and a body bound by its digest", "PUT", "/bucket/a.txt", (), text, "hello", covers=["method", "path", "host", "body", "time"])
    yield case("unicode", "unicode in path and query", "GET", "/bucket/%E4%BD%A0%E5%A5%BD", [("prefix", "\u4f60")])
    yield case("empty-value", "an empty value keeps its =", "GET", "/bucket", [("acl", ""), ("prefix", "a")])
    yield case("bare-name", "a name without = gets one", "GET", "/bucket", [("acl", "")], raw="acl")
    yield case("whole-pairs-sorted", "the pairs are sorted as whole texts, once they are encoded", "GET", "/bucket", [("text", ""), ("text1", "\u6d4b\u8bd5"), ("text10", "test")])
    yield case("plus-and-slash", "a plus sign, a slash and a blank, encoded", "GET", "/bucket/a%2Bb%20c", [("q", "1+2/3 4")])
    yield case("reserved-left-bare", "letters that are sent bare are signed encoded", "GET", "/bucket", [("t", "10:30/@")], raw="t=10:30/@")
    yield case("dot-segments", "dot segments stay as sent", "GET", "/bucket/a/./b/../c//d")
    yield case("further-header", "an x-bce- header, its value encoded", "PUT", "/bucket/a.txt", (), (*text, ("x-bce-meta-note", "a b/\u4f60")), "hello")
    yield vector("sdk-empty-header-value", "a header without value has no line, and so is not signed", signer("GET", "/bucket/a.txt", (), (("x-bce-meta-empty", ""),)), policy={"waive": ["header.x-bce-meta-empty"]})
    yield case("lines-sorted-encoded", "header lines are sorted as whole texts, once they are encoded", "GET", "/bucket", (), (("x-bce-a-b", "1"), ("x-bce-a", "2")))
    yield case("host-with-port", "the port is signed with the host, encoded", "GET", "/bucket", host="bj.bcebos.com:8080")
    yield case("expires-in-an-hour", "an expiry of the caller's", "GET", "/bucket", expires=3600, covers=["expires"])
    yield case("binary-body", "octets that are not UTF-8", "PUT", "/bucket/a.bin", (), (("Content-Type", "application/octet-stream"),), BINARY)
    yield case("body-of-one-mebibyte", "a long body", "PUT", "/bucket/a.bin", (), (("Content-Type", "application/octet-stream"),), b"a" * MEBIBYTE)
    yield vector("sdk-client-put", "a whole client: a name in unicode, metadata, a checksum that is no digest", client(lambda c: c.put_object_from_string("bucket", f"dir/a b+{NI_HAO}.txt", "hello", user_metadata={"note": "x"}), "/dir/a%20b%2B%E4%BD%A0%E5%A5%BD.txt"),
                 policy={"waive": ["body"]})
    yield vector("sdk-client-list", "a whole client: a query", client(lambda c: c.list_objects("bucket", prefix="dir/", max_keys=10), "/", [("maxKeys", "10"), ("prefix", "dir/")]))


SDK_GAPS = [
    left_out("repeated-parameter, repeated-header", "bce-python-sdk", "takes one value for each name: see the transcript"),
    left_out("encoded slash in the path", "bce-python-sdk", "encodes names without their slashes: see the transcript"),
    left_out("authorization in the query", "the rule", "another place for the same text"),
]


# ---------------------------------------------------------------- the documented rule

def by_rule(method, target, canonical_path, query=(), listed=("host", "x-bce-date"), headers=(), body=b"", *, expires=1800, digest=True, sign=None):
    body = octets(body)
    lines = (("Host", HOST), *headers, ("x-bce-date", SDK_CLOCK), *((("Content-MD5", md5(body)),) if body and digest else ()))
    bare = Request(method, target, lines, body)
    prefix, _, made = rule(bare, canonical_path, query, listed, at=SDK_CLOCK, expires=expires)
    placed = bare.with_headers(("Authorization", f"{prefix}/{';'.join(listed)}/{made}"))
    return recording(transcript("bce-auth-v1 rules"), placed, canonical_path, query, listed, at=SDK_CLOCK, expires=expires, sign=sign)


def rule_vectors():
    def case(name, why, *args, relaxed=None, expect="accepted", **kw):
        return vector(name, why, by_rule(*args, **kw), policy=relaxed, expect=expect)
    length = (("Content-Length", "2"),)
    yield case("repeated-parameter", "all values of a name, sorted", "GET", "/bucket?a=2&b=0&a=1", "/bucket", [("a", "2"), ("b", "0"), ("a", "1")])
    yield case("repeated-header", "lines of one name are joined by a comma", "GET", "/bucket", "/bucket", (), ("host", "x-bce-date", "x-bce-tag"), (("x-bce-tag", "b"), ("x-bce-tag", "a")))
    yield case("bare-plus", "a plus sign in the query is a plus sign", "GET", "/bucket?q=1+2", "/bucket", [("q", "1+2")])
    yield case("path-spelt-otherwise", "the path is signed decoded and encoded again", "GET", "/bucket/a(1)%7e%61", "/bucket/a%281%29~a")
    yield case("encoded-slash-in-path", "two paths have this string to sign", "GET", "/bucket/a%2Fb", "/bucket/a/b", relaxed={"allow_ambiguous": True})
    yield case("empty-body", "no digest where there is no body", "PUT", "/bucket/a.txt", "/bucket/a.txt", (), ("content-type", "host", "x-bce-date"), (("Content-Type", "text/plain"),))
    yield case("content-type-not-listed", "a header that may be left out of the list", "GET", "/bucket", "/bucket", (), ("host", "x-bce-date"), (("Content-Type", "text/plain"),))
    yield case("host-not-signed", "a signer that leaves the host out", "GET", "/bucket", "/bucket", (), ("x-bce-date",), expect="required_part_unsigned")
    yield case("x-bce-header-not-signed", "a signer that leaves an x-bce- header out", "GET", "/bucket", "/bucket", (), ("host", "x-bce-date"), (("x-bce-acl", "public-read"),), expect="required_part_unsigned")
    yield case("digest-not-listed", "a digest that is sent and not signed", "PUT", "/bucket/a", "/bucket/a", (), ("host", "x-bce-date"), length, "{}", expect="required_part_unsigned")
    yield case("no-digest", "a body that nothing binds", "PUT", "/bucket/a", "/bucket/a", (), ("content-length", "host", "x-bce-date"), length, "{}", digest=False, relaxed={"waive": ["body"]})
    yield case("expires-too-far", "an expiry beyond the longest", "GET", "/bucket", "/bucket", expires=86401, expect="malformed_claim")
    yield case("longest-expiry", "a day", "GET", "/bucket", "/bucket", expires=86400)


def bce_faults(by_name):
    put, get, where = "sdk-put", "sdk-get", "header.Authorization"
    signature = by_name[put]["signature"]
    def edit(name, why, expect, text, with_, origin=put):
        return fault(name, origin, why, expect, replace=replace(where, text, with_))
    for name in ("no-digest", "sdk-client-put", "sdk-empty-header-value"):
        yield fault(f"{name}-default-policy", name, "what a dialect can sign, a request must sign", "required_part_unsigned", policy={})
    yield fault("encoded-slash-in-path-default-policy", "encoded-slash-in-path", "one of several requests with that string to sign", "ambiguous_request", policy={})
    yield fault("last-second-of-the-expiry", get, "the expiry takes the place of the past window", "accepted", now=moment(SDK_SECONDS + 1800))
    yield fault("expired", get, "one second after the expiry", "too_old", now=moment(SDK_SECONDS + 1801))
    yield fault("newest-in-the-window", get, "a signer's clock ahead by the whole window", "accepted", now=moment(SDK_SECONDS - 300))
    yield fault("from-the-future", get, "a signer's clock ahead by one second more", "from_the_future", now=moment(SDK_SECONDS - 301))
    yield from faults.secret(put)
    yield from faults.signed([
        ("method", put, {"method": "POST"}), ("path", put, {"replace": replace("target", "a.txt", "b.txt")}), ("query-value", put, {"replace": replace("target", "=9", "=8")}), ("query-name", put, {"replace": replace("target", "partNumber", "partnumber")}),
        ("query-added", get, {"target": "/bucket/a.txt?acl"}), ("host", put, {"headers": {"Host": "gz.bcebos.com"}}), ("host-without-list", get, {"headers": {"Host": "gz.bcebos.com"}}), ("content-type", put, {"headers": {"Content-Type": "text/html"}}),
        ("content-length", put, {"headers": {"Content-Length": "6"}}), ("digest", put, {"headers": {"Content-MD5": "kAFQmDzST7DWlj99KOF/cg=="}}), ("x-bce-header", "sdk-further-header", {"headers": {"x-bce-meta-note": "x"}}),
        ("x-bce-header-added-without-list", get, {"add_headers": [["x-bce-acl", "public-read"]]}), ("x-bce-header-removed-without-list", "sdk-further-header", {"remove_headers": ["x-bce-meta-note"]}),
        ("time", put, {"replace": replace(where, SDK_CLOCK, "2026-01-02T03:04:06Z")}), ("expires", put, {"replace": replace(where, "/1800/", "/3600/")}), ("key-id", put, {"replace": replace(where, KEY_ID, "a" * 31 + "b")}),
        ("list-shortened", put, {"replace": replace(where, "content-type;", "")}),
    ])
    yield fault("list-in-another-order", put, "the order of the list does not matter", "accepted", replace=replace(where, "content-length;content-md5", "content-md5;content-length"))
    yield fault("list-taken-away", put, "without a list the same headers count as listed", "accepted", replace=replace(where, "content-length;content-md5;content-type;host;x-bce-date", ""))
    yield fault("x-bce-header-added", put, "an x-bce- header that is not signed", "required_part_unsigned", add_headers=[["x-bce-acl", "public-read"]])
    yield fault("query-in-another-order", put, "the query is sorted before it is signed", "accepted", target="/bucket/a.txt?uploadId=x&partNumber=9")
    yield fault("query-spelt-otherwise", put, "another spelling of the same query is equal", "accepted", target="/bucket/a.txt?partNumber=%39&uploadId=x")
    yield fault("empty-header-removed", "sdk-empty-header-value", "a header without value has no line", "accepted", remove_headers=["x-bce-meta-empty"])
    yield fault("header-added", get, "a header that is not listed is not signed", "accepted", add_headers=[["X-Other", "x"]])
    yield fault("listed-header-absent", put, "the list names a header that is not there", "malformed_claim", remove_headers=["Content-Type"])
    yield fault("body-changed", put, "the body is not the digest's", "body_digest_mismatch", body="hullo")
    yield fault("body-emptied", put, "the body is not the digest's", "body_digest_mismatch", body="")
    yield fault("body-added", get, "a body that no digest binds", "required_part_unsigned", body="x")
    yield edit("name-listed-twice", "a name stands twice in the list", "malformed_claim", "content-type;host", "content-type;host;host")
    yield edit("expires-no-number", "an expiry that is no number", "malformed_claim", "/1800/", "/soon/")
    yield edit("expires-of-nothing", "an expiry of no seconds", "malformed_claim", "/1800/", "/0/")
    yield edit("time-misshapen", "a time in another form", "malformed_claim", SDK_CLOCK, "20260102T030405Z")
    yield edit("a-part-missing", "the text has one part too few", "malformed_claim", "/1800/", "/")
    yield edit("key-id-too-long", "a key id of more than 128 bytes", "malformed_claim", KEY_ID, "k" * 129)
    yield edit("another-version", "another version of the scheme", "missing_signature", "bce-auth-v1", "bce-auth-v2")
    yield fault("authorization-missing", put, "the signature taken away", "missing_signature", remove_headers=["Authorization"])
    yield from faults.headers_twice(put, [("Authorization", "bce-auth-v1/a/2026-01-02T03:04:05Z/1800//00"), ("Content-MD5", "kAFQmDzST7DWlj99KOF/cg==")])
    yield from faults.hex_text(put, where, signature)
