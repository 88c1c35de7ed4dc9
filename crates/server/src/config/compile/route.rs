//! One route, from as written to valid by construction.

use std::ops::Range;
use std::sync::Arc;

use countersign_core::admission::{CookieRule, MOST_KEYS, RouteKeys, RouteRules, UserRule};
use countersign_protocol::{Dialect, Dialects, Inputs, Part, Policy, ReplayMode, Window};
use toml::Spanned;

use super::Around;
use super::authority::authority;
use super::faults::Faults;
use super::session::uncoverable;
use super::upstream::Upstreams;
use crate::config::written::route::{WrittenRoute, WrittenWindow};
use crate::config::{Config, ConfigError, Running, samples};
use crate::head::is_authority;
use crate::route::forward::BodyMode;
use crate::route::{ClientCertificate, ExternalAuthority, Mode, Route, is_plain_path, plain_host};
use crate::session::SessionSettings;
use crate::session::plain::PlainDelivery;
use crate::tls::Fingerprint;

/// Reads one route.
pub(super) struct Reader<'a> {
    pub(super) config: &'a Config,
    pub(super) around: &'a Around<'a>,
    pub(super) written: &'a WrittenRoute,
    pub(super) span: Range<usize>,
}

impl Reader<'_> {
    pub(super) fn error_at_route(&self, fault: impl Into<String>, mend: impl Into<String>) -> ConfigError {
        self.config.error(self.span.start, fault, mend)
    }

    pub(super) fn error<T>(&self, at: &Spanned<T>, fault: impl Into<String>, mend: impl Into<String>) -> ConfigError {
        self.config.error(at.span().start, fault, mend)
    }

    /// The route, or every fault of it.
    pub(super) fn route(
        &self,
        known: &Dialects,
        upstreams: &mut Upstreams<'_>,
        warnings: &mut Vec<String>,
        faults: &mut Faults,
    ) -> Option<Route> {
        let written = self.written;
        let prefix = faults.keep(self.prefix());
        let host = faults.keep(written.host.as_ref().map(|host| self.host(host)).transpose());
        let mut rules = self.rules(known, faults);
        let methods = faults.keep_all(written.methods.iter().flatten().map(|method| self.method(method)));
        let upstream = upstreams.find(&written.upstream, faults);
        let forward = rules.as_ref().zip(upstream.as_ref());
        let forward = forward.and_then(|(rules, upstream)| faults.keep(self.forwarding(&rules.dialects, known, upstream)));
        let passes = forward.as_ref().is_some_and(|forward| forward.body != BodyMode::Buffered);
        if let Some(rules) = rules.as_mut().filter(|_| passes && written.body_limit.is_none()) {
            rules.body_limit = usize::MAX;
        }
        let authority = faults.keep(self.authority());
        let external_prefix = faults.keep(self.external_prefix());
        let mode = faults.keep(self.mode());
        let client_certificate = faults.keep(self.client_certificate());
        let envelope = rules.as_ref().and_then(|rules| faults.keep(self.envelope(rules)));
        if (written.bearer || written.cookie.as_ref().is_some_and(|cookie| *cookie.get_ref())) && passes {
            let mend = "write `body = \"buffered\"`, or remove `bearer` and `cookie`";
            faults.add(self.error_at_route("a token without a signature is taken with a body that is read", mend));
        }
        if let Some(written) = written.envelope.as_ref().filter(|_| passes) {
            let mend = "write `body = \"buffered\"`, or remove the envelope";
            faults.add(self.error(written, "an envelope is opened as a whole, and this route does not read bodies", mend));
        }
        let decide_body = rules.as_ref().and_then(|rules| faults.keep(self.decide_body(rules, warnings)));
        let sign_response = faults.keep(self.sign_response(known));
        let (prefix, host) = (prefix?, host?);
        let route = Route {
            name: self.name(),
            host,
            prefix,
            rules: rules?,
            methods: methods?,
            upstream: upstream?,
            forward: forward?,
            keep_credentials: written.keep_credentials,
            authority: authority?,
            external_prefix: external_prefix?,
            mode: mode?,
            client_certificate: client_certificate?,
            decide_body: decide_body?,
            sign_response: sign_response?,
            envelope: envelope?,
        };
        self.warn(&route, warnings);
        Some(route)
    }

    /// The host, as far as one is pinned, and the prefix.
    fn name(&self) -> String {
        let host = self.written.host.as_ref().map(|host| host.get_ref().to_ascii_lowercase()).unwrap_or_default();
        host + self.written.prefix.get_ref()
    }

    fn rules(&self, known: &Dialects, faults: &mut Faults) -> Option<RouteRules> {
        let written = self.written;
        let dialects = self.dialects(known, faults);
        let inputs = dialects.as_ref().and_then(|dialects| faults.keep(self.inputs(dialects)));
        let policy = self.policy(faults);
        let replay = faults.keep(self.replay());
        let keys = faults.keep(self.keys());
        let user = dialects.as_ref().and_then(|dialects| faults.keep(self.user(dialects)));
        Some(RouteRules {
            name: self.name(),
            dialects: dialects?,
            inputs: inputs?,
            policy: policy?,
            replay: replay?,
            body_limit: written.body_limit.unwrap_or(self.around.limits.body_bytes),
            keys: keys?,
            scopes: written.scopes.clone(),
            user: user?,
            judges_later: false,
        })
    }

    /// What the route asks of a user's session.
    fn user(&self, dialects: &[Dialect]) -> Result<Option<UserRule>, ConfigError> {
        let written = self.written;
        let Some(session) = written.session.as_ref().filter(|session| session.get_ref() != "none") else {
            let says = !written.user_scopes.is_empty() || written.login_within.is_some() || written.bearer || written.cookie.is_some();
            let mend = "write `session = \"required\"`, or remove user_scopes, login_within, bearer and cookie";
            return if says { Err(self.error_at_route("the route asks of users, and has none", mend)) } else { Ok(None) };
        };
        let is_required = match session.get_ref().as_str() {
            "required" => true,
            "optional" => false,
            other => return Err(self.error(session, format!("no session `{other}`"), "write required, optional or none")),
        };
        let Some(users) = self.around.users else {
            // Where the table was written and could not be read, that is told already.
            if self.config.written.session.is_some() || !self.config.is_whole() {
                return Ok(None);
            }
            return Err(self.error(session, "nobody can log in here", "write a table [session]"));
        };
        let rule = self.user_rule(session, dialects, is_required, users)?;
        let Some(Running(running)) = self.around.running else { return Ok(Some(rule)) };
        // A table [session] that has changed takes effect at the next start: until then the route has the users of this one, or is refused.
        let mend = "restart the gateway with this configuration";
        let Some(running) = running else {
            return Err(self.error(session, "nobody can log in before the next start, which a new table [session] waits for", mend));
        };
        let told = |fault: ConfigError| {
            let told = format!("{}, as [session] is until the next start", fault.fault());
            ConfigError::new(self.config.file(), fault.line(), told, mend)
        };
        self.user_rule(session, dialects, is_required, running).map(Some).map_err(told)
    }

    /// What is asked where users log in like this.
    fn user_rule(
        &self,
        session: &Spanned<String>,
        dialects: &[Dialect],
        is_required: bool,
        users: &SessionSettings,
    ) -> Result<UserRule, ConfigError> {
        let written = self.written;
        let header = users.header.as_str();
        if let Some(why) = dialects.iter().find_map(|dialect| uncoverable(dialect, header)) {
            return Err(self.error(session, why, "name other dialects, or give users a route of their own"));
        }
        let login_within = written.login_within.map(|span| span.0);
        let (header, scopes, takes_bearer) = (header.to_owned(), written.user_scopes.clone(), written.bearer);
        let cookie = self.cookie(users)?;
        Ok(UserRule { header, is_required, scopes, takes_bearer, cookie, login_within })
    }

    /// The cookie in which a token may come.
    fn cookie(&self, users: &SessionSettings) -> Result<Option<Arc<CookieRule>>, ConfigError> {
        let Some(written) = self.written.cookie.as_ref().filter(|cookie| *cookie.get_ref()) else { return Ok(None) };
        let Some(PlainDelivery::Cookie(cookies)) = users.plain.as_ref().map(|plain| &plain.deliver) else {
            let mend = "write `deliver = \"cookie\"` in a table [session.plain]";
            return Err(self.error(written, "no login gives a token in a cookie", mend));
        };
        let (path, prefix) = (cookies.path.trim_end_matches('/'), self.written.prefix.get_ref());
        if !prefix.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            let fault = format!("browsers send the cookie below {} only, and the route is not there", cookies.path);
            return Err(self.error(written, fault, "change `path` of [session.cookie], or the prefix"));
        }
        Ok(Some(Arc::clone(&cookies.access)))
    }

    /// What is legal and weak.
    fn warn(&self, route: &Route, warnings: &mut Vec<String>) {
        let mut warn = |what: &str| warnings.push(self.config.warning(self.span.start, format_args!("route {}: {what}", route.name)));
        if route.host.is_none() && route.rules.dialects.iter().any(samples::leaves_host) {
            warn("the host may be unsigned, so a request captured at another host passes here; pin `host`");
        }
        if route.mode == Mode::Shadow {
            warn("in shadow mode nothing is refused for its signature");
        }
    }

    fn prefix(&self) -> Result<String, ConfigError> {
        let prefix = self.written.prefix.get_ref();
        if !is_plain_path(prefix) {
            let mend = "write a path such as /V1, without escapes, parameters, doubled slashes or dot segments";
            return Err(self.error(&self.written.prefix, format!("`{prefix}` is no plain path"), mend));
        }
        Ok(prefix.clone())
    }

    fn host(&self, host: &Spanned<String>) -> Result<String, ConfigError> {
        let text = plain_host(host.get_ref());
        if is_authority(text.as_bytes()) {
            return Ok(text);
        }
        let mend = "write a name such as api.example.com, with a port if it counts; there are no patterns: one route for each host";
        Err(self.error(host, format!("`{text}` is no host"), mend))
    }

    fn method(&self, method: &Spanned<String>) -> Result<String, ConfigError> {
        let text = method.get_ref();
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
            return Ok(text.clone());
        }
        Err(self.error(method, format!("`{text}` is no method"), "write it in capitals, such as GET"))
    }

    fn dialects(&self, known: &Dialects, faults: &mut Faults) -> Option<Vec<Dialect>> {
        if self.written.dialects.is_empty() {
            if self.config.is_whole() {
                faults.add(self.error_at_route("the route accepts no dialect", "write `dialects = [\"...\"]`"));
            }
            return None;
        }
        let named = |id| self.dialect(id, known).map(|dialect| (id, dialect));
        let named = faults.keep_all(self.written.dialects.iter().map(named))?;
        for (i, (id, dialect)) in named.iter().enumerate() {
            for (_, other) in &named[..i] {
                if let Some(why) = samples::overlap(other, dialect) {
                    let mend = "keep one of them here and give the other a route of its own";
                    faults.add(self.error(id, format!("{} and {} cannot be told apart: {why}", other.id(), dialect.id()), mend));
                    return None;
                }
            }
        }
        Some(named.into_iter().map(|(_, dialect)| dialect).collect())
    }

    fn dialect(&self, id: &Spanned<String>, known: &Dialects) -> Result<Dialect, ConfigError> {
        let dialect = known.get(id.get_ref()).ok_or_else(|| {
            let mend = "see `countersign dialects list`, or name its folder under `dialects`";
            self.error(id, format!("no dialect `{}`", id.get_ref()), mend)
        })?;
        if dialect.is_unsafe() && !self.written.allow_unsafe {
            let hazards = dialect.hazards().iter().filter(|hazard| hazard.is_unsafe()).map(ToString::to_string).collect::<Vec<_>>();
            let mend = "write `unsafe = true` for this route if that is acceptable, or use another dialect";
            return Err(self.error(id, format!("{} is unsafe: {}", dialect.id(), hazards.join("; ")), mend));
        }
        if dialect.is_of_responses() {
            return Err(self.error(id, format!("{} signs responses", dialect.id()), "name dialects of requests only"));
        }
        Ok(dialect.clone())
    }

    fn inputs(&self, dialects: &[Dialect]) -> Result<Inputs, ConfigError> {
        let mut inputs = Inputs::new();
        for (name, value) in &self.written.inputs {
            if !dialects.iter().any(|dialect| dialect.inputs().iter().any(|input| input.name == *name.get_ref())) {
                let mend = "remove it, or correct its spelling";
                return Err(self.error(name, format!("no dialect of this route has the input `{}`", name.get_ref()), mend));
            }
            inputs = inputs.with(name.get_ref(), value);
        }
        Ok(inputs)
    }

    fn policy(&self, faults: &mut Faults) -> Option<Policy> {
        let window = self.written.window.as_ref().map(|window| match window {
            WrittenWindow::Both(span) => Window::both(span.0),
            WrittenWindow::Each { past, future } => Window { past: past.0, future: future.0 },
        });
        let require = faults.keep_all(self.written.require.iter().map(|name| self.part(name)));
        let waive = faults.keep_all(self.written.waive.iter().map(|name| self.part(name)));
        let allow_cleartext = faults.keep(self.loopback_is_tls());
        Some(Policy {
            window,
            require: require?,
            waive: waive?,
            allow_unsafe: self.written.allow_unsafe,
            allow_cleartext: allow_cleartext?,
            allow_ambiguous: self.written.allow_ambiguous,
            max_expires: self.written.max_expires.map(|span| span.0),
        })
    }

    fn keys(&self) -> Result<RouteKeys, ConfigError> {
        let written = &self.written.keys;
        match written.get(MOST_KEYS) {
            Some(key) => Err(self.error(key, format!("more than {MOST_KEYS} keys"), "split the route")),
            None if written.is_empty() => Ok(RouteKeys::ByClaim),
            None => Ok(RouteKeys::Fixed(written.iter().map(|key| key.get_ref().clone()).collect())),
        }
    }

    fn loopback_is_tls(&self) -> Result<bool, ConfigError> {
        let Some(written) = &self.written.loopback_is_tls else { return Ok(false) };
        if *written.get_ref() && !self.around.listen.iter().all(|address| address.ip().is_loopback()) {
            let mend = "listen on 127.0.0.1 or [::1] only; behind a proxy that ends TLS, write `authority = { scheme = \"https\" }`";
            return Err(self.error(written, "loopback_is_tls, and an address that is reachable from elsewhere", mend));
        }
        Ok(*written.get_ref())
    }

    fn part(&self, name: &Spanned<String>) -> Result<Part, ConfigError> {
        let mend = "write one of method, path, query, host, body, time, nonce, header.NAME, query.NAME";
        Part::parse(name.get_ref()).ok_or_else(|| self.error(name, format!("`{}` is no part of a request", name.get_ref()), mend))
    }

    fn external_prefix(&self) -> Result<Option<String>, ConfigError> {
        let Some(written) = &self.written.external_prefix else { return Ok(None) };
        let text = written.get_ref();
        if is_plain_path(text) && !text.ends_with('/') {
            return Ok(Some(text.clone()));
        }
        let mend = "write what the proxy in front takes off, such as /api, without a slash at its end";
        Err(self.error(written, format!("`{text}` is no plain path without a slash at its end"), mend))
    }

    fn mode(&self) -> Result<Mode, ConfigError> {
        let Some(written) = &self.written.mode else { return Ok(Mode::Enforce) };
        match written.get_ref().as_str() {
            "enforce" => Ok(Mode::Enforce),
            "shadow" => Ok(Mode::Shadow),
            other => Err(self.error(written, format!("`{other}` is no mode"), "write enforce or shadow")),
        }
    }

    fn client_certificate(&self) -> Result<ClientCertificate, ConfigError> {
        let written = &self.written.client_certificates;
        let mend = "write the SHA-256 of the certificate's DER as 64 hexadecimal digits";
        let pin = |text: &Spanned<String>| {
            let fault = || self.error(text, format!("`{}` is no fingerprint", text.get_ref()), mend);
            Fingerprint::parse(text.get_ref()).ok_or_else(fault)
        };
        let pins = written.iter().map(pin).collect::<Result<Vec<_>, _>>()?;
        let required = self.written.require_client_certificate.as_ref();
        let place = required.filter(|required| *required.get_ref()).map(Spanned::span).or_else(|| written.first().map(Spanned::span));
        let Some(place) = place else { return Ok(ClientCertificate::NotNeeded) };
        if !self.around.asks_clients {
            let mend = "name the file of their authority under `client_ca` of a [[tls]]";
            return Err(self.config.error(place.start, "no listener asks clients for a certificate", mend));
        }
        if required.is_some_and(|required| !required.get_ref()) {
            return Err(self.config.error(place.start, "certificates are named, and not required", "remove one of the two keys"));
        }
        Ok(if pins.is_empty() { ClientCertificate::Any } else { ClientCertificate::OneOf(pins) })
    }

    fn replay(&self) -> Result<Option<ReplayMode>, ConfigError> {
        let mode = |name: &Spanned<String>| {
            let mend = "write one of nonce, signature, safe-methods-exempt, until-expiry, event, none";
            ReplayMode::from_name(name.get_ref()).ok_or_else(|| self.error(name, format!("`{}` is no replay policy", name.get_ref()), mend))
        };
        self.written.replay.as_ref().map(mode).transpose()
    }

    fn authority(&self) -> Result<ExternalAuthority, ConfigError> {
        let written = self.written.authority.as_ref();
        written.map_or(Ok(ExternalAuthority::Wire), |written| authority(self.config, written, self.around.trusts))
    }
}
