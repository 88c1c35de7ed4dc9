// Standard Webhooks by the package of its authors: it signs and it verifies.
import { Rejected, Unsupported, placed, textOf } from "./lines.mjs";
import { load } from "./packages.mjs";

const { Webhook, WebhookVerificationError } = load("standardwebhooks");
const REASONS = [
  ["too old", "too_old"],
  ["too new", "from_the_future"],
  ["Missing", "malformed_claim"],
  ["Invalid", "malformed_claim"],
];

function webhookOf(ask) {
  if (typeof ask.key.secret !== "string") throw new Unsupported("takes a secret that is base64 text");
  try {
    return new Webhook(ask.key.secret);
  } catch (error) {
    throw new Unsupported(`does not take the secret: ${error.message}`);
  }
}

function sign(ask) {
  const whole = webhookOf(ask).sign(ask.nonce, ask.at, textOf(ask.body));
  const stamp = String(Math.floor(ask.at.getTime() / 1000));
  const headers = [...ask.headers, ["webhook-id", ask.nonce], ["webhook-timestamp", stamp], ["webhook-signature", whole]];
  return { signature: whole.slice("v1,".length), message: placed(ask, { headers }) };
}

function verify(ask) {
  if (ask.hasRepeatedHeader) throw new Unsupported("takes one value for each header");
  const webhook = webhookOf(ask);
  const clock = Date.now;
  Date.now = () => ask.at.getTime();
  try {
    webhook.verify(textOf(ask.body), Object.fromEntries(ask.headers), { jsonParse: false });
  } catch (error) {
    if (!(error instanceof WebhookVerificationError)) throw error;
    const known = REASONS.find(([word]) => error.message.includes(word));
    throw new Rejected(known ? known[1] : "signature_mismatch", error.message);
  } finally {
    Date.now = clock;
  }
  return {};
}

/** Three headers beside a body of text. */
export const standardWebhooks = { sign, verify };
