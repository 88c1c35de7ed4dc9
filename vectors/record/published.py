"""Published examples, recomputed: each request is built from the page's text, each expected value stands here as printed there.

A value that does not come out is an error of the recorder and stops it.
"""
import dataclasses

import aliyun_xca
import kong
import oauth1
import sigv4
import tencent_tc3
import webhooks
from common import Request, published, sha256_hex, vector
from transcripts import aws_sigv1

APACHE = "Apache-2.0"
QUOTED = "quotation of a published example"


class NotAsPublished(Exception):
    """A recomputed value differs from the printed one."""


def check(recording, printed):
    """The recording, if and only if its signature is the printed one."""
    if recording.signature != printed:
        raise NotAsPublished(f"{recording.source}: {recording.signature} instead of {printed}")
    return recording


def sourced(recording, source, **changes):
    return dataclasses.replace(recording, source=source, **changes)


# ---------------------------------------------------------------- AWS signature version 1

def aws_sigv1_vectors():
    ec2 = published("Amazon EC2 Developer Guide, API version 2008-02-01: Using the Query API",
                    "http://docs.amazonwebservices.com/AWSEC2/2008-02-01/DeveloperGuide/using-query-api.html", QUOTED)
    pairs = [("Action", "DescribeImages"), ("AWSAccessKeyId", "10QMXFEV71ZS32XQFTR2"), ("SignatureVersion", "1"),
             ("Timestamp", "2006-12-08T07:48:03Z"), ("Version", "2007-01-03")]
    made = aws_sigv1(pairs, key="10QMXFEV71ZS32XQFTR2", secret="DMADSSfPfdaDjbK+RRUhS/aDrjsiZadgAUm8gRU2", host="ec2.amazonaws.com")
    yield vector("published-example", "the one published example of version 1; every parameter is signed",
                 check(sourced(made, ec2), "GjH3941IBe6qsgQu+k7FpCJjpnc="), policy={"unsafe": True}, covers=["query", "time"])


# ---------------------------------------------------------------- AWS signature version 4

SUITE = "https://github.com/awslabs/aws-c-auth/tree/main/tests/aws-signing-test-suite/v4"
SUITE_AT, SUITE_HOST = "20150830T123600Z", "example.amazonaws.com"
S3_DOCS = "https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html"
S3_KEYS = {"key_id": "AKIAIOSFODNN7EXAMPLE", "secret": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}


def signed_header(source, request, names, stamp, signature, *, region="us-east-1", service="service", key_id=sigv4.KEY_ID, secret=sigv4.SECRET, s3=False):
    """The published request: its date, and its digest for S3, put in, and the printed signature, which the rule must give."""
    lines = [("X-Amz-Date", stamp)] + ([("X-Amz-Content-Sha256", sha256_hex(request.body))] if s3 else [])
    authorization = f"AWS4-HMAC-SHA256 Credential={key_id}/{stamp[:8]}/{region}/{service}/aws4_request, SignedHeaders={';'.join(names)}, Signature={signature}"
    placed = request.with_headers(*lines, ("Authorization", authorization))
    return sigv4.from_header(source, placed, region=region, service=service, key_id=key_id, secret=secret, s3=s3)


def suite_case(name, why, signature, target="/", method="GET", headers=(), body=b"", names=()):
    source = published(f"aws-signing-test-suite v4/{name}", f"{SUITE}/{name}", APACHE)
    request = Request(method, target, (("Host", SUITE_HOST), *headers), body)
    return vector(f"suite-{name}", why, signed_header(source, request, sorted({"host", "x-amz-date", *names}), SUITE_AT, signature))


def aws_sigv4_vectors():
    yield suite_case("get-vanilla", "the shortest request of AWS's own suite", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
    yield suite_case("get-vanilla-query-order-key-case", "capital and small letters are sorted as bytes", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
                     "/?Param2=value2&Param1=value1")
    yield suite_case("get-vanilla-query-unreserved", "the unreserved letters in a query", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
                     "/?{0}={0}".format("-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"))
    yield suite_case("get-vanilla-empty-query-key", "one parameter", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb", "/?Param1=value1")
    yield suite_case("get-unreserved", "the unreserved letters in a path", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
                     "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
    for name, target in (("get-relative-normalized", "/example/.."), ("get-relative-relative-normalized", "/example1/example2/../.."),
                         ("get-slash-dot-slash-normalized", "/./"), ("get-slash-normalized", "//")):
        yield suite_case(name, "a path that normalises to /", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", target)
    yield suite_case("get-slash-pointless-dot-normalized", "a dot segment at the front", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5", "/./example")
    yield suite_case("get-slashes-normalized", "doubled slashes", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84", "//example//")
    yield suite_case("get-header-key-duplicate", "lines of one name are joined in order of sending", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
                     headers=(("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")), names=["my-header1"])
    yield suite_case("get-header-value-order", "the values are not sorted", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
                     headers=(("My-Header1", "value4"), ("My-Header1", "value1"), ("My-Header1", "value3"), ("My-Header1", "value2")), names=["my-header1"])
    yield suite_case("get-header-value-trim", "outer blanks go, inner runs become one, inside quotes too", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
                     headers=(("My-Header1", "value1"), ("My-Header2", '"a   b   c"')), names=["my-header1", "my-header2"])
    yield suite_case("get-vanilla-with-session-token", "a session token, signed", "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
                     headers=(("X-Amz-Security-Token", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"),), names=["x-amz-security-token"])
    yield suite_case("post-vanilla", "another method", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", method="POST")
    yield suite_case("post-header-key-sort", "a further header is sorted in", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c", method="POST",
                     headers=(("My-Header1", "value1"),), names=["my-header1"])
    yield suite_case("post-header-value-case", "values keep their case", "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d", method="POST",
                     headers=(("My-Header1", "VALUE1"),), names=["my-header1"])
    yield suite_case("post-vanilla-query", "a query on a POST", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11", "/?Param1=value1", "POST")
    yield suite_case("post-x-www-form-urlencoded", "a form is a body, not a query", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a", method="POST",
                     headers=(("Content-Type", "application/x-www-form-urlencoded"),), body=b"Param1=value1", names=["content-type"])
    iam = published("IAM User Guide: Signature Version 4 example", "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html", QUOTED)
    request = Request("GET", "/?Action=ListUsers&Version=2010-05-08", (("Host", "iam.amazonaws.com"), ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")))
    yield vector("iam-list-users", "the worked example of AWS's guide",
                 signed_header(iam, request, ["content-type", "host", "x-amz-date"], SUITE_AT, "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7", service="iam"))


def aws_sigv4_presigned_vectors():
    added = ("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request"
             f"&X-Amz-Date={SUITE_AT}&X-Amz-Expires=3600&X-Amz-SignedHeaders=host")
    source = published("aws-signing-test-suite v4/get-vanilla, query form", f"{SUITE}/get-vanilla", APACHE)
    placed = Request("GET", f"/?{added}&X-Amz-Signature=e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d", (("Host", SUITE_HOST),))
    yield vector("suite-get-vanilla", "the shortest URL of AWS's own suite", sigv4.from_query(source, placed), covers=["method", "path", "header.host", "time"])


def aws_sigv4_s3_vectors():
    def case(name, why, signature, target, names, method="GET", headers=(), body=b""):
        request = Request(method, target, (("Host", "examplebucket.s3.amazonaws.com"), *headers), body)
        made = signed_header(published(f"Amazon S3 API Reference: {name}", S3_DOCS, QUOTED), request, sorted(["host", "x-amz-content-sha256", "x-amz-date", *names]),
                             "20130524T000000Z", signature, service="s3", s3=True, **S3_KEYS)
        return vector(f"published-{name}", why, made)
    yield case("get-object", "a range, signed", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", "/test.txt", ["range"], headers=(("Range", "bytes=0-9"),))
    yield case("put-object", "a body, a Date beside X-Amz-Date, an escape in the path", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd", "/test%24file.text",
               ["date", "x-amz-storage-class"], "PUT", (("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")), b"Welcome to Amazon S3.")
    yield case("get-bucket-lifecycle", "a bare name in the query", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", "/?lifecycle", [])
    yield case("list-objects", "two parameters", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", "/?max-keys=2&prefix=J", [])


def aws_sigv4_s3_presigned_vectors():
    source = published("Amazon S3 API Reference: presigned URL", "https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html", QUOTED)
    added = ("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
             "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host")
    placed = Request("GET", f"/test.txt?{added}&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404", (("Host", "examplebucket.s3.amazonaws.com"),))
    yield vector("published-get-object", "the published URL, good for a day", sigv4.from_query(source, placed, service="s3", s3=True, **S3_KEYS))


# ---------------------------------------------------------------- X-Ca

HIGRESS = published("Higress, hmac_auth plugin_test.cc", "https://github.com/alibaba/higress/blob/main/plugins/wasm-cpp/extensions/hmac_auth/plugin_test.cc", APACHE)


def x_ca_vectors():
    def case(name, why, signature, *args, key="appKey", secret="appSecret", policy=None, expect="accepted", **kw):
        made = aliyun_xca.by_rule(*args, key=key, secret=secret, source=HIGRESS, **kw)
        return vector(f"published-{name}", why, check(made, signature), policy=policy, expect=expect)
    three, accept = ["x-ca-key", "x-ca-nonce", "x-ca-timestamp"], ("Accept", "application/json")
    yield case("get", "three signed headers, names in small letters", "EdJSFAMOWyXZOpXhevZnjuS0ZafnwnCqaSk5hz+tXo8=", "GET", "/Third/Tools/checkSign", "/Third/Tools/checkSign", three,
               (accept, ("Content-Type", "application/json")), stamp="1646365291734", nonce="787dd0c2-7bd8-41cd-9c19-62c05ea524a2")
    yield case("no-signed-headers", "no header signed: the block is absent, without a line of its own", "ZpJhkHdtjLTJiR6CJWHL8ikLtPB2z6CoztG21wG3PT4=", "GET", "/Third/Tools/checkSign", "/Third/Tools/checkSign", [],
               (accept,), stamp="", nonce="", at="2022-03-04T03:41:31.734Z", policy={"waive": ["time", "nonce", "key_id"]})
    yield case("form", "the form's fields are parameters", "gmf9xq0hc95Hmt+7G+OocS009ka3v1v0rvfshKzYc3w=", "POST", "/Third/User/getNyAccessToken",
               "/Third/User/getNyAccessToken?nickname=nickname&photo=photo&room_id=6893&uuid=uuid", three, (accept, ("Content-Type", "application/x-www-form-urlencoded")),
               "nickname=nickname&room_id=6893&uuid=uuid&photo=photo", stamp="1646646682418", nonce="ca5a6753-b76c-4fff-a9d9-e5bb643e8cdf")
    old = {"key": "203753385", "secret": "123456", "nonce": "c9f15cbf-f4ac-4a6c-b54d-f51abf4b5b44", "method_header": "HmacSHA256",
           "list_order": ["x-ca-timestamp", "x-ca-key", "x-ca-nonce", "x-ca-signature-method"]}
    target = "/http2test/test?param1=test&username=xiaoming&password=123456789"
    resource = "/http2test/test?param1=test&password=123456789&username=xiaoming"
    types = (("Accept", "application/json; charset=utf-8"), ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"))
    dated = (*types, ("Date", "Wed, 09 May 2018 13:30:29 GMT+00:00"))
    yield case("date", "a Date line, and a list that is not sorted", "FJbhmAFYz9zfl1FrThxzxBt79BvaHQIzy8Wpctn+xXE=", "POST", target, resource, aliyun_xca.ALL, dated, stamp="1525872629832", **old)


# ---------------------------------------------------------------- Kong

def kong_vectors():
    source = published("Kong documentation, hmac-auth plugin", "https://docs.konghq.com/hub/kong-inc/hmac-auth/", QUOTED)
    def case(name, why, signature, listed, date, at, body=""):
        made = kong.by_rule("GET", "/requests", listed, body=body, date=date, at=at, secret="secret", host="hmac.com", source=source)
        return vector(f"published-{name}", why, check(made, signature))
    yield case("get", "date and request line, in this order", "ujWCGHeec9Xd6UD2zlyxiNMCiXnDOWeVFMu5VeRUxtw=", ["date", "request-line"], "Thu, 22 Jun 2017 17:15:21 GMT", "2017-06-22T17:15:21Z")
    yield case("body", "the digest of a body, signed", "gaweQbATuaGmLrUr3HE0DzU1keWGCt3H96M28sSHTG8=", ["date", "request-line", "digest"], "Thu, 22 Jun 2017 21:12:36 GMT", "2017-06-22T21:12:36Z", "A small body")


# ---------------------------------------------------------------- Tencent Cloud

def tencent_tc3_vectors():
    source = published("Tencent Cloud API 3.0 documentation, signature method v3", "https://cloud.tencent.com/document/api/213/30654", QUOTED)
    payload = '{"Limit": 1, "Filters": [{"Values": ["\\u672a\\u547d\\u540d"], "Name": "instance-name"}]}'
    headers = (("Content-Type", "application/json; charset=utf-8"), ("X-TC-Action", "DescribeInstances"), ("X-TC-Version", "2017-03-12"), ("X-TC-Region", "ap-guangzhou"))
    made = tencent_tc3.by_rule("POST", "/", headers=headers, body=payload, key_id="AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******", secret="Gu5t9xGARNpq86cd98joQYCN3*******", at=1551113065, source=source)
    yield vector("published-describe-instances", "the documented request; its secret is the printed text, asterisks and all",
                 check(made, "2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c"))


# ---------------------------------------------------------------- OAuth 1.0

RFC5849 = "https://www.rfc-editor.org/rfc/rfc5849"
RFC_TERMS = "IETF Trust Legal Provisions"
CLIENT = {"oauth_consumer_key": "dpf43f3p2l4k3l03", "oauth_signature_method": "HMAC-SHA1"}


def oauth1_vectors():
    def case(name, why, signature, source, *args, policy=None, **kw):
        return vector(name, why, check(oauth1.by_rule(*args, source=source, **kw), signature), policy=policy)
    section = published("RFC 5849, section 1.2", RFC5849 + "#section-1.2", RFC_TERMS)
    photos = {"oauth_consumer_key": "dpf43f3p2l4k3l03", "oauth_token": "nnch734d00sl2jdk", "oauth_signature_method": "HMAC-SHA1", "oauth_timestamp": "137131202", "oauth_nonce": "chapoH"}
    initiate = {**CLIENT, "oauth_timestamp": "137131200", "oauth_nonce": "wIjqoS", "oauth_callback": "http://printer.example.com/ready"}
    for suffix, realm, why in (("", "Photos", "as printed, with a realm, which is not signed"), ("-without-realm", None, "the same without the realm: the signature is equal")):
        yield case(f"rfc5849-initiate{suffix}", why, "74KNZJeDHnMBp0EMJ9ZHt/XKycU=", section, "POST", "/initiate", "https://photos.example.net/initiate", [], initiate,
                   secret="kd94hf93k423kf44", host="photos.example.net", realm=realm)
        yield case(f"rfc5849-photos{suffix}", why, "MdpQcU8iPSUjWoN/UDMsK2sui9I=", section, "GET", "/photos?file=vacation.jpg&size=original", "http://photos.example.net/photos",
                   [("file", "vacation.jpg"), ("size", "original")], photos, secret="kd94hf93k423kf44", token_secret="pfkkdhi9sl3r4s00", host="photos.example.net", scheme="http", realm=realm)
    core = published("OAuth Core 1.0, appendix A.5", "https://oauth.net/core/1.0/#sig_base_example", QUOTED)
    yield case("oauth-core-photos", "the example of the older specification, with a version", "tR3+Ty81lMeYAr/Fid0kMTYa/WM=", core, "GET", "/photos?file=vacation.jpg&size=original",
               "http://photos.example.net/photos", [("file", "vacation.jpg"), ("size", "original")],
               {**photos, "oauth_timestamp": "1191242096", "oauth_nonce": "kllo9940pd9333jh", "oauth_version": "1.0"},
               secret="kd94hf93k423kf44", token_secret="pfkkdhi9sl3r4s00", host="photos.example.net", scheme="http")
    twitter = published("Twitter documentation, creating a signature", "https://developer.twitter.com/en/docs/authentication/oauth-1-0a/creating-a-signature", QUOTED)
    claim = {"oauth_consumer_key": "xvz1evFS4wEEPTGEFPHBog", "oauth_nonce": "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg", "oauth_signature_method": "HMAC-SHA1", "oauth_timestamp": "1318622958",
             "oauth_token": "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb", "oauth_version": "1.0"}
    printed = ["oauth_consumer_key", "oauth_nonce", "oauth_signature", "oauth_signature_method", "oauth_timestamp", "oauth_token", "oauth_version"]
    status = "Hello Ladies + Gentlemen, a signed OAuth request!"
    for suffix, order, why in (("", printed, "a form with reserved letters, a query, the printed order of the parameters"), ("-in-rfc-order", oauth1.ORDER, "the same in the order of RFC 5849: the signature is equal")):
        yield case(f"twitter{suffix}", why, "hCtSmYh+iHYCEqBWrE7C7hYmtUk=", twitter, "POST", "/1.1/statuses/update.json?include_entities=true", "https://api.twitter.com/1.1/statuses/update.json",
                   [("include_entities", "true"), ("status", status)], claim, secret="kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw", token_secret="LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
                   host="api.twitter.com", headers=oauth1.FORM, body="status=Hello%20Ladies%20%2b%20Gentlemen%2c%20a%20signed%20OAuth%20request%21", order=order)
    parameters = published("RFC 5849, section 3.4.1.1, and erratum 2550", RFC5849 + "#section-3.4.1.1", RFC_TERMS)
    yield case("rfc5849-parameters", "every trap of the base string: decoding, empty values, a bare name, a plus sign, a port, a name in query and form", "r6/TJjbCOr97/+UU0NsvSne7s5g=", parameters,
               "POST", "/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b", "http://example.com/request",
               [("b5", "=%3D"), ("a3", "a"), ("c@", ""), ("a2", "r b"), ("c2", ""), ("a3", "2 q")],
               {"oauth_consumer_key": "9djdj82h48djs9d2", "oauth_token": "kkk9d7dh3k39sjv7", "oauth_signature_method": "HMAC-SHA1", "oauth_timestamp": "137131201", "oauth_nonce": "7d8f3e4a"},
               secret="j49sk3j29djd", token_secret="dh893hdasih9", host="EXAMPLE.COM:80", scheme="http", headers=oauth1.FORM, body="c2&a3=2+q", policy={"allow_ambiguous": True})


# ---------------------------------------------------------------- Standard Webhooks

def standard_webhooks_vectors():
    source = published("Standard Webhooks specification and reference tests", "https://github.com/standard-webhooks/standard-webhooks", "MIT")
    made = webhooks.by_rule('{"test": 2432232314}', id_="msg_p5jXN8AQM9LWM0D4loKWxJek", at=1614265330, source=source)
    yield vector("published-delivery", "the delivery of the specification's reference tests", check(made, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="))
