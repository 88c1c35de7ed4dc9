// AWS Signature Version 4 by the signer of AWS's own SDK for JavaScript.
import { Unsupported, placed } from "./lines.mjs";
import { load } from "./packages.mjs";

const { SignatureV4 } = load("@smithy/signature-v4");
const { Sha256 } = load("@aws-crypto/sha256-js");
const CHECKSUM = "x-amz-content-sha256";
const CARRIED = ["x-amz-date", "x-amz-security-token", CHECKSUM, "authorization"];
const UNSIGNED = "UNSIGNED-PAYLOAD";

/** The signer, which shows its stages. */
class Shown extends SignatureV4 {
  stages = {};

  createCanonicalRequest(...given) {
    this.stages.canonical_request = super.createCanonicalRequest(...given);
    return this.stages.canonical_request;
  }

  async createStringToSign(...given) {
    this.stages.string_to_sign = await super.createStringToSign(...given);
    return this.stages.string_to_sign;
  }
}

function signerOf(ask, s3) {
  return new Shown({
    service: ask.inputs.service,
    region: ask.inputs.region,
    credentials: { accessKeyId: ask.key.key_id, secretAccessKey: ask.key.secret, sessionToken: ask.inputs.token },
    sha256: Sha256,
    uriEscapePath: !s3,
    applyChecksum: s3,
  });
}

/** The request as the signer takes it: the headers to be signed only, the query decoded. */
function requestOf(ask) {
  const asked = ask.options.headers?.map((name) => name.toLowerCase());
  const isSigned = (name) => (asked ? asked.includes(name) : name === "host" || name === "content-type" || name.startsWith("x-amz-"));
  const headers = {};
  for (const [name, value] of ask.headers) {
    const key = name.toLowerCase();
    if (!isSigned(key)) continue;
    if (key in headers) throw new Unsupported("takes one value for each header");
    headers[key] = value;
  }
  const lacking = asked?.find((name) => !(name in headers) && !CARRIED.includes(name));
  if (lacking) throw new Unsupported(`cannot sign the header ${lacking}, which is not there`);
  const [path, raw] = split(ask.target);
  return { protocol: `${ask.scheme}:`, hostname: headers.host ?? "", method: ask.method, path, query: queryOf(raw), headers, body: ask.body };
}

function split(target) {
  const mark = target.indexOf("?");
  return mark < 0 ? [target, ""] : [target.slice(0, mark), target.slice(mark + 1)];
}

function queryOf(raw) {
  const query = {};
  for (const piece of raw.split("&").filter((text) => text !== "")) {
    const [name, value = ""] = piece.split(/=(.*)/s).map(decoded);
    query[name] = name in query ? [query[name], value].flat() : value;
  }
  return query;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Unsupported("takes parameters that are UTF-8 when decoded");
  }
}

/** In the Authorization header. */
export function header(s3) {
  const sign = async (ask) => {
    const request = requestOf(ask);
    const literal = ask.options.body_digest;
    if (literal !== undefined && (!s3 || literal !== UNSIGNED)) throw new Unsupported(`sends no literal ${literal} in place of the digest`);
    if (literal) request.headers[CHECKSUM] = literal;
    const signer = signerOf(ask, s3);
    const made = await signer.sign(request, { signingDate: ask.at });
    const names = /SignedHeaders=([^,]*)/.exec(made.headers.authorization)[1];
    const asked = ask.options.headers?.map((name) => name.toLowerCase()).sort().join(";");
    if (asked !== undefined && asked !== names) throw new Unsupported(`signs what it adds itself: ${names}`);
    const added = CARRIED.filter((name) => name in made.headers && !ask.headers.some(([key]) => key.toLowerCase() === name));
    const headers = [...ask.headers, ...added.map((name) => [name, made.headers[name]])];
    return { stages: signer.stages, signature: made.headers.authorization.split("Signature=")[1], message: placed(ask, { headers }) };
  };
  return { sign };
}

/** In the query. */
export function presigned(s3) {
  const sign = async (ask) => {
    const request = requestOf(ask);
    if (Object.keys(request.query).some((name) => name.startsWith("X-Amz-"))) throw new Unsupported("writes every parameter itself: none may be there before");
    if (s3) request.headers[CHECKSUM] = UNSIGNED;
    const signer = signerOf(ask, s3);
    const options = { signingDate: ask.at, expiresIn: Number(ask.options.expires ?? 900), unhoistableHeaders: new Set(Object.keys(request.headers)) };
    if (s3) options.unsignableHeaders = new Set([CHECKSUM]);
    const made = await signer.presign(request, options).catch((why) => {
      throw new Unsupported(String(why));
    });
    const own = split(ask.target)[1];
    const added = Object.entries(made.query).filter(([name]) => name.startsWith("X-Amz-"));
    const query = [...(own === "" ? [] : [own]), ...added.map(([name, value]) => `${name}=${escaped(value)}`)].join("&");
    const target = `${split(ask.target)[0]}?${query}`;
    return { stages: signer.stages, signature: made.query["X-Amz-Signature"], message: placed(ask, { target }) };
  };
  return { sign };
}

function escaped(text) {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
