"""Access tokens, good ones and one for each fault: written as RFC 7515 says, with a standard library and the primitives of `cryptography`."""
import base64
import hashlib
import hmac
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

NOW = 1_739_437_548
DAY = 86_400
TTL, SKEW, RETIRING = 600, 30, 930
ISSUER, AUDIENCE = "https://gateway.example", "api"
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def b64(data):
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=").decode()


def compact(value):
    """JSON without blanks, in the order of the members, in UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


# ---------------------------------------------------------------- keys

class Key:
    """A made-up key; its private half is a digest of its name, so that a recording can be repeated."""

    def __init__(self, kid, alg, begins=-DAY, ends=DAY, published=None, revoked=None, seed=None):
        self.kid, self.alg = kid, alg
        self.private = hashlib.sha256(f"countersign test key {seed or kid}".encode()).digest()
        self.times = {"published": NOW + (begins if published is None else published), "signs_from": NOW + begins, "signs_until": NOW + ends,
                      "verifies_until": NOW + ends + RETIRING, "revoked": revoked}
        if alg == "EdDSA":
            self.pair = ed25519.Ed25519PrivateKey.from_private_bytes(self.private)
        elif alg == "ES256":
            self.pair = ec.derive_private_key(int.from_bytes(self.private, "big") % P256_ORDER, ec.SECP256R1())
            self.private = self.pair.private_numbers().private_value.to_bytes(32, "big")

    def sign(self, message, alg=None):
        """The signature of RFC 7518 and RFC 8037; ECDSA without randomness (RFC 6979)."""
        if self.alg == "EdDSA":
            return self.pair.sign(message)
        if self.alg == "ES256":
            r, s = utils.decode_dss_signature(self.pair.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return hmac.digest(self.private, message, {"HS384": "sha384", "HS512": "sha512"}.get(alg, "sha256"))

    def public(self, encoding, form):
        """The public half in a form of the library."""
        return self.pair.public_key().public_bytes(encoding, form)

    def jwk(self):
        """The key with its private half, as a JSON Web Key."""
        if self.alg == "HS256":
            return {"kty": "oct", "k": b64(self.private)}
        if self.alg == "EdDSA":
            raw = self.public(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            return {"kty": "OKP", "crv": "Ed25519", "x": b64(raw), "d": b64(self.private)}
        point = self.public(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        return {"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:]), "d": b64(self.private)}

    def document(self):
        """As keys.json has it."""
        return {"kid": self.kid, "alg": self.alg, **self.times, "jwk": self.jwk()}


ED = Key("k_ed25519", "EdDSA")
EC = Key("k_p256", "ES256")
HS = Key("k_hmac", "HS256")
RETIRED = Key("k_retiring", "EdDSA", begins=-30 * DAY, ends=-300)
GONE = Key("k_gone", "EdDSA", begins=-30 * DAY, ends=-RETIRING)
LAST = Key("k_last_second", "EdDSA", begins=-30 * DAY, ends=-RETIRING + 1)
PENDING = Key("k_pending", "EdDSA", begins=20, published=-900)
UNPUBLISHED = Key("k_unpublished", "EdDSA", begins=DAY, published=60)
REVOKED = Key("k_revoked", "EdDSA", revoked=NOW - 1)
FOREIGN = Key("k_ed25519", "EdDSA", seed="of another issuer")
RINGS = {
    "usual": [ED, EC, HS, RETIRED, GONE, LAST, PENDING, UNPUBLISHED, REVOKED],
    "twice": [ED, FOREIGN],
}


# ---------------------------------------------------------------- tokens

def header(key=ED, **changes):
    """The members of the header; a change to None takes one away."""
    members = {"alg": key.alg, "kid": key.kid, "typ": "at+jwt", **changes}
    return {name: value for name, value in members.items() if value is not None}


def claims(**changes):
    """The claims; a change to None takes one away."""
    members = {"iss": ISSUER, "aud": AUDIENCE, "sub": b64(b"user-0123456789a"), "client_id": "billing", "sid": b64(b"session-01234567"),
               "jti": b64(b"token-0123456789"), "iat": NOW, "exp": NOW + TTL, "auth_time": NOW - 5, "scope": "read orders:write", "rtg": 7, "ep": 1,
               "cnf": {"kid": "ck_1"}, "u": {"name": "Alice", "roles": ["editor"]}, "amr": ["pwd"], **changes}
    return {name: value for name, value in members.items() if value is not None}


def edited(old, new, text=None):
    """The claims as text, with one piece of it written in another way."""
    text = compact(claims()) if text is None else text
    assert old in text, (old, text)
    return text.replace(old, new, 1)


def as_bytes(value):
    """Bytes and text as they are, anything else as JSON."""
    return value if isinstance(value, bytes) else (value if isinstance(value, str) else compact(value)).encode()


def token(payload=None, head=None, key=ED, sign=None):
    """Three parts; `sign` takes the message and gives the signature."""
    head = header(key) if head is None else head
    payload = claims() if payload is None else payload
    message = f"{b64(as_bytes(head))}.{b64(as_bytes(payload))}"
    return f"{message}.{b64((sign or key.sign)(message.encode()))}"


CASES = []


def case(name, made, error=None, comment="", now=NOW, key="usual"):
    """Notes one case; without an error it is accepted."""
    CASES.append({"id": name, "token": made, "key": key, "now": now, "expect": "refused" if error else "accepted", "error": error, "comment": comment})


def malformed(name, made, comment="", **more):
    case(name, made, "token_malformed", comment, **more)


def invalid(name, made, comment="", **more):
    case(name, made, "token_invalid", comment, **more)


def accepted_cases():
    for key in (ED, EC, HS):
        case(f"good-{key.alg.lower()}", token(key=key), comment="every claim")
    case("good-without-cnf-and-amr", token(claims(cnf=None, amr=None)), comment="bound to the app only")
    case("good-without-a-key", token(claims(cnf=None, bind="bearer")), comment="comes without a signature, and never with one")
    case("good-thumbprint", token(claims(cnf={"jkt": b64(bytes(range(32)))})))
    case("good-empty-scope-and-roles", token(claims(scope="", u={"name": "Alice", "roles": []})))
    case("good-nbf", token(claims(nbf=NOW)), comment="nbf may be there, and is honoured")
    case("good-nbf-at-the-skew", token(claims(nbf=NOW + SKEW)))
    case("good-iat-at-the-skew", token(claims(iat=NOW + SKEW, exp=NOW + SKEW + TTL)))
    case("good-last-second", token(), now=NOW + TTL + SKEW - 1, comment="over at exp + skew, and not before")
    case("good-unicode-name", token(claims(u={"name": "Zoë \U0001f511", "roles": ["编辑"]})))
    case("good-key-order", token(dict(reversed(claims().items())), dict(reversed(header().items()))), comment="the order of members has no meaning")
    case("good-blanks-in-json", token(json.dumps(claims(), indent=1), json.dumps(header(), indent=1)), comment="blanks between the members of JSON have no meaning")
    case("good-escaped-value", token(edited('"read orders:write"', '"\\u0072ead orders:write"')), comment="an escape is another spelling of the same signed text")
    case("good-retiring-key", token(claims(iat=NOW - 301, exp=NOW + 299), key=RETIRED), comment="signed before its key retired")
    case("good-published-pending-key", token(claims(iat=NOW), key=PENDING), comment="published keys verify: the clock of who signs may be 20 s ahead")
    case("good-last-second-of-a-key", token(claims(iat=NOW - 930, exp=NOW - 330, auth_time=NOW - 940), key=LAST), "token_expired", "the key still verifies, the token is over")


def algorithm_cases():
    for name in ("none", "None", "NonE"):
        invalid(f"alg-{name}", token(head=header(alg=name)), "a signature that would hold under the right name")
        malformed(f"alg-{name}-unsigned", token(head=header(alg=name), sign=lambda _: b""), "an empty third part is no part")
    for name in ("HS256", "ES256", "RS256", "PS256", "HS384", "EdDsa", "eddsa", "Ed25519", ""):
        invalid(f"alg-{name or 'empty'}-for-an-ed25519-key", token(head=header(alg=name)), "the key says which algorithm is meant")
    invalid("alg-eddsa-for-a-p256-key", token(head=header(EC, alg="EdDSA"), key=EC))
    invalid("alg-hs384-for-an-hs256-key", token(head=header(HS, alg="HS384"), key=HS, sign=lambda m: HS.sign(m, "HS384")))
    invalid("alg-hs512-for-an-hs256-key", token(head=header(HS, alg="HS512"), key=HS, sign=lambda m: HS.sign(m, "HS512")))
    invalid("alg-of-another-key", token(head=header(ED, alg="ES256"), sign=EC.sign), "alg and signature agree, the key is another one")
    form = serialization.Encoding, serialization.PublicFormat
    for key in (ED, EC):
        raw = key.public(form[0].Raw, form[1].Raw) if key is ED else key.public(form[0].X962, form[1].UncompressedPoint)
        secrets = {"raw": raw, "der": key.public(form[0].DER, form[1].SubjectPublicKeyInfo), "pem": key.public(form[0].PEM, form[1].SubjectPublicKeyInfo),
                   "jwk": compact({name: value for name, value in key.jwk().items() if name != "d"}).encode()}
        for kind, secret in secrets.items():
            mac = lambda m, secret=secret: hmac.digest(secret, m, "sha256")
            invalid(f"hmac-with-the-{kind}-public-key-{key.alg.lower()}", token(head=header(key, alg="HS256"), key=key, sign=mac), "the public key as a shared secret")
            invalid(f"hmac-with-the-{kind}-public-key-{key.alg.lower()}-under-its-name", token(key=key, sign=mac))


def signature_cases():
    flip = lambda tag: bytes([tag[0] ^ 1]) + tag[1:]
    for key in (ED, EC, HS):
        name = key.alg.lower()
        for fault, change in {"flipped": flip, "short": lambda t: t[:-1], "long": lambda t: t + b"\0", "zero": lambda t: bytes(len(t)), "half": lambda t: t[:len(t) // 2]}.items():
            invalid(f"signature-{fault}-{name}", token(key=key, sign=lambda m, key=key, change=change: change(key.sign(m))))
        invalid(f"signature-of-another-payload-{name}", token(key=key, sign=lambda m, key=key: key.sign(m + b"x")))
        malformed(f"signature-empty-{name}", token(key=key, sign=lambda _: b""))
    invalid("signature-of-another-issuers-key", token(key=FOREIGN), "the same kid, another key")
    invalid("signature-of-another-issuers-key-and-name", token(claims(iss="https://other.example"), key=FOREIGN))
    invalid("hmac-with-another-secret", token(head=header(HS), key=HS, sign=lambda m: hmac.digest(b"secret", m, "sha256")))
    invalid("hmac-with-an-empty-secret", token(head=header(HS), key=HS, sign=lambda m: hmac.digest(b"", m, "sha256")))

    def parts(m):
        tag = EC.sign(m)
        return int.from_bytes(tag[:32], "big"), int.from_bytes(tag[32:], "big")

    pair = lambda r, s: r.to_bytes(32, "big") + s.to_bytes(32, "big")
    numbers = {"r-zero": lambda r, s: (0, s), "s-zero": lambda r, s: (r, 0), "r-is-n": lambda r, s: (P256_ORDER, s), "s-is-n": lambda r, s: (r, P256_ORDER),
               "both-are-n": lambda r, s: (P256_ORDER, P256_ORDER), "r-above-n": lambda r, s: (P256_ORDER + 1, s), "largest": lambda r, s: (2**256 - 1, 2**256 - 1),
               "one-one": lambda r, s: (1, 1), "swapped": lambda r, s: (s, r)}
    for fault, change in numbers.items():
        invalid(f"es256-{fault}", token(key=EC, sign=lambda m, change=change: pair(*change(*parts(m)))))
    invalid("es256-der", token(key=EC, sign=lambda m: utils.encode_dss_signature(*parts(m))), "DER in place of r and s")
    case("es256-other-s", token(key=EC, sign=lambda m: pair(parts(m)[0], P256_ORDER - parts(m)[1])), comment="n - s is a signature of the same text: a token's text is no identity, its jti is")

    def s_plus_order(m):
        tag = ED.sign(m)
        return tag[:32] + (int.from_bytes(tag[32:], "little") + ED25519_ORDER).to_bytes(32, "little")

    invalid("eddsa-s-not-reduced", token(sign=s_plus_order), "S + L is another spelling (RFC 8032, section 5.1.7)")
    small = {"identity": (1).to_bytes(32, "little"), "order-2": (2**255 - 20).to_bytes(32, "little"), "order-4": bytes(32), "identity-with-a-sign": (1 + 2**255).to_bytes(32, "little"),
             "identity-not-reduced": (2**255 - 18).to_bytes(32, "little")}
    for name, point in small.items():
        invalid(f"eddsa-small-order-r-{name}", token(sign=lambda _, point=point: point + bytes(32)), "holds for whoever takes a key of small order")
        invalid(f"eddsa-small-order-r-{name}-own-s", token(sign=lambda m, point=point: point + ED.sign(m)[32:]))


def header_cases():
    for name, extra in {"crit-unknown": {"crit": ["zzz"]}, "crit-empty": {"crit": []}, "crit-b64": {"crit": ["b64"], "b64": False}, "b64-without-crit": {"b64": False}, "b64-true": {"b64": True},
                        "jwk": {"jwk": FOREIGN.jwk()}, "jku": {"jku": "https://evil.example/jwks"}, "x5u": {"x5u": "https://evil.example/x"}, "x5c": {"x5c": ["AA=="]}, "x5t": {"x5t": "AA"},
                        "zip": {"zip": "DEF"}, "enc": {"enc": "A256GCM"}, "cty-nested": {"cty": "JWT"}, "unknown": {"foo": "bar"}, "iss": {"iss": ISSUER}, "empty-name": {"": "a"}}.items():
        malformed(f"header-{name}", token(head=header(**extra)), "the header has alg, kid and typ, and nothing else")
    for name in ("alg", "kid", "typ"):
        malformed(f"header-without-{name}", token(head=header(**{name: None})))
        for kind, value in {"null": "null", "a-number": "1", "a-list": f'["{header()[name]}"]', "an-object": "{}", "true": "true"}.items():
            malformed(f"header-{name}-is-{kind}", token(head=edited(compact(header()[name]), value, compact(header()))))
        whole = compact({name: header()[name]})[1:-1]
        malformed(f"header-{name}-twice", token(head=edited("{", "{" + whole + ",", compact(header()))), "also where both are the same")
        malformed(f"header-{name}-twice-escaped", token(head=edited("{", '{"\\u%04x%s":"x",' % (ord(name[0]), name[1:]), compact(header()))), "one name in two spellings")
    malformed("header-alg-twice-none-first", token(head=edited("{", '{"alg":"none",', compact(header()))))
    malformed("header-alg-twice-none-last", token(head=edited("}", ',"alg":"none"}', compact(header()))))
    for typ in ("JWT", "dpop+jwt", "AT+JWT", "at+JWT", "application/at+jwt", "at+jwt ", "refresh", "", "logout+jwt", "id_token"):
        invalid(f"typ-{typ.strip().replace('/', '-').replace('+', '-') or 'empty'}{'-blank' if typ != typ.strip() else ''}", token(head=header(typ=typ)), "no other kind of token is an access token")
    for name, kid in {"path": "../../dev/null", "absolute-path": "/etc/passwd", "sql": "k' OR '1'='1", "url": "https://evil.example/k", "empty": "", "65-characters": "k" * 65, "unicode": "ключ",
                      "blank": "k_ed25519 ", "nul": "k_ed25519\0", "newline": "k_ed25519\n", "percent": "k%5fed25519", "dots": "k.ed25519", "command": "|id"}.items():
        malformed(f"kid-{name}", token(head=header(kid=kid)))
    for name, kid in {"unknown": "k_other", "other-case": "K_ED25519", "prefix": "k_ed2551", "longest": "k" * 64, "of-another-key": "k_p256", "wildcard": "k__d25519"}.items():
        invalid(f"kid-{name}", token(head=header(kid=kid)), "names are looked up as they are")
    for name, head in {"a-list": compact(list(header().values())), "a-text": '"EdDSA"', "null": "null", "no-json": "alg=EdDSA", "empty-object": "{}", "with-a-mark": "\ufeff" + compact(header()),
                       "with-more-behind": compact(header()) + "x", "two-objects": compact(header()) * 2, "cut": compact(header())[:-1], "single-quotes": compact(header()).replace('"', "'"),
                       "trailing-comma": compact(header()).replace("}", ",}"), "comment": compact(header()).replace("{", "{/**/"), "lone-surrogate": edited("k_ed25519", "\\ud800", compact(header())),
                       "utf-16": compact(header()).encode("utf-16"), "no-utf-8": compact(header()).encode().replace(b"k_ed25519", b"k_ed2551\xff"),
                       "overlong-utf-8": compact(header()).encode().replace(b"k_ed25519", b"k_ed2551\xc0\xb9"), "deep": '{"alg":' + "[" * 200 + "]" * 200 + "}"}.items():
        malformed(f"header-is-{name}", token(head=head))


def key_cases():
    invalid("key-gone", token(key=GONE), "its key verifies no more")
    invalid("key-gone-for-an-old-token", token(claims(iat=NOW - 940, exp=NOW - 340), key=GONE))
    invalid("key-not-published", token(key=UNPUBLISHED), "its key is not published yet")
    invalid("key-revoked", token(key=REVOKED))
    invalid("key-revoked-old-token", token(claims(iat=NOW - 60, exp=NOW + 540, auth_time=NOW - 60), key=REVOKED), "signed before the key was revoked")
    invalid("key-retired-and-used-later", token(key=RETIRED), "the key signed no more at iat, although it still verifies")
    invalid("key-used-before-it-signs", token(claims(iat=NOW - 60, exp=NOW + 540, auth_time=NOW - 60), key=PENDING))
    case("key-name-twice", token(), "keys_refused", "two keys of one name: the set is not loaded", key="twice")


def time_cases():
    exp = f'"exp":{NOW + TTL}'
    for name, value in {"text": f'"{NOW + TTL}"', "null": "null", "true": "true", "list": f"[{NOW + TTL}]", "object": "{}", "negative": "-1", "minus-zero": "-0", "fraction": "4102444800.5",
                        "whole-fraction": f"{NOW + TTL}.0", "exponent": "1.739438148e9", "1e300": "1e300", "1e400": "1e400", "infinity": "Infinity", "nan": "NaN", "leading-zero": f"0{NOW + TTL}",
                        "hex": "0x67ad", "2-64": str(2**64), "2-64-less-1": str(2**64 - 1), "2-63": str(2**63), "2-53": str(2**53), "plus": f"+{NOW + TTL}"}.items():
        malformed(f"exp-{name}", token(edited(exp, f'"exp":{value}')), "times are whole numbers that every reader reads alike")
    for name in ("exp", "iat", "auth_time"):
        malformed(f"{name}-missing", token(claims(**{name: None})))
    for name in ("iat", "auth_time", "nbf"):
        for kind, value in {"text": str(NOW), "fraction": NOW + 0.5, "negative": -1, "list": [NOW], "true": True}.items():
            malformed(f"{name}-{kind}", token(claims(**{name: value})))
    malformed("nbf-null", token(edited("{", '{"nbf":null,')))
    malformed("exp-2-53-less-1", token(claims(exp=2**53 - 1)), "after the year 9999")
    invalid("exp-in-the-year-9999", token(claims(exp=253_402_300_799)), "exp - iat is longer than any token lives")
    invalid("exp-one-second-too-long", token(claims(exp=NOW + TTL + 1)))
    malformed("exp-is-iat", token(claims(exp=NOW)), "it is never valid")
    malformed("exp-before-iat", token(claims(exp=NOW - 1)))
    malformed("exp-zero", token(claims(exp=0, iat=0)))
    case("expired-at-the-skew", token(), "token_expired", now=NOW + TTL + SKEW)
    case("expired-59-seconds-ago", token(), "token_expired", "more than the skew, less than what libraries allow", now=NOW + TTL + 59)
    case("expired-long-ago", token(claims(iat=NOW - 5000, exp=NOW - 4400, auth_time=NOW - 5000)), "token_expired")
    case("iat-beyond-the-skew", token(claims(iat=NOW + SKEW + 1, exp=NOW + TTL)), "token_not_yet_valid")
    case("iat-in-the-future", token(claims(iat=NOW + 80_000, exp=NOW + 80_600)), "token_not_yet_valid")
    case("auth-time-in-the-future", token(claims(auth_time=NOW + SKEW + 1)), "token_not_yet_valid")
    case("nbf-beyond-the-skew", token(claims(nbf=NOW + SKEW + 1)), "token_not_yet_valid")
    case("nbf-in-2096", token(claims(nbf=3_976_214_400)), "token_not_yet_valid", "not checked by every library unless it is told")


def party_cases():
    malformed("no-iss-no-aud", token(claims(iss=None, aud=None)))
    for name, own in {"iss": ISSUER, "aud": AUDIENCE}.items():
        malformed(f"{name}-missing", token(claims(**{name: None})))
        for kind, value in {"a-number": 1, "a-list": [own], "a-list-of-two": ["evil", own], "nested": [[own]], "an-object": {"a": own}, "true": True, "empty": "", "an-empty-list": []}.items():
            malformed(f"{name}-is-{kind}", token(claims(**{name: value})), "one text, and nothing else")
        malformed(f"{name}-null", token(edited(compact(own), "null")))
        for kind, value in {"other": "https://other.example", "longer": own + "/", "shorter": own[:-1], "upper-case": own.upper(), "blank": own + " ", "fullwidth": own.replace("a", "\uff41")}.items():
            invalid(f"{name}-{kind}", token(claims(**{name: value})), "compared as it is written")


def claim_cases():
    for name, value in {"scope": '"admin"', "exp": str(NOW + TTL), "sub": compact(claims()["sub"]), "iss": compact(ISSUER), "aud": compact(AUDIENCE), "client_id": '"other"', "cnf": '{"kid":"ck_2"}',
                        "ep": "9", "u": '{"name":"Eve","roles":["admin"]}', "jti": compact(claims()["jti"])}.items():
        malformed(f"{name}-twice", token(compact(claims())[:-1] + f',"{name}":{value}}}'), "which one counts differs between readers")
        malformed(f"{name}-twice-escaped", token(edited("{", '{"\\u%04x%s":%s,' % (ord(name[0]), name[1:], value))), "one name in two spellings")
    malformed("name-of-the-user-twice", token(edited('{"name":"Alice"', '{"name":"Alice","name":"Eve"')), "at every depth")
    malformed("roles-twice-escaped", token(edited('"roles":["editor"]', '"roles":["editor"],"\\u0072oles":["admin"]')))
    malformed("cnf-kid-twice", token(edited('{"kid":"ck_1"}', '{"kid":"ck_1","kid":"ck_2"}')))
    for name in ("sub", "client_id", "sid", "jti", "scope", "rtg", "ep", "u"):
        malformed(f"{name}-missing", token(claims(**{name: None})))
    for name, value in {"extra": {"extra": "x"}, "admin": {"admin": "yes"}, "act": {"act": {"sub": "x"}}, "upper-case": {"SCOPE": "admin"}, "empty-name": {"": "x"}, "proto": {"__proto__": {"roles": ["admin"]}},
                        "acr": {"acr": "aal2"}, "99-more": {f"c{i}": "x" for i in range(99)}}.items():
        malformed(f"claim-{name}", token(claims(**value)), "an unknown claim is refused")
    for name, value in {"sub-short": {"sub": "AAAA"}, "sub-padded": {"sub": claims()["sub"] + "=="}, "sub-last-bits": {"sub": claims()["sub"][:-1] + "R"}, "sub-a-name": {"sub": "alice"}, "sub-a-number": {"sub": 1},
                        "sid-empty": {"sid": ""}, "sid-standard-alphabet": {"sid": "+/v7" + claims()["sid"][4:]}, "jti-short": {"jti": "AAAA"}, "client-id-blank": {"client_id": "a b"}, "client-id-empty": {"client_id": ""},
                        "client-id-65": {"client_id": "a" * 65}, "client-id-list": {"client_id": ["billing"]}, "scope-list": {"scope": ["read"]}, "scope-two-blanks": {"scope": "read  write"}, "scope-blank-first": {"scope": " read"},
                        "scope-blank-last": {"scope": "read "}, "scope-tab": {"scope": "read\twrite"}, "scope-quote": {"scope": 'read"'}, "scope-unicode": {"scope": "читать"}, "scope-too-long": {"scope": "s" * 1025},
                        "rtg-text": {"rtg": "7"}, "rtg-fraction": {"rtg": 7.0}, "rtg-negative": {"rtg": -1}, "rtg-2-53": {"rtg": 2**53}, "ep-true": {"ep": True}, "ep-negative": {"ep": -1}, "ep-2-64": {"ep": 2**64},
                        "cnf-both": {"cnf": {"kid": "a", "jkt": b64(bytes(32))}}, "cnf-empty": {"cnf": {}}, "cnf-jwk": {"cnf": {"jwk": ED.jwk()}}, "cnf-list": {"cnf": ["kid", "a"]}, "cnf-text": {"cnf": "kid"},
                        "cnf-kid-number": {"cnf": {"kid": 1}}, "cnf-kid-empty": {"cnf": {"kid": ""}}, "cnf-jkt-short": {"cnf": {"jkt": b64(bytes(31))}}, "cnf-jkt-padded": {"cnf": {"jkt": b64(bytes(32)) + "="}},
                        "bind-beside-cnf": {"bind": "bearer"}, "bind-app": {"cnf": None, "bind": "app"}, "bind-upper-case": {"cnf": None, "bind": "Bearer"}, "bind-empty": {"cnf": None, "bind": ""},
                        "bind-true": {"cnf": None, "bind": True}, "bind-list": {"cnf": None, "bind": ["bearer"]}, "bind-a-key": {"cnf": None, "bind": {"kid": "ck_1"}},
                        "cnf-x5t": {"cnf": {"x5t#S256": b64(bytes(32))}}, "u-list": {"u": ["Alice", ["editor"]]}, "u-text": {"u": "Alice"}, "u-without-roles": {"u": {"name": "Alice"}}, "u-without-name": {"u": {"roles": []}},
                        "u-more": {"u": {"name": "Alice", "roles": [], "email": "a@example.com"}}, "u-roles-text": {"u": {"name": "Alice", "roles": "admin"}}, "u-role-number": {"u": {"name": "Alice", "roles": [1]}},
                        "u-role-empty": {"u": {"name": "Alice", "roles": [""]}}, "u-name-empty": {"u": {"name": "", "roles": []}}, "u-name-nul": {"u": {"name": "Alice\0", "roles": []}}, "u-name-newline": {"u": {"name": "Alice\n", "roles": []}},
                        "u-over-1-kib": {"u": {"name": "Alice", "roles": ["r" * 1000]}}, "u-65-roles": {"u": {"name": "Alice", "roles": ["r"] * 65}}, "amr-text": {"amr": "pwd"}, "amr-object": {"amr": {"0": "pwd"}},
                        "amr-number": {"amr": [1]}, "amr-empty-item": {"amr": [""]}, "amr-9-items": {"amr": ["pwd"] * 9}}.items():
        malformed(name, token(claims(**value)))
    for name in ("cnf", "amr", "scope", "u", "sid"):
        malformed(f"{name}-null", token(edited(f'"{name}":{compact(claims()[name])}', f'"{name}":null')))
    good = compact(claims())
    for name, payload in {"an-empty-list": "[]", "a-list": compact(list(claims().values())), "a-list-of-one": f"[{good}]", "a-text": compact(good), "null": "null", "a-number": "1", "no-json": "iss=a", "an-empty-object": "{}",
                          "with-a-mark": "\ufeff" + good, "with-more-behind": good + "x", "with-a-nul-behind": good + "\0", "two-objects": good + good, "cut": good[:-1], "deep": "[" * 200 + "]" * 200,
                          "deep-inside": edited('"read orders:write"', "[" * 200 + "]" * 200), "no-utf-8": good.encode().replace(b"Alice", b"Alic\xff"), "overlong-utf-8": good.encode().replace(b"Alice", b"Alic\xc1\xa5"),
                          "utf-16": good.encode("utf-16"), "surrogate-bytes": good.encode().replace(b"Alice", b"\xed\xa0\x80"), "lone-surrogate": edited("Alice", "\\ud800"), "reversed-surrogates": edited("Alice", "\\udc00\\ud800"),
                          "single-quotes": good.replace('"', "'"), "comment": edited("{", "{/**/"), "trailing-comma": good[:-1] + ",}", "raw-newline-in-a-text": edited("Alice", "Al\nice"), "a-nested-token": token()}.items():
        malformed(f"payload-is-{name}", token(payload))


def form_cases():
    good = token()
    head, payload, tag = good.split(".")
    payload = b64(compact(claims(u={"name": "Alice" + "x" * (-len(compact(claims())) % 3 + 1), "roles": ["editor"]})))
    tag = b64(ED.sign(f"{head}.{payload}".encode()))
    good = f"{head}.{payload}.{tag}"
    case("good-form", good, comment="what the next ones are made of")
    malformed("empty", "")
    for name, text in {"dot": ".", "two-dots": "..", "three-dots": "...", "one-part": head, "two-parts": f"{head}.{payload}", "two-parts-and-a-dot": f"{head}.{payload}.", "no-header": f".{payload}.{tag}",
                       "no-payload": f"{head}..{tag}", "four-parts": good + ".AA", "four-parts-empty": good + ".", "five-parts": f"{head}.AA.AA.{payload}.{tag}", "leading-dot": "." + good, "comma": good.replace(".", ","),
                       "blank-before": " " + good, "blank-behind": good + " ", "newline-behind": good + "\n", "crlf-behind": good + "\r\n", "tab-inside": f"{head}.\t{payload}.{tag}", "newline-inside": f"{head}.{payload[:9]}\n{payload[9:]}.{tag}",
                       "nul-behind": good + "\0", "bearer": "Bearer " + good, "quoted": f'"{good}"', "percent-dots": good.replace(".", "%2E"), "fullwidth-dots": good.replace(".", "\uff0e"), "comma-list": f"{good},{good}",
                       "mark-before": "\ufeff" + good, "tilde-behind": good + "~", "refresh-token": "rt1_" + b64(bytes(42)), "session-key-id": "sk_" + claims()["sid"], "key-id": "ck_0123456789abcdef0123"}.items():
        malformed(f"form-{name}", text)
    malformed("form-json", compact({"payload": payload, "signatures": [{"protected": head, "signature": tag}]}), "the JSON serialization of RFC 7515")
    malformed("form-flat-json", compact({"payload": payload, "protected": head, "signature": tag}))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for at, name in enumerate(("header", "payload", "signature")):
        def changed(part, at=at):
            return ".".join(part if i == at else own for i, own in enumerate((head, payload, tag)))
        part = (head, payload, tag)[at]
        malformed(f"padded-{name}", changed(part + "=" * (-len(part) % 4 or 4)), "one spelling only")
        malformed(f"one-character-more-{name}", changed(part + "A" * ((1 - len(part)) % 4 or 4)), "a length that no bytes have")
        malformed(f"standard-alphabet-{name}", changed("+/" + part[2:]))
        malformed(f"unknown-character-{name}", changed("!" + part[1:]))
        malformed(f"unicode-{name}", changed("é" + part[1:]))
        if len(part) % 4:
            malformed(f"last-bits-{name}", changed(part[:-1] + alphabet[alphabet.index(part[-1]) + 1]), "bits behind the last byte")
    malformed("over-4-kib", token(claims(extra="x" * 3000)))
    malformed("over-8-kib", token(claims(extra="x" * 6500)))


def files():
    """The files by their paths below the folder of the vectors."""
    CASES.clear()
    for part in (accepted_cases, algorithm_cases, signature_cases, header_cases, key_cases, time_cases, party_cases, claim_cases, form_cases):
        part()
    names = [made["id"] for made in CASES]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"access tokens: named twice {twice}")
    keys = {"rules": {"issuer": ISSUER, "audience": AUDIENCE, "max_ttl": TTL, "skew": SKEW}, "rings": {name: [key.document() for key in ring] for name, ring in RINGS.items()}}
    return {
        "sessions/keys.json": json.dumps(keys, indent=2) + "\n",
        "sessions/access-tokens.jsonl": "".join(json.dumps(made, separators=(",", ":"), ensure_ascii=True) + "\n" for made in CASES),
    }
