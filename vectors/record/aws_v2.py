"""Witnesses of AWS's signature version 2, of the query services and of S3: botocore, boto3, the published examples, and transcripts of the rules."""
import hashlib
import hmac
import re

import faults
from botocore_sigv4 import called
from common import BINARY, MEBIBYTE, READ_ON, SDK_CLOCK, SDK_SECONDS, Recording, Request, b64, fault, frozen, http_date, left_out, moment, octets, replace, sdk, transcript, vector
from transcripts import encode, sorted_query

KEY_ID, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "TOKEN/EXAMPLE+="
NI_HAO = "\u4f60\u597d"
FORM = (("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),)
JSON = (("Content-Type", "application/json"),)
QUOTED = "quotation of a published example"
BOTOCORE, BOTO3 = sdk("botocore", "Apache-2.0"), sdk("boto3", "Apache-2.0")


class NotAsPublished(Exception):
    """A recomputed value differs from the printed one."""


def printed(source, made, signature):
    if made != signature:
        raise NotAsPublished(f"{source}: {made} instead of {signature}")
    return signature


def tag(digest, secret, text):
    return b64(hmac.new(octets(secret), octets(text), digest).digest())


# ---------------------------------------------------------------- the query services

SDB = "sdb.amazonaws.com"
WORDS = {"HmacSHA256": ("hmac-sha256", "sha256"), "HmacSHA1": ("hmac-sha1", "sha1")}


def v2_recording(source, request, placed, pairs, host, *, at, secret=SECRET, sign=None, registered=None, key_id=KEY_ID):
    """`pairs` are the decoded parameters of query and form, without the signature's."""
    claim = dict(pairs)
    algorithm, digest = WORDS[claim["SignatureMethod"]]
    text = "\n".join([placed.method, host.lower(), placed.target.partition("?")[0], sorted_query(pairs)])
    credentials = {"key_id": key_id, "secret": secret, "algorithm": registered or algorithm}
    inputs = {"token": claim["SecurityToken"]} if "SecurityToken" in claim else {}
    return Recording(source=source, at=at, credentials=credentials, inputs=inputs, sign=sign or {}, request=request, placed=placed,
                     stages={"string_to_sign": text}, signature=tag(digest, secret, text))


def v2_botocore(method, given, path="/", *, token=None, host=SDB):
    """One call signed by botocore: a POST carries its parameters in a form, a GET in the query."""
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials
    url = f"https://{host}{path}"
    parts = {"data": dict(given)} if method == "POST" else {"params": dict(given)}
    bare = botocore.awsrequest.AWSRequest(method=method, url=url, **parts).prepare()
    asked = botocore.awsrequest.AWSRequest(method=method, url=url, **parts)
    with frozen():
        botocore.auth.SigV2Auth(botocore.credentials.Credentials(KEY_ID, SECRET, token)).add_auth(asked)
    sent = asked.prepare()
    pairs = [(n, v) for n, v in (asked.data or asked.params).items() if n != "Signature"]
    lines = (("Host", host), *(FORM if method == "POST" else ()))
    as_request = lambda made: Request(method, made.url[len(f"https://{host}"):], lines, octets(made.body or b""))
    made = v2_recording(BOTOCORE, as_request(bare), as_request(sent), pairs, host, at=SDK_CLOCK)
    printed("botocore", (asked.data or asked.params)["Signature"], made.signature)
    return made


def v2_sdk_vectors():
    def case(name, why, *args, covers=None, **kw):
        return vector(f"botocore-{name}", why, v2_botocore(*args, **kw), covers=covers)
    domains = [("Action", "ListDomains"), ("Version", "2009-04-15")]
    put = [("Action", "PutAttributes"), ("DomainName", "d"), ("Attribute.1.Name", "note"), ("Version", "2009-04-15")]
    yield case("post", "a form: its fields are the parameters", "POST", domains, covers=["method", "path", "body", "host", "time"])
    yield case("get", "a query", "GET", domains, covers=["method", "path", "query", "host", "time"])
    yield case("token", "a temporary key's token is a parameter as any other", "POST", domains, token=TOKEN)
    yield case("get-token", "a temporary key's token is a parameter as any other", "GET", domains, token=TOKEN)
    yield case("unicode", "unicode in a form", "POST", [*put, ("Attribute.1.Value", NI_HAO)])
    yield case("get-unicode", "unicode in the query", "GET", [*put, ("Attribute.1.Value", NI_HAO)])
    yield case("empty-value", "an empty value keeps its =", "POST", [*put, ("Attribute.1.Value", "")])
    yield case("get-empty-value", "an empty value keeps its =", "GET", [*put, ("Attribute.1.Value", "")])
    yield case("blank-plus-and-slash", "a blank of a form is sent as +, a plus sign and a slash encoded", "POST", [*put, ("Attribute.1.Value", "a b+c/d~e")])
    yield case("get-blank-plus-and-slash", "a blank of a query is sent as %20", "GET", [*put, ("Attribute.1.Value", "a b+c/d~e")])
    yield case("order-of-names", "capitals before small letters, digits by their octets", "POST", [("b", "2"), ("B", "1"), ("a10", "x"), ("a9", "y"), ("Action", "A"), ("Version", "1")])
    yield case("path", "a path, encoded as it is sent", "GET", domains, "/doc/2009-04-15/%E4%BD%A0")
    yield case("host-with-port", "the port is signed with the host", "POST", domains, host="sdb.example.com:8443")


V2_GAPS = [
    left_out("repeated-parameter", "botocore", "takes one value for each name"),
    left_out("repeated-header", "botocore", "no header is signed but the host"),
    left_out("binary-body, body of one MiB", "botocore", "sends forms; a body that is no form is not signed, and refused"),
    left_out("HmacSHA1", "botocore", "signs with HmacSHA256 alone"),
    left_out("Expires", "the rules", "an expiry in place of the time: the dialect takes Timestamp alone"),
]


def v2_by_rule(method, path, query=("", ()), *, form=None, headers=(), body=b"", host=SDB, algorithm="HmacSHA256", stamp=SDK_CLOCK, key_id=KEY_ID, secret=SECRET, token=None, registered=None,
               source=None, sign=None, at=None):
    """`query` is (raw with its mark, pairs), `form` likewise without a mark; the claim goes behind the form's fields, else behind the query's."""
    claim = [("AWSAccessKeyId", key_id), ("SignatureVersion", "2"), ("SignatureMethod", algorithm), ("Timestamp", stamp)] + ([("SecurityToken", token)] if token else [])
    pairs = [*query[1], *(form[1] if form else ()), *claim]
    made = tag(WORDS[algorithm][1], secret, "\n".join([method, host.lower(), path, sorted_query(pairs)]))
    added = "&".join(f"{n}={encode(v)}" for n, v in [*claim, ("Signature", made)])
    lines = (("Host", host), *(FORM if form else ()), *headers)
    if form:
        request, placed = (Request(method, path + query[0], lines, octets(text)) for text in (form[0], form[0] + "&" + added))
    else:
        request, placed = (Request(method, path + text, lines, octets(body)) for text in (query[0], (query[0] + "&" if query[0] else "?") + added))
    return v2_recording(source or transcript("AWS signature version 2 rules"), request, placed, pairs, host, at=at or stamp, secret=secret, sign=sign, registered=registered, key_id=key_id)


def v2_published_vectors():
    source = {"name": "AWS General Reference, Signature Version 2 signing process", "address": "https://docs.aws.amazon.com/general/latest/gr/signature-version-2.html", "date": READ_ON, "licence": QUOTED}
    made = v2_by_rule("GET", "/", ("?Action=DescribeJobFlows&Version=2009-03-31", [("Action", "DescribeJobFlows"), ("Version", "2009-03-31")]), host="elasticmapreduce.amazonaws.com",
                      key_id="AKIAIOSFODNN7EXAMPLE", secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", stamp="2011-10-03T15:19:30", at="2011-10-03T15:19:30Z", source=source,
                      sign={"skip": "our signer writes a Z behind the time"})
    printed(source, made.signature, "i91nKc4PWAt0JJIdXwz9HxZCJDdiy6cf/Mj6vPxyYIs=")
    yield vector("published-describe-job-flows", "the worked example; its time has no zone", made, covers=["method", "path", "query", "host", "time"])


def v2_rule_vectors():
    def case(name, why, *args, expect="accepted", policy=None, **kw):
        return vector(name, why, v2_by_rule(*args, **kw), expect=expect, policy=policy)
    action = [("Action", "A")]
    yield case("repeated-parameter", "all values of a name, sorted", "GET", "/", ("?a=2&Action=A&a=1", [("a", "2"), *action, ("a", "1")]))
    yield case("bare-name", "a name without = gets one", "GET", "/", ("?Action=A&flag", [*action, ("flag", "")]))
    yield case("plus-in-query", "a plus sign in the query is a blank, as in a form", "GET", "/", ("?Action=A&q=1+2", [*action, ("q", "1 2")]))
    yield case("encoded-slash-in-path", "the path is signed as sent", "GET", "/a%2Fb", ("?Action=A", action))
    yield case("dot-segments", "dot segments stay as sent", "GET", "/a/./b/../c//d", ("?Action=A", action))
    yield case("host-in-capitals", "the host is signed in small letters", "GET", "/", ("?Action=A", action), host="SDB.Amazonaws.com")
    yield case("parameters-in-query-and-form", "both are signed, in one list", "POST", "/", ("?b=2", [("b", "2")]), form=("Action=A", action))
    yield case("name-in-query-and-form", "both values are signed, but not where they stood", "POST", "/", ("?a=1", [("a", "1")]), form=("a=2", [("a", "2")]), policy={"allow_ambiguous": True})
    yield case("sha1", "the weaker algorithm, where it is the registered one", "GET", "/", ("?Action=A", action), algorithm="HmacSHA1")
    yield case("algorithm-not-registered", "HmacSHA1 is known and the tag is right, but the key was registered for HMAC-SHA256", "GET", "/", ("?Action=A", action), algorithm="HmacSHA1",
               registered="hmac-sha256", expect="algorithm_not_allowed", sign={"skip": "a signer uses the registered algorithm"})
    yield case("json-body", "a body that is no form cannot be signed", "POST", "/", ("?Action=A", action), headers=JSON, body='{"a":1}', policy={"waive": ["body"]})
    yield case("body-of-one-mebibyte", "a long body that no version 2 signature covers", "POST", "/", ("?Action=A", action), headers=(("Content-Type", "application/octet-stream"),), body=b"a" * MEBIBYTE, policy={"waive": ["body"]})
    yield case("binary-body", "octets that no version 2 signature covers", "POST", "/", ("?Action=A", action), headers=(("Content-Type", "application/octet-stream"),), body=BINARY, policy={"waive": ["body"]})


def v2_faults(by_name):
    post, get = "botocore-post", "botocore-get"
    signature = by_name[get]["signature"]
    for name, reason in (("json-body", "required_part_unsigned"), ("binary-body", "required_part_unsigned"), ("name-in-query-and-form", "ambiguous_request")):
        yield fault(f"{name}-default-policy", name, "refused where the route does not say otherwise", reason, policy={})
    yield from faults.clock(get, SDK_CLOCK, 900, 900)
    yield from faults.secret(post)
    def edit(name, why, expect, text, with_, origin=get, where="target"):
        return fault(name, origin, why, expect, replace=replace(where, text, with_))
    yield from faults.signed([
        ("method", get, {"method": "PUT"}), ("path", get, {"replace": replace("target", "/?", "/x?")}), ("query-value", get, {"replace": replace("target", "ListDomains", "DeleteDomain")}),
        ("query-name", get, {"replace": replace("target", "Action", "Aktion")}), ("query-added", get, {"replace": replace("target", "&Version", "&x=1&Version")}), ("host", get, {"headers": {"Host": "sns.amazonaws.com"}}),
        ("timestamp", get, {"replace": replace("target", "04%3A05Z", "04%3A06Z")}), ("key-id", get, {"replace": replace("target", KEY_ID, "AKIDEXAMPLF")}), ("form-value", post, {"replace": replace("body", "ListDomains", "DeleteDomain")}),
        ("form-name", post, {"replace": replace("body", "Action", "Aktion")}), ("form-removed", post, {"replace": replace("body", "Action=ListDomains&", "")}), ("token", "botocore-get-token", {"replace": replace("target", "TOKEN", "TOKEM"), "inputs": {}}),
        ("query-added-to-a-form", post, {"target": "/?x=1"}), ("port", "botocore-host-with-port", {"headers": {"Host": "sdb.example.com"}}),
    ])
    yield fault("another-token-configured", "botocore-get-token", "the token must be the configured one", "malformed_claim", inputs={"token": "other"})
    yield fault("query-in-another-order", get, "the parameters are sorted before they are signed", "accepted", replace=replace("target", "Action=ListDomains&Version=2009-04-15", "Version=2009-04-15&Action=ListDomains"))
    yield fault("parameter-spelt-otherwise", get, "another spelling of the same parameter is equal", "accepted", replace=replace("target", "Action", "%41ction"))
    yield fault("blank-spelt-otherwise", "botocore-blank-plus-and-slash", "%20 and + are one in a form", "accepted", replace=replace("body", "a+b", "a%20b"))
    yield fault("header-added", get, "no header is signed but the host", "accepted", add_headers=[["X-Other", "x"]])
    yield edit("escape-broken", "a % that begins no triplet", "malformed_request", "Version=", "%Version=")
    yield edit("algorithm-outside-the-map", "an algorithm that the dialect does not know", "malformed_claim", "HmacSHA256", "none")
    yield edit("algorithm-changed", "another algorithm than the tag's", "signature_mismatch", "HmacSHA256", "HmacSHA1")
    yield edit("version-changed", "another version than this dialect's", "malformed_claim", "SignatureVersion=2", "SignatureVersion=1")
    yield edit("timestamp-misshapen", "a time in another form", "malformed_claim", "2026-01-02T03%3A04%3A05Z", str(SDK_SECONDS))
    yield edit("key-id-too-long", "a key id of more than 128 bytes", "malformed_claim", KEY_ID, "k" * 129)
    for text in (f"AWSAccessKeyId={KEY_ID}&", "SignatureVersion=2&", "SignatureMethod=HmacSHA256&", "Timestamp=2026-01-02T03%3A04%3A05Z&"):
        name = re.sub("(?<=[a-z])(?=[A-Z])", "-", text.split("=")[0]).lower()
        yield edit(f"{name}-missing", "a parameter of the claim taken away", "malformed_claim", text, "")
        yield edit(f"{name}-twice", "a parameter of the claim repeated", "malformed_claim", text, text + text)
    yield edit("signature-missing", "the signature taken away", "missing_signature", "&Signature=" + encode(signature), "")
    yield edit("signature-twice", "a second signature", "malformed_claim", "&Signature=", "&Signature=AAAA&Signature=")
    yield fault("form-signature-missing", post, "the signature taken away", "missing_signature", replace=replace("body", "&Signature=" + encode(by_name[post]["signature"]), ""))
    yield fault("content-type-changed", post, "a form that is no longer called one: its fields are no parameters", "missing_signature", headers={"Content-Type": "text/plain"})
    yield from faults.base64_text(get, "target", signature, encode)


# ---------------------------------------------------------------- S3

HOST = "s3.amazonaws.com"
S3_DOCS = {"name": "Amazon S3 Developer Guide, Signing and authenticating REST requests", "address": "https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html", "date": READ_ON, "licence": QUOTED}
S3_CARRIED = {"content-md5", "date", "x-amz-date", "authorization"}
TEXT = (("Content-Type", "text/plain"),)


def s3_text(placed, resource):
    """VERB, Content-MD5, Content-Type, Date (empty beside x-amz-date), the x-amz- headers, the resource by hand."""
    joined = {}
    for name, value in placed.headers:
        joined.setdefault(name.lower(), []).append(value.strip())
    one = lambda name: ",".join(joined.get(name, [""]))
    amz = "".join(f"{name}:{','.join(joined[name])}\n" for name in sorted(joined) if name.startswith("x-amz-"))
    return "\n".join([placed.method, one("content-md5"), one("content-type"), "" if "x-amz-date" in joined else one("date"), amz + resource])


def s3_recording(source, placed, resource, *, at=SDK_CLOCK, key_id=KEY_ID, secret=SECRET, bucket=None, sign=None):
    """A recording of a request as sent; its tag must be that of the rule's string."""
    text = s3_text(placed, resource)
    sent = {name.lower(): value for name, value in placed.headers}
    printed(f"{source} over\n{text}\n", sent["authorization"], f"AWS {key_id}:{tag('sha1', secret, text)}")
    keep = {"x-amz-date"} if "date" not in sent else set()
    request = Request(placed.method, placed.target, tuple(line for line in placed.headers if line[0].lower() not in S3_CARRIED - keep), placed.body)
    omit = {"omit": ["body_digest"]} if placed.body and "content-md5" not in sent else {}
    return Recording(source=source, at=at, credentials={"key_id": key_id, "secret": secret}, inputs={"bucket": bucket} if bucket else {}, sign=sign or omit, request=request, placed=placed,
                     stages={"string_to_sign": text}, signature=sent["authorization"].partition(":")[2])


def md5(body):
    return ("Content-MD5", b64(hashlib.md5(octets(body)).digest()))


def s3_botocore(method, target, headers=(), body=b"", resource=None, *, bucket=None, token=None, host=HOST):
    import botocore.auth
    import botocore.awsrequest
    import botocore.credentials
    body = octets(body)
    asked = botocore.awsrequest.AWSRequest(method=method, url=f"https://{host}{target}", data=body, auth_path=f"/{bucket}{target.partition('?')[0]}" if bucket else None)
    for name, value in headers:
        asked.headers.add_header(name, value)
    with frozen():
        botocore.auth.HmacV1Auth(botocore.credentials.Credentials(KEY_ID, SECRET, token)).add_auth(asked)
    placed = Request(method, target, (("Host", host), *asked.headers.items()), body)
    return s3_recording(BOTOCORE, placed, resource or (f"/{bucket}" if bucket else "") + target, bucket=bucket)


def s3_sdk_vectors():
    def case(name, why, *args, covers=None, policy=None, **kw):
        return vector(f"botocore-{name}", why, s3_botocore(*args, **kw), covers=covers, policy=policy)
    put = (*TEXT, md5("hello"))
    yield case("get", "an object, path style", "GET", "/bucket/key.txt", covers=["method", "path", "time"])
    yield case("put", "a body bound by Content-MD5, metadata", "PUT", "/bucket/key.txt", (*put, ("x-amz-meta-a", "b")), "hello", covers=["method", "path", "body", "time", "header.content-type", "header.x-amz-meta-a"])
    yield case("put-without-digest", "a body that nothing binds, as boto3 sends it by default", "PUT", "/bucket/key.txt", TEXT, "hello", policy={"waive": ["body"]})
    yield case("sub-resource", "a sub-resource is signed, another parameter is not", "PUT", "/bucket/key.txt?acl&foo=1", put, "hello", "/bucket/key.txt?acl", covers=["method", "path", "body", "time", "query.acl"])
    yield case("sub-resources-sorted", "sub-resources sorted by name", "PUT", "/bucket/key.txt?uploadId=x&partNumber=2", put, "hello", "/bucket/key.txt?partNumber=2&uploadId=x")
    yield case("response-override", "the value of an override is signed decoded", "GET", "/bucket/key.txt?response-content-type=text%2Fplain%20x", resource="/bucket/key.txt?response-content-type=text/plain x")
    yield case("unicode", "a key in unicode, as sent", "PUT", "/bucket/%E4%BD%A0%E5%A5%BD", (*TEXT, md5(NI_HAO)), NI_HAO)
    yield case("repeated-header", "lines of one name are joined by a comma", "PUT", "/bucket/key.txt", (*put, ("x-amz-meta-tag", "b"), ("x-amz-meta-tag", "a")), "hello")
    yield case("empty-header-value", "an empty x-amz- header keeps its line", "GET", "/bucket/key.txt", (("x-amz-meta-empty", ""),))
    yield case("header-blanks", "blanks around a value go, those inside stay", "GET", "/bucket/key.txt", (("x-amz-meta-a", " a  b "),))
    yield case("header-order", "x-amz- headers sorted by name", "GET", "/bucket/key.txt", (("x-amz-meta-b", "2"), ("X-Amz-Meta-A", "1"), ("x-amz-acl", "private")))
    yield case("plus-and-encoded-slash", "nothing in the path is decoded", "GET", "/bucket/a%2Fb+c")
    yield case("dot-segments", "dot segments stay as sent", "GET", "/bucket/a/./b/../c//d")
    yield case("virtual-host", "the bucket in the host's name stands before the path", "GET", "/key.txt", bucket="bucket", host="bucket.s3.amazonaws.com")
    yield case("virtual-host-root", "a bucket in the host's name, its own sub-resource", "GET", "/?versioning", bucket="bucket", host="bucket.s3.amazonaws.com", resource="/bucket/?versioning")
    yield case("token", "a temporary key's token is an x-amz- header", "GET", "/bucket/key.txt", token=TOKEN)
    yield case("empty-body", "no digest where there is no body", "PUT", "/bucket/key.txt", TEXT)
    yield case("binary-body", "the digest of octets that are not UTF-8", "PUT", "/bucket/key.bin", (("Content-Type", "application/octet-stream"), md5(BINARY)), BINARY)
    yield case("body-of-one-mebibyte", "a long body", "PUT", "/bucket/key.bin", (("Content-Type", "application/octet-stream"), md5(b"a" * MEBIBYTE)), b"a" * MEBIBYTE)


def s3_client_vectors():
    """Whole clients of boto3 with signature version s3."""
    def case(name, why, call, resource, bucket=None):
        sent = called("s3", call, signature_version="s3", s3={"addressing_style": "virtual" if bucket else "path"})
        return vector(f"boto3-{name}", why, s3_recording(BOTO3, sent, resource, bucket=bucket))
    yield case("put", "a key with a blank, a plus sign and unicode; the digest given by the caller",
               lambda c: c.put_object(Bucket="bucket", Key=f"dir/a b+{NI_HAO}.txt", Body=b"hello", ContentMD5=md5("hello")[1], Metadata={"note": "a b"}), "/bucket/dir/a%20b%2B%E4%BD%A0%E5%A5%BD.txt")
    yield case("get", "a range is not signed", lambda c: c.get_object(Bucket="bucket", Key="a.txt", Range="bytes=0-9"), "/bucket/a.txt")
    yield case("get-acl", "a sub-resource", lambda c: c.get_object_acl(Bucket="bucket", Key="a.txt"), "/bucket/a.txt?acl")
    yield case("list", "parameters that are no sub-resources are not signed", lambda c: c.list_objects_v2(Bucket="bucket", Prefix="dir/"), "/bucket/", "bucket")
    yield case("copy", "the source of a copy in a signed header", lambda c: c.copy_object(Bucket="bucket", Key="b.txt", CopySource={"Bucket": "other", "Key": "a.txt"}), "/bucket/b.txt")


S3_GAPS = [
    left_out("a bucket in the path without a slash behind it", "boto3", "signs /bucket/ where it sends /bucket"),
    left_out("x-amz-date", "botocore", "writes its own Date and signs it beside x-amz-date: see the transcript"),
    left_out("a sub-resource with an empty value", "botocore", "signs acl= as it is sent, and acl without =; here the two are one"),
    left_out("repeated sub-resource", "botocore", "takes one value for each name: see the transcript"),
]


def s3_by_rule(method, target, headers=(), body=b"", resource=None, *, date=http_date(SDK_SECONDS), host=HOST, bucket=None, source=None, at=SDK_CLOCK, key_id=KEY_ID, secret=SECRET, sign=None):
    bare = Request(method, target, (("Host", host), *headers, *([("Date", date)] if date else [])), octets(body))
    resource = resource or (f"/{bucket}" if bucket else "") + target
    authorization = f"AWS {key_id}:{tag('sha1', secret, s3_text(bare, resource))}"
    return s3_recording(source or transcript("Amazon S3 signature version 2 rules"), bare.with_headers(("Authorization", authorization)), resource, at=at, key_id=key_id, secret=secret, bucket=bucket, sign=sign)


def s3_published_vectors():
    def case(name, why, signature, method, target, date, resource=None, *, bucket="awsexamplebucket1", host="awsexamplebucket1.us-west-1.s3.amazonaws.com", headers=()):
        at = moment(parsed(date))
        made = s3_by_rule(method, target, headers, resource=resource, date=date, host=host, bucket=bucket, source=S3_DOCS, at=at, key_id="AKIAIOSFODNN7EXAMPLE",
                          secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", sign={"skip": "our signer writes GMT"})
        printed(name, made.signature, signature)
        return vector(f"published-{name}", why, made)
    yield case("object-get", "an object in a bucket of the host's name", "qgk2+6Sv9/oM7G3qLEjTH1a1l1g=", "GET", "/photos/puppy.jpg", "Tue, 27 Mar 2007 19:36:42 +0000")
    yield case("list", "parameters that are no sub-resources are not signed", "m0WP8eCtspQl5Ahe6L1SozdX9YA=", "GET", "/?prefix=photos&max-keys=50&marker=puppy", "Tue, 27 Mar 2007 19:42:41 +0000", "/awsexamplebucket1/")
    yield case("fetch", "a sub-resource", "82ZHiFIjc+WbcwFKGUVEQspPn+0=", "GET", "/?acl", "Tue, 27 Mar 2007 19:44:46 +0000", "/awsexamplebucket1/?acl")
    yield case("list-buckets", "no bucket at all", "qGdzdERIC03wnaRNKh6OqZehG9s=", "GET", "/", "Wed, 28 Mar 2007 01:29:59 +0000", bucket=None, host="s3.us-west-1.amazonaws.com")
    yield case("unicode-keys", "the path as sent, letters of escapes in either case", "DNEZGsoieTZ92F3bUfSPQcbGmlM=", "GET", "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re", "Wed, 28 Mar 2007 01:49:49 +0000", bucket=None,
               host="s3.us-west-1.amazonaws.com")


def parsed(date):
    from email.utils import parsedate_to_datetime
    return int(parsedate_to_datetime(date).timestamp())


def s3_rule_vectors():
    def case(name, why, *args, expect="accepted", policy=None, **kw):
        return vector(name, why, s3_by_rule(*args, **kw), expect=expect, policy=policy)
    dated = (("x-amz-date", http_date(SDK_SECONDS)),)
    yield case("x-amz-date", "callers that cannot set Date send x-amz-date; the Date line is empty", "GET", "/bucket/key.txt", dated, date="", sign={"skip": "our signer writes Date too"})
    yield case("x-amz-date-wins", "where both are sent, x-amz-date is the time, and Date is not signed", "GET", "/bucket/key.txt", dated, date="Thu, 01 Jan 1970 00:00:00 GMT", sign={"skip": "our signer writes one time"})
    yield case("empty-sub-resource", "a sub-resource whose value is empty is one without a value", "GET", "/bucket/key.txt?acl=", resource="/bucket/key.txt?acl")
    yield case("bare-plus-in-an-override", "a plus sign is a plus sign, and no blank", "GET", "/bucket/key.txt?response-content-type=image/svg+xml")
    yield case("repeated-sub-resource", "values of one name stay in the order of sending", "GET", "/bucket/key.txt?versionId=b&versionId=a")
    yield case("separator-in-a-value", "a decoded & in a value: another request has this string to sign", "GET", "/bucket/key.txt?response-content-type=a%26acl", resource="/bucket/key.txt?response-content-type=a&acl",
               policy={"allow_ambiguous": True})
    yield case("unicode-in-header", "octets of UTF-8 in a signed header", "GET", "/bucket/key.txt", (("x-amz-meta-name", NI_HAO),))


def s3_faults(by_name):
    put, get, acl, where = "botocore-put", "botocore-get", "botocore-sub-resource", "header.Authorization"
    signature = by_name[put]["signature"]
    def edit(name, why, expect, text, with_):
        return fault(name, put, why, expect, replace=replace(where, text, with_))
    yield fault("botocore-put-without-digest-default-policy", "botocore-put-without-digest", "what a dialect can sign, a request must sign", "required_part_unsigned", policy={})
    yield fault("separator-in-a-value-default-policy", "separator-in-a-value", "one of several requests with that string to sign", "ambiguous_request", policy={})
    yield from faults.clock(get, SDK_CLOCK, 900, 900)
    yield from faults.secret(put)
    yield from faults.signed([
        ("method", get, {"method": "DELETE"}), ("path", get, {"target": "/bucket/other.txt"}), ("path-spelling", "botocore-plus-and-encoded-slash", {"target": "/bucket/a/b+c"}),
        ("sub-resource-added", get, {"target": "/bucket/key.txt?acl"}), ("sub-resource-removed", acl, {"target": "/bucket/key.txt?foo=1"}), ("sub-resource-value", "botocore-sub-resources-sorted", {"replace": replace("target", "partNumber=2", "partNumber=3")}),
        ("content-type", put, {"headers": {"Content-Type": "text/html"}}), ("digest", put, {"headers": {"Content-MD5": "kAFQmDzST7DWlj99KOF/cg=="}}), ("date", put, {"headers": {"Date": http_date(SDK_SECONDS + 1)}}),
        ("x-amz-header", put, {"headers": {"x-amz-meta-a": "c"}}), ("x-amz-header-added", put, {"add_headers": [["x-amz-acl", "public-read"]]}), ("x-amz-header-removed", put, {"remove_headers": ["x-amz-meta-a"]}),
        ("second-x-amz-line", put, {"add_headers": [["x-amz-meta-a", "c"]]}), ("token", "botocore-token", {"headers": {"x-amz-security-token": "other"}}), ("digest-taken-away", put, {"remove_headers": ["Content-MD5"]}),
        ("x-amz-date", "x-amz-date", {"headers": {"x-amz-date": http_date(SDK_SECONDS + 1)}}), ("bucket-of-another-host", "botocore-virtual-host", {"inputs": {"bucket": "other"}}), ("bucket-missing", "botocore-virtual-host", {"inputs": {}}),
    ])
    yield fault("bucket-moved-into-the-path", "botocore-virtual-host", "the resource is the same, whichever way it is addressed", "accepted", target="/bucket/key.txt", inputs={})
    yield fault("fresh-x-amz-date-added", get, "a fresh x-amz-date would be signed, and is not", "signature_mismatch", now=moment(SDK_SECONDS + 7200), add_headers=[["x-amz-date", http_date(SDK_SECONDS + 7200)]])
    yield fault("date-beside-x-amz-date-changed", "x-amz-date-wins", "a Date beside x-amz-date is not signed, and not the time", "accepted", headers={"Date": http_date(SDK_SECONDS)})
    yield fault("parameter-added", get, "a parameter that is no sub-resource is not signed", "accepted", target="/bucket/key.txt?foo=1")
    yield fault("parameter-required", acl, "a policy may ask for the whole query, which this dialect cannot sign", "required_part_unsigned", policy={"require": ["query"]})
    yield fault("sub-resource-spelt-otherwise", acl, "another spelling of the same name is equal", "accepted", target="/bucket/key.txt?foo=1&%61cl")
    yield fault("host-changed", get, "the host is not signed", "accepted", headers={"Host": "s3.example.com"})
    yield fault("header-added", get, "a header that is none of x-amz- is not signed", "accepted", add_headers=[["Range", "bytes=0-9"]])
    yield fault("body-changed", put, "the body is not the digest's", "body_digest_mismatch", body="hullo")
    yield fault("body-emptied", put, "the body is not the digest's", "body_digest_mismatch", body="")
    yield fault("body-added", get, "a body that no digest binds", "required_part_unsigned", body="x")
    yield edit("key-id-unknown", "an unknown key shows as a wrong signature", "signature_mismatch", KEY_ID, "AKIDEXAMPLF")
    yield edit("key-id-too-long", "a key id of more than 128 bytes", "malformed_claim", KEY_ID, "k" * 129)
    yield edit("key-id-missing", "an empty key id", "malformed_claim", f"AWS {KEY_ID}:", "AWS :")
    yield edit("colon-missing", "a credential without its signature", "malformed_claim", ":", "")
    yield edit("another-scheme", "another scheme is no signature of ours", "missing_signature", "AWS ", "AWS4-HMAC-SHA256 ")
    yield fault("date-misshapen", get, "a time in another form", "malformed_claim", headers={"Date": SDK_CLOCK})
    yield from faults.headers_gone(put, [("Authorization", "missing_signature"), ("Date", "malformed_claim")])
    yield from faults.headers_twice(put, [("Authorization", "AWS a:AAAA"), ("Date", http_date(SDK_SECONDS)), ("Content-MD5", "kAFQmDzST7DWlj99KOF/cg==")])
    yield from faults.base64_text(put, where, signature)
