"""OAuth 1.0 by oauthlib: its client signs, its endpoint for signatures verifies."""
import contextlib

import oauthlib.oauth1.rfc5849.endpoints.base as endpoint_module
import oauthlib.oauth1.rfc5849.signature as signature_module
from oauthlib.oauth1 import Client, RequestValidator, SignatureOnlyEndpoint

from lines import Rejected, Unsupported, text_of

METHODS = {"hmac-sha1": "HMAC-SHA1", "hmac-sha256": "HMAC-SHA256"}
ORDER = ["oauth_consumer_key", "oauth_token", "oauth_signature_method", "oauth_timestamp", "oauth_nonce", "oauth_version", "oauth_callback", "oauth_verifier", "oauth_signature"]
WINDOW = 300


@contextlib.contextmanager
def base_strings():
    """The base strings that the library makes meanwhile."""
    seen, true = [], signature_module.signature_base_string

    def observe(*args, **kw):
        seen.append(true(*args, **kw))
        return seen[-1]
    signature_module.signature_base_string = observe
    try:
        yield seen
    finally:
        signature_module.signature_base_string = true


class Clock:
    """The time of the line, wherever the endpoint asks what time it is."""

    at = 0.0

    @classmethod
    def time(cls):
        return cls.at


endpoint_module.time = Clock


class Ordered(Client):
    """The client with its parameters in the order of the RFC's examples, and no version where none is asked for."""

    version = None

    def get_oauth_params(self, request):
        given = [(name, value) for name, value in super().get_oauth_params(request) if name != "oauth_version" or self.version]
        return sorted(given, key=lambda pair: ORDER.index(pair[0]) if pair[0] in ORDER else len(ORDER))


class Known(RequestValidator):
    """The one client, the one token and the clock of a line."""

    enforce_ssl = False
    dummy_client = "dummy"
    client_key_length = nonce_length = (1, 128)

    def __init__(self, ask):
        super().__init__()
        self.ask = ask
        self.key = ask.credentials[0]
        self.reason = "signature_mismatch"

    def check_client_key(self, client_key):
        return True

    def check_nonce(self, nonce):
        return len(nonce) <= 128

    @property
    def allowed_signature_methods(self):
        return tuple(METHODS.values())

    def validate_timestamp_and_nonce(self, client_key, timestamp, nonce, request, request_token=None, access_token=None):
        offset = int(timestamp) - int(self.ask.at.timestamp())
        if abs(offset) > WINDOW:
            self.reason = "too_old" if offset < 0 else "from_the_future"
        return abs(offset) <= WINDOW

    def validate_client_key(self, client_key, request):
        return client_key == self.key["key_id"]

    def get_client_secret(self, client_key, request):
        return self.key["secret"]

    def get_request_token_secret(self, client_key, token, request):
        return self.token_secret()

    def get_access_token_secret(self, client_key, token, request):
        return self.token_secret()

    def token_secret(self):
        return (self.key.get("parts") or {}).get("token_secret", "")


class OAuth1:
    """The Authorization header's parameters."""

    def sign(self, ask):
        key, inputs = ask.credentials[0], ask.inputs
        client = Ordered(key["key_id"], client_secret=key["secret"], signature_method=METHODS[key.get("algorithm", "hmac-sha1")], timestamp=str(int(ask.at.timestamp())), nonce=ask.nonce,
                         resource_owner_key=inputs.get("token"), resource_owner_secret=(key.get("parts") or {}).get("token_secret"), callback_uri=inputs.get("callback"), verifier=inputs.get("verifier"))
        client.version = inputs.get("version")
        host = ask.header("host")
        is_form = (ask.header("content-type") or "").startswith("application/x-www-form-urlencoded")
        with base_strings() as seen:
            try:
                url, made, body = client.sign(f"{ask.scheme}://{host}{ask.target}", http_method=ask.method, body=text_of(ask.body) if is_form else None, headers=dict(ask.headers))
            except ValueError as refused:
                raise Unsupported(f"does not sign it: {refused}") from None
        authorization = made["Authorization"]
        signature = signature_module.utils.unescape(authorization.rsplit('oauth_signature="', 1)[1].rstrip('"'))
        headers = [*ask.headers, ("Authorization", authorization)]
        body = (body or "").encode() if is_form else ask.body
        return {"stages": {"string_to_sign": seen[0]}, "signature": signature,
                "message": ask.placed(target=url[len(f"{ask.scheme}://{host}"):], headers=headers, body=body)}

    def verify(self, ask):
        known = Known(ask)
        Clock.at = ask.at.timestamp()
        host = ask.header("host")
        is_form = (ask.header("content-type") or "").startswith("application/x-www-form-urlencoded")
        names = [name.lower() for name, _ in ask.headers]
        if len(set(names)) != len(names):
            raise Unsupported("takes one value for each header")
        if ask.policy:
            raise Unsupported("has no policy beyond its own rules")
        body = text_of(ask.body) if is_form else ""
        try:
            valid, request = SignatureOnlyEndpoint(known).validate_request(f"{ask.scheme}://{host}{ask.target}", ask.method, body, dict(ask.headers))
        except ValueError as refused:
            raise Unsupported(f"does not read it: {refused}") from None
        if not valid:
            is_signed = (ask.header("authorization") or "").lower().startswith("oauth ")
            raise Rejected(known.reason if is_signed and request is not None else "malformed_claim" if is_signed else "missing_signature")
        return {"key_id": request.client_key}
