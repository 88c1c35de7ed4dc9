//! Applies the edits of a `change` to a placed request and what surrounds it.

use countersign_protocol::Request;

use crate::case::{self, Scene};
use crate::error::Fault;
use crate::written::{Bytes, Change, Replace};

/// Applies one edit.
pub(crate) fn apply(change: &Change, scene: &mut Scene) -> Result<(), Fault> {
    edit_request(change, &mut scene.placed)?;
    if let Some(now) = &change.now {
        scene.now.clone_from(now);
    }
    if let Some(policy) = &change.policy {
        scene.policy = policy.clone();
    }
    if let Some(credentials) = &change.credentials {
        scene.credentials.replace(credentials);
    }
    if let Some(inputs) = &change.inputs {
        scene.inputs.clone_from(inputs);
    }
    Ok(())
}

fn edit_request(change: &Change, request: &mut Request) -> Result<(), Fault> {
    if let Some(method) = &change.method {
        request.method.clone_from(method);
    }
    if let Some(scheme) = change.scheme {
        request.scheme = scheme.into();
    }
    if let Some(target) = &change.target {
        request.target = target.clone().into_bytes();
    }
    edit_headers(change, request)?;
    if let Some(body) = case::body(change.body.as_ref(), change.body_base64.as_ref(), change.body_repeat.as_ref())? {
        request.body = body;
    }
    for replace in change.replace.iter().flat_map(|list| &list.0) {
        put_instead(replace, request)?;
    }
    Ok(())
}

fn edit_headers(change: &Change, request: &mut Request) -> Result<(), Fault> {
    for name in change.remove_headers.iter().flatten() {
        let before = request.headers.len();
        request.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        if request.headers.len() == before {
            return Err(Fault::NotThere(name.clone()));
        }
    }
    for (name, value) in change.headers.iter().flatten() {
        let value = value.read()?;
        match request.headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some(line) => line.1 = value,
            None => request.headers.push((name.clone(), value)),
        }
    }
    for (name, value) in change.add_headers.iter().flatten() {
        request.headers.push((name.clone(), Bytes::read(value)?));
    }
    Ok(())
}

/// Replaces the first occurrence of a text, which must occur.
fn put_instead(replace: &Replace, request: &mut Request) -> Result<(), Fault> {
    let place = match replace.r#in.as_str() {
        "target" => &mut request.target,
        "body" => &mut request.body,
        other => header_of(other, request).ok_or_else(|| Fault::Place(other.to_owned()))?,
    };
    let (text, with) = (replace.text.as_bytes(), replace.with.as_bytes());
    let start = place.windows(text.len().max(1)).position(|w| w == text).ok_or_else(|| Fault::NotThere(replace.text.clone()))?;
    place.splice(start..start + text.len(), with.iter().copied());
    Ok(())
}

fn header_of<'r>(place: &str, request: &'r mut Request) -> Option<&'r mut Vec<u8>> {
    let name = place.strip_prefix("header.")?;
    request.headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
