"""An adapter, version 1, over generated signers: `python3 main.py FOLDER`, the folder holding what `countersign codegen --lang python` wrote."""

import base64
import datetime
import importlib.util
import json
import pathlib
import sys

FOLDER = pathlib.Path(sys.argv[1])
SIGNERS = {}


def signer(dialect):
    if dialect not in SIGNERS:
        name = dialect.replace("-", "_")
        path = FOLDER / ((name if name[:1].isalpha() else "the_" + name) + ".py")
        if not path.is_file():
            return None
        spec = importlib.util.spec_from_file_location(path.stem, path)
        SIGNERS[dialect] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(SIGNERS[dialect])
    return SIGNERS[dialect]


def read(given, name):
    """Text or bytes under a name, or the base64 under the name with `_base64`."""
    encoded = given.get(name + "_base64")
    return base64.b64decode(encoded) if encoded is not None else given.get(name)


def put(given, name, text):
    if isinstance(text, bytes):
        given[name + "_base64"] = base64.b64encode(text).decode()
    else:
        given[name] = text


def sign(ask):
    module = signer(ask["dialect"])
    if module is None:
        return {"result": "unsupported", "why": "no signer of this dialect was generated"}
    given = ask["message"]
    message = {name: given[name] for name in ("method", "scheme", "version", "status") if name in given}
    message["target"] = read(given, "target") or ""
    message["headers"] = [(n, base64.b64decode(v["base64"]) if isinstance(v, dict) else v) for n, v in given.get("headers", [])]
    message["body"] = read(given, "body") or b""
    key = ask["credentials"][0] if isinstance(ask["credentials"], list) else ask["credentials"]
    credential = {name: key.get(name) for name in ("key_id", "algorithm", "parts")}
    credential["secret"], credential["private_key"] = read(key, "secret"), key.get("private_key_pem")
    at = datetime.datetime.fromisoformat(ask["at"].replace("Z", "+00:00"))
    options = {"at": at, "nonce": ask.get("nonce"), "inputs": ask.get("inputs"), **ask.get("options", {})}
    try:
        signed = module.sign(message, credential, options)
    except module.SigningError as error:
        return {"result": "error", "message": str(error)}
    placed = {name: given[name] for name in ("kind", "method", "scheme", "version", "status") if name in given}
    if signed["target"]:
        put(placed, "target", signed["target"])
    placed["headers"] = [[n, {"base64": base64.b64encode(v).decode()} if isinstance(v, bytes) else v] for n, v in signed["headers"]]
    placed["body_base64"] = base64.b64encode(signed["body"]).decode()
    stages = {}
    for name, text in signed["stages"].items():
        put(stages, name, text)
    return {"result": "signed", "stages": stages, "signature": signed["signature"], "message": placed}


def answer(ask):
    if ask.get("op") == "hello":
        return {"result": "hello", "version": 1, "name": "generated", "language": "python"}
    if ask.get("op") == "dialects":
        ids = sorted(path.stem.replace("_", "-") for path in FOLDER.glob("*.py"))
        return {"result": "dialects", "dialects": [{"id": name, "directions": ["sign"]} for name in ids]}
    if ask.get("op") == "sign":
        return sign(ask)
    return {"result": "unsupported", "why": "these signers only sign"}


for line in sys.stdin:
    number = None
    try:
        ask = json.loads(line)
        number = ask.get("id")
        print(json.dumps({"id": number, **answer(ask)}), flush=True)
    except Exception as error:  # No line ends the run.
        print(json.dumps({"id": number, "result": "error", "message": repr(error)}), flush=True)
