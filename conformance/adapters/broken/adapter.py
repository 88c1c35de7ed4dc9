"""Adapters that are broken, and an implementation that is: each must be told from the other.

    adapter.py FAULT

The implementation is hmac-sha256, signing only, with the standard library alone.
"""
import base64
import datetime
import hashlib
import hmac
import json
import sys
import time
import urllib.parse

FAULT = sys.argv[1]
OF_THE_ADAPTER = {"crash", "crash-at-start", "crash-once", "hang", "garbage", "wrong-id", "dies-of-a-broken-line", "chatter", "no-verdict"}
OF_THE_IMPLEMENTATION = {"none", "unsorted-query", "upper-case-signature", "accepts-everything", "refuses-everything", "throws"}
if FAULT not in OF_THE_ADAPTER | OF_THE_IMPLEMENTATION:
    sys.exit(f"no fault {FAULT!r}")
if FAULT == "crash-at-start":
    sys.exit("as asked")


def encoded(text):
    return urllib.parse.quote(urllib.parse.unquote_to_bytes(text), safe="-_.~")


def query(raw):
    pairs = [f"{encoded(name)}={encoded(value)}" for name, _, value in (piece.partition("=") for piece in raw.split("&") if piece)]
    return "&".join(pairs if FAULT == "unsorted-query" else sorted(pairs, key=lambda pair: pair.split("=", 1)))


def octets(value):
    return value.encode() if isinstance(value, str) else base64.b64decode(value["base64"])


def sign(line):
    key, message = line["credentials"][0], line["message"]
    secret = key["secret"].encode() if "secret" in key else base64.b64decode(key["secret_base64"])
    at = str(int(datetime.datetime.fromisoformat(line["at"].replace("Z", "+00:00")).timestamp()))
    names = sorted(line.get("options", {}).get("headers", ["host"]))
    path, _, raw = message["target"].partition("?")
    values = {}
    for name, value in message["headers"]:
        values.setdefault(name.lower(), []).append(b" ".join(octets(value).split()))
    digest = hashlib.sha256(base64.b64decode(message["body_base64"])).hexdigest()
    head = "\n".join(["HMAC-SHA256", at, line["nonce"], key["key_id"], message["method"], path, query(raw)]).encode()
    listed = b"\n".join(name.encode() + b":" + b",".join(values[name]) for name in names)
    text = b"\n".join([head, listed, b"", ";".join(names).encode(), digest.encode()])
    signature = hmac.new(secret, text, hashlib.sha256).hexdigest()
    if FAULT == "upper-case-signature":
        signature = signature.upper()
    claim = f"HMAC-SHA256 Credential={key['key_id']}, Timestamp={at}, Nonce={line['nonce']}, SignedHeaders={';'.join(names)}, Signature={signature}"
    message["headers"] += [["X-Content-SHA256", digest], ["Authorization", claim]]
    return {"result": "signed", "stages": {"string_to_sign_base64": base64.b64encode(text).decode()}, "signature": signature, "message": message}


def verify(line):
    if FAULT == "no-verdict":
        return {"result": "signed", "signature": "00"}
    if FAULT == "refuses-everything":
        return {"result": "rejected", "reason": "signature_mismatch"}
    return {"result": "accepted"}


def answer(line):
    if line["op"] == "hello":
        return {"result": "hello", "version": 1, "name": f"broken: {FAULT}", "language": "python"}
    if line["op"] == "dialects":
        ways = ["verify"] if FAULT in ("accepts-everything", "refuses-everything", "no-verdict") else ["sign"]
        return {"result": "dialects", "dialects": [{"id": "hmac-sha256", "directions": ways}]}
    if line["op"] not in ("sign", "verify"):
        return {"result": "unsupported", "why": "no such op"}
    misbehave(line)
    return sign(line) if line["op"] == "sign" else verify(line)


def misbehave(line):
    if FAULT == "crash" or (FAULT == "crash-once" and line["id"] == 5):
        print("this went wrong", file=sys.stderr)
        sys.exit(3)
    if FAULT == "hang":
        time.sleep(600)
    if FAULT == "garbage":
        print("Traceback (most recent call last):", flush=True)
    if FAULT == "chatter":
        print(json.dumps({"log": "signing"}), flush=True)
    if FAULT == "throws":
        raise ValueError("the implementation does not know what to do")


for raw in sys.stdin.buffer:
    id_ = None
    try:
        line = json.loads(raw)
        id_ = line["id"]
        out = answer(line)
    except json.JSONDecodeError:
        if FAULT == "dies-of-a-broken-line":
            raise
        out = {"result": "error", "message": "no JSON"}
    except ValueError as fault:
        out = {"result": "error", "message": str(fault)}
    if FAULT == "wrong-id" and isinstance(id_, int) and out["result"] == "signed":
        id_ += 1
    print(json.dumps({"id": id_, **out}), flush=True)
