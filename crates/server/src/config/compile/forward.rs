//! How a route passes requests on, from as written to valid by construction.

use std::sync::Arc;

use countersign_protocol::{BodyNeed, Credential, Dialect, Dialects, Inputs};
use toml::Spanned;

use super::files;
use super::route::Reader;
use crate::config::written::upstream::WrittenIdentity;
use crate::config::{ConfigError, samples};
use crate::identity::Identity;
use crate::route::Upstream;
use crate::route::forward::{BodyMode, Forwarding};
use crate::upstream::definition::Protocol;

impl Reader<'_> {
    /// How the route passes requests on.
    pub(super) fn forwarding(&self, dialects: &[Dialect], known: &Dialects, upstream: &Upstream) -> Result<Forwarding, ConfigError> {
        let body = self.body_mode(dialects)?;
        let upgrades = self.upgrades(body, upstream)?;
        let identity = self.written.identity.as_ref().map(|identity| self.identity(identity, body, known, upstream)).transpose()?;
        Ok(Forwarding { body, upgrades, identity: identity.map(Arc::new) })
    }

    fn body_mode(&self, dialects: &[Dialect]) -> Result<BodyMode, ConfigError> {
        let Some(word) = &self.written.body else { return Ok(BodyMode::Buffered) };
        let mode = BodyMode::from_name(word.get_ref()).ok_or_else(|| {
            self.error(word, format!("`{}` is no treatment of bodies", word.get_ref()), "write buffered, streamed or unsigned")
        })?;
        if mode == BodyMode::Buffered {
            return Ok(mode);
        }
        // Where only requests without a body are signed, as in the handshake of a WebSocket connection, there is nothing to read.
        let bodiless = mode == BodyMode::Unsigned && self.written.upgrade.as_ref().is_some_and(|upgrade| *upgrade.get_ref());
        let needs = |dialect: &&Dialect| match dialect.body_need() {
            BodyNeed::Claim => true,
            BodyNeed::Tag => !bodiless,
            _ => false,
        };
        match dialects.iter().find(needs) {
            Some(dialect) => {
                let fault = format!("{} signs the body as a whole, so it must be read before the signature can be checked", dialect.id());
                Err(self.error(word, fault, "write `body = \"buffered\"`, or name dialects that carry a digest of the body"))
            }
            None => Ok(mode),
        }
    }

    fn upgrades(&self, body: BodyMode, upstream: &Upstream) -> Result<bool, ConfigError> {
        let Some(upgrade) = self.written.upgrade.as_ref().filter(|upgrade| *upgrade.get_ref()) else { return Ok(false) };
        if body != BodyMode::Unsigned {
            let fault = "nobody looks at what goes through a tunnel, and this route does not say so";
            return Err(self.error(upgrade, fault, "write `body = \"unsigned\"` beside it"));
        }
        let Upstream::Servers(servers) = upstream else {
            return Err(self.error(upgrade, "the echo cannot be upgraded", "name an upstream with servers"));
        };
        let definition = servers.definition();
        let http2 = definition.protocol == Protocol::Http2 || (definition.protocol == Protocol::Auto && definition.tls.is_some());
        if http2 {
            let fault = "a WebSocket connection needs HTTP/1.1, and this upstream may be spoken to in HTTP/2";
            return Err(self.error(upgrade, fault, "write an [[upstream]] with `protocol = \"http1\"` for this route"));
        }
        Ok(true)
    }

    fn identity(
        &self,
        written: &Spanned<WrittenIdentity>,
        body: BodyMode,
        known: &Dialects,
        upstream: &Upstream,
    ) -> Result<Identity, ConfigError> {
        let wanted = written.get_ref();
        let id = &wanted.sign_with;
        let dialect = known.get(id.get_ref()).ok_or_else(|| {
            self.error(id, format!("no dialect `{}`", id.get_ref()), "see `countersign dialects list`, or name its folder under `dialects`")
        })?;
        if self.written.keep_credentials {
            let fault = "the peer's credentials would stand beside the gateway's own signature";
            return Err(self.error(written, fault, "remove `keep_credentials` or `identity`"));
        }
        if body != BodyMode::Buffered && dialect.body_need() != BodyNeed::Nothing {
            let fault = format!("{} signs the body, which is not read here", dialect.id());
            return Err(self.error(id, fault, "write `body = \"buffered\"`, or sign with a dialect that leaves the body out"));
        }
        if dialect.carries_secret() && !upstream.is_private() {
            let fault = format!("{} shows its secret, and this upstream is reached in the clear over the network", dialect.id());
            return Err(self.error(id, fault, "write https for the upstream, or sign with a dialect that keeps its secret"));
        }
        if let Some((name, _)) = wanted.inputs.iter().find(|(name, _)| !dialect.inputs().iter().any(|input| input.name == *name.get_ref()))
        {
            return Err(self.error(
                name,
                format!("{} has no input `{}`", dialect.id(), name.get_ref()),
                "remove it, or correct its spelling",
            ));
        }
        let at = &wanted.secret_file;
        let secret = files::read_private(at.get_ref()).map_err(|(fault, mend)| self.error(at, fault, mend))?;
        let inputs = wanted.inputs.iter().fold(Inputs::new(), |inputs, (name, value)| inputs.with(name.get_ref(), value));
        let credential = Credential::hmac(&wanted.key_id, secret);
        samples::can_sign(dialect, &credential, &inputs).map_err(|error| {
            self.error(id, format!("{} cannot sign with this: {error}", dialect.id()), "give what the dialect needs, or name another one")
        })?;
        Ok(Identity::new(dialect.clone(), credential, inputs))
    }
}
