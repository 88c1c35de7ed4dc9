"""AWS Signature Version 4 by botocore's own signers."""
import re
from urllib.parse import unquote

import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials

from lines import Unsupported

UNSIGNED = "UNSIGNED-PAYLOAD"


def chosen(kind, ask, clock, stages):
    """A signer of this kind whose clock stands still, that signs the headers that were asked for and shows its stages."""

    class Signer(kind):
        def headers_to_sign(self, request):
            found = super().headers_to_sign(request)
            asked = ask.options.get("headers")
            kept = type(found)()
            for name, value in found.items():
                is_default = name in ("host", "content-type") or name.startswith("x-amz-")
                if name in [n.lower() for n in asked] if asked is not None else is_default:
                    kept[name] = value
            return kept

        def canonical_request(self, request):
            stages["canonical_request"] = super().canonical_request(request)
            return stages["canonical_request"]

        def string_to_sign(self, request, canonical_request):
            stages["string_to_sign"] = super().string_to_sign(request, canonical_request)
            return stages["string_to_sign"]

        def signature(self, string_to_sign, request):
            stages["signature"] = super().signature(string_to_sign, request)
            return stages["signature"]

    botocore.auth.get_current_datetime = lambda *_, **__: clock
    return Signer


def request_of(ask, host):
    headers = [(name, value) for name, value in ask.headers if name.lower() != "host"]
    request = botocore.awsrequest.AWSRequest(method=ask.method, url=f"{ask.scheme}://{host}{ask.target}", data=ask.body)
    for name, value in headers:
        request.headers.add_header(name, value)
    literal = ask.options.get("body_digest")
    if literal not in (None, UNSIGNED):
        raise Unsupported(f"sends no literal {literal} in place of the digest")
    s3 = {"payload_signing_enabled": literal is None}
    request.context["client_config"] = botocore.config.Config(s3=s3)
    return request


class Scheme:
    """What header and query signing share."""

    def __init__(self, s3):
        self.s3 = s3

    def signed(self, ask, kind, **more):
        host = ask.header("host")
        if host is None:
            raise Unsupported("takes the host from the URL, and there is none")
        key = ask.credentials[0]
        request, stages = request_of(ask, host), {}
        credentials = botocore.credentials.Credentials(key["key_id"], key["secret"], ask.inputs.get("token"))
        signer = chosen(kind, ask, ask.at, stages)
        signer(credentials, ask.inputs["service"], ask.inputs["region"], **more).add_auth(request)
        signature = stages.pop("signature")
        hosts = [(name, value) for name, value in ask.headers if name.lower() == "host"]
        headers = hosts + list(request.headers.items())
        target = request.prepare().url[len(f"{ask.scheme}://{host}"):]
        return {"stages": stages, "signature": signature, "message": ask.placed(target=target, headers=headers)}


class Header(Scheme):
    """In the Authorization header."""

    def sign(self, ask):
        return self.signed(ask, botocore.auth.S3SigV4Auth if self.s3 else botocore.auth.SigV4Auth)


class Presigned(Scheme):
    """In the query."""

    def sign(self, ask):
        if ask.body:
            raise Unsupported("moves the fields of a body into the query of a presigned URL")
        if re.search(r"[?&]X-Amz-(?!Meta)", ask.target):
            raise Unsupported("writes every parameter itself: none may be there before")
        expires = ask.options.get("expires", "900")
        kind = botocore.auth.S3SigV4QueryAuth if self.s3 else botocore.auth.SigV4QueryAuth
        return self.signed(ask, kind, expires=int(unquote(expires)))
