//! Breaks a right request in the way of one bug. This code shares nothing with what `explain` tries: it edits texts, signs them itself, or
//! lets the signer sign another request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::{Place, Request};

use super::ground::{Ground, Hash, Shape, decoded, find, hex, mac, percent, replaced, unbase64};

/// The shape of request on which a bug shows.
pub(crate) fn shape(bug: &str) -> Shape {
    match bug {
        "path-encoded-twice" | "path-signed-decoded" | "path-encoded-in-another-way" => Shape::Path,
        "slashes-merged" => Shape::Slashes,
        "query-left-out"
        | "query-unsorted"
        | "query-sorted-before-encoding"
        | "query-sorted-as-lines"
        | "plus-read-as-blank"
        | "blank-written-as-plus"
        | "empty-value-otherwise"
        | "repeated-parameter-once"
        | "escapes-in-lower-case" => Shape::Query,
        "body-written-anew" | "body-members-sorted" | "charset-added" | "header-value-not-there-yet" => Shape::Json,
        "body-line-end-lost" => Shape::JsonLine,
        "form-left-out" => Shape::Form,
        "form-written-anew" => Shape::EscapedForm,
        "inner-blanks-otherwise" => Shape::Header,
        "secret-decoded" => Shape::Secret,
        _ => Shape::Plain,
    }
}

/// The request as its verifier receives it; nothing where the bug does not concern this protocol or request.
pub(crate) fn inject(bug: &str, ground: &Ground) -> Option<Request> {
    match bug {
        "path-encoded-twice" => path(ground, |p| percent(p, b"/")),
        "path-signed-decoded" => path(ground, decoded),
        "path-encoded-in-another-way" => path(ground, |p| percent(&decoded(p), b"/")),
        "slashes-merged" => path(ground, |p| replaced(p, b"/a//b/../c", b"/a/c")),
        "prefix-added-by-a-gateway" => Some(received(ground, |r| r.target = [b"/gateway", &r.target[..]].concat())),
        "query-left-out" => query_left_out(ground),
        "query-unsorted" => {
            let mut items = ground.query()?;
            let order = wire_order(ground);
            items.sort_by_key(|item| order.iter().position(|pair| *pair == pair_of(item)));
            ground.with_query(&items)
        }
        "query-sorted-before-encoding" => {
            let mut items = ground.query()?;
            items.sort_by_key(|item| pair_of(item));
            ground.with_query(&items)
        }
        "query-sorted-as-lines" => {
            let mut items = ground.query()?;
            items.sort();
            ground.with_query(&items)
        }
        "plus-read-as-blank" => query(ground, |q| replaced(q, b"+", b"%20")),
        "blank-written-as-plus" => match ground.query() {
            Some(items) => {
                let items: Vec<_> = items.iter().map(|item| replaced(&replaced(item, b"%20", b"+"), b" ", b"+")).collect();
                ground.with_query(&items)
            }
            None => query(ground, |q| replaced(q, b"%20", b"+")),
        },
        "empty-value-otherwise" => {
            let items = ground.query()?;
            let other = |item: &Vec<u8>| match item.strip_suffix(b"=") {
                Some(name) if !name.contains(&b'=') => name.to_vec(),
                _ if item.contains(&b'=') => item.clone(),
                _ => [&item[..], b"="].concat(),
            };
            ground.with_query(&items.iter().map(other).collect::<Vec<_>>())
        }
        "repeated-parameter-once" => {
            let items = ground.query()?;
            let order = wire_order(ground);
            let first = |item: &&Vec<u8>| {
                let pair = pair_of(item);
                order.iter().find(|other| other.0 == pair.0).is_none_or(|other| *other == pair)
            };
            ground.with_query(&items.iter().filter(first).cloned().collect::<Vec<_>>())
        }
        "escapes-in-lower-case" => match ground.query() {
            Some(items) => ground.with_query(&items.iter().map(|item| lower_triplets(item)).collect::<Vec<_>>()),
            None => query(ground, lower_triplets),
        },
        "host-signed-with-default-port" => {
            let host = header(&ground.request, "host").filter(|host| !host.contains(&b':'))?;
            let port: &[u8] = if ground.request.scheme.as_str() == "http" { b":80" } else { b":443" };
            let host = [&host[..], port].concat();
            ground.signed_as(|request, _| set(request, "host", &host))
        }
        "host-signed-without-its-port" => {
            let host = header(&ground.placed, "host").filter(|host| !host.contains(&b':'))?;
            Some(received(ground, |request| set(request, "host", &[&host[..], b":8443"].concat())))
        }
        "host-rewritten-by-a-proxy" => {
            let host = header(&ground.placed, "host")?;
            Some(received(ground, |request| {
                set(request, "host", b"10.0.0.7:8080");
                request.headers.push(("X-Forwarded-Host".to_owned(), host));
            }))
        }
        "header-names-in-another-case" => {
            let lines = ground.header_lines()?;
            Some(ground.with_lines(|all| other_case(&mut all[lines])))
        }
        "headers-in-another-order" => {
            let lines = ground.header_lines().filter(|lines| lines.len() > 1)?;
            Some(ground.with_lines(|all| all[lines].reverse()))
        }
        "inner-blanks-otherwise" => {
            let (one, two): (&[u8], &[u8]) = (b"one two", b"one  two");
            let text = if find(&ground.text, two).is_some() { replaced(&ground.text, two, one) } else { replaced(&ground.text, one, two) };
            Some(ground.with_text(&text))
        }
        "header-value-not-there-yet" => Some(ground.with_text(&replaced(&ground.text, b"application/json", b""))),
        "charset-added" => Some(received(ground, |request| set(request, "content-type", b"application/json; charset=utf-8"))),
        "seconds-for-milliseconds" => seconds(ground),
        "local-time" => ground.signed_as(|_, options| options.at = options.at.plus(std::time::Duration::from_secs(8 * 3600))),
        "body-written-anew" => Some(received(ground, |request| request.body = spaced(&request.body))),
        "body-members-sorted" => (!ground.claims_in(Place::Body)).then(|| {
            received(ground, |request| {
                request.body = br#"{"c":{"d":true},"b":[1,2],"a":"x y"}"#.to_vec();
            })
        }),
        "form-written-anew" => {
            (!ground.claims_in(Place::Body)).then(|| received(ground, |request| request.body = b"z=one+two&y=*three*&x=%7E".to_vec()))
        }
        "body-line-end-lost" => Some(received(ground, |request| {
            request.body.pop();
        })),
        "line-feed-at-the-end" => {
            let string = match ground.string.strip_suffix(b"\n") {
                Some(without) => without.to_vec(),
                None => [&ground.string[..], b"\n"].concat(),
            };
            Some(ground.with_string(&string))
        }
        "empty-lines-left-out" => Some(ground.with_lines(|all| all.retain(|line| !line.is_empty()))),
        "secret-decoded" => {
            let key = match unbase64(ground.secret()) {
                Some(bytes) if ground.spec.key.prefix.is_none() => bytes,
                _ => return None,
            };
            // Where the protocol decodes the secret, the mistake is to take its text.
            let decodes = ground.sign_with(&key, &ground.string, ground.hash) == ground.signature;
            let key = if decodes { ground.secret().to_vec() } else { key };
            let is_form = ground.dialect.carries_nonce() && ground.dialect.secrets().len() == 1;
            let key = if is_form { [percent(&key, b""), b"&".to_vec()].concat() } else { key };
            Some(ground.with_signature(&ground.sign_with(&key, &ground.string, ground.hash)))
        }
        "signature-in-another-encoding" => {
            let tag = ground.tag();
            Some(ground.with_signature(&if ground.is_hex() { STANDARD.encode(tag) } else { hex(&tag) }))
        }
        "hexadecimal-encoded-again" => (!ground.is_hex()).then(|| ground.with_signature(&STANDARD.encode(hex(&ground.tag())))),
        "other-hash" => {
            let hash = if ground.hash == Hash::Sha1 { Hash::Sha256 } else { Hash::Sha1 };
            Some(ground.with_signature(&ground.sign(&ground.string, hash)))
        }
        "method-in-lower-case" => ground.signed_as(|request, _| request.method.make_ascii_lowercase()),
        // The fields are left out of a list of parameters, where they are in one.
        "form-left-out" if !ground.query()?.iter().any(|item| item.starts_with(b"y=")) => None,
        "form-left-out" => ground.signed_as(|request, _| request.body.clear()),
        "scope-of-another-day" => another_day(ground),
        "key-not-derived" => {
            ground.spec.key.prefix.as_ref()?;
            Some(ground.with_signature(&ground.encoded(&mac(ground.hash, ground.secret(), &ground.string))))
        }
        "http-version-of-the-proxy" => Some(received(ground, |request| request.version = "HTTP/2.0".to_owned())),
        "signature-percent-encoded" => {
            let encoded = String::from_utf8(percent(ground.signature.as_bytes(), b"")).ok()?;
            let bare = ground.placed.headers.iter().any(|(_, value)| find(value, ground.signature.as_bytes()).is_some());
            (bare && encoded != ground.signature).then(|| ground.with_signature(&encoded))
        }
        other => panic!("no injector for {other}"),
    }
}

/// The right request, changed on its way.
fn received(ground: &Ground, change: impl FnOnce(&mut Request)) -> Request {
    let mut request = ground.placed.clone();
    change(&mut request);
    request
}

/// The right request with the signature of a request of another path.
fn path(ground: &Ground, change: impl Fn(&[u8]) -> Vec<u8>) -> Option<Request> {
    ground.signed_as(|request, _| {
        let end = request.target.iter().position(|b| *b == b'?').unwrap_or(request.target.len());
        request.target = [change(&request.target[..end]), request.target[end..].to_vec()].concat();
    })
}

/// The right request with the signature of a request of another query.
fn query(ground: &Ground, change: impl Fn(&[u8]) -> Vec<u8>) -> Option<Request> {
    ground.signed_as(|request, _| {
        let end = request.target.iter().position(|b| *b == b'?').unwrap_or(request.target.len());
        request.target = [request.target[..end].to_vec(), change(&request.target[end..])].concat();
    })
}

fn query_left_out(ground: &Ground) -> Option<Request> {
    if ground.claims_in(Place::Query) || ground.claims_in(Place::Params) {
        return None;
    }
    query(ground, |_| Vec::new())
}

/// A rendered item, decoded.
fn pair_of(item: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let at = item.iter().position(|b| *b == b'=').unwrap_or(item.len());
    (decoded(&item[..at]), decoded(item.get(at + 1..).unwrap_or_default()))
}

/// The parameters in the order in which they are sent: those of a header that is a list, then those of the query.
fn wire_order(ground: &Ground) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    if let Some(value) = header(&ground.placed, "authorization").filter(|v| find(v, b"=\"").is_some()) {
        let start = value.iter().position(|b| *b == b' ').unwrap_or(0);
        for piece in value[start..].split(|b| *b == b',') {
            let text: Vec<u8> = piece.trim_ascii().iter().copied().filter(|b| *b != b'"').collect();
            all.push(pair_of(&text));
        }
    }
    let mark = ground.placed.target.iter().position(|b| *b == b'?');
    if let Some(at) = mark {
        let blank = |text: &[u8]| if ground.spec.form { replaced(text, b"+", b"%20") } else { text.to_vec() };
        all.extend(ground.placed.target[at + 1..].split(|b| *b == b'&').filter(|f| !f.is_empty()).map(|f| pair_of(&blank(f))));
    }
    all
}

fn lower_triplets(text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    for at in 0..out.len().saturating_sub(2) {
        if out[at] == b'%' {
            out[at + 1..at + 3].make_ascii_lowercase();
        }
    }
    out
}

/// One spelling for all: small letters where a name has capitals, else capitalised words.
fn other_case(lines: &mut [Vec<u8>]) {
    let end = |line: &[u8]| line.iter().position(|b| *b == b':').unwrap_or(line.len());
    let has_capitals = lines.iter().any(|line| line[..end(line)].iter().any(u8::is_ascii_uppercase));
    for line in lines {
        let end = end(line);
        let mut start = true;
        for byte in &mut line[..end] {
            let begins = std::mem::replace(&mut start, *byte == b'-');
            *byte = if begins && !has_capitals { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() };
        }
    }
}

fn seconds(ground: &Ground) -> Option<Request> {
    let (seconds, millis) = (ground.options.at.seconds().to_string(), ground.options.at.millis().to_string());
    let whole = format!("{seconds}000");
    if find(&ground.text, millis.as_bytes()).is_some() {
        return Some(ground.with_text(&replaced(&ground.text, millis.as_bytes(), seconds.as_bytes())));
    }
    if find(&ground.text, seconds.as_bytes()).is_some() {
        // What the body says of a time is none of the protocol's.
        let body = if ground.text.ends_with(&ground.placed.body) { &ground.placed.body[..] } else { b"" };
        let head = &ground.text[..ground.text.len() - body.len()];
        return Some(ground.with_text(&[&replaced(head, seconds.as_bytes(), whole.as_bytes()), body].concat()));
    }
    find(&ground.string, seconds.as_bytes())?;
    Some(ground.with_string(&replaced(&ground.string, seconds.as_bytes(), whole.as_bytes())))
}

/// The scope's date is that of the day before, in the text, in the key and where it is carried.
fn another_day(ground: &Ground) -> Option<Request> {
    ground.spec.key.prefix.as_ref()?;
    let scope = ground.string.split(|b| *b == b'\n').nth(2)?.to_vec();
    let date = scope.split(|b| *b == b'/').next()?.to_vec();
    let before = ground.options.at.minus(std::time::Duration::from_secs(86_400)).to_string();
    let before: Vec<u8> = before.bytes().take(10).filter(|b| date.contains(&b'-') || *b != b'-').collect();
    let other = replaced(&scope, &date, &before);
    let mut request = ground.with_string(&replaced(&ground.string, &scope, &other));
    for (old, new) in [(scope.clone(), other.clone()), (percent(&scope, b""), percent(&other, b""))] {
        for (_, value) in &mut request.headers {
            *value = replaced(value, &old, &new);
        }
    }
    // Where the query carries the scope, it is also signed there.
    (!ground.claims_in(Place::Query)).then_some(request)
}

/// JSON with a blank after each colon and comma that stands outside of texts.
fn spaced(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut inside = false;
    for byte in body {
        out.push(*byte);
        match byte {
            b'"' => inside = !inside,
            b':' | b',' if !inside => out.push(b' '),
            _ => {}
        }
    }
    out
}

pub(crate) fn header(request: &Request, name: &str) -> Option<Vec<u8>> {
    request.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
}

pub(crate) fn set(request: &mut Request, name: &str, value: &[u8]) {
    if let Some((_, old)) = request.headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
        *old = value.to_vec();
    }
}
