"""Standard Webhooks by the package of its authors: it signs and it verifies."""
import datetime

import standardwebhooks.webhooks as package

from lines import Rejected, Unsupported, text_of


class Clock(datetime.datetime):
    """The time of the line, wherever the package asks what time it is."""

    at = None

    @classmethod
    def now(cls, tz=None):
        return cls.at


package.datetime = Clock


def reason_of(error):
    """The package has words and no reasons."""
    words = str(error)
    for part, reason in (("too old", "too_old"), ("too new", "from_the_future"), ("Missing", "malformed_claim"), ("Invalid", "malformed_claim")):
        if part in words:
            return reason
    return "signature_mismatch"


def secret_of(key):
    if "secret" not in key:
        raise Unsupported("takes a secret that is base64 text")
    return key["secret"]


class StandardWebhooks:
    """Three headers beside a body of text."""

    def sign(self, ask):
        stamp = str(int(ask.at.timestamp()))
        whole = package.Webhook(secret_of(ask.credentials[0])).sign(ask.nonce, ask.at, text_of(ask.body))
        headers = [*ask.headers, ("webhook-id", ask.nonce), ("webhook-timestamp", stamp), ("webhook-signature", whole)]
        return {"signature": whole.removeprefix("v1,"), "message": ask.placed(headers=headers)}

    def verify(self, ask):
        Clock.at = ask.at
        names = [name.lower() for name, _ in ask.headers]
        if len(set(names)) != len(names):
            raise Unsupported("takes one value for each header")
        try:
            package.Webhook(secret_of(ask.credentials[0])).verify(text_of(ask.body), dict(ask.headers), json_parse=False)
        except package.WebhookVerificationError as error:
            raise Rejected(reason_of(error), str(error)) from None
        except ValueError as error:
            raise Rejected("malformed_claim", str(error)) from None
