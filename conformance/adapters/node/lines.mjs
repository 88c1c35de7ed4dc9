// The lines of the protocol: reads requests, calls the schemes, writes answers. Nothing here signs.
import { createInterface } from "node:readline";

/** The library cannot do what is asked, and why. */
export class Unsupported extends Error {}

/** The message is refused, for this reason. */
export class Rejected extends Error {
  constructor(reason, detail = "") {
    super(detail);
    this.reason = reason;
  }
}

/** Octets as text, where they are UTF-8; what is not, no library here takes. */
export function textOf(octets) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octets);
  } catch {
    throw new Unsupported("takes text only, and these octets are not UTF-8");
  }
}

function bodyOf(message) {
  if (message.body_pieces_base64) return Buffer.concat(message.body_pieces_base64.map((piece) => Buffer.from(piece, "base64")));
  return message.body === undefined ? Buffer.from(message.body_base64 ?? "", "base64") : Buffer.from(message.body);
}

/** One `sign` or `verify` line. */
function askOf(line) {
  const { message } = line;
  if ((message.kind ?? "request") !== "request") throw new Unsupported("signs requests only");
  const headers = (message.headers ?? []).map(([name, value]) => [name, typeof value === "string" ? value : textOf(Buffer.from(value.base64, "base64"))]);
  const at = new Date(line.at);
  if (Number.isNaN(at.getTime())) throw new TypeError("at: no time");
  return {
    key: [line.credentials].flat()[0],
    inputs: line.inputs ?? {},
    at,
    nonce: line.nonce,
    options: line.options ?? {},
    policy: line.policy ?? {},
    method: message.method,
    scheme: message.scheme ?? "https",
    target: message.target ?? textOf(Buffer.from(message.target_base64, "base64")),
    headers,
    body: bodyOf(message),
    header: (name) => headers.find(([key]) => key.toLowerCase() === name)?.[1],
    hasRepeatedHeader: new Set(headers.map(([name]) => name.toLowerCase())).size !== headers.length,
  };
}

/** The message with what signing changed. */
export function placed(ask, { target = ask.target, headers = ask.headers } = {}) {
  return { kind: "request", method: ask.method, scheme: ask.scheme, target, headers, body_base64: ask.body.toString("base64") };
}

async function answer(line, about, schemes) {
  if (line.op === "hello") {
    if (line.version !== 1) throw new Unsupported("speaks version 1");
    return { result: "hello", version: 1, language: "javascript", ...about };
  }
  if (line.op === "dialects") {
    const directions = (scheme) => ["sign", "verify"].filter((way) => scheme[way]);
    return { result: "dialects", dialects: Object.entries(schemes).map(([id, scheme]) => ({ id, directions: directions(scheme) })) };
  }
  if (line.op !== "sign" && line.op !== "verify") throw new Unsupported(`no op ${line.op}`);
  const scheme = schemes[line.dialect]?.[line.op];
  if (!scheme) throw new Unsupported(`no ${line.op} of ${line.dialect}`);
  const made = await scheme(askOf(line));
  return line.op === "sign" ? { result: "signed", ...made } : { result: "accepted", ...made };
}

function refused(error) {
  if (error instanceof Unsupported) return { result: "unsupported", why: error.message };
  if (error instanceof Rejected) return { result: "rejected", reason: error.reason, detail: error.message };
  return { result: "error", message: `${error.name}: ${error.message}` };
}

/** Answers lines until stdin ends. No line ends the run. */
export async function serve(about, schemes) {
  for await (const raw of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    let id = null;
    let out;
    try {
      const line = JSON.parse(raw);
      id = line.id ?? null;
      out = await answer(line, about, schemes);
    } catch (error) {
      out = refused(error);
    }
    process.stdout.write(`${JSON.stringify({ id, ...out })}\n`);
  }
}
