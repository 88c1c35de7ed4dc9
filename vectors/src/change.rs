//! Applies the edits of a `change` to a placed request and what surrounds it.

use std::collections::BTreeMap;

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
    let headers = &mut request.headers;
    edit_headers(change.remove_headers.as_deref(), change.headers.as_ref(), change.add_headers.as_deref(), headers)?;
    if let Some(body) = case::body(change.body.as_ref(), change.body_base64.as_ref(), change.body_repeat.as_ref())? {
        request.body = body;
    }
    for replace in change.replace.iter().flat_map(|list| &list.0) {
        put_instead(replace, request)?;
    }
    Ok(())
}

/// Takes header lines away, puts others in place, and adds further ones.
pub(crate) fn edit_headers(
    remove: Option<&[String]>,
    put: Option<&BTreeMap<String, Bytes>>,
    add: Option<&[(String, Bytes)]>,
    headers: &mut Vec<(String, Vec<u8>)>,
) -> Result<(), Fault> {
    for name in remove.into_iter().flatten() {
        let before = headers.len();
        headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        if headers.len() == before {
            return Err(Fault::NotThere(name.clone()));
        }
    }
    for (name, value) in put.into_iter().flatten() {
        let value = value.read()?;
        match headers.iter_mut().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
            Some(line) => line.1 = value,
            None => headers.push((name.clone(), value)),
        }
    }
    for (name, value) in add.into_iter().flatten() {
        headers.push((name.clone(), value.read()?));
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
