//: failure
class SigningError extends Error {}

function failure(words) {
  return new SigningError(shown(words));
}

//: openMessage
/** The message while it is signed. A text in here holds one character for each byte, as on the wire. */
function openMessage(given) {
  return {
    method: given.method ?? "",
    scheme: given.scheme ?? "https",
    version: given.version ?? "HTTP/1.1",
    status: String(given.status ?? ""),
    target: given.target ?? "",
    headers: (given.headers ?? []).map(([name, value]) => [name, String(value)]),
    body: textOf(given.body),
  };
}

//: signedMessage
function signedMessage(message, signature, stages) {
  const texts = Object.entries(stages).map(([name, text]) => [name, shown(text)]);
  return {
    target: message.target,
    headers: message.headers,
    body: bytes(message.body),
    signature,
    stages: Object.fromEntries(texts),
  };
}

//: bytes
function bytes(text) {
  return Buffer.from(text, "latin1");
}

//: textOf
function textOf(given) {
  if (given === undefined || given === null) return "";
  return (typeof given === "string" ? Buffer.from(given, "utf8") : Buffer.from(given)).toString("latin1");
}

//: own
/** A member that was given, not one that every object has. */
function own(given, name) {
  return Object.hasOwn(given ?? {}, name) ? given[name] : undefined;
}

//: shown
function shown(text) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes(text));
  } catch {
    return bytes(text);
  }
}

//: milliseconds
function milliseconds(at) {
  return at === undefined || at === null ? Date.now() : Number(at);
}

//: checkMessage
function checkMessage(message) {
  const token = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;
  const wholeServer = message.target === "*" && message.method === "OPTIONS";
  if (message.method !== "" && !message.target.startsWith("/") && !wholeServer) {
    throw failure("the target is a path with its query, such as /orders?a=1");
  }
  if (/[\x00-\x20\x7f#]/.test(message.target)) {
    throw failure("the target holds a blank, a control character or a fragment");
  }
  if (/%(?![0-9A-Fa-f]{2})/.test(message.target)) throw failure("the target holds a % that begins no triplet; write %25 for a bare %");
  if (message.method !== "" && !token.test(message.method)) throw failure("the method is no token");
  if (/[^\x00-\xff]/.test([message.target, ...message.headers.flat()].join(""))) {
    throw failure("the target and the headers are one character for each byte, as on the wire");
  }
  for (const [name, value] of message.headers) {
    if (!token.test(name) || /[\x00-\x08\x0a-\x1f\x7f]/.test(value)) {
      throw failure("a header's name is no token, or its value holds a control character");
    }
  }
  if (headerValues(message, "host").length > 1) throw failure("Host is there more than once");
}

//: checkOmitted
function checkOmitted(options, known) {
  for (const name of options.omit ?? []) {
    if (!known.includes(name)) throw failure("this dialect cannot leave out " + name);
  }
}

//: keyFamily
function keyFamily(credential) {
  if (!credential.privateKey) return "hmac";
  return crypto.createPrivateKey(credential.privateKey).asymmetricKeyType;
}

//: familyOf
function familyOf(algorithm) {
  return /^(rsa|ec|ed25519)/.exec(algorithm)?.[0] ?? "hmac";
}

//: chooseAlgorithm
/** The algorithm that the credential is registered for, else the dialect's first that fits its key. */
function chooseAlgorithm(credential, known) {
  const fitting = known.filter((algorithm) => familyOf(algorithm) === keyFamily(credential));
  const chosen = credential.algorithm ? fitting.find((algorithm) => algorithm === credential.algorithm) : fitting[0];
  if (!chosen || (!credential.privateKey && !credential.secret)) {
    throw failure("the credential's key or algorithm does not fit the dialect");
  }
  return chosen;
}

//: mac
function mac(algorithm, key, text) {
  return algorithm.startsWith("hmac-") ? hmac(algorithm.slice(5), key, text) : digest(algorithm, text);
}

//: signWithPrivateKey
function signWithPrivateKey(algorithm, pem, text) {
  const settings = {
    "rsa-sha256": ["sha256", {}],
    "rsa-pss-sha512": ["sha512", { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 64 }],
    "ecdsa-p256-sha256": ["sha256", { dsaEncoding: "ieee-p1363" }],
    "ecdsa-p256-sha256-der": ["sha256", { dsaEncoding: "der" }],
    "ed25519": [null, {}],
  };
  const [digestName, more] = settings[algorithm];
  return crypto.sign(digestName, bytes(text), { key: pem, ...more }).toString("latin1");
}

//: freshNonce
function freshNonce() {
  return crypto.randomBytes(16).toString("hex");
}

//: headerValues
function headerValues(message, name) {
  return message.headers.filter(([line]) => lower(line) === lower(name)).map(([, value]) => trim(value));
}

//: header
function header(message, name) {
  return firstOf(headerValues(message, name));
}

//: firstOf
function firstOf(values) {
  return values[0] ?? "";
}

//: hasHeader
function hasHeader(message, name) {
  return headerValues(message, name).length > 0;
}

//: pathOf
function pathOf(message) {
  return message.target.split("?")[0] || "/";
}

//: queryOf
function queryOf(message) {
  const mark = message.target.indexOf("?");
  return mark < 0 ? "" : message.target.slice(mark + 1);
}

//: formOf
function formOf(message) {
  return isForm(message) ? message.body : "";
}

//: isForm
function isForm(message) {
  return mediaType(header(message, "content-type")) === "application/x-www-form-urlencoded";
}

//: mediaType
function mediaType(value) {
  return lower(trim(value.split(";")[0]));
}

//: splitPort
function splitPort(authority) {
  const colon = authority.lastIndexOf(":");
  if (colon < 0 || colon < authority.lastIndexOf("]")) return [authority, undefined];
  return [authority.slice(0, colon), authority.slice(colon + 1)];
}

//: hostname
function hostname(message) {
  return splitPort(header(message, "host"))[0];
}

//: defaultPort
function defaultPort(message) {
  return message.scheme === "http" ? "80" : "443";
}

//: port
function port(message) {
  return splitPort(header(message, "host"))[1] ?? defaultPort(message);
}

//: authority
/** The Host header in lower case, without the scheme's default port. */
function authority(message) {
  const [name, portText] = splitPort(header(message, "host"));
  return lower(name) + (portText && portText !== defaultPort(message) ? ":" + portText : "");
}

//: splitPairs
//& splitPair
function splitPairs(text) {
  return text.split("&").filter((fragment) => fragment !== "").map(splitPair);
}

//: splitPair
function splitPair(fragment) {
  const equals = fragment.indexOf("=");
  return equals < 0 ? [fragment, ""] : [fragment.slice(0, equals), fragment.slice(equals + 1)];
}

//: queryValue
function queryValue(message, name) {
  return decode(splitPairs(queryOf(message)).find(([raw]) => decode(raw) === name)?.[1] ?? "");
}

//: formValue
function formValue(message, name) {
  return decodeForm(splitPairs(formOf(message)).find(([raw]) => decodeForm(raw) === name)?.[1] ?? "");
}

//: lower
function lower(text) {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

//: upper
function upper(text) {
  return text.replace(/[a-z]/g, (letter) => letter.toUpperCase());
}

//: trim
function trim(text) {
  return text.replace(/^[ \t]+|[ \t]+$/g, "");
}

//: squeeze
/** Without outer blanks, and with one space for each inner run of them. */
function squeeze(text) {
  return text.split(/[ \t]+/).filter((word) => word !== "").join(" ");
}

//: hexTriplet
function hexTriplet(character) {
  return "%" + character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0");
}

//: percent
//& hexTriplet
/** Everything but the unreserved characters of RFC 3986. */
function percent(text) {
  return text.replace(/[^A-Za-z0-9._~-]/g, hexTriplet);
}

//: percentPath
//& hexTriplet
function percentPath(text) {
  return text.replace(/[^A-Za-z0-9._~/-]/g, hexTriplet);
}

//: decode
function decode(text) {
  return text.replace(/%([0-9A-Fa-f]{2})/g, (_, digits) => String.fromCharCode(parseInt(digits, 16)));
}

//: decodeForm
function decodeForm(text) {
  return decode(text.replace(/\+/g, " "));
}

//: normalizePath
/** Without dot segments and doubled slashes; a closing slash stays. */
function normalizePath(path) {
  const kept = [];
  for (const segment of path.split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  const closed = kept.length === 0 || /\/\.{0,2}$/.test(path);
  return kept.map((segment) => "/" + segment).join("") + (closed ? "/" : "");
}

//: closingSlash
function closingSlash(text) {
  return text.endsWith("/") ? text : text + "/";
}

//: digest
function digest(name, text) {
  return crypto.createHash(name).update(text, "latin1").digest("latin1");
}

//: hmac
function hmac(name, key, text) {
  return crypto.createHmac(name, bytes(key)).update(text, "latin1").digest("latin1");
}

//: hex
function hex(text) {
  return bytes(text).toString("hex");
}

//: base64
function base64(text) {
  return bytes(text).toString("base64");
}

//: base64url
function base64url(text) {
  return base64(text).replace(/\+/g, "-").replace(/\//g, "_");
}

//: fromHex
function fromHex(text) {
  if (!/^([0-9A-Fa-f]{2})*$/.test(text)) throw failure("a value that should be hexadecimal is not");
  return Buffer.from(text, "hex").toString("latin1");
}

//: fromBase64
function fromBase64(text) {
  const bare = text.replace(/=+$/, "");
  const decoded = Buffer.from(bare, "base64");
  if (decoded.toString("base64").replace(/=+$/, "") !== bare) throw failure("a value that should be base64 is not");
  return decoded.toString("latin1");
}

//: without
function without(text, prefix) {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}

//: first
function first(text, count) {
  return text.slice(0, count);
}

//: chooseHeaders
/** The headers that the dialect signs among those that are there; a star behind stands for any ending. */
function chooseHeaders(message, sign, pseudo, never) {
  const chosen = [];
  for (const pattern of sign) {
    if (pseudo.includes(lower(pattern))) {
      chosen.push(pattern);
      continue;
    }
    const prefix = pattern.endsWith("*") ? lower(pattern.slice(0, -1)) : undefined;
    for (const [line] of message.headers) {
      const name = lower(line);
      const fits = prefix === undefined ? name === lower(pattern) : name.startsWith(prefix);
      if (fits && !never.includes(name) && !chosen.some((there) => lower(there) === name)) {
        chosen.push(prefix === undefined ? pattern : line);
      }
    }
  }
  return chosen;
}

//: withoutNames
function withoutNames(names, never) {
  return names.filter((name) => !never.includes(lower(name)));
}

//: joinedLists
function joinedLists(one, other) {
  return [...one, ...other];
}

//: contains
function contains(texts, text) {
  return texts.includes(text);
}

//: compareTexts
function compareTexts(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

//: sortedTexts
//& compareTexts
function sortedTexts(texts) {
  return [...texts].sort(compareTexts);
}

//: sortedRows
function sortedRows(rows, keys) {
  const compare = (a, b) => {
    for (let i = 0; i < a.length - keys; i += 1) {
      const order = compareTexts(a[i], b[i]);
      if (order !== 0) return order;
    }
    return 0;
  };
  return [...rows].sort(compare);
}

//: sortedLines
/** The last text of each row, sorted by those before it. Equal ones stay in their order. */
function sortedLines(rows) {
  return sortedRows(rows, 1).map((row) => row[row.length - 1]);
}

//: sortedPairs
/** The last two texts of each row, sorted by those before them. */
function sortedPairs(rows) {
  return sortedRows(rows, 2).map((row) => row.slice(-2));
}

//: merged
/** One pair for each name, its values joined in their order. */
function merged(pairs, joint) {
  const values = new Map();
  for (const [name, value] of pairs) {
    values.set(name, values.has(name) ? values.get(name) + joint + value : value);
  }
  return [...values];
}

//: rows
function rows(...pairs) {
  return pairs;
}

//: join
function join(texts, joint) {
  return texts.join(joint);
}

//: unix
function unix(at) {
  return String(Math.floor(at / 1000));
}

//: unixMs
function unixMs(at) {
  return String(at);
}

//: httpDate
function httpDate(at) {
  return new Date(at).toUTCString();
}

//: formatTime
function formatTime(at, pattern) {
  const text = new Date(at).toISOString();
  const fields = {
    YYYY: text.slice(0, 4), MM: text.slice(5, 7), DD: text.slice(8, 10), hh: text.slice(11, 13),
    mm: text.slice(14, 16), ss: text.slice(17, 19), SSS: text.slice(20, 23),
  };
  return pattern.replace(/YYYY|SSS|MM|DD|hh|mm|ss/g, (field) => fields[field]);
}

//: carriable
/** What is carried is UTF-8 without control characters: a line end would be another header. */
function carriable(name, value) {
  if (/[\x00-\x1f\x7f]|\xc2[\x80-\x9f]/.test(value) || typeof shown(value) !== "string") {
    throw failure("the value of " + name + " holds a control character or is no UTF-8");
  }
  return value;
}

//: placeHeader
/** Replaces the header where it stands, or adds it behind the others. */
function placeHeader(message, name, value) {
  carriable(name, value);
  const lines = [];
  let placed = false;
  for (const line of message.headers) {
    if (lower(line[0]) !== lower(name)) {
      lines.push(line);
    } else if (!placed) {
      lines.push([line[0], value]);
      placed = true;
    }
  }
  message.headers = placed ? lines : [...lines, [name, value]];
}

//: setPair
/** The pairs with this one replaced where it stands, or added at the end. One that says the same stays as it is spelled. */
function setPair(text, name, value, decoded) {
  const pair = percent(name) + "=" + percent(value);
  const fragments = [];
  let placed = false;
  for (const fragment of text === "" ? [] : text.split("&")) {
    if (fragment === "" || decoded(splitPair(fragment)[0]) !== name) {
      fragments.push(fragment);
    } else if (!placed) {
      fragments.push(decoded(splitPair(fragment)[1]) === value ? fragment : pair);
      placed = true;
    }
  }
  return (placed ? fragments : [...fragments, pair]).join("&");
}

//: placeQuery
//& decode
function placeQuery(message, name, value) {
  const path = message.target.split("?")[0];
  message.target = path + "?" + setPair(queryOf(message), name, carriable(name, value), decode);
}

//: setBody
/** The new body. Where it is longer or shorter, every Content-Length that is there says so. */
function setBody(message, body) {
  if (body.length !== message.body.length) {
    const length = String(body.length);
    message.headers = message.headers.map(([name, value]) => [name, lower(name) === "content-length" ? length : value]);
  }
  message.body = body;
}

//: placeForm
//& decodeForm
function placeForm(message, name, value) {
  if (!isForm(message)) throw failure("what is carried rides in a form, and the content type is no form");
  setBody(message, setPair(message.body, name, carriable(name, value), decodeForm));
}

//: placeParams
/** Where it stands in the query; else in the form where there is one with a body, else in the query. */
function placeParams(message, name, value) {
  if (isForm(message) && message.body !== "" && !hasQuery(message, name)) placeForm(message, name, value);
  else placeQuery(message, name, value);
}

//: placeParamsAsForm
//& decodeForm
/** As `placeParams`, where the query is read as a form. */
function placeParamsAsForm(message, name, value) {
  if (isForm(message) && message.body !== "" && !hasQueryAsForm(message, name)) {
    placeForm(message, name, value);
  } else {
    const path = message.target.split("?")[0];
    message.target = path + "?" + setPair(queryOf(message), name, carriable(name, value), decodeForm);
  }
}

//: fieldSpan
/** Where the value of a form field stands, its raw name as written. */
function fieldSpan(body, name) {
  let start = 0;
  for (const fragment of body.split("&")) {
    const end = start + fragment.length;
    if (splitPair(fragment)[0] === name) return [Math.min(start + name.length + 1, end), end];
    start = end + 1;
  }
  return undefined;
}

//: skipBlanks
function skipBlanks(body, at) {
  while (at < body.length && " \t\n\r".includes(body[at])) at += 1;
  return at;
}

//: textEnd
/** The place of the quote that closes a JSON text whose opening quote was passed. */
function textEnd(body, at) {
  while (at < body.length && body[at] !== '"') at += body[at] === "\\" ? 2 : 1;
  return at < body.length ? at : -1;
}

//: memberSpan
/** Where the value of a top-level JSON member stands, between its quotes. Only the first such text counts. */
function memberSpan(body, name) {
  const opened = [];
  let mayBeName = false;
  let at = 0;
  for (;;) {
    at = skipBlanks(body, at);
    const character = body[at];
    at += 1;
    if (character === undefined) return undefined;
    if (character === "{" || character === "[") {
      if (opened.length >= 128 || (opened.length === 0 && character === "[")) return undefined;
      opened.push(character);
      mayBeName = character === "{";
    } else if (character === "}" || character === "]") {
      opened.pop();
      mayBeName = false;
      if (opened.length === 0) return undefined;
    } else if (character === ",") {
      mayBeName = opened[opened.length - 1] === "{";
    } else if (character === '"') {
      const end = textEnd(body, at);
      if (end < 0) return undefined;
      const text = body.slice(at, end);
      at = end + 1;
      if (mayBeName && text === name && opened.length === 1) {
        const colon = skipBlanks(body, at);
        const quote = skipBlanks(body, colon + 1);
        if (body[colon] === ":" && body[quote] === '"') {
          const close = textEnd(body, quote + 1);
          return close < 0 ? undefined : [quote + 1, close];
        }
      }
      mayBeName = false;
    }
  }
}

//: endOfObject
/** Where a further member of a JSON object can be written, and whether it is the first. */
function endOfObject(body) {
  let at = skipBlanks(body, 0);
  if (body[at] !== "{") return undefined;
  at += 1;
  let depth = 1;
  let isFirst = true;
  for (;;) {
    at = skipBlanks(body, at);
    const character = body[at];
    if (character === undefined) return undefined;
    if (character === '"') {
      at = textEnd(body, at + 1);
      if (at < 0) return undefined;
    } else if (character === "{" || character === "[") {
      depth += 1;
    } else if (character === "}" || character === "]") {
      depth -= 1;
      if (depth === 0) return [at, isFirst];
    }
    at += 1;
    isFirst = false;
  }
}

//: bodySpan
function bodySpan(message, name) {
  return isForm(message) ? fieldSpan(message.body, name) : memberSpan(message.body, name);
}

//: bodyWithout
/** The body with this value emptied and every other byte as it is. */
function bodyWithout(message, name) {
  const span = bodySpan(message, name);
  return span === undefined ? message.body : message.body.slice(0, span[0]) + message.body.slice(span[1]);
}

//: placeField
function placeField(message, name, value) {
  const body = message.body;
  const encoded = percent(carriable(name, value));
  const span = fieldSpan(body, name);
  if (span === undefined) {
    setBody(message, body + (body === "" ? "" : "&") + name + "=" + encoded);
  } else {
    const bare = span[0] === span[1] && body[span[0] - 1] !== "=";
    setBody(message, body.slice(0, span[0]) + (bare ? "=" : "") + encoded + body.slice(span[1]));
  }
}

//: placeJson
function placeJson(message, name, value) {
  carriable(name, value);
  if (/["\\]/.test(value)) throw failure("the value of " + name + " cannot stand in JSON as it is");
  const body = message.body;
  const span = memberSpan(body, name);
  if (span !== undefined) {
    setBody(message, body.slice(0, span[0]) + value + body.slice(span[1]));
    return;
  }
  const place = endOfObject(body);
  if (place === undefined) {
    throw failure("what is carried rides in the body, and the body is neither a form nor a JSON object");
  }
  const [end, isFirst] = place;
  setBody(message, body.slice(0, end) + (isFirst ? "" : ",") + '"' + name + '":"' + value + '"' + body.slice(end));
}

//: placeBody
/** A field where the body is a form, else a member of a JSON object; only its value changes. */
function placeBody(message, name, value) {
  if (isForm(message)) placeField(message, name, value);
  else placeJson(message, name, value);
}

//: hasQuery
function hasQuery(message, name) {
  return splitPairs(queryOf(message)).some(([raw]) => decode(raw) === name);
}

//: hasQueryAsForm
function hasQueryAsForm(message, name) {
  return splitPairs(queryOf(message)).some(([raw]) => decodeForm(raw) === name);
}

//: hasForm
function hasForm(message, name) {
  return splitPairs(formOf(message)).some(([raw]) => decodeForm(raw) === name);
}

//: hasParams
function hasParams(message, name) {
  return hasQuery(message, name) || hasForm(message, name);
}

//: hasParamsAsForm
function hasParamsAsForm(message, name) {
  return hasQueryAsForm(message, name) || hasForm(message, name);
}

//: hasJson
function hasJson(message, name) {
  return memberSpan(message.body, name) !== undefined;
}

//: hasBody
function hasBody(message, name) {
  return bodySpan(message, name) !== undefined;
}
