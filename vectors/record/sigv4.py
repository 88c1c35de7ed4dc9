"""The rule of AWS Signature Version 4, transcribed: the judge of what SDKs wrote, and the witness of requests that no SDK makes.

An SDK's recording is taken if and only if its signature is the one of this rule over the request that it sends: percent-decode,
then encode, the query; normalise and encode the path (never for S3). What an SDK signs otherwise is listed as left out.
"""
import dataclasses
import hashlib
import hmac
import re
from urllib.parse import quote, unquote_to_bytes

from common import SDK_CLOCK, Recording, left_out, octets, sha256_hex, transcript

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGd=="
UNSIGNED = "UNSIGNED-PAYLOAD"
CARRIED_HEADERS = {"x-amz-date", "x-amz-security-token", "authorization"}
CARRIED_QUERY = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Security-Token", "X-Amz-Signature"]


class NotTheRule(Exception):
    """An SDK's signature is not the rule's over the request that the SDK sends."""


# ---------------------------------------------------------------- the rule

def rule(placed, names, payload, *, stamp, region, service, secret=SECRET, raw_path=False):
    """Canonical request, string to sign and signature of a request as sent; `X-Amz-Signature` is never part of the query."""
    path, _, query = placed.target.partition("?")
    canonical = "\n".join([placed.method, path if raw_path else quote(normalized(path), safe="/-_.~"), canonical_query(query),
                           *(f"{name}:{header(placed, name)}" for name in names), "", ";".join(names), payload])
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256_hex(canonical)}"
    key = octets("AWS4" + secret)
    for part in scope.split("/"):
        key = hmac.new(key, octets(part), hashlib.sha256).digest()
    return canonical, text, hmac.new(key, octets(text), hashlib.sha256).hexdigest()


def canonical_query(query):
    pairs = [piece.partition("=")[::2] for piece in query.split("&") if piece]
    encoded = [(recoded(name), recoded(value)) for name, value in pairs if name != "X-Amz-Signature"]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def recoded(text):
    return quote(unquote_to_bytes(text), safe="-_.~")


def normalized(path):
    kept = []
    for segment in path.split("/"):
        if segment == "..":
            kept[-1:] = []
        elif segment not in ("", "."):
            kept.append(segment)
    closing = "/" if kept and path.endswith(("/", "/.", "/..")) else ""
    return "/" + "/".join(kept) + closing


def header(placed, name):
    values = [" ".join(text(value).split(" ")) for key, value in placed.headers if key.lower() == name]
    if not values:
        raise KeyError(name)
    return ",".join(re.sub(" +", " ", value.strip(" \t")) for value in values)


def text(value):
    return value.decode() if isinstance(value, bytes) else value


# ---------------------------------------------------------------- recordings

def from_header(source, placed, *, region="us-east-1", service="service", secret=SECRET, key_id=KEY_ID, s3=False):
    """A recording made of a request that was signed in its Authorization header, judged by the rule."""
    authorization = next(value for name, value in placed.headers if name.lower() == "authorization")
    names = re.search(r"SignedHeaders=([^,]+)", authorization)[1].split(";")
    signature = re.search(r"Signature=([0-9a-f]{64})", authorization)[1]
    stamp = header(placed, "x-amz-date")
    payload = header(placed, "x-amz-content-sha256") if s3 else sha256_hex(placed.body)
    stages = judged(placed, names, payload, signature, stamp=stamp, region=region, service=service, secret=secret, raw_path=s3)
    carried = CARRIED_HEADERS | ({"x-amz-content-sha256"} if s3 else set())
    request = dataclasses.replace(placed, headers=tuple(line for line in placed.headers if line[0].lower() not in carried))
    sign = {"headers": names}
    if payload == UNSIGNED:
        sign["body_digest"] = UNSIGNED
    token = next((value for name, value in placed.headers if name.lower() == "x-amz-security-token"), None)
    return recording(source, stamp, request, placed, signature, stages, region, service, token, sign, key_id, secret)


def from_query(source, placed, *, region="us-east-1", service="service", secret=SECRET, key_id=KEY_ID, s3=False):
    """A recording made of a presigned URL, judged by the rule."""
    pairs = dict(piece.partition("=")[::2] for piece in placed.target.partition("?")[2].split("&"))
    carried = {name: unquote_to_bytes(pairs[name]).decode() for name in CARRIED_QUERY if name in pairs}
    names, stamp = carried["X-Amz-SignedHeaders"].split(";"), carried["X-Amz-Date"]
    payload = UNSIGNED if s3 else sha256_hex(placed.body)
    stages = judged(placed, names, payload, carried["X-Amz-Signature"], stamp=stamp, region=region, service=service, secret=secret, raw_path=s3)
    request = dataclasses.replace(placed, target=before_signing(placed.target, pairs))
    sign = {"headers": names, "expires": carried["X-Amz-Expires"]}
    return recording(source, stamp, request, placed, carried["X-Amz-Signature"], stages, region, service, carried.get("X-Amz-Security-Token"), sign, key_id, secret)


def before_signing(target, pairs):
    """The target without what signing adds; where the SDK adds it in an order of its own, all but the signature stays where it stands."""
    path, _, query = target.partition("?")
    own = "&".join(piece for piece in query.split("&") if piece.partition("=")[0] not in CARRIED_QUERY)
    added = "&".join(f"{name}={pairs[name]}" for name in CARRIED_QUERY if name in pairs)
    if query == (own + "&" if own else "") + added:
        return path + ("?" + own if own else "")
    return path + "?" + "&".join(piece for piece in query.split("&") if not piece.startswith("X-Amz-Signature="))


def judged(placed, names, payload, signature, **scope):
    canonical, to_sign, expected = rule(placed, names, payload, **scope)
    if signature != expected:
        raise NotTheRule(f"{placed.method} {placed.target}: {signature}, by the rule {expected} over\n{canonical}")
    return {"canonical_request": canonical, "string_to_sign": to_sign}


def recording(source, stamp, request, placed, signature, stages, region, service, token, sign, key_id, secret):
    at = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[9:11]}:{stamp[11:13]}:{stamp[13:15]}Z"
    inputs = {"region": region, "service": service, **({"token": token} if token else {})}
    return Recording(source=source, at=at, credentials={"key_id": key_id, "secret": secret}, inputs=inputs,
                     request=request, placed=placed, signature=signature, stages=stages, sign=sign)


# ---------------------------------------------------------------- requests of our own making, signed by the rule

STAMP = SDK_CLOCK.replace("-", "").replace(":", "")


def by_rule_header(request, names, *, s3=False, service="service", region="us-east-1", extra=(), payload=None):
    """A request signed by the rule with exactly these signed headers; `extra` lines are added unsigned."""
    payload = payload or sha256_hex(request.body)
    lines = [("X-Amz-Date", STAMP)] + ([("X-Amz-Content-Sha256", payload)] if s3 else [])
    dated = request.with_headers(*lines)
    _, _, signature = rule(dated, names, payload, stamp=STAMP, region=region, service=service, raw_path=s3)
    authorization = f"AWS4-HMAC-SHA256 Credential={KEY_ID}/{STAMP[:8]}/{region}/{service}/aws4_request, SignedHeaders={';'.join(names)}, Signature={signature}"
    return from_header(transcript("AWS Signature Version 4 rules"), dated.with_headers(("Authorization", authorization), *extra), service=service, region=region, s3=s3)


def by_rule_query(request, names, *, s3=False, service="service", region="us-east-1", expires="900"):
    """A presigned URL signed by the rule with exactly these signed headers."""
    credential = quote(f"{KEY_ID}/{STAMP[:8]}/{region}/{service}/aws4_request", safe="")
    added = f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={STAMP}&X-Amz-Expires={expires}&X-Amz-SignedHeaders={'%3B'.join(names)}"
    target = request.target + ("&" if "?" in request.target else "?") + added
    payload = UNSIGNED if s3 else sha256_hex(request.body)
    _, _, signature = rule(dataclasses.replace(request, target=target), names, payload, stamp=STAMP, region=region, service=service, raw_path=s3)
    placed = dataclasses.replace(request, target=f"{target}&X-Amz-Signature={signature}")
    return from_query(transcript("AWS Signature Version 4 rules"), placed, service=service, region=region, s3=s3)


# ---------------------------------------------------------------- the cases every SDK is asked for

HOST = "example.amazonaws.com"
NI_HAO = "\u4f60\u597d"


@dataclasses.dataclass(frozen=True)
class Case:
    """One request that each SDK is asked to sign."""

    name: str
    why: str
    target: str
    method: str = "GET"
    headers: tuple = ()
    body: bytes = b""
    token: bool = False


def cases(common_bodies):
    """The same list for every SDK of the family."""
    json = (("Content-Type", "application/json"),)
    return [
        Case("vanilla", "the shortest request", "/"),
        Case("query-out-of-order", "the query is sorted", "/path?b=2&a=1"),
        Case("unicode", "unicode, percent-encoded, in path and query", "/%E4%BD%A0%E5%A5%BD?name=%E4%BD%A0"),
        Case("empty-value", "an empty value keeps its =", "/path?empty=&a=1"),
        Case("bare-name", "a name without = gets one", "/path?flag"),
        Case("repeated-parameter", "all values of a name, sorted", "/path?a=2&b=0&a=1&a=2"),
        Case("names-that-begin-alike", "pairs are sorted by name, not as whole texts", "/path?id-type=1&id=2"),
        Case("repeated-header", "two lines of one name, joined in order of sending", "/path", headers=(("X-Tag", "b"), ("X-Tag", "a"))),
        Case("blanks-in-header", "inner runs of blanks become one", "/path", headers=(("X-Amz-Meta-Note", "a   b  c"),)),
        Case("empty-header", "an empty signed header keeps its line", "/path", headers=(("X-Amz-Meta-Note", ""),)),
        Case("encoded-plus", "an encoded plus sign in the query", "/path?q=1%2B2"),
        Case("bare-plus", "a bare plus sign in the query is a plus sign", "/path?q=1+2"),
        Case("encoded-slash", "%2F in path and query", "/a%2Fb?r=%2F"),
        Case("lower-case-escape", "escapes in small letters are signed in capitals", "/path?r=%2fx"),
        Case("blank-in-path", "a blank in the path is encoded twice where the rule says so", "/a%20b"),
        Case("reserved-in-path", "letters that a path may hold bare are signed encoded", "/a:b@c/$d"),
        Case("dot-segments", "dot segments and doubled slashes", "/a/./b/../c//d/"),
        Case("unicode-body", "a JSON body with unicode", "/path", "POST", json, f'{{"name":"{NI_HAO}"}}'.encode()),
        Case("empty-body", "a POST without a body", "/path", "POST", json),
        Case("binary-body", "octets that are not UTF-8", "/path", "PUT", (("Content-Type", "application/octet-stream"),), common_bodies[0]),
        Case("body-of-one-mebibyte", "a long body", "/path", "PUT", (("Content-Type", "application/octet-stream"),), common_bodies[1]),
        Case("token", "a session token is carried and signed", "/path?a=1", token=True),
    ]


def recorded(prefix, package, all_cases, sign, quirks, make):
    """Vectors of one SDK, and what it cannot do. `quirks` maps case to the reason why its answer is not the rule's; both must agree."""
    vectors, gaps = [], []
    for case in all_cases:
        if case.name in quirks:
            gaps.append(left_out(case.name, package, quirks[case.name]))
            try:
                sign(case)
            except Exception:
                continue
            if quirks[case.name].startswith("signs"):
                raise NotTheRule(f"{package}: {case.name} follows the rule after all")
            continue
        vectors.append(make(f"{prefix}-{case.name}", case.why, sign(case)))
    return vectors, gaps
