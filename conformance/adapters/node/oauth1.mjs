// OAuth 1.0 by oauth-1.0a. It signs only; its header sorts the parameters, so that the header is written here, in the order of the RFC's examples.
import { createHmac } from "node:crypto";

import { Unsupported, placed, textOf } from "./lines.mjs";
import { load } from "./packages.mjs";

const OAuth = load("oauth-1.0a");
const METHODS = { "hmac-sha1": ["HMAC-SHA1", "sha1"], "hmac-sha256": ["HMAC-SHA256", "sha256"] };
const ORDER = ["consumer_key", "token", "signature_method", "timestamp", "nonce", "version", "callback", "verifier", "signature"];

function fieldsOf(ask) {
  const isForm = (ask.header("content-type") ?? "").startsWith("application/x-www-form-urlencoded");
  const fields = {};
  for (const [name, value] of new URLSearchParams(isForm ? textOf(ask.body) : "")) {
    fields[name] = name in fields ? [fields[name], value].flat() : value;
  }
  return fields;
}

function sign(ask) {
  const { key, inputs } = ask;
  if (inputs.version !== "1.0") throw new Unsupported("always carries oauth_version 1.0");
  const [method, digest] = METHODS[key.algorithm ?? "hmac-sha1"];
  const client = new OAuth({
    consumer: { key: key.key_id, secret: key.secret },
    signature_method: method,
    hash_function: (text, secret) => createHmac(digest, secret).update(text).digest("base64"),
  });
  client.getNonce = () => ask.nonce;
  client.getTimeStamp = () => Math.floor(ask.at.getTime() / 1000);
  const stages = {};
  const baseString = client.getBaseString.bind(client);
  client.getBaseString = (...given) => (stages.string_to_sign = baseString(...given));
  const claims = Object.fromEntries(["callback", "verifier"].filter((name) => name in inputs).map((name) => [`oauth_${name}`, inputs[name]]));
  const token = inputs.token === undefined ? { secret: key.parts?.token_secret } : { key: inputs.token, secret: key.parts?.token_secret };
  const request = { method: ask.method, url: `${ask.scheme}://${ask.header("host")}${ask.target}`, data: { ...fieldsOf(ask), ...claims } };
  const made = { ...client.authorize(request, token), ...claims };
  const listed = ORDER.filter((name) => `oauth_${name}` in made).map((name) => `oauth_${name}="${client.percentEncode(String(made[`oauth_${name}`]))}"`);
  const headers = [...ask.headers, ["Authorization", `OAuth ${listed.join(", ")}`]];
  return { stages, signature: made.oauth_signature, message: placed(ask, { headers }) };
}

/** The Authorization header's parameters. */
export const oauth1 = { sign };
