//! One route, from as written to valid by construction.

use std::net::SocketAddr;
use std::ops::Range;

use countersign_core::admission::{MOST_KEYS, RouteKeys, RouteRules};
use countersign_protocol::{Dialect, Dialects, Inputs, Part, Policy, ReplayMode, Scheme, Window};
use http::uri::Authority;
use toml::Spanned;

use crate::config::written::route::{WrittenAuthority, WrittenRoute, WrittenWindow};
use crate::config::{Config, ConfigError, samples};
use crate::limits::Limits;
use crate::route::{ExternalAuthority, Route, Upstream};

/// Reads one route.
pub(super) struct Reader<'a> {
    pub(super) config: &'a Config,
    pub(super) listen: &'a [SocketAddr],
    pub(super) written: &'a WrittenRoute,
    pub(super) span: Range<usize>,
    pub(super) limits: &'a Limits,
}

impl Reader<'_> {
    pub(super) fn error_at_route(&self, fault: impl Into<String>, mend: impl Into<String>) -> ConfigError {
        self.config.error(self.span.start, fault, mend)
    }

    fn error<T>(&self, at: &Spanned<T>, fault: impl Into<String>, mend: impl Into<String>) -> ConfigError {
        self.config.error(at.span().start, fault, mend)
    }

    pub(super) fn route(&self, known: &Dialects, warnings: &mut Vec<String>) -> Result<Route, ConfigError> {
        let written = self.written;
        let prefix = self.prefix()?;
        let host = written.host.as_ref().map(|host| self.host(host)).transpose()?;
        let name = format!("{}{prefix}", host.as_deref().unwrap_or_default());
        let dialects = self.dialects(known)?;
        if host.is_none() && dialects.iter().any(samples::leaves_host) {
            warnings.push(format!("route {name}: the host may be unsigned, so a request captured at another host passes here; pin `host`"));
        }
        let rules = RouteRules {
            name: name.clone(),
            inputs: self.inputs(&dialects)?,
            policy: self.policy()?,
            replay: self.replay()?,
            body_limit: written.body_limit.unwrap_or(self.limits.body_bytes),
            keys: self.keys()?,
            scopes: written.scopes.clone(),
            dialects,
        };
        Ok(Route {
            methods: self.methods()?,
            upstream: self.upstream()?,
            authority: self.authority()?,
            keep_credentials: written.keep_credentials,
            name,
            host,
            prefix,
            rules,
        })
    }

    fn prefix(&self) -> Result<String, ConfigError> {
        let prefix = self.written.prefix.get_ref();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/!$&'()*+,;=:@".contains(c);
        let dots = prefix.split('/').any(|segment| matches!(segment, "." | ".."));
        if !prefix.starts_with('/') || prefix.contains("//") || dots || !prefix.chars().all(plain) {
            let mend = "write a path such as /V1, without escapes, doubled slashes or dot segments";
            return Err(self.error(&self.written.prefix, format!("`{prefix}` is no plain path"), mend));
        }
        Ok(prefix.clone())
    }

    fn host(&self, host: &Spanned<String>) -> Result<String, ConfigError> {
        let text = host.get_ref().to_ascii_lowercase();
        let plain = !text.contains('@') && text.parse::<Authority>().is_ok();
        if plain {
            Ok(text)
        } else {
            Err(self.error(host, format!("`{text}` is no host"), "write a name such as api.example.com, with a port if it counts"))
        }
    }

    fn methods(&self) -> Result<Vec<String>, ConfigError> {
        let valid = |method: &Spanned<String>| {
            let text = method.get_ref();
            let fine = !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
            if fine {
                Ok(text.clone())
            } else {
                Err(self.error(method, format!("`{text}` is no method"), "write it in capitals, such as GET"))
            }
        };
        self.written.methods.iter().flatten().map(valid).collect()
    }

    fn upstream(&self) -> Result<Upstream, ConfigError> {
        let text = self.written.upstream.get_ref();
        if text == "echo" {
            return Ok(Upstream::Echo);
        }
        let authority = text.strip_prefix("http://").map(|rest| rest.strip_suffix('/').unwrap_or(rest));
        match authority.filter(|a| !a.contains('@')).and_then(|a| a.parse::<Authority>().ok()) {
            Some(authority) => Ok(Upstream::Http(authority)),
            None => {
                let mend = "write `http://host:port` without a path (requests keep their own), or `echo`";
                Err(self.error(&self.written.upstream, format!("`{text}` is no upstream"), mend))
            }
        }
    }

    fn dialects(&self, known: &Dialects) -> Result<Vec<Dialect>, ConfigError> {
        let mut dialects: Vec<Dialect> = Vec::new();
        for id in &self.written.dialects {
            let dialect = known.get(id.get_ref()).ok_or_else(|| {
                self.error(
                    id,
                    format!("no dialect `{}`", id.get_ref()),
                    "see `countersign dialects list`, or name its folder under `dialects`",
                )
            })?;
            if dialect.is_unsafe() && !self.written.allow_unsafe {
                let hazards = dialect.hazards().iter().filter(|hazard| hazard.is_unsafe()).map(ToString::to_string).collect::<Vec<_>>();
                let mend = "write `unsafe = true` for this route if that is acceptable, or use another dialect";
                return Err(self.error(id, format!("{} is unsafe: {}", dialect.id(), hazards.join("; ")), mend));
            }
            if dialect.is_of_responses() {
                return Err(self.error(id, format!("{} signs responses", dialect.id()), "name dialects of requests only"));
            }
            for other in &dialects {
                if let Some(why) = samples::overlap(other, dialect) {
                    let mend = "keep one of them here and give the other a route of its own";
                    return Err(self.error(id, format!("{} and {} cannot be told apart: {why}", other.id(), dialect.id()), mend));
                }
            }
            dialects.push(dialect.clone());
        }
        if dialects.is_empty() {
            return Err(self.error_at_route("the route accepts no dialect", "write `dialects = [\"...\"]`"));
        }
        Ok(dialects)
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

    fn policy(&self) -> Result<Policy, ConfigError> {
        let window = self.written.window.as_ref().map(|window| match window {
            WrittenWindow::Both(span) => Window::both(span.0),
            WrittenWindow::Each { past, future } => Window { past: past.0, future: future.0 },
        });
        Ok(Policy {
            window,
            require: self.parts(&self.written.require)?,
            waive: self.parts(&self.written.waive)?,
            allow_unsafe: self.written.allow_unsafe,
            allow_cleartext: self.loopback_is_tls()?,
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
        if *written.get_ref() && !self.listen.iter().all(|address| address.ip().is_loopback()) {
            let mend = "listen on 127.0.0.1 or [::1] only; behind a proxy that ends TLS, write `authority = { scheme = \"https\" }`";
            return Err(self.error(written, "loopback_is_tls, and an address that is reachable from elsewhere", mend));
        }
        Ok(*written.get_ref())
    }

    fn parts(&self, names: &[Spanned<String>]) -> Result<Vec<Part>, ConfigError> {
        let part = |name: &Spanned<String>| {
            let mend = "write one of method, path, query, host, body, time, nonce, header.NAME, query.NAME";
            Part::parse(name.get_ref()).ok_or_else(|| self.error(name, format!("`{}` is no part of a request", name.get_ref()), mend))
        };
        names.iter().map(part).collect()
    }

    fn replay(&self) -> Result<Option<ReplayMode>, ConfigError> {
        let mode = |name: &Spanned<String>| {
            let mend = "write one of nonce, signature, safe-methods-exempt, until-expiry, event, none";
            ReplayMode::from_name(name.get_ref()).ok_or_else(|| self.error(name, format!("`{}` is no replay policy", name.get_ref()), mend))
        };
        self.written.replay.as_ref().map(mode).transpose()
    }

    fn authority(&self) -> Result<ExternalAuthority, ConfigError> {
        let Some(written) = &self.written.authority else { return Ok(ExternalAuthority::Wire) };
        match written.get_ref() {
            WrittenAuthority::Word(word) if word == "wire" => Ok(ExternalAuthority::Wire),
            WrittenAuthority::Fixed { scheme, host } => {
                let scheme = match scheme.as_str() {
                    "http" => Scheme::Http,
                    "https" => Scheme::Https,
                    other => return Err(self.error(written, format!("`{other}` is no scheme"), "write http or https")),
                };
                let valid = host.as_deref().is_none_or(|host| !host.contains('@') && host.parse::<Authority>().is_ok());
                if !valid {
                    return Err(self.error(written, "the authority's host is no host", "write a name such as api.example.com"));
                }
                Ok(ExternalAuthority::Fixed { scheme, host: host.clone() })
            }
            WrittenAuthority::Word(_) => Err(self.error(
                written,
                "authority is neither `wire` nor a table",
                "write `authority = { scheme = \"https\", host = \"api.example.com\" }`",
            )),
        }
    }
}
