"""Witnesses of Azure Storage's Shared Key: azure-storage-blob, its signer and its client, and a transcript of the documented rule."""
import base64
import contextlib
import hashlib
import hmac

import faults
from common import BINARY, MEBIBYTE, SDK_CLOCK, SDK_SECONDS, Recording, Request, b64, counted_uuids, fault, frozen, http_date, left_out, octets, replace, sdk, transcript, vector

# The published account of the storage emulator.
KEY_ID, SECRET = "devstoreaccount1", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
HOST = "devstoreaccount1.blob.core.windows.net"
DATE = http_date(SDK_SECONDS)
NI_HAO = "\u4f60\u597d"
VERSION = ("x-ms-version", "2025-01-05")
CARRIED = {"x-ms-date", "content-md5", "authorization"}
TRANSPORT = {"user-agent", "accept", "accept-encoding", "connection"}
FIXED = ("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date", "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range")
SOURCE = sdk("azure-storage-blob", "MIT")


class NotBySharedKey(Exception):
    """The SDK signed something else than the rule says."""


def string_to_sign(placed, resource):
    """The method, eleven headers, the x-ms- headers sorted, and the resource by hand."""
    sent = {}
    for name, value in placed.headers:
        sent[name.lower()] = sent[name.lower()] + "," + value.strip() if name.lower() in sent else value.strip()
    sent = {**sent, "content-length": "" if sent.get("content-length") == "0" else sent.get("content-length", ""), "date": "" if "x-ms-date" in sent else sent.get("date", "")}
    own = "".join(f"{name}:{sent[name]}\n" for name in sorted(sent) if name.startswith("x-ms-"))
    return "\n".join([placed.method, *(sent.get(name, "") for name in FIXED), own + f"/{KEY_ID}" + resource])


def tag(text, secret=SECRET):
    return b64(hmac.new(base64.b64decode(secret), octets(text), hashlib.sha256).digest())


def md5(body):
    return ("Content-MD5", b64(hashlib.md5(octets(body)).digest()))


def recording(source, placed, resource, *, at=SDK_CLOCK, sign=None):
    text = string_to_sign(placed, resource)
    sent = {name.lower(): value for name, value in placed.headers}
    if sent["authorization"] != f"SharedKey {KEY_ID}:{tag(text)}":
        raise NotBySharedKey(f"{placed.target} {sent['authorization']} is not the tag of\n{text}")
    request = Request(placed.method, placed.target, tuple(line for line in placed.headers if line[0].lower() not in CARRIED), placed.body)
    omit = {"omit": ["body_digest"]} if placed.body and "content-md5" not in sent else {}
    return Recording(source=source, at=at, credentials={"key_id": KEY_ID, "secret": SECRET}, sign=sign or omit, request=request, placed=placed, stages={"string_to_sign": text}, signature=tag(text))


def sized(headers, body):
    return (*headers, ("Content-Length", str(len(body)))) if body else headers


# ---------------------------------------------------------------- the SDK's signer and client

def policy(method, target, resource, headers=(), body=b"", *, host=HOST):
    """One request signed by the SDK's own policy."""
    from azure.core.pipeline import PipelineContext, PipelineRequest
    from azure.core.pipeline.transport import HttpRequest
    from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy
    body = octets(body)
    lines = (("x-ms-date", DATE), VERSION, *sized(headers, body))
    asked = HttpRequest(method, f"https://{host}{target}", headers=dict(lines))
    with frozen():
        SharedKeyCredentialPolicy(KEY_ID, SECRET).on_request(PipelineRequest(asked, PipelineContext(None)))
    placed = Request(method, target, (("Host", host), *lines, ("Authorization", asked.headers["Authorization"])), body)
    return recording(SOURCE, placed, resource)


class Caught(Exception):
    """The request was seen; nothing was sent."""


def client(call, resource):
    """The request that the SDK's client would send, caught before it leaves."""
    import uuid

    import requests
    from azure.storage.blob import BlobServiceClient
    caught, true = [], requests.adapters.HTTPAdapter.send

    def catch(_, request, **__):
        caught.append(request)
        raise Caught
    requests.adapters.HTTPAdapter.send, first = catch, uuid.uuid1
    uuid.uuid1 = lambda: uuid.UUID(int=1)
    try:
        with frozen(), counted_uuids(), contextlib.suppress(Caught):
            call(BlobServiceClient(f"https://{HOST}", credential={"account_name": KEY_ID, "account_key": SECRET}, retry_total=0))
    finally:
        requests.adapters.HTTPAdapter.send, uuid.uuid1 = true, first
    made = caught[0]
    body = made.body.read() if hasattr(made.body, "read") else octets(made.body or b"")
    lines = (("Host", HOST), *((n, v.decode() if isinstance(v, bytes) else str(v)) for n, v in made.headers.items() if n.lower() not in TRANSPORT))
    return recording(SOURCE, Request(made.method, made.path_url, lines, body), resource)


def sdk_vectors():
    def case(name, why, made, covers=None, relaxed=None):
        return vector(f"sdk-{name}", why, made, covers=covers, policy=relaxed)
    text, json = ("Content-Type", "text/plain"), ("Content-Type", "application/json")
    put = (text, ("x-ms-blob-type", "BlockBlob"))
    yield case("get", "a blob", policy("GET", "/cont/a.txt", "/cont/a.txt"), covers=["method", "path", "time", "header.x-ms-version", "key_id"])
    yield case("put", "a body bound by Content-MD5, its length signed", policy("PUT", "/cont/a.txt", "/cont/a.txt", (*put, md5("hello")), "hello"),
               covers=["method", "path", "body", "time", "header.content-type", "header.content-length", "header.x-ms-blob-type"])
    yield case("put-without-digest", "a body that nothing binds but its length", policy("PUT", "/cont/a.txt", "/cont/a.txt", put, "hello"), relaxed={"waive": ["body"]})
    yield case("query", "parameters sorted and decoded", policy("GET", "/cont?restype=container&comp=list&prefix=a%2Fb%20c", "/cont\ncomp:list\nprefix:a/b c\nrestype:container"), covers=["method", "path", "query", "time"])
    yield case("empty-value", "an empty value keeps its colon", policy("GET", "/cont?comp=list&marker=", "/cont\ncomp:list\nmarker:"))
    yield case("plus", "a plus sign in the query is a plus sign", policy("GET", "/cont?comp=list&prefix=1+2", "/cont\ncomp:list\nprefix:1+2"))
    yield case("unicode", "the path as sent, parameters decoded", policy("GET", "/cont/%E4%BD%A0%E5%A5%BD?comp=tags&versionid=%E4%BD%A0", "/cont/%E4%BD%A0%E5%A5%BD\ncomp:tags\nversionid:\u4f60"))
    yield case("encoded-slash-and-plus-in-path", "nothing in the path is decoded", policy("GET", "/cont/a%2Fb+c", "/cont/a%2Fb+c"))
    yield case("dot-segments", "dot segments stay as sent", policy("GET", "/cont/a/./b/../c//d", "/cont/a/./b/../c//d"))
    yield case("metadata", "x-ms- headers sorted by name, in small letters", policy("PUT", "/cont/a.txt?comp=metadata", "/cont/a.txt\ncomp:metadata", (("x-ms-meta-b", "2"), ("x-ms-meta-a", "1"))))
    yield case("inner-blanks", "blanks inside a value stay", policy("PUT", "/cont/a.txt?comp=metadata", "/cont/a.txt\ncomp:metadata", (("x-ms-meta-a", "a  b"),)))
    yield case("conditions", "each conditional header has its line", policy("GET", "/cont/a.txt", "/cont/a.txt", (("If-Match", '"0x1"'), ("If-None-Match", "*"), ("If-Modified-Since", DATE), ("If-Unmodified-Since", DATE))),
               covers=["header.if-match", "header.if-none-match", "header.if-modified-since", "header.if-unmodified-since"])
    yield case("encoding-and-language", "the encoding and the language have their lines", policy("PUT", "/cont/a.txt", "/cont/a.txt", (*put, ("Content-Encoding", "gzip"), ("Content-Language", "de"), md5("hello")), "hello"))
    yield case("path-style", "the emulator's address: the account stands in the path, and before it", policy("GET", f"/{KEY_ID}/cont/a.txt", f"/{KEY_ID}/cont/a.txt", host="127.0.0.1:10000"))
    yield case("root", "the service itself", policy("GET", "/?comp=list", "/\ncomp:list"))
    yield case("json-body", "a body in JSON", policy("POST", "/cont?comp=batch", "/cont\ncomp:batch", (json, md5('{"a":1}')), '{"a":1}'))
    yield case("unicode-body", "octets of UTF-8", policy("PUT", "/cont/a.txt", "/cont/a.txt", (*put, md5(NI_HAO)), NI_HAO))
    yield case("binary-body", "octets that are not UTF-8", policy("PUT", "/cont/a.bin", "/cont/a.bin", (*put, md5(BINARY)), BINARY))
    yield case("body-of-one-mebibyte", "a long body", policy("PUT", "/cont/a.bin", "/cont/a.bin", (*put, md5(b"a" * MEBIBYTE)), b"a" * MEBIBYTE))
    yield case("client-upload", "a whole client: a blank in the name, metadata, and no digest by default", client(lambda c: c.get_blob_client("cont", "dir/a b.txt").upload_blob(b"hello", overwrite=True, metadata={"k": "v"}), "/cont/dir/a%20b.txt"),
               relaxed={"waive": ["body"]})
    yield case("client-list", "a whole client: a query", client(lambda c: list(c.list_containers(name_starts_with="a b")), "/\ncomp:list\ninclude:\nprefix:a b"))


SDK_GAPS = [
    left_out("repeated-parameter, repeated-header", "azure-storage-blob", "takes one value for each name: see the transcript"),
    left_out("Range", "azure-storage-blob", "sends x-ms-range; its own line for Range is always empty: see the transcript"),
    left_out("x-ms- names with hyphens or underscores that differ there", "azure-storage-blob", "sorts them by a table of the service's own; here they are sorted by their octets"),
    left_out("unicode in a header", "azure-storage-blob", "the service takes ASCII only"),
    left_out("Date in place of x-ms-date", "the rule", "no SDK sends it: the dialect asks for x-ms-date"),
]


# ---------------------------------------------------------------- the documented rule

def by_rule(method, target, resource, headers=(), body=b"", *, sign=None):
    body = octets(body)
    bare = Request(method, target, (("Host", HOST), ("x-ms-date", DATE), VERSION, *sized(headers, body)), body)
    return recording(transcript("Azure Storage Shared Key rules"), bare.with_headers(("Authorization", f"SharedKey {KEY_ID}:{tag(string_to_sign(bare, resource))}")), resource, sign=sign)


def rule_vectors():
    def case(name, why, *args, relaxed=None, covers=None, **kw):
        return vector(name, why, by_rule(*args, **kw), policy=relaxed, covers=covers)
    yield case("range", "a range has its line", "GET", "/cont/a.txt", "/cont/a.txt", (("Range", "bytes=0-9"),), covers=["header.range"])
    yield case("date-beside-x-ms-date", "a Date beside x-ms-date is not signed", "GET", "/cont/a.txt", "/cont/a.txt", (("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),))
    yield case("length-of-nothing", "a length of 0 is an empty line", "PUT", "/cont/a.txt?comp=lease", "/cont/a.txt\ncomp:lease", (("Content-Length", "0"),))
    yield case("names-in-capitals", "parameters' names are signed in small letters", "GET", "/cont?Comp=list", "/cont\ncomp:list")
    yield case("repeated-header", "lines of one name are joined by a comma", "PUT", "/cont/a.txt?comp=metadata", "/cont/a.txt\ncomp:metadata", (("x-ms-meta-a", "2"), ("x-ms-meta-a", "1")))
    yield case("empty-header-value", "an empty x-ms- header keeps its line", "PUT", "/cont/a.txt?comp=metadata", "/cont/a.txt\ncomp:metadata", (("x-ms-meta-a", ""),))
    yield case("repeated-parameter", "values of one name are sorted and joined by a comma: another request has this string to sign", "GET", "/cont?include=b&comp=list&include=a", "/cont\ncomp:list\ninclude:a,b",
               relaxed={"allow_ambiguous": True})
    yield case("line-break-in-a-value", "a decoded line break in a value: another request has this string to sign", "GET", "/cont?comp=list%0Aprefix:a", "/cont\ncomp:list\nprefix:a", relaxed={"allow_ambiguous": True})
    yield case("colon-in-a-name", "a decoded colon in a name: another request has this string to sign", "GET", "/cont?comp%3Alist=a", "/cont\ncomp:list:a", relaxed={"allow_ambiguous": True})


def azure_faults(by_name):
    put, get, query, where = "sdk-put", "sdk-get", "sdk-query", "header.Authorization"
    signature = by_name[put]["signature"]
    def edit(name, why, expect, text, with_):
        return fault(name, put, why, expect, replace=replace(where, text, with_))
    for name in ("sdk-put-without-digest", "sdk-client-upload"):
        yield fault(f"{name}-default-policy", name, "what a dialect can sign, a request must sign", "required_part_unsigned", policy={})
    for name in ("repeated-parameter", "line-break-in-a-value", "colon-in-a-name"):
        yield fault(f"{name}-default-policy", name, "one of several requests with that string to sign", "ambiguous_request", policy={})
    yield from faults.clock(get, SDK_CLOCK, 900, 900)
    yield from faults.secret(put, secret=b64(b"another secret of thirty-two oct"))
    yield fault("secret-that-is-no-base64", put, "a secret that cannot be decoded gives no key", "signature_mismatch", credentials={"secret": "*"})
    yield from faults.signed([
        ("method", get, {"method": "HEAD"}), ("path", get, {"target": "/cont/b.txt"}), ("path-spelling", "sdk-encoded-slash-and-plus-in-path", {"target": "/cont/a/b+c"}), ("query-value", query, {"replace": replace("target", "list", "acls")}),
        ("query-name", query, {"replace": replace("target", "comp", "komp")}), ("query-added", get, {"target": "/cont/a.txt?comp=lease"}), ("query-removed", query, {"replace": replace("target", "&comp=list", "")}),
        ("content-type", put, {"headers": {"Content-Type": "text/html"}}), ("content-length", put, {"headers": {"Content-Length": "6"}}), ("digest", put, {"headers": {"Content-MD5": "kAFQmDzST7DWlj99KOF/cg=="}}),
        ("date", put, {"headers": {"x-ms-date": http_date(SDK_SECONDS + 1)}}), ("x-ms-header", put, {"headers": {"x-ms-blob-type": "PageBlob"}}), ("x-ms-header-added", put, {"add_headers": [["x-ms-meta-a", "1"]]}),
        ("x-ms-header-removed", put, {"remove_headers": ["x-ms-blob-type"]}), ("condition", "sdk-conditions", {"headers": {"If-Match": "*"}}), ("condition-removed", "sdk-conditions", {"remove_headers": ["If-None-Match"]}),
        ("range", "range", {"headers": {"Range": "bytes=0-99"}}), ("range-added", get, {"add_headers": [["Range", "bytes=0-9"]]}), ("encoding", "sdk-encoding-and-language", {"headers": {"Content-Encoding": "br"}}),
        ("language", "sdk-encoding-and-language", {"headers": {"Content-Language": "en"}}), ("digest-taken-away", put, {"remove_headers": ["Content-MD5"]}), ("key-id", put, {"replace": replace(where, KEY_ID, "devstoreaccount2")}),
    ])
    yield fault("query-in-another-order", query, "the parameters are sorted before they are signed", "accepted", target="/cont?comp=list&prefix=a%2Fb%20c&restype=container")
    yield fault("query-spelt-otherwise", query, "another spelling of the same query is equal", "accepted", target="/cont?restype=container&comp=list&prefix=a/b%20%63")
    yield fault("date-beside-x-ms-date-changed", "date-beside-x-ms-date", "a Date beside x-ms-date is not signed, and not the time", "accepted", headers={"Date": DATE})
    yield fault("second-line-of-a-fixed-header", put, "a second line of a header of which the first is signed", "ambiguous_request", add_headers=[["Content-Type", "text/html"]])
    yield fault("host-changed", get, "the host is not signed", "accepted", headers={"Host": "other.blob.core.windows.net"})
    yield fault("header-added", get, "a header that is none of x-ms- is not signed", "accepted", add_headers=[["X-Other", "x"]])
    yield fault("body-changed", put, "the body is not the digest's", "body_digest_mismatch", body="hullo")
    yield fault("body-emptied", put, "the body is not the digest's", "body_digest_mismatch", body="")
    yield fault("body-added", get, "a body that no digest binds", "required_part_unsigned", body="x")
    yield edit("key-id-too-long", "a key id of more than 128 bytes", "malformed_claim", KEY_ID, "k" * 129)
    yield edit("key-id-missing", "an empty key id", "malformed_claim", KEY_ID, "")
    yield edit("another-scheme", "another scheme is no signature of ours", "missing_signature", "SharedKey ", "SharedKeyLite ")
    yield fault("date-misshapen", get, "a time in another form", "malformed_claim", headers={"x-ms-date": SDK_CLOCK})
    yield fault("date-header-instead", get, "Date does not stand in for x-ms-date", "malformed_claim", remove_headers=["x-ms-date"], add_headers=[["Date", DATE]])
    yield from faults.headers_gone(put, [("Authorization", "missing_signature"), ("x-ms-date", "malformed_claim")])
    yield from faults.headers_twice(put, [("Authorization", "SharedKey a:AAAA"), ("x-ms-date", DATE), ("Content-MD5", "kAFQmDzST7DWlj99KOF/cg==")])
    yield from faults.base64_text(put, where, signature)
