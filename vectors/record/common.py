"""What every recorder shares: requests, recordings, vectors, the frozen clock, the closed network and the YAML writer."""
import base64
import contextlib
import dataclasses
import datetime
import hashlib
import importlib.metadata
import socket
import uuid

import yaml

SDK_CLOCK = "2026-01-02T03:04:05Z"
SDK_TIME = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
SDK_SECONDS = int(SDK_TIME.timestamp())
READ_ON = "2026-11-22"
OUR_LICENCE = "MIT OR Apache-2.0"
MEBIBYTE = 1 << 20
BINARY = bytes([0, 255, 254, 128, 10, 13, 10, 195, 40, 0])
LONG = 4096


# ---------------------------------------------------------------- requests and recordings

@dataclasses.dataclass(frozen=True)
class Request:
    """One HTTP request as it stands on the wire; headers are lines in order."""

    method: str
    target: str
    headers: tuple = ()
    body: bytes = b""
    scheme: str = "https"

    def with_headers(self, *lines):
        """The same request with further header lines."""
        return dataclasses.replace(self, headers=(*self.headers, *lines))

    def document(self):
        """The request in the shape of the vector files."""
        out = {"method": self.method}
        if self.scheme != "https":
            out["scheme"] = self.scheme
        out["target"] = self.target
        out["headers"] = [Flow([name, text_or_base64(value)]) for name, value in self.headers]
        if self.body:
            out.update(body_document(self.body))
        return out


@dataclasses.dataclass(frozen=True)
class Recording:
    """What one witness made of one request."""

    source: dict
    at: str
    credentials: dict
    request: Request
    placed: Request
    signature: str = ""
    stages: dict = dataclasses.field(default_factory=dict)
    inputs: dict = dataclasses.field(default_factory=dict)
    nonce: str = ""
    sign: dict = dataclasses.field(default_factory=dict)


def vector(name, why, recording, *, policy=None, expect="accepted", now=None, covers=None, sign=None):
    """A vector that stands on its own: a recording and the verdict on it."""
    out = {"name": name, "why": why, "source": Flow(recording.source), "at": recording.at}
    if now:
        out["now"] = now
    credentials = dict(recording.credentials)
    out["credentials"] = credentials if "private_key_pem" in credentials else Flow(credentials)
    if recording.inputs:
        out["inputs"] = Flow(recording.inputs)
    if recording.nonce:
        out["nonce"] = recording.nonce
    choices = {**recording.sign, **(sign or {})}
    if choices:
        out["sign"] = {key: flow(value) for key, value in choices.items()}
    if policy:
        out["policy"] = Flow({key: flow(value) for key, value in policy.items()})
    out["request"] = recording.request.document()
    if recording.stages:
        out["stages"] = {key: stage_document(value) for key, value in recording.stages.items()}
    if recording.signature:
        out["signature"] = recording.signature
    out["placed"] = recording.placed.document()
    out["expect"] = expect
    if covers:
        out["covers"] = Flow(covers)
    return out


def fault(name, origin, why, expect, **change):
    """A vector that is another vector's placed request with one fault."""
    return {"name": name, "from": origin, "why": why, "change": {key: change_document(key, value) for key, value in change.items()}, "expect": expect}


def replace(where, text, with_):
    """The `replace` edit: the first occurrence of a text in the target, the body or a header."""
    return {"in": where, "text": text, "with": with_}


def left_out(case, witness, why):
    """One line of a file's `left_out` list."""
    return {"case": case, "witness": witness, "why": why}


def published(name, address, licence):
    """The source entry of a published example."""
    return {"name": name, "address": address, "date": READ_ON, "licence": licence}


def sdk(package, licence):
    """The source entry of a recording from an installed package."""
    return {"sdk": package, "version": importlib.metadata.version(package), "licence": licence}


def transcript(name):
    """The source entry of a transcript of written rules."""
    return {"transcript": name, "licence": OUR_LICENCE}


# ---------------------------------------------------------------- encodings

def b64(data):
    """Standard base64 as text."""
    return base64.b64encode(data).decode()


def sha256_hex(data):
    """SHA-256 as lower-case hex."""
    return hashlib.sha256(octets(data)).hexdigest()


def octets(value):
    """Bytes of a text or of bytes."""
    return value if isinstance(value, bytes) else value.encode()


def spare_bits(signature):
    """The same octets in base64 that is not canonical: a bit set behind the last octet."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = signature.rstrip("=")
    return body[:-1] + alphabet[alphabet.index(body[-1]) + 1] + signature[len(body):]


def other(text):
    """A text of the same length that differs in its first letter or digit."""
    for index, char in enumerate(text):
        if char.isalnum():
            return text[:index] + ("b" if char == "a" else "a" if char.isalpha() else "2" if char == "1" else "1") + text[index + 1:]
    raise ValueError(text)


def moment(seconds):
    """Seconds since 1970 as RFC 3339, with milliseconds where they are not zero."""
    millis = round(seconds * 1000)
    text = datetime.datetime.fromtimestamp(millis // 1000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{millis % 1000:03d}Z" if millis % 1000 else "Z")


def seconds(text):
    """The seconds since 1970 of an RFC 3339 text in UTC."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def http_date(instant):
    """Seconds since 1970 as the date of RFC 9110."""
    return datetime.datetime.fromtimestamp(instant, datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")


# ---------------------------------------------------------------- clock and network

@contextlib.contextmanager
def frozen(instant=SDK_CLOCK):
    """The SDK's clock stands still."""
    from freezegun import freeze_time
    with freeze_time(instant):
        yield


@contextlib.contextmanager
def counted_uuids():
    """Request ids that are the same in every recording."""
    true, count = uuid.uuid4, iter(range(1, 1000))
    uuid.uuid4 = lambda: uuid.UUID(int=next(count))
    try:
        yield
    finally:
        uuid.uuid4 = true


def offline():
    """From here on no SDK can open a connection."""
    def refuse(*args, **_):
        raise RuntimeError(f"a recorder tried to reach the network: {args[1:]!r}")
    socket.socket.connect = refuse
    socket.socket.connect_ex = refuse
    socket.getaddrinfo = refuse


# ---------------------------------------------------------------- YAML

class Flow:
    """A mapping or list that is written on one line."""

    def __init__(self, value):
        self.value = value


def flow(value):
    """Lists and mappings on one line, other values as they are."""
    return Flow(value) if isinstance(value, (list, tuple, dict)) else value


def text_or_base64(value):
    """Text where the octets are UTF-8, else their base64."""
    if isinstance(value, str):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": b64(value)}


def body_document(body):
    """`body`, `body_base64` or `body_repeat`, whichever can hold it."""
    if len(body) > LONG and len(set(body)) == 1:
        return {"body_repeat": Flow({"text": chr(body[0]), "times": len(body)})}
    shown = text_or_base64(body)
    return {"body": shown} if isinstance(shown, str) and "\r" not in shown and "\0" not in shown else {"body_base64": b64(body)}


def stage_document(value):
    """A stage as text, as base64 where it is not UTF-8, as its SHA-256 where it is long."""
    data = octets(value)
    return {"sha256": sha256_hex(data)} if len(data) > LONG else text_or_base64(data)


def change_document(key, value):
    """One edit of a fault, with short values on one line."""
    if key == "add_headers":
        return [Flow(list(line)) for line in value]
    return flow(value)


class _Writer(yaml.SafeDumper):
    """Stable order, literal blocks for lines, quotes for whatever another YAML could read as a number."""

    def ignore_aliases(self, data):
        return True


def _flow(writer, data):
    value = data.value
    if isinstance(value, dict):
        return writer.represent_mapping("tag:yaml.org,2002:map", {k: flow(v) for k, v in value.items()}, flow_style=True)
    return writer.represent_sequence("tag:yaml.org,2002:seq", [flow(v) for v in value], flow_style=True)


def _text(writer, data):
    blank_ends = any(line != line.rstrip() for line in data.split("\n")) or data[:1] in (" ", "\n", "\t")
    if "\n" in data and not blank_ends and "\r" not in data and "\t" not in data:
        style = "|"
    elif data[:1].isdigit() or data[:1] in ("+", "-", ".") or "\n" in data:
        style = '"'
    else:
        style = None
    return writer.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Writer.add_representer(Flow, _flow)
_Writer.add_representer(str, _text)


def dump(dialect, vectors, gaps):
    """The text of one vector file."""
    return "# Recorded by record/record.py: change the recorder, not this file.\n" + dump_document(dialect, vectors, gaps)


def dump_document(dialect, vectors, gaps):
    """The text without the comment at its head."""
    document = {"dialect": dialect, "vectors": vectors}
    if gaps:
        document["left_out"] = gaps
    text = yaml.dump(document, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=10 ** 9)
    return text.replace("\n- name: ", "\n\n- name: ").replace("\nleft_out:", "\n\nleft_out:")
