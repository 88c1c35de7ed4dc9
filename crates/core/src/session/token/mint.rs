//! Minting an access token.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::claims::{AccessToken, BEARER, Confirmation, TokenUser};
use super::{MOST_BYTES, TYPE};
use crate::session::signing::SigningKey;

/// Why a token is not minted: no verifier would accept it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MintFault(&'static str);

impl fmt::Display for MintFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the access token cannot be minted: {}", self.0)
    }
}

impl std::error::Error for MintFault {}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}

#[derive(Serialize)]
struct Payload<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: String,
    client_id: &'a str,
    sid: String,
    jti: String,
    iat: u64,
    exp: u64,
    auth_time: u64,
    scope: &'a str,
    rtg: u64,
    ep: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<&'a Confirmation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bind: Option<&'a str>,
    u: &'a TokenUser,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    amr: &'a [String],
}

/// Signs what the token says, in the compact form. Which key signs at an instant is [`KeyRing::signing`](crate::session::signing::KeyRing::signing).
///
/// # Errors
/// When a claim is not as a verifier demands it, or all of them together are longer than [`MOST_BYTES`].
pub fn mint(key: &SigningKey, token: &AccessToken) -> Result<String, MintFault> {
    token.check().map_err(MintFault)?;
    let header = Header { alg: key.algorithm().as_str(), kid: key.kid(), typ: TYPE };
    let payload = Payload {
        iss: &token.iss,
        aud: &token.aud,
        sub: token.sub.to_string(),
        client_id: &token.client_id,
        sid: token.sid.to_string(),
        jti: token.jti.to_string(),
        iat: token.iat,
        exp: token.exp,
        auth_time: token.auth_time,
        scope: &token.scope,
        rtg: token.rtg,
        ep: token.ep,
        cnf: token.cnf.as_ref(),
        bind: token.bearer.then_some(BEARER),
        u: &token.u,
        amr: &token.amr,
    };
    let mut text = format!("{}.{}", part(&header)?, part(&payload)?);
    let signature = key.sign(text.as_bytes()).ok_or(MintFault("its key does not sign"))?;
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    if text.len() > MOST_BYTES { Err(MintFault("it is longer than 4 KiB; give the user fewer scopes and roles")) } else { Ok(text) }
}

fn part(value: &impl Serialize) -> Result<String, MintFault> {
    let json = serde_json::to_vec(value).map_err(|_| MintFault("a part is no JSON"))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}
