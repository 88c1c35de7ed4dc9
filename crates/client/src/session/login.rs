//! What a user gives to log in.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use countersign_protocol::{KeyMaterial, Secret};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// A login. `Debug` shows neither password nor code.
#[derive(Clone)]
pub struct Login {
    pub(super) username: String,
    pub(super) password: Secret,
    pub(super) totp: Option<String>,
    pub(super) scope: Option<String>,
    pub(super) bind: Bind,
    pub(super) public_app: Option<String>,
}

/// Which key signs the requests of the session.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Bind {
    /// Any credential of the app.
    #[default]
    App,
    /// A key that the login's answer brings, kept with the tokens.
    Session,
    /// The caller's own Ed25519 or P-256 key, which never leaves it.
    #[cfg(feature = "asymmetric")]
    Client(countersign_protocol::KeyPair),
}

impl Login {
    /// A login that asks for everything that the user may, bound to the app.
    #[must_use]
    pub fn new(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self { username: username.into(), password: password.into(), totp: None, scope: None, bind: Bind::App, public_app: None }
    }

    /// The same with a one-time code.
    #[must_use]
    pub fn totp(mut self, code: impl Into<String>) -> Self {
        self.totp = Some(code.into());
        self
    }

    /// The same asking for less: names of scopes with spaces between.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// The same with another key that signs.
    #[must_use]
    pub fn bind(mut self, bind: Bind) -> Self {
        self.bind = bind;
        self
    }

    /// The same through an app without a secret: the login itself is signed with the caller's own key, so [`Bind::Client`] is needed.
    #[cfg(feature = "asymmetric")]
    #[must_use]
    pub fn of_public_app(mut self, app: impl Into<String>) -> Self {
        self.public_app = Some(app.into());
        self
    }

    /// The body of the request.
    pub(super) fn body(&self) -> Result<Zeroizing<Vec<u8>>, &'static str> {
        let password = std::str::from_utf8(self.password.expose()).map_err(|_| "the password is no UTF-8")?;
        let mut body = Map::new();
        let mut put = |name: &str, value: &str| body.insert(name.to_owned(), Value::from(value));
        put("username", &self.username);
        put("bind", self.bind.name());
        self.totp.as_ref().map(|totp| put("totp", totp));
        self.scope.as_ref().map(|scope| put("scope", scope));
        self.public_app.as_ref().map(|app| put("app", app));
        self.bind.public_pem().map(|pem| put("public_key", &pem));
        // The password is written last, into a buffer that is wiped.
        let rest = Value::Object(body).to_string();
        let quoted = Zeroizing::new(serde_json::to_vec(password).map_err(|_| "the password cannot be written")?);
        let mut whole = Zeroizing::new(Vec::with_capacity(rest.len() + quoted.len() + 16));
        whole.extend_from_slice(&rest.as_bytes()[..rest.len() - 1]);
        whole.extend_from_slice(b",\"password\":");
        whole.extend_from_slice(&quoted);
        whole.push(b'}');
        Ok(whole)
    }
}

impl Bind {
    const fn name(&self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Session => "session",
            #[cfg(feature = "asymmetric")]
            Self::Client(_) => "client",
        }
    }

    /// The caller's own key.
    pub(super) fn own_key(&self) -> Option<KeyMaterial> {
        match self {
            #[cfg(feature = "asymmetric")]
            Self::Client(key) => Some(KeyMaterial::Pair(key.clone())),
            _ => None,
        }
    }

    fn public_pem(&self) -> Option<String> {
        match self {
            #[cfg(feature = "asymmetric")]
            Self::Client(key) => Some(pem(key.public_der())),
            _ => None,
        }
    }
}

#[cfg_attr(not(feature = "asymmetric"), expect(dead_code, reason = "only callers with keys of their own show them"))]
fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<String> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("username", &self.username).field("bind", &self.bind.name()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_written_whole_and_shown_without_its_secrets() {
        let login = Login::new("a\"da", "can\"ary\n").totp("123456").scope("orders").bind(Bind::Session);
        let body: Value = serde_json::from_slice(&login.body().unwrap()).unwrap();
        let wanted = serde_json::json!({
            "username": "a\"da", "password": "can\"ary\n", "totp": "123456", "scope": "orders", "bind": "session"
        });
        assert_eq!(body, wanted);
        let shown = format!("{login:?}");
        assert!(!shown.contains("ary") && !shown.contains("123456"), "{shown}");
        assert!(Login::new("ada", Secret::new([0xff])).body().is_err());
    }

    #[cfg(feature = "asymmetric")]
    #[test]
    fn a_public_key_is_written_as_others_write_it() {
        // An Ed25519 key of RFC 8410, section 10.1.
        const PUBLIC: &str =
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
        let key = countersign_protocol::KeyPair::from_public_pem(PUBLIC).unwrap();
        assert_eq!(pem(key.public_der()), PUBLIC);
    }
}
