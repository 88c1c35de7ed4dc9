// An adapter on vendors' npm packages: @smithy/signature-v4, oauth-1.0a and standardwebhooks, each called as its users call it.
import { serve } from "./lines.mjs";
import { oauth1 } from "./oauth1.mjs";
import { header, presigned } from "./sigv4.mjs";
import { standardWebhooks } from "./webhooks.mjs";

await serve(
  { name: "node-sdks" },
  {
    "aws-sigv4": header(false),
    "aws-sigv4-s3": header(true),
    "aws-sigv4-presigned": presigned(false),
    "aws-sigv4-s3-presigned": presigned(true),
    oauth1,
    "standard-webhooks": standardWebhooks,
  },
);
