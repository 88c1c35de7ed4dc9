// What jose says of tokens. The argument is the folder in which it is installed. Reads one JSON object from stdin: now, issuer, audience, skew, keys (kid, alg, jwk),
// tokens. Writes one JSON list: for each token, whether it is accepted.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const installed = createRequire(`${process.argv[2]}/`).resolve("jose");
const { decodeProtectedHeader, importJWK, jwtVerify } = await import(pathToFileURL(installed));

const job = JSON.parse(readFileSync(0, "utf8"));
const keys = new Map();
for (const { kid, alg, jwk } of job.keys) {
  const { d, ...half } = jwk;
  keys.set(kid, { alg, key: await importJWK(half, alg) });
}
const rules = {
  issuer: job.issuer,
  audience: job.audience,
  clockTolerance: job.skew,
  currentDate: new Date(job.now * 1000),
  typ: "at+jwt",
  requiredClaims: ["exp", "iat", "iss", "aud", "sub"],
};

// Whatever it raises is a refusal.
async function takes(token) {
  try {
    const { alg, key } = keys.get(decodeProtectedHeader(token).kid);
    await jwtVerify(token, key, { ...rules, algorithms: [alg] });
    return true;
  } catch {
    return false;
  }
}

const told = [];
for (const token of job.tokens) told.push(await takes(token));
process.stdout.write(JSON.stringify(told));
