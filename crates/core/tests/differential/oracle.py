"""What PyJWT and joserfc say of tokens: of those that are given, and of changed ones that they sign themselves.

Reads one JSON object from stdin: now, issuer, audience, skew, keys (kid, alg, jwk), given (tokens), seed, count.
Writes one JSON line for each token: what, token, pyjwt, joserfc.
"""
import base64
import datetime
import json
import random
import sys
import warnings

import freezegun
import joserfc.jws
import joserfc.jwk
import joserfc.jwt
import jwt

warnings.simplefilter("ignore")


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


class Keys:
    """The keys in the shapes of both libraries."""

    def __init__(self, job):
        self.job = job
        self.by_kid = {key["kid"]: key for key in job["keys"]}
        self.pyjwt = {key["kid"]: jwt.PyJWK(key["jwk"], algorithm=key["alg"]).key for key in job["keys"]}
        self.joserfc = {key["kid"]: joserfc.jwk.import_key(key["jwk"]) for key in job["keys"]}

    def sign(self, key, message, by):
        """The third part, as one of the two signs it."""
        algorithm = jwt.get_algorithm_by_name(key["alg"])
        if by == "pyjwt":
            return algorithm.sign(message, algorithm.prepare_key(self.pyjwt[key["kid"]]))
        registry = joserfc.jws.JWSRegistry(algorithms=[key["alg"]])
        return registry.get_alg(key["alg"]).sign(message, self.joserfc[key["kid"]])

    def pyjwt_takes(self, token):
        key = self.by_kid[jwt.get_unverified_header(token)["kid"]]
        jwt.decode(token, self.pyjwt[key["kid"]], algorithms=[key["alg"]], issuer=self.job["issuer"], audience=self.job["audience"], leeway=self.job["skew"],
                   options={"require": ["exp", "iat", "iss", "aud", "sub"], "strict_aud": True})

    def joserfc_takes(self, token):
        key = self.by_kid[joserfc.jws.extract_compact(token.encode()).headers()["kid"]]
        read = joserfc.jwt.decode(token, self.joserfc[key["kid"]], algorithms=[key["alg"]])
        must = {name: {"essential": True} for name in ("exp", "iat", "sub")}
        must.update({name: {"essential": True, "value": self.job[long]} for name, long in {"iss": "issuer", "aud": "audience"}.items()})
        joserfc.jwt.JWTClaimsRegistry(leeway=self.job["skew"], **must).validate(read.claims)


def takes(check, token):
    """Whether a library accepts. Whatever it raises is a refusal."""
    try:
        check(token)
        return True
    except Exception:  # noqa: BLE001
        return False


ODD = [None, True, False, 0, 1, -1, 1.5, 2**53, 2**63, 2**64 - 1, 1e300, "", "x", "api", "admin", "\ud800", "a\0b", [], ["api"], [["api"]], {}, {"a": "b"}, {"kid": "x"}, {"name": "x", "roles": []}]


class Changes:
    """One change of a genuine token; most leave it well-formed."""

    def __init__(self, rng, now):
        self.rng, self.now = rng, now

    def nothing(self, head, payload):
        return compact(head), compact(payload)

    def order(self, head, payload):
        names = list(payload)
        self.rng.shuffle(names)
        return compact(dict(reversed(head.items()))), compact({name: payload[name] for name in names})

    def blanks(self, head, payload):
        return json.dumps(head, indent=self.rng.randrange(4)).encode(), json.dumps(payload, indent=self.rng.randrange(4)).encode()

    def text(self, head, payload):
        payload["u"]["name"] = "".join(chr(self.rng.choice([0x41, 0xe9, 0x4e2d, 0x1f511, 0x22, 0x5c, 0x7f])) for _ in range(self.rng.randrange(1, 9)))
        payload["scope"] = " ".join(self.rng.choice(["read", "write", "a:b", "x/y"]) for _ in range(self.rng.randrange(5)))
        return compact(head), json.dumps(payload, ensure_ascii=self.rng.random() < 0.5).encode()

    def times(self, head, payload):
        payload["iat"] = self.now + self.rng.randrange(-700, 100)
        payload["exp"] = payload["iat"] + self.rng.randrange(-5, 700)
        if self.rng.random() < 0.5:
            payload["nbf"] = self.now + self.rng.randrange(-60, 60)
        return compact(head), compact(payload)

    def value(self, head, payload):
        payload[self.rng.choice([*payload, "nbf"])] = self.rng.choice(ODD)
        return compact(head), compact(payload)

    def inner(self, head, payload):
        of = payload[self.rng.choice([name for name in ("u", "cnf") if name in payload])]
        of[self.rng.choice([*of, "more"])] = self.rng.choice(ODD)
        return compact(head), compact(payload)

    def left_out(self, head, payload):
        del payload[self.rng.choice(list(payload))]
        return compact(head), compact(payload)

    def more(self, head, payload):
        payload[self.rng.choice(["acr", "azp", "nonce", "admin", "Scope", ""])] = self.rng.choice(ODD)
        return compact(head), compact(payload)

    def header(self, head, payload):
        name = self.rng.choice(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5u", "cty", "zip"])
        head[name] = self.rng.choice([*ODD, "none", "HS256", "ES256", "EdDSA", "JWT", "at+jwt", ["b64"], ["zzz"]])
        return compact(head), compact(payload)

    def twice(self, head, payload):
        name = self.rng.choice(list(payload))
        written = name if self.rng.random() < 0.5 else "\\u%04x%s" % (ord(name[0]), name[1:])
        text = compact(payload).decode("utf-8", "surrogatepass")
        return compact(head), (f'{text[:-1]},"{written}":{json.dumps(self.rng.choice([payload[name], *ODD]))}}}').encode()

    def one_byte(self, head, payload):
        texts = [bytearray(compact(head)), bytearray(compact(payload))]
        text = texts[self.rng.random() < 0.8]
        text[self.rng.randrange(len(text))] = self.rng.choice(b'"{}[]:,\\ 0129ae-.\x00\x80\xff')
        return bytes(texts[0]), bytes(texts[1])

    def cut_or_grown(self, head, payload):
        text = compact(payload)
        return compact(head), text[: self.rng.randrange(len(text))] if self.rng.random() < 0.5 else text + self.rng.choice([b" ", b"\n", b"x", b"\0", b"{}", b"]"])


def spelled(rng, token):
    """The token, now and then in another spelling."""
    parts = token.split(".")
    at = rng.randrange(3)
    change = rng.random()
    if change < 0.02:
        parts[at] += "=" * (-len(parts[at]) % 4 or 1)
    elif change < 0.04:
        parts[at] = parts[at][:-1] + chr(ord(parts[at][-1]) ^ 1)
    elif change < 0.06:
        parts[at] += rng.choice(["\n", " ", ".", "A"])
    elif change < 0.08:
        parts[at] = parts[at].replace("-", "+").replace("_", "/")
    return ".".join(parts)


def changed(keys, given, seed, count):
    """Tokens that the libraries sign: each is one given, with one change."""
    rng = random.Random(seed)
    changes = Changes(rng, keys.job["now"])
    kinds = [getattr(changes, name) for name in vars(Changes) if not name.startswith("_")]
    for _ in range(count):
        head, payload, _tag = rng.choice(given).split(".")
        head, payload = json.loads(unb64(head)), json.loads(unb64(payload))
        key = keys.by_kid[head["kid"]]
        kind = rng.choice(kinds)
        message = ".".join(b64(part) for part in kind(head, payload))
        by = rng.choice(["pyjwt", "joserfc"])
        yield kind.__name__, spelled(rng, f"{message}.{b64(keys.sign(key, message.encode(), by))}")


def main():
    job = json.load(sys.stdin)
    keys = Keys(job)
    with freezegun.freeze_time(datetime.datetime.fromtimestamp(job["now"], datetime.timezone.utc)):
        tokens = [("given", token) for token in job["given"]] + list(changed(keys, job["given"], job["seed"], job["count"]))
        for what, token in tokens:
            print(json.dumps({"what": what, "token": token, "pyjwt": takes(keys.pyjwt_takes, token), "joserfc": takes(keys.joserfc_takes, token)}))


if __name__ == "__main__":
    main()
