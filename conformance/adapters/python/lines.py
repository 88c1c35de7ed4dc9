"""The lines of the protocol: reads requests, calls the schemes, writes answers. Nothing here signs."""
import base64
import binascii
import dataclasses
import datetime
import json
import sys


class Unsupported(Exception):
    """The library cannot do what is asked, and why."""


class Rejected(Exception):
    """The message is refused, for this reason."""

    def __init__(self, reason, detail=""):
        super().__init__(detail)
        self.reason = reason


@dataclasses.dataclass
class Ask:
    """One `sign` or `verify` line."""

    credentials: list
    inputs: dict
    at: datetime.datetime
    nonce: str | None
    options: dict
    policy: dict
    method: str
    scheme: str
    target: str
    headers: list
    body: bytes

    def header(self, name):
        """The first header of a name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def placed(self, *, target=None, headers=None, body=None):
        """The message with what signing changed."""
        lines = self.headers if headers is None else headers
        return {"kind": "request", "method": self.method, "scheme": self.scheme, "target": self.target if target is None else target,
                "headers": [[name, value] for name, value in lines], "body_base64": base64.b64encode(self.body if body is None else body).decode()}


def text_of(encoded):
    """Octets as text, where they are UTF-8; what is not, no library here takes."""
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        raise Unsupported("takes text only, and these octets are not UTF-8") from None


def header_value(value):
    return value if isinstance(value, str) else text_of(base64.b64decode(value["base64"], validate=True))


def body_of(message):
    if "body_pieces_base64" in message:
        return b"".join(base64.b64decode(piece, validate=True) for piece in message["body_pieces_base64"])
    if "body" in message:
        return message["body"].encode()
    return base64.b64decode(message.get("body_base64") or "", validate=True)


def ask_of(line):
    message, credentials = line["message"], line["credentials"]
    if message.get("kind", "request") != "request":
        raise Unsupported("signs requests only")
    target = message["target"] if "target" in message else text_of(base64.b64decode(message["target_base64"], validate=True))
    return Ask(
        credentials=credentials if isinstance(credentials, list) else [credentials], inputs=line.get("inputs") or {},
        at=datetime.datetime.fromisoformat(line["at"].replace("Z", "+00:00")), nonce=line.get("nonce"),
        options=line.get("options") or {}, policy=line.get("policy") or {},
        method=message["method"], scheme=message.get("scheme", "https"), target=target,
        headers=[(name, header_value(value)) for name, value in message.get("headers", [])], body=body_of(message))


def stages_of(stages):
    """Stages as text, or as base64 where they are not UTF-8."""
    out = {}
    for name, value in stages.items():
        octets = value if isinstance(value, bytes) else value.encode()
        try:
            out[name] = octets.decode()
        except UnicodeDecodeError:
            out[name + "_base64"] = base64.b64encode(octets).decode()
    return out


def answer(line, name, schemes, witness_of):
    op = line.get("op")
    if op == "hello":
        if line.get("version") != 1:
            raise Unsupported("speaks version 1")
        return {"result": "hello", "version": 1, "name": name, "language": "python", "witness_of": witness_of}
    if op == "dialects":
        return {"result": "dialects", "dialects": [{"id": id_, "directions": [way for way in ("sign", "verify") if hasattr(scheme, way)]} for id_, scheme in schemes.items()]}
    if op not in ("sign", "verify"):
        raise Unsupported(f"no op {op!r}")
    scheme = schemes.get(line["dialect"])
    if not hasattr(scheme, op):
        raise Unsupported(f"no {op} of {line['dialect']}")
    ask = ask_of(line)
    if op == "sign":
        signed = scheme.sign(ask)
        return {"result": "signed", **signed, "stages": stages_of(signed.get("stages", {}))}
    try:
        return {"result": "accepted", **(scheme.verify(ask) or {})}
    except Rejected as refusal:
        return {"result": "rejected", "reason": refusal.reason, "detail": str(refusal)}


def serve(name, schemes, witness_of):
    """Answers lines until stdin ends. No line ends the run."""
    for raw in sys.stdin.buffer:
        id_ = None
        try:
            line = json.loads(raw)
            if not isinstance(line, dict):
                raise ValueError("the line is no JSON object")
            id_ = line.get("id")
            out = answer(line, name, schemes, witness_of)
        except Unsupported as why:
            out = {"result": "unsupported", "why": str(why)}
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as fault:
            out = {"result": "error", "message": f"{type(fault).__name__}: {fault}"}
        print(json.dumps({"id": id_, **out}), flush=True)
