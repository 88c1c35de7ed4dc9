// An adapter, version 1, over generated signers: `node main.js FOLDER`, the folder holding what `countersign codegen --lang javascript` wrote.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");

const folder = path.resolve(process.argv[2]);

/** The text or the bytes under a name, as one character for each byte. */
function wire(given, name) {
  if (given[name + "_base64"] !== undefined) return Buffer.from(given[name + "_base64"], "base64").toString("latin1");
  return Buffer.from(given[name] ?? "", "utf8").toString("latin1");
}

function bytes(given, name) {
  return given[name + "_base64"] === undefined ? given[name] : Buffer.from(given[name + "_base64"], "base64");
}

function isUtf8(buffer) {
  return Buffer.from(buffer.toString("utf8"), "utf8").equals(buffer);
}

/** A text of the wire as JSON has it: text, or base64 under another name. */
function put(given, name, text) {
  const buffer = typeof text === "string" ? Buffer.from(text, "utf8") : text;
  if (isUtf8(buffer)) given[name] = buffer.toString("utf8");
  else given[name + "_base64"] = buffer.toString("base64");
}

function header([name, value]) {
  const buffer = Buffer.from(value, "latin1");
  return [name, isUtf8(buffer) ? buffer.toString("utf8") : { base64: buffer.toString("base64") }];
}

function sign(ask) {
  const file = path.join(folder, ask.dialect + ".js");
  if (!fs.existsSync(file)) return { result: "unsupported", why: "no signer of this dialect was generated" };
  const signer = require(file);
  const given = ask.message;
  const headers = (given.headers ?? []).map(([name, value]) =>
    [name, typeof value === "string" ? wire({ value }, "value") : wire({ value_base64: value.base64 }, "value")]);
  const message = { ...given, target: wire(given, "target"), headers, body: bytes(given, "body") };
  const key = Array.isArray(ask.credentials) ? ask.credentials[0] : ask.credentials;
  const credential = {
    keyId: key.key_id, secret: bytes(key, "secret"), privateKey: key.private_key_pem, algorithm: key.algorithm, parts: key.parts,
  };
  const more = ask.options ?? {};
  const options = {
    at: new Date(ask.at), nonce: ask.nonce, inputs: ask.inputs, headers: more.headers, omit: more.omit, expires: more.expires,
    bodyDigest: more.body_digest,
  };
  try {
    const signed = signer.sign(message, credential, options);
    const placed = {};
    for (const name of ["kind", "method", "scheme", "version", "status"]) {
      if (given[name] !== undefined) placed[name] = given[name];
    }
    if (signed.target !== "") put(placed, "target", Buffer.from(signed.target, "latin1"));
    placed.headers = signed.headers.map(header);
    placed.body_base64 = signed.body.toString("base64");
    const stages = {};
    for (const [name, text] of Object.entries(signed.stages)) put(stages, name, text);
    return { result: "signed", stages, signature: signed.signature, message: placed };
  } catch (error) {
    if (!(error instanceof signer.SigningError)) throw error;
    return { result: "error", message: error.message };
  }
}

function answer(ask) {
  if (ask.op === "hello") return { result: "hello", version: 1, name: "generated", language: "javascript" };
  if (ask.op === "dialects") {
    const ids = fs.readdirSync(folder).filter((name) => name.endsWith(".js")).map((name) => name.slice(0, -3)).sort();
    return { result: "dialects", dialects: ids.map((id) => ({ id, directions: ["sign"] })) };
  }
  return ask.op === "sign" ? sign(ask) : { result: "unsupported", why: "these signers only sign" };
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  let id = null;
  let result;
  try {
    const ask = JSON.parse(line);
    id = ask.id ?? null;
    result = answer(ask);
  } catch (error) {
    result = { result: "error", message: String(error.stack ?? error) };
  }
  process.stdout.write(JSON.stringify({ id, ...result }) + "\n");
});
