// Logs a user of a page in, and signs the page's requests with a key that no script can read out.
//
//     import { Countersign } from "https://api.example.com/session/countersign.js";
//     const api = await Countersign.open({ base: "https://api.example.com", app: "web", store: "session" });
//     if (!api.user) await api.login({ username, password });
//     const answer = await api.fetch("/orders?state=open");
//
// No dependency, nothing global. Requests are signed in one dialect; what they carry is what crates/protocol/dialects describes. With the store "cookie" they
// are not signed: the browser sends a cookie that no script reads, and the page shows a CSRF token with what changes something.

const DIALECT = "signed-sha256";
const SCHEME = "SIGNED-SHA256";
const DIGEST = "x-content-sha256";
const CSRF = "x-csrf-token";
const REFRESH = "x-refresh-token";
// A refresh begins when so much of a token's life is over; one that failed is tried again after so many milliseconds.
const REFRESH_AT = 0.8;
const TRY_AGAIN = 5_000;
// How long the session API may take, in milliseconds.
const PATIENCE = 20_000;
const RENEW = ["token_expired", "token_invalid"];
const OVER = ["session_revoked", "session_expired", "invalid_grant"];
const CLOCK = ["too_old", "from_the_future"];
// Of a page whose tokens are in cookies: none came.
const NO_COOKIE = ["missing_signature", "token_missing"];
const SAFE = ["GET", "HEAD"];
const utf8 = new TextEncoder();

/** Why nothing came of a call. `code` is the server's word, or one of `unsupported`, `invalid_argument`, `login_required`. */
export class CountersignError extends Error {
  constructor(code, message, more = {}) {
    super(`${code}: ${message}`);
    this.name = "CountersignError";
    this.code = code;
    this.status = more.status ?? 0;
    this.retryAfter = more.retryAfter ?? 0; // seconds
  }
}

/** The user of a page, and the requests made for that user. */
export class Countersign {
  #base;
  #app;
  #path;
  #vault;
  #session = null;
  #plain = false; // whether tokens are in cookies, and nothing is signed
  #offset = 0; // the server's clock less ours, in milliseconds

  constructor(base, app, path, vault) {
    [this.#base, this.#app, this.#path, this.#vault] = [base, app, path, vault];
  }

  /**
   * @param {{ base: string, app: string, path?: string, dialect?: string, store?: "memory" | "session" | "cookie" }} options
   * `base` is the gateway's origin, `path` that of its session API. `store` says where key and tokens are: "memory" forgets both
   * with the page; "session" keeps the tokens in sessionStorage and the key in IndexedDB, so that a reload goes on; "cookie" has no
   * key and leaves the tokens to the browser, for an app that the gateway lists as plain.
   */
  static async open({ base, app, path = "/session", dialect = DIALECT, store = "memory" }) {
    if (!globalThis.crypto?.subtle) throw new CountersignError("unsupported", "no WebCrypto: the page must come over https, or from this machine");
    if (dialect !== DIALECT) throw invalid(`the dialect is ${DIALECT}`);
    if (new URL(base).origin !== base.replace(/\/$/, "")) throw invalid("base is an origin, such as https://api.example.com");
    if (!["memory", "session", "cookie"].includes(store)) throw invalid("store is memory, session or cookie");
    if (typeof app !== "string" || !/^[\x21-\x7e]+$/.test(app)) throw invalid("app is the name of a public app");
    const origin = new URL(base).origin;
    const own = new Countersign(origin, app, path, store === "session" ? new Vault(`countersign ${origin} ${app}`) : null);
    own.#plain = store === "cookie";
    own.#session = (own.#plain ? await own.#resumed() : await own.#vault?.load()) ?? null;
    return own;
  }

  /** The session whose cookies the browser has, refreshed; null where it has none. */
  async #resumed() {
    const url = new URL(`${this.#base}${this.#path}/csrf`);
    const answer = await fetch(url, { cache: "no-store", credentials: this.#credentials(), signal: AbortSignal.timeout(PATIENCE) });
    if (answer.status === 401) return null;
    if (!answer.ok) throw await told(answer);
    const { csrf_token: csrf } = await answer.json();
    try {
      return { ...tokens(await this.#api("/refresh", {}, { csrf })), renewing: null };
    } catch (error) {
      if (OVER.includes(error.code) || NO_COOKIE.includes(error.code)) return null;
      throw error;
    }
  }

  /** Cookies go to the gateway, and come from it, also where the page is of another origin that it lists. */
  #credentials() {
    if (!this.#plain) return "omit";
    return this.#base === globalThis.location?.origin ? "same-origin" : "include";
  }

  /** Who is logged in: `{ id, name, scope }`, or null. */
  get user() {
    return this.#session && { ...this.#session.user };
  }

  /** Logs in with a new key, in place of whoever was logged in here. Gives the user. */
  async login({ username, password, totp, scope }) {
    if (this.#plain) {
      this.#session = null;
      this.#session = { ...tokens(await this.#api("/login", { username, password, totp, scope, app: this.#app }, {})), renewing: null };
      return this.user;
    }
    const pair = await newPair();
    const body = { username, password, totp, scope, app: this.#app, bind: "client", public_key: await publicHalf(pair) };
    const grant = await this.#api("/login", body, { keyId: `self:${this.#app}`, key: pair.privateKey });
    const session = { key: pair.privateKey, keyId: grant.key_id, ...tokens(grant), renewing: null };
    // What is still on its way for the former session finds it gone.
    this.#session = null;
    await this.#vault?.save(session);
    this.#session = session;
    return this.user;
  }

  /**
   * As `fetch`, for this gateway only: signed, and signed anew with a fresh token where the former is over. Follows no redirect, and sends no cookie
   * but with the store "cookie".
   */
  async fetch(input, init = {}) {
    const request = await prepared(this.#base, input, init, this.#need().header ?? CSRF);
    const session = this.#need();
    if (Date.now() >= session.refreshAt) {
      await this.#renew(session, session.access).catch((error) => {
        // The token may still be good: whether it is, the server says.
        if (OVER.includes(error.code) || Date.now() >= session.expires) throw error;
      });
    }
    const send = () => {
      const token = this.#need(session).access;
      return this.#exchange(request, session, token).then((answer) => [answer, token]);
    };
    let [answer, used] = await send();
    if (RENEW.includes(refusal(answer)) || (this.#plain && NO_COOKIE.includes(refusal(answer)))) {
      await this.#renew(session, used);
      [answer] = await send();
    }
    if (OVER.includes(refusal(answer))) await this.#forget(session);
    return answer;
  }

  /** Forgets key and tokens, and ends the session. Throws where the server could not be told: then nobody can use it all the same, the key is gone. */
  async logout() {
    const session = this.#session;
    if (!session) return;
    await this.#forget(session);
    const request = await prepared(this.#base, `${this.#path}/logout`, { method: "POST", signal: AbortSignal.timeout(PATIENCE) });
    const answer = await this.#exchange(request, session, session.access);
    if (!answer.ok && answer.status !== 401) throw await told(answer);
  }

  /** The session, which is `expected` where one is. */
  #need(expected = this.#session) {
    if (!this.#session || this.#session !== expected) throw new CountersignError("login_required", "nobody is logged in");
    return this.#session;
  }

  /** Sees to it that the token is another than `used`: of many callers at one time one refreshes, and the others wait for it. */
  async #renew(session, used) {
    if (session.access !== used) return;
    session.renewing ??= this.#refresh(session).finally(() => (session.renewing = null));
    await session.renewing;
  }

  async #refresh(session) {
    try {
      const grant = await this.#api("/refresh", this.#plain ? {} : { refresh_token: session.refresh }, session);
      // Whoever logged out meanwhile stays logged out.
      this.#need(session);
      Object.assign(session, tokens(grant));
      await this.#vault?.update(session);
    } catch (error) {
      session.refreshAt = Date.now() + TRY_AGAIN;
      if (OVER.includes(error.code) || (this.#plain && NO_COOKIE.includes(error.code))) await this.#forget(session);
      throw error;
    }
  }

  async #forget(session) {
    if (this.#session !== session) return;
    this.#session = null;
    await this.#vault?.clear();
  }

  /** A call of the session API; its JSON. */
  async #api(path, body, signer) {
    const init = { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" }, signal: AbortSignal.timeout(PATIENCE) };
    const answer = await this.#exchange(await prepared(this.#base, this.#path + path, init), signer);
    if (!answer.ok) throw await told(answer);
    const grant = await answer.json();
    // Where the gateway gives tokens in headers.
    if (grant.header && !grant.access_token) {
      grant.access_token = answer.headers.get(grant.header);
      grant.refresh_token = answer.headers.get(REFRESH);
    }
    return grant;
  }

  /** Sends a request; once more where the server says that our clock is wrong, and shows its own. */
  async #exchange(request, signer, token) {
    const answer = await this.#send(request, signer, token);
    const shown = CLOCK.includes(refusal(answer)) ? Date.parse(answer.headers.get("date") ?? "") : NaN;
    if (Number.isNaN(shown)) return answer;
    this.#offset = shown - Date.now();
    return this.#send(request, signer, token);
  }

  async #send({ url, method, headers: given, body, options }, { key, keyId, header, csrf }, token) {
    const headers = new Headers(given);
    if (this.#plain) {
      if (csrf && !SAFE.includes(method)) headers.set(CSRF, csrf);
      return fetch(url, { ...options, method, headers, body: body.length ? body : undefined, credentials: this.#credentials() });
    }
    if (token) headers.set(header, token);
    const signed = { host: url.host };
    for (const name of ["content-type", ...(token ? [header] : [])]) {
      if (headers.has(name)) signed[name] = headers.get(name).replace(/[ \t]+/g, " ");
    }
    const names = Object.keys(signed).sort();
    const time = Math.floor((Date.now() + this.#offset) / 1000);
    const nonce = hex(crypto.getRandomValues(new Uint8Array(16)));
    const digest = hex(await crypto.subtle.digest("SHA-256", body));
    const lines = names.map((name) => `${name}:${signed[name]}`);
    const text = [SCHEME, time, nonce, keyId, method, url.pathname, canonical(url.search), ...lines, "", names.join(";"), digest].join("\n");
    const signature = hex(await crypto.subtle.sign(scheme(key), key, utf8.encode(text)));
    headers.set(DIGEST, digest);
    const parameters = `Credential=${keyId}, Timestamp=${time}, Nonce=${nonce}, SignedHeaders=${names.join(";")}, Signature=${signature}`;
    headers.set("authorization", `${SCHEME} ${parameters}`);
    return fetch(url, { ...options, method, headers, body: body.length ? body : undefined });
  }
}

/** Where a session outlives a reload: the tokens in sessionStorage, which is this tab's, the key in IndexedDB, where it stays unreadable. */
class Vault {
  constructor(name) {
    this.name = name;
  }

  async load() {
    const text = sessionStorage.getItem(this.name);
    if (!text) return null;
    const { handle, ...rest } = JSON.parse(text);
    this.handle = handle;
    const kept = await this.keys("readonly", (keys) => keys.get(handle));
    if (kept && kept.ends > Date.now()) return { ...rest, key: kept.key, renewing: null };
    await this.clear();
    return null;
  }

  async save(session) {
    await this.clear();
    this.handle = crypto.randomUUID();
    await this.keys("readwrite", (keys) => {
      // Keys of tabs that were closed.
      keys.index("ends").openCursor(IDBKeyRange.upperBound(Date.now())).onsuccess = ({ target: { result: cursor } }) => {
        cursor?.delete();
        cursor?.continue();
      };
      return keys.put({ key: session.key, ends: session.ends }, this.handle);
    });
    await this.update(session);
  }

  async update({ key, renewing, ...rest }) {
    sessionStorage.setItem(this.name, JSON.stringify({ ...rest, handle: this.handle }));
  }

  async clear() {
    sessionStorage.removeItem(this.name);
    const handle = this.handle;
    this.handle = null;
    if (handle) await this.keys("readwrite", (keys) => keys.delete(handle));
  }

  /** What one request to the store of keys gives, once it is done for good. */
  keys(mode, ask) {
    return new Promise((resolve, reject) => {
      const opening = indexedDB.open("countersign", 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore("keys").createIndex("ends", "ends");
      opening.onerror = () => reject(new CountersignError("unsupported", "the browser keeps no keys; use the store memory"));
      opening.onsuccess = () => {
        const database = opening.result;
        const transaction = database.transaction("keys", mode);
        const request = ask(transaction.objectStore("keys"));
        transaction.oncomplete = () => (database.close(), resolve(request.result));
        transaction.onabort = () => (database.close(), reject(transaction.error));
      };
    });
  }
}

/** A request as the browser will send it, or an error where that is another than the one that was written. */
async function prepared(base, input, init, tokenHeader = "x-access-token") {
  if (typeof input !== "string" && !(input instanceof URL)) throw invalid("give a URL and options, not a Request");
  const url = new URL(input, base);
  if (url.origin !== base || url.username || url.password) throw invalid(`only requests to ${base} are signed`);
  url.hash = "";
  if (typeof input === "string" && decoded(written(base, input)) !== decoded(url.pathname + url.search)) {
    throw invalid("the browser would ask for another path: write it from the root, without dot segments, backslashes and line breaks");
  }
  if (/%(?![0-9a-f]{2})/i.test(url.pathname + url.search)) throw invalid("a percent sign that begins no escape");
  const { method = "GET", headers: given, body, redirect = "error", mode = "cors", credentials = "omit", ...rest } = init;
  if (redirect === "follow") throw invalid("redirects are not followed: the new place needs a signature of its own");
  if (mode === "no-cors" || credentials === "include") throw invalid("neither no-cors nor cookies: the signature says who asks");
  const headers = new Headers(given);
  for (const name of ["authorization", DIGEST, tokenHeader]) {
    if (headers.has(name)) throw invalid(`the header ${name} is written here`);
  }
  const [bytes, type] = await content(body);
  if (type && !headers.has("content-type")) headers.set("content-type", type);
  if (/[^\t\x20-\x7e]/.test(headers.get("content-type") ?? "")) throw invalid("a Content-Type beyond ASCII");
  const options = { cache: "no-store", ...rest, redirect, mode, credentials: "omit" };
  // The browser's own spelling of the method, and its own refusals.
  const probe = new Request(url, { method, body: bytes.length ? bytes : undefined });
  if (probe.url !== url.href) throw invalid("the browser would ask for another URL");
  return { url, method: probe.method, headers, body: bytes, options };
}

/** The bytes of a body, and its type where the body says it. */
async function content(body) {
  if (body === undefined || body === null) return [new Uint8Array(), ""];
  if (typeof body === "string") return [utf8.encode(body), "text/plain;charset=UTF-8"];
  if (body instanceof URLSearchParams) return [utf8.encode(body.toString()), "application/x-www-form-urlencoded;charset=UTF-8"];
  if (body instanceof Blob) return [new Uint8Array(await body.arrayBuffer()), body.type];
  if (body instanceof ArrayBuffer) return [new Uint8Array(body.slice(0)), ""];
  if (ArrayBuffer.isView(body)) return [new Uint8Array(body.buffer, body.byteOffset, body.byteLength).slice(), ""];
  if (body instanceof FormData) throw invalid("FormData cannot be signed: the browser chooses its boundary while it sends; use URLSearchParams or a Blob");
  throw invalid("a body is a text, an ArrayBuffer, a Blob or URLSearchParams; a stream cannot be signed before it has ended");
}

/** The query decoded, encoded again and sorted by name, then value. */
function canonical(search) {
  const spelt = (text) =>
    text.replace(/%([0-9a-f]{2})|[^]/gi, (one, digits) => {
      const code = digits ? parseInt(digits, 16) : one.charCodeAt(0);
      const letter = String.fromCharCode(code);
      return /[\w.~-]/.test(letter) ? letter : `%${code.toString(16).toUpperCase().padStart(2, "0")}`;
    });
  const pairs = search.slice(1).split("&").filter(Boolean).map((pair) => {
    const at = pair.indexOf("=");
    return at < 0 ? [spelt(pair), ""] : [spelt(pair.slice(0, at)), spelt(pair.slice(at + 1))];
  });
  const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  return pairs.sort((a, b) => order(a[0], b[0]) || order(a[1], b[1])).map((pair) => pair.join("=")).join("&");
}

/** What a text says of path and query. */
function written(base, input) {
  const [rest] = (input.startsWith(base) ? input.slice(base.length) : input).split("#", 1);
  return /^$|^\?/.test(rest) ? `/${rest}` : rest;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid("a path and query of whole escapes in UTF-8");
  }
}

/** A key whose private half stays in the browser: Ed25519 where there is one, else ECDSA on P-256. */
async function newPair() {
  try {
    return await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  } catch {
    return crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
  }
}

async function publicHalf({ publicKey }) {
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", publicKey);
  return { kty, crv, x, y };
}

function scheme(key) {
  return key.algorithm.name === "ECDSA" ? { name: "ECDSA", hash: "SHA-256" } : key.algorithm.name;
}

/** What is kept of a login or a refresh. Times are those of the local clock: what counts is how long, not what it shows. */
function tokens(grant) {
  const [now, life] = [Date.now(), grant.expires_in * 1000];
  return {
    // A token in a cookie is not seen: that it is another one is all that counts.
    access: grant.access_token ?? Symbol("in a cookie"),
    refresh: grant.refresh_token,
    csrf: grant.csrf_token,
    header: grant.header,
    expires: now + life,
    refreshAt: now + life * REFRESH_AT,
    ends: now + (grant.session_expires_at - grant.expires_at + grant.expires_in) * 1000,
    user: { ...grant.user, scope: grant.scope },
  };
}

/** The reason with which the gateway itself refused a request: then nothing came of it. */
function refusal(answer) {
  return answer.status === 401 ? /^Countersign error="([a-z_]+)"$/.exec(answer.headers.get("www-authenticate") ?? "")?.[1] : undefined;
}

async function told(answer) {
  const problem = await answer.json().catch(() => ({}));
  const retryAfter = Number(answer.headers.get("retry-after")) || 0;
  return new CountersignError(problem.code ?? "refused", problem.detail ?? `status ${answer.status}`, { status: answer.status, retryAfter });
}

function invalid(message) {
  return new CountersignError("invalid_argument", message);
}

function hex(bytes) {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
