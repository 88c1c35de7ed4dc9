"""An adapter on vendors' Python SDKs: botocore, oauthlib and standardwebhooks, each called as its users call it."""
import logging
import sys

sys.dont_write_bytecode = True

import lines
import oauth1
import sigv4
import webhooks

logging.disable(logging.CRITICAL)

lines.serve("python-sdks", {
    "aws-sigv4": sigv4.Header(s3=False),
    "aws-sigv4-s3": sigv4.Header(s3=True),
    "aws-sigv4-presigned": sigv4.Presigned(s3=False),
    "aws-sigv4-s3-presigned": sigv4.Presigned(s3=True),
    "oauth1": oauth1.OAuth1(),
    "standard-webhooks": webhooks.StandardWebhooks(),
}, witness_of=["aws-sigv4", "aws-sigv4-s3", "aws-sigv4-presigned", "aws-sigv4-s3-presigned", "oauth1", "standard-webhooks"])
