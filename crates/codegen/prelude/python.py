#: failure
class SigningError(ValueError):
    """The request cannot be signed: what is wrong, for the caller to mend."""


def failure(words):
    return SigningError(words.decode("utf-8", "replace") if isinstance(words, bytes) else words)

#: Message
class Message:
    """The message while it is signed. Everything is bytes, as on the wire."""

    def __init__(self, given):
        self.method = to_bytes(given.get("method", ""))
        self.scheme = to_bytes(given.get("scheme", "https"))
        self.version = to_bytes(given.get("version", "HTTP/1.1"))
        self.status = to_bytes(str(given.get("status", "")))
        self.target = to_bytes(given.get("target", ""))
        self.headers = [(to_bytes(name), to_bytes(value)) for name, value in given.get("headers", [])]
        self.body = to_bytes(given.get("body", b""))

    def signed(self, signature, stages):
        return {
            "target": shown(self.target),
            "headers": [(shown(name), shown(value)) for name, value in self.headers],
            "body": self.body,
            "signature": shown(signature),
            "stages": {name: shown(text) for name, text in stages.items()},
        }

#: to_bytes
def to_bytes(text):
    return text.encode("utf-8") if isinstance(text, str) else bytes(text or b"")

#: shown
def shown(text):
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text

#: text_of
def text_of(given, name):
    return to_bytes((given or {}).get(name))

#: texts_of
def texts_of(given, name):
    return [to_bytes(text) for text in given.get(name) or []]

#: milliseconds
#+ import time as clock
def milliseconds(at):
    """An instant as milliseconds since 1970: a number of them, a datetime that knows its zone, or now."""
    if at is None:
        return clock.time_ns() // 1000000
    return int(at.timestamp()) * 1000 + at.microsecond // 1000 if hasattr(at, "timestamp") else int(at)

#: check_message
#+ import re
def check_message(message):
    token = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
    whole_server = message.target == b"*" and message.method == b"OPTIONS"
    if message.method and not message.target.startswith(b"/") and not whole_server:
        raise failure("the target is a path with its query, such as /orders?a=1")
    if re.search(rb"[\x00-\x20\x7f#]", message.target):
        raise failure("the target holds a blank, a control character or a fragment")
    if re.search(rb"%(?![0-9A-Fa-f]{2})", message.target):
        raise failure("the target holds a % that begins no triplet; write %25 for a bare %")
    if message.method and not token.fullmatch(message.method):
        raise failure("the method is no token")
    for name, value in message.headers:
        if not token.fullmatch(name) or re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value):
            raise failure("a header's name is no token, or its value holds a control character")
    if len(header_values(message, b"host")) > 1:
        raise failure("Host is there more than once")

#: check_omitted
def check_omitted(options, known):
    for name in texts_of(options, "omit"):
        if name not in known:
            raise failure(b"this dialect cannot leave out " + name)

#: choose_algorithm
def choose_algorithm(credential, known):
    """The algorithm that the credential is registered for, else the dialect's first."""
    wanted = text_of(credential, "algorithm")
    if not text_of(credential, "secret"):
        raise failure("this signer signs by a shared secret only")
    if wanted and wanted not in known:
        raise failure("the credential's algorithm does not fit the dialect")
    return wanted or known[0]

#: mac
def mac(algorithm, key, text):
    name = algorithm.decode()
    return hmac(name[5:], key, text) if name.startswith("hmac-") else digest(name, text)

#: fresh_nonce
#+ import secrets
def fresh_nonce():
    return secrets.token_hex(16).encode()

#: header_values
def header_values(message, name):
    return [value.strip(b" \t") for line, value in message.headers if line.lower() == name.lower()]

#: header
def header(message, name):
    return first_of(header_values(message, name))

#: first_of
def first_of(values):
    return values[0] if values else b""

#: has_header
def has_header(message, name):
    return bool(header_values(message, name))

#: path_of
def path_of(message):
    return message.target.split(b"?", 1)[0] or b"/"

#: query_of
def query_of(message):
    return message.target.partition(b"?")[2]

#: form_of
def form_of(message):
    return message.body if is_form(message) else b""

#: is_form
def is_form(message):
    return media_type(header(message, b"content-type")) == b"application/x-www-form-urlencoded"

#: media_type
def media_type(value):
    return value.split(b";")[0].strip(b" \t").lower()

#: split_port
def split_port(authority):
    colon = authority.rfind(b":")
    if colon < 0 or colon < authority.rfind(b"]"):
        return authority, None
    return authority[:colon], authority[colon + 1:]

#: hostname
def hostname(message):
    return split_port(header(message, b"host"))[0]

#: default_port
def default_port(message):
    return b"80" if message.scheme == b"http" else b"443"

#: port
def port(message):
    port_text = split_port(header(message, b"host"))[1]
    return default_port(message) if port_text is None else port_text

#: authority
def authority(message):
    """The Host header in lower case, without the scheme's default port."""
    name, port_text = split_port(header(message, b"host"))
    return name.lower() + (b":" + port_text if port_text and port_text != default_port(message) else b"")

#: split_pairs
def split_pairs(text):
    pairs = (fragment.partition(b"=") for fragment in text.split(b"&") if fragment)
    return [(name, value) for name, _, value in pairs]

#: query_value
def query_value(message, name):
    return first_of([decode(value) for raw, value in split_pairs(query_of(message)) if decode(raw) == name])

#: form_value
def form_value(message, name):
    return first_of([decode_form(value) for raw, value in split_pairs(form_of(message)) if decode_form(raw) == name])

#: lower
def lower(text):
    return text.lower()

#: upper
def upper(text):
    return text.upper()

#: trim
def trim(text):
    return text.strip(b" \t")

#: squeeze
#+ import re
def squeeze(text):
    """Without outer blanks, and with one space for each inner run of them."""
    return re.sub(rb"[ \t]+", b" ", text).strip(b" ")

#: percent
#+ from urllib.parse import quote_from_bytes
def percent(text):
    """Everything but the unreserved characters of RFC 3986."""
    return quote_from_bytes(text, safe="").encode()

#: percent_path
#+ from urllib.parse import quote_from_bytes
def percent_path(text):
    return quote_from_bytes(text, safe="/").encode()

#: decode
#+ from urllib.parse import unquote_to_bytes
def decode(text):
    return unquote_to_bytes(text)

#: decode_form
def decode_form(text):
    return decode(text.replace(b"+", b" "))

#: normalize_path
def normalize_path(path):
    """Without dot segments and doubled slashes; a closing slash stays."""
    kept = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    closed = not kept or path.endswith((b"/", b"/.", b"/.."))
    return b"".join(b"/" + segment for segment in kept) + (b"/" if closed else b"")

#: closing_slash
def closing_slash(text):
    return text if text.endswith(b"/") else text + b"/"

#: digest
#+ import hashlib
def digest(name, text):
    return hashlib.new(name, text).digest()

#: hmac
#+ import hmac as standard_hmac
def hmac(name, key, text):
    return standard_hmac.new(key, text, name).digest()

#: hex
def hex(text):
    return bytes(text).hex().encode()

#: base64
#+ import base64 as standard_base64
def base64(text):
    return standard_base64.b64encode(text)

#: base64url
#+ import base64 as standard_base64
def base64url(text):
    return standard_base64.urlsafe_b64encode(text)

#: from_hex
#+ import re
def from_hex(text):
    if not re.fullmatch(rb"([0-9A-Fa-f]{2})*", text):
        raise failure("a value that should be hexadecimal is not")
    return bytes.fromhex(text.decode())

#: from_base64
#+ import base64 as standard_base64
#+ import re
def from_base64(text):
    bare = text.rstrip(b"=")
    padded = bare + b"=" * (-len(bare) % 4)
    if not re.fullmatch(rb"[A-Za-z0-9+/]*", bare) or len(bare) % 4 == 1 or standard_base64.b64encode(standard_base64.b64decode(padded + b"==")) != padded:
        raise failure("a value that should be base64 is not")
    return standard_base64.b64decode(padded)

#: without
def without(text, prefix):
    return text[len(prefix):] if text.startswith(prefix) else text

#: first
def first(text, count):
    return text[:count]

#: choose_headers
def choose_headers(message, sign, pseudo, never):
    """The headers that the dialect signs among those that are there; a star behind stands for any ending."""
    chosen = []
    for pattern in sign:
        if pattern.lower() in pseudo:
            chosen.append(pattern)
            continue
        for name, _ in message.headers:
            prefix = pattern[:-1].lower() if pattern.endswith(b"*") else None
            fits = name.lower().startswith(prefix) if prefix is not None else name.lower() == pattern.lower()
            if fits and name.lower() not in never and name.lower() not in [there.lower() for there in chosen]:
                chosen.append(pattern if prefix is None else name)
    return chosen

#: without_names
def without_names(names, never):
    return [name for name in names if name.lower() not in never]

#: joined_lists
def joined_lists(one, other):
    return one + other

#: contains
def contains(texts, text):
    return text in texts

#: sorted_texts
def sorted_texts(texts):
    return sorted(texts)

#: sorted_lines
def sorted_lines(rows):
    """The last text of each row, sorted by those before it. Equal ones stay in their order."""
    return [row[-1] for row in sorted(rows, key=lambda row: row[:-1])]

#: sorted_pairs
def sorted_pairs(rows):
    """The last two texts of each row, sorted by those before them."""
    return [row[-2:] for row in sorted(rows, key=lambda row: row[:-2])]

#: merged
def merged(pairs, joint):
    """One pair for each name, its values joined in their order."""
    values = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return [(name, joint.join(texts)) for name, texts in values.items()]

#: rows
def rows(*pairs):
    return list(pairs)

#: join
def join(texts, joint):
    return joint.join(texts)

#: unix
def unix(at):
    return str(at // 1000).encode()

#: unix_ms
def unix_ms(at):
    return str(at).encode()

#: moment
#+ import datetime
def moment(at):
    return datetime.datetime(1970, 1, 1) + datetime.timedelta(milliseconds=at)

#: http_date
def http_date(at):
    when = moment(at)
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    day, month = days[when.weekday()], months[when.month - 1]
    text = f"{day}, {when.day:02} {month} {when.year:04} {when.hour:02}:{when.minute:02}:{when.second:02} GMT"
    return text.encode()

#: format_time
#+ import re
def format_time(at, pattern):
    when = moment(at)
    fields = {
        b"YYYY": f"{when.year:04}", b"MM": f"{when.month:02}", b"DD": f"{when.day:02}", b"hh": f"{when.hour:02}",
        b"mm": f"{when.minute:02}", b"ss": f"{when.second:02}", b"SSS": f"{when.microsecond // 1000:03}",
    }
    return re.sub(rb"YYYY|SSS|MM|DD|hh|mm|ss", lambda found: fields[found.group()].encode(), pattern)

#: carriable
#+ import re
def carriable(name, value):
    """What is carried is UTF-8 without control characters: a line end would be another header."""
    if re.search(rb"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]", value) or not isinstance(shown(value), str):
        raise failure(b"the value of " + name + b" holds a control character or is no UTF-8")
    return value

#: place_header
def place_header(message, name, value):
    """Replaces the header where it stands, or adds it behind the others."""
    carriable(name, value)
    lines, placed = [], False
    for line in message.headers:
        if line[0].lower() != name.lower():
            lines.append(line)
        elif not placed:
            lines.append((line[0], value))
            placed = True
    message.headers = lines if placed else lines + [(name, value)]

#: set_pair
def set_pair(text, name, value, decoded):
    """The pairs with this one replaced where it stands, or added at the end. One that says the same stays as it is spelled."""
    pair = percent(name) + b"=" + percent(value)
    fragments, placed = [], False
    for fragment in text.split(b"&") if text else []:
        if not fragment or decoded(fragment.partition(b"=")[0]) != name:
            fragments.append(fragment)
        elif not placed:
            fragments.append(fragment if decoded(fragment.partition(b"=")[2]) == value else pair)
            placed = True
    return b"&".join(fragments if placed else fragments + [pair])

#: place_query
#& decode
def place_query(message, name, value):
    path = message.target.partition(b"?")[0]
    message.target = path + b"?" + set_pair(query_of(message), name, carriable(name, value), decode)

#: set_body
def set_body(message, body):
    """The new body. Where it is longer or shorter, every Content-Length that is there says so."""
    if len(body) != len(message.body):
        length = str(len(body)).encode()
        message.headers = [(n, length if n.lower() == b"content-length" else v) for n, v in message.headers]
    message.body = body

#: place_form
#& decode_form
def place_form(message, name, value):
    if not is_form(message):
        raise failure("what is carried rides in a form, and the content type is no form")
    set_body(message, set_pair(message.body, name, carriable(name, value), decode_form))

#: place_params
def place_params(message, name, value):
    """Where it stands in the query; else in the form where there is one with a body, else in the query."""
    if is_form(message) and message.body and not has_query(message, name):
        place_form(message, name, value)
    else:
        place_query(message, name, value)

#: place_params_as_form
#& decode_form
def place_params_as_form(message, name, value):
    """As `place_params`, where the query is read as a form."""
    if is_form(message) and message.body and not has_query_as_form(message, name):
        place_form(message, name, value)
    else:
        path = message.target.partition(b"?")[0]
        message.target = path + b"?" + set_pair(query_of(message), name, carriable(name, value), decode_form)

#: field_span
def field_span(body, name):
    """Where the value of a form field stands, its raw name as written."""
    start = 0
    for fragment in body.split(b"&"):
        end = start + len(fragment)
        if fragment.partition(b"=")[0] == name:
            return min(start + len(name) + 1, end), end
        start = end + 1
    return None

#: skip_blanks
def skip_blanks(body, at):
    while body[at:at + 1] in (b" ", b"\t", b"\n", b"\r"):
        at += 1
    return at

#: text_end
def text_end(body, at):
    """The place of the quote that closes a JSON text whose opening quote was passed."""
    while body[at:at + 1] not in (b'"', b""):
        at += 2 if body[at:at + 1] == b"\\" else 1
    return at if at < len(body) else -1

#: member_span
def member_span(body, name):
    """Where the value of a top-level JSON member stands, between its quotes. Only the first such text counts."""
    at, opened, may_be_name = 0, [], False
    while True:
        at = skip_blanks(body, at)
        byte, at = body[at:at + 1], at + 1
        if not byte:
            return None
        if byte in b"{[":
            if len(opened) >= 128 or (not opened and byte == b"["):
                return None
            opened.append(byte)
            may_be_name = byte == b"{"
        elif byte in b"}]":
            del opened[-1:]
            may_be_name = False
            if not opened:
                return None
        elif byte == b",":
            may_be_name = opened[-1:] == [b"{"]
        elif byte == b'"':
            start, at = at, text_end(body, at)
            if at < 0:
                return None
            text, at = body[start:at], at + 1
            if may_be_name and text == name and len(opened) == 1:
                colon = skip_blanks(body, at)
                quote = skip_blanks(body, colon + 1)
                if body[colon:colon + 1] == b":" and body[quote:quote + 1] == b'"':
                    end = text_end(body, quote + 1)
                    return None if end < 0 else (quote + 1, end)
            may_be_name = False

#: end_of_object
def end_of_object(body):
    """Where a further member of a JSON object can be written, and whether it is the first."""
    at = skip_blanks(body, 0)
    if body[at:at + 1] != b"{":
        return None
    at, depth, is_first = at + 1, 1, True
    while True:
        at = skip_blanks(body, at)
        byte = body[at:at + 1]
        if not byte:
            return None
        if byte == b'"':
            at = text_end(body, at + 1)
            if at < 0:
                return None
        elif byte in b"{[":
            depth += 1
        elif byte in b"}]":
            depth -= 1
            if depth == 0:
                return at, is_first
        at, is_first = at + 1, False

#: body_span
def body_span(message, name):
    return field_span(message.body, name) if is_form(message) else member_span(message.body, name)

#: body_without
def body_without(message, name):
    """The body with this value emptied and every other byte as it is."""
    span = body_span(message, name)
    return message.body if span is None else message.body[:span[0]] + message.body[span[1]:]

#: place_field
def place_field(message, name, value):
    body, encoded = message.body, percent(carriable(name, value))
    span = field_span(body, name)
    if span is None:
        set_body(message, body + (b"&" if body else b"") + name + b"=" + encoded)
    else:
        start, end = span
        bare = start == end and body[:start][-1:] != b"="
        set_body(message, body[:start] + (b"=" if bare else b"") + encoded + body[end:])

#: place_json
def place_json(message, name, value):
    carriable(name, value)
    if b'"' in value or b"\\" in value:
        raise failure(b"the value of " + name + b" cannot stand in JSON as it is")
    body = message.body
    span = member_span(body, name)
    if span is not None:
        set_body(message, body[:span[0]] + value + body[span[1]:])
        return
    place = end_of_object(body)
    if place is None:
        raise failure("what is carried rides in the body, and the body is neither a form nor a JSON object")
    end, is_first = place
    set_body(message, body[:end] + (b"" if is_first else b",") + b'"' + name + b'":"' + value + b'"' + body[end:])

#: place_body
def place_body(message, name, value):
    """A field where the body is a form, else a member of a JSON object; only its value changes."""
    if is_form(message):
        place_field(message, name, value)
    else:
        place_json(message, name, value)

#: has_query
def has_query(message, name):
    return any(decode(raw) == name for raw, _ in split_pairs(query_of(message)))

#: has_query_as_form
def has_query_as_form(message, name):
    return any(decode_form(raw) == name for raw, _ in split_pairs(query_of(message)))

#: has_form
def has_form(message, name):
    return any(decode_form(raw) == name for raw, _ in split_pairs(form_of(message)))

#: has_params
def has_params(message, name):
    return has_query(message, name) or has_form(message, name)

#: has_params_as_form
def has_params_as_form(message, name):
    return has_query_as_form(message, name) or has_form(message, name)

#: has_json
def has_json(message, name):
    return member_span(message.body, name) is not None

#: has_body
def has_body(message, name):
    return body_span(message, name) is not None
