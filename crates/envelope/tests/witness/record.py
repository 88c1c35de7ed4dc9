"""Writes vectors.json: envelopes and answers made after ENVELOPE.md with the Python package `cryptography` and the standard
library, which share no code with this crate. Run it in this folder; `check FILE` opens an envelope that this crate made."""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import sys

from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = pathlib.Path(__file__).parent
KEY = serialization.load_pem_private_key((HERE / "../keys/rsa2048.pem").read_bytes(), None)
OAEP = rsa_padding.OAEP(rsa_padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
REQUEST = b"countersign-envelope-1:request"


def b64(data):
    return base64.b64encode(data).decode()


def hkdf(key, salt, info):
    extracted = hmac.new(salt, key, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


def gcm(key, plain, additional):
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, plain, additional)


def cbc(key, plain):
    vector, padder = os.urandom(16), padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    return vector + encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()


def envelope(content, wrapped):
    return json.dumps({"content": b64(content), "encryptKey": b64(wrapped)}, separators=(",", ":"))


def answer(key, body, status, media_type, plain):
    request = hashlib.sha256(body.encode()).digest()
    derived = hkdf(key, request, b"countersign-envelope-1:answer-key")
    additional = f"countersign-envelope-1:answer\n{request.hex()}\n{status}\n{media_type}".encode()
    content = json.dumps({"content": b64(gcm(derived, plain, additional))}, separators=(",", ":"))
    kept = f"countersign-answer-key-1 {derived.hex()} {request.hex()}\n"
    return {"status": status, "media_type": media_type, "plain": b64(plain), "body": content, "key": kept}


def oaep_case(plain):
    key = os.urandom(32)
    body = envelope(gcm(key, plain, REQUEST), KEY.public_key().encrypt(key, OAEP))
    answers = [answer(key, body, 200, "application/json", b'{"ok":true}'), answer(key, body, 404, "", b"\x00\xff")]
    return {"scheme": "rsa-oaep-sha256+a256gcm", "plain": b64(plain), "body": body, "answers": answers}


def pkcs1_case(bits, plain):
    key = os.urandom(bits // 8)
    body = envelope(cbc(key, plain), KEY.public_key().encrypt(key, rsa_padding.PKCS1v15()))
    return {"scheme": f"rsa-pkcs1+a{bits}cbc", "plain": b64(plain), "body": body, "answers": []}


def check(path):
    body = json.loads(pathlib.Path(path).read_text())
    content, wrapped = (base64.b64decode(body[name], validate=True) for name in ("content", "encryptKey"))
    sys.stdout.buffer.write(AESGCM(KEY.decrypt(wrapped, OAEP)).decrypt(content[:12], content[12:], REQUEST))


if __name__ == "__main__":
    if sys.argv[1:2] == ["check"]:
        check(sys.argv[2])
        sys.exit()
    text = '{"name":"\u4f60\u597d","amount":12.5}'.encode()
    cases = [oaep_case(plain) for plain in (b"", b"a", text, bytes(range(256)))]
    cases += [pkcs1_case(bits, plain) for bits in (128, 256) for plain in (b"{}", text, b'["0123456789a"]')]
    (HERE / "vectors.json").write_text(json.dumps(cases, indent=1) + "\n")
