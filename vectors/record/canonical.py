"""What the vendors' schemes that sign a canonical request under an Authorization header have in common: the written rule, cases and faults."""
import dataclasses
import hashlib
import hmac
import re

import faults
from common import BINARY, MEBIBYTE, Recording, Request, fault, octets, other, replace, vector
from transcripts import encode, joined, sorted_query

HOST = "api.example.com"
NI_HAO = "\u4f60\u597d"
JSON = ("Content-Type", "application/json")
NO_QUERY = ("", ())


@dataclasses.dataclass(frozen=True)
class Scheme:
    """One vendor's words: `content` is the header of the body's digest, `key` what Authorization calls the key id."""

    word: str
    digest: str
    date: str
    content: str
    key: str
    glue: str = ", "
    carried: tuple = ()
    closing: bool = False
    sort_values: bool = True

    def hash(self, data):
        return hashlib.new(self.digest, octets(data)).hexdigest()

    def mac(self, key, text):
        return hmac.new(octets(key), octets(text), self.digest)

    def canonical_request(self, placed, path, pairs, names, content):
        """Method, path, sorted query, header lines, an empty line, the list, the digest; `pairs` are decoded."""
        sent = joined(placed.headers)
        query = sorted_query(pairs) if self.sort_values else "&".join(f"{n}={v}" for n, v in sorted(((encode(n), encode(v)) for n, v in pairs), key=lambda pair: pair[0]))
        path = path + "/" if self.closing and not path.endswith("/") else path
        return "\n".join([placed.method, path, query, *(f"{name}:{sent[name].strip()}" for name in names), "", ";".join(names), content])

    def authorization(self, credential, names, signature):
        return f"{self.word} " + self.glue.join([f"{self.key}={credential}", "SignedHeaders=" + ";".join(names), "Signature=" + signature])

    def read(self, placed):
        """Credential, list and signature out of a placed request."""
        value = joined(placed.headers)["authorization"]
        return re.fullmatch(rf"{self.word} {self.key}=([^,]+),\s*SignedHeaders=([^,]+),\s*Signature=(\w+)", value).groups()

    def recording(self, source, placed, stages, tag, *, at, key_id, secret, inputs=None, nonce="", kept=()):
        """A recording of a request as sent, whose signature must be the rule's. Carried lines in `kept` stand in the request before signing too."""
        _, names, signature = self.read(placed)
        if signature != tag:
            raise ValueError(f"{source}: {signature}, by the rule {tag}\n{stages}")
        drop = {name.lower() for name in self.carried if name not in kept}
        request = Request(placed.method, placed.target, tuple(line for line in placed.headers if line[0].lower() not in drop), placed.body)
        return Recording(source=source, at=at, credentials={"key_id": key_id, "secret": secret}, inputs=inputs or {}, nonce=nonce, sign={"headers": names.split(";")},
                         request=request, placed=placed, stages=stages, signature=signature)


def header_cases(sign):
    """Headers that every scheme of the family can sign; `sign` takes further lines."""
    yield vector("unicode-in-header", "octets of UTF-8 in a signed header", sign((("X-Name", NI_HAO),)))
    yield vector("empty-header-value", "a signed header with an empty value keeps its line", sign((("X-Empty", ""),)))
    yield vector("repeated-header", "two lines of one name are joined by a comma", sign((("X-Tag", "b"), ("X-Tag", "a"))))
    yield vector("blanks-in-header", "blanks around a value are not signed, those within are", sign((("X-Tag", "  a   b\t"),)))


def body_cases(sign):
    """Bodies that every scheme of the family can sign."""
    yield vector("unicode-body", "the octets of UTF-8", sign(f'{{"name":"{NI_HAO}"}}'.encode()))
    yield vector("binary-body", "octets that are not UTF-8", sign(BINARY))
    yield vector("body-of-one-mebibyte", "a long body", sign(b"a" * MEBIBYTE))


def canonical_faults(scheme, by_name, post, get, *, signed_at, required, key_id):
    """Faults that every scheme of the family must refuse. `post` has a JSON body and lists `x-tag`; `get` has the query `b=2&a=1`."""
    where = "header.Authorization"
    made = by_name[post]
    signature = made["signature"]
    placed = dict(line.value for line in made["placed"]["headers"])
    names = re.search(r"SignedHeaders=([^,]+)", placed["Authorization"]).group(1)
    def edit(name, why, expect, text, with_):
        return fault(name, post, why, expect, replace=replace(where, text, with_))
    yield from faults.clock(post, signed_at, 900, 900)
    yield from faults.secret(post)
    yield from faults.signed([
        ("method", post, {"method": "PUT"}), ("path", post, {"target": "/v1/others"}), ("query-added", post, {"target": "/v1/items?a=1"}),
        ("query-value", get, {"replace": replace("target", "b=2", "b=3")}), ("query-name", get, {"replace": replace("target", "b=2", "c=2")}), ("query-removed", get, {"target": "/v1/items"}),
        ("host", post, {"headers": {"Host": "evil.example.com"}}), ("content-type", post, {"headers": {"Content-Type": "text/plain"}}), ("signed-header", post, {"headers": {"X-Tag": "other"}}),
        ("key-id", post, {"replace": replace(where, key_id, other(key_id))}), ("list-order", post, {"replace": replace(where, names, ";".join(reversed(names.split(";"))))}),
        ("list-shortened", post, {"replace": replace(where, ";x-tag", "")}),
    ])
    yield fault("signed-header-twice", post, "a second line of a signed header joins the first", "signature_mismatch", add_headers=[["X-Tag", "x"]])
    yield fault("header-added", post, "a header that is not listed is not signed", "accepted", add_headers=[["Z-Other", "x"]])
    yield fault("header-blanks", post, "blanks around a value are not part of it", "accepted", headers={"Content-Type": "  application/json "})
    yield fault("query-in-another-order", get, "the query is sorted before it is signed", "accepted", target="/v1/items?a=1&b=2")
    yield fault("query-spelt-otherwise", get, "another spelling of the same query is equal", "accepted", target="/v1/items?%62=%32&a=1")
    yield edit("blanks-between-parameters", "blanks between the parameters are free", "accepted", f"{scheme.glue}SignedHeaders", ",   SignedHeaders")
    yield edit("unknown-parameter", "an unknown parameter is passed over", "accepted", f"{scheme.glue}Signature=", ", Extra=1, Signature=")
    yield edit("another-scheme", "another scheme is no signature of ours", "missing_signature", scheme.word + " ", "Bearer ")
    yield edit("scheme-of-a-later-version", "a version that the dialect does not know", "missing_signature", scheme.word + " ", scheme.word + "-2 ")
    yield edit("signed-headers-missing", "a parameter taken away", "malformed_claim", f"SignedHeaders={names}{scheme.glue}", "")
    yield edit("credential-twice", "a parameter repeated", "malformed_claim", f"{scheme.key}=", f"{scheme.key}=k, {scheme.key}=")
    yield edit("signature-parameter-twice", "a parameter repeated", "malformed_claim", "Signature=", "Signature=00, Signature=")
    yield edit("name-listed-twice", "a name stands twice in the list", "malformed_claim", ";x-tag", ";x-tag;x-tag")
    yield edit("too-many-signed-headers", "more than 64 names in the list", "malformed_claim", ";x-tag", ";x-tag" + "".join(f";x-h{n}" for n in range(65)))
    yield edit("key-id-too-long", "a key id of more than 128 bytes", "malformed_claim", key_id, "k" * 129)
    yield fault("signed-header-absent", post, "the list names a header that is not there", "malformed_claim", remove_headers=["X-Tag"])
    yield from faults.headers_gone(post, [("Authorization", "missing_signature"), (scheme.date, "malformed_claim"), *((name, "malformed_claim") for name in required)])
    yield fault("time-no-date", post, "a time of another form", "malformed_claim", headers={scheme.date: "1767323045"})
    yield fault("time-of-no-day", post, "a day that no month has", "malformed_claim", replace=replace(f"header.{scheme.date}", placed[scheme.date][:10], placed[scheme.date][:10].replace("0102", "0230").replace("01-02", "02-30")))
    yield from faults.headers_twice(post, [(name, placed[name]) for name in ("Authorization", scheme.date, *required)])
    yield from faults.hex_text(post, where, signature)
