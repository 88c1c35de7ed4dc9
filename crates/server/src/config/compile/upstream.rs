//! Upstreams, from as written to valid by construction.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_protocol::Secret;
use toml::Spanned;

use super::faults::Faults;
use super::files;
use crate::config::written::upstream::{WrittenCheck, WrittenEjection, WrittenServer, WrittenTls, WrittenUpstream};
use crate::config::{Config, ConfigError};
use crate::limits::Limits;
use crate::route::Upstream;
use crate::upstream::Directory;
use crate::upstream::definition::{Address, Check, Definition, Ejection, MOST_RETRIES, MOST_SERVERS, MOST_WEIGHT, Protocol};
use crate::upstream::tls::{Files, Tls};

/// Bytes of an answer's head that hyper can be held to.
const HEAD_BYTES: std::ops::RangeInclusive<usize> = 8 * 1024..=1024 * 1024;

/// The upstreams of a configuration that is being read.
pub(super) struct Upstreams<'a> {
    config: &'a Config,
    limits: &'a Limits,
    before: &'a Directory,
    pub(super) directory: Directory,
}

impl<'a> Upstreams<'a> {
    pub(super) fn read(config: &'a Config, limits: &'a Limits, before: &'a Directory, faults: &mut Faults) -> Self {
        let mut this = Self { config, limits, before, directory: Directory::default() };
        for written in &config.written.upstream {
            if let Some(definition) = faults.keep(this.definition(written.get_ref())) {
                this.directory.take_in(definition, before);
            }
        }
        this
    }

    /// The upstream that a route names, or whose address it writes. One whose own table is at fault is no fault of the route.
    pub(super) fn find(&mut self, written: &Spanned<String>, faults: &mut Faults) -> Option<Upstream> {
        let is_of_table = self.config.written.upstream.iter().any(|table| table.get_ref().name.get_ref() == written.get_ref());
        if is_of_table && self.directory.get(written.get_ref()).is_none() {
            return None;
        }
        faults.keep(self.found(written))
    }

    fn found(&mut self, written: &Spanned<String>) -> Result<Upstream, ConfigError> {
        let text = written.get_ref();
        if text == "echo" {
            return Ok(Upstream::Echo);
        }
        if let Some(servers) = self.directory.get(text) {
            return Ok(Upstream::Servers(Arc::clone(servers)));
        }
        let Some(address) = Address::parse(text, 1) else {
            let mend = "write the name of an [[upstream]], `http://host:port` without a path (requests keep their own), or `echo`";
            // What stands before an `@` may be a password.
            let shown = if text.contains('@') { "an address with user information" } else { &format!("`{text}`") };
            return Err(self.error(written, format!("{shown} is no upstream"), mend));
        };
        if let Some(servers) = self.directory.get(&address.to_string()) {
            return Ok(Upstream::Servers(Arc::clone(servers)));
        }
        let tls = if address.tls { Some(self.tls(None, Protocol::Auto, written)?) } else { None };
        let definition = Definition::new(address.to_string(), vec![address], tls, self.limits);
        Ok(Upstream::Servers(self.directory.take_in(definition, self.before)))
    }

    fn definition(&self, written: &WrittenUpstream) -> Result<Definition, ConfigError> {
        let name = self.name(&written.name)?;
        let servers = written.servers.iter().map(|server| self.server(server.get_ref())).collect::<Result<Vec<_>, _>>()?;
        if servers.is_empty() || servers.len() > MOST_SERVERS {
            let mend = format!("write from 1 to {MOST_SERVERS}, such as `servers = [{{ url = \"http://127.0.0.1:9000\" }}]`");
            return Err(self.error(&written.name, format!("{} servers", servers.len()), mend));
        }
        let protocol = self.protocol(written)?;
        let some_tls = servers.iter().any(|server| server.tls);
        if servers.iter().any(|server| server.tls != some_tls) {
            return Err(self.error(
                &written.name,
                "some servers are spoken to over TLS, and some in the clear",
                "write https in all urls, or http",
            ));
        }
        let tls = match &written.tls {
            Some(tls) if !some_tls => {
                return Err(self.error(tls, "no server is spoken to over TLS", "write https in a server's url, or remove `tls`"));
            }
            Some(tls) => Some(self.tls(Some(tls.get_ref()), protocol, tls)?),
            None if some_tls => Some(self.tls(None, protocol, &written.name)?),
            None => None,
        };
        let mut definition = Definition::new(name, servers, tls, self.limits);
        definition.protocol = protocol;
        set_times(&mut definition, written);
        self.set_most(&mut definition, written)?;
        definition.check = written.check.as_ref().map(|check| self.check(check.get_ref())).transpose()?;
        definition.ejection = written.eject.as_ref().map_or_else(|| Ok(Ejection::default()), |eject| self.ejection(eject.get_ref()))?;
        Ok(definition)
    }

    fn name(&self, name: &Spanned<String>) -> Result<String, ConfigError> {
        let text = name.get_ref();
        if text.is_empty() || text == "echo" || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            return Err(self.error(
                name,
                format!("`{text}` is no name of an upstream"),
                "write letters, digits, `-`, `_` and `.`; not `echo`",
            ));
        }
        if self.directory.get(text).is_some() {
            return Err(self.error(name, format!("two upstreams are named `{text}`"), "give one of them another name"));
        }
        Ok(text.clone())
    }

    fn server(&self, written: &WrittenServer) -> Result<Address, ConfigError> {
        let weight = written.weight.as_ref().map_or(1, |weight| *weight.get_ref());
        if let Some(at) = written.weight.as_ref().filter(|_| !(1..=MOST_WEIGHT).contains(&weight)) {
            return Err(self.error(at, format!("a weight of {weight}"), format!("write a number from 1 to {MOST_WEIGHT}")));
        }
        Address::parse(written.url.get_ref(), weight).ok_or_else(|| {
            let mend = "write `http://host:port` or `https://host:port` without a path";
            let text = written.url.get_ref();
            let shown = if text.contains('@') { "an address with user information" } else { &format!("`{text}`") };
            self.error(&written.url, format!("{shown} is no server"), mend)
        })
    }

    fn protocol(&self, written: &WrittenUpstream) -> Result<Protocol, ConfigError> {
        let Some(word) = &written.protocol else { return Ok(Protocol::Auto) };
        match word.get_ref().as_str() {
            "auto" => Ok(Protocol::Auto),
            "http1" => Ok(Protocol::Http1),
            "http2" => Ok(Protocol::Http2),
            other => Err(self.error(word, format!("`{other}` is no protocol"), "write auto, http1 or http2")),
        }
    }

    fn set_most(&self, definition: &mut Definition, written: &WrittenUpstream) -> Result<(), ConfigError> {
        let most = &mut definition.most;
        most.requests = written.requests.map_or(most.requests, std::num::NonZeroUsize::get);
        most.idle = written.idle_connections.unwrap_or(most.idle);
        most.tunnels = written.tunnels.unwrap_or(most.tunnels);
        if let Some(bytes) = &written.head_bytes {
            most.head_bytes = *bytes.get_ref();
            if !HEAD_BYTES.contains(&most.head_bytes) {
                let mend = format!("write a number from {} to {}", HEAD_BYTES.start(), HEAD_BYTES.end());
                return Err(self.error(bytes, format!("{} bytes for an answer's head", most.head_bytes), mend));
            }
        }
        if let Some(retries) = &written.retries {
            most.retries = *retries.get_ref();
            if most.retries > MOST_RETRIES {
                return Err(self.error(retries, format!("{} retries", most.retries), format!("write a number from 0 to {MOST_RETRIES}")));
            }
        }
        Ok(())
    }

    fn tls<T>(&self, written: Option<&WrittenTls>, protocol: Protocol, at: &Spanned<T>) -> Result<Tls, ConfigError> {
        let anchors = self.file(written.and_then(|tls| tls.ca.as_ref()), files::read, at)?;
        let certificate = self.file(written.and_then(|tls| tls.certificate.as_ref()), files::read, at)?;
        let key = self.file(written.and_then(|tls| tls.key.as_ref()), files::read_private, at)?;
        if certificate.is_some() != key.is_some() {
            return Err(self.error(at, "a certificate and its key go together", "name both `certificate` and `key`, or neither"));
        }
        let files = Files {
            anchors: anchors.as_deref(),
            own: certificate.as_deref().zip(key.as_ref().map(Secret::expose)),
            name: written.and_then(|tls| tls.server_name.as_deref()),
        };
        Tls::new(&files, protocol).map_err(|fault| {
            let (fault, mend) = fault.words();
            self.error(at, fault, mend)
        })
    }

    fn file<C, T>(
        &self,
        path: Option<&PathBuf>,
        read: impl FnOnce(&Path) -> Result<C, files::Fault>,
        at: &Spanned<T>,
    ) -> Result<Option<C>, ConfigError> {
        path.map(|path| read(path).map_err(|(fault, mend)| self.error(at, fault, mend))).transpose()
    }

    fn check(&self, written: &WrittenCheck) -> Result<Check, ConfigError> {
        let path = written.path.get_ref();
        if !path.starts_with('/') || http::uri::PathAndQuery::try_from(path.as_str()).is_err() {
            return Err(self.error(&written.path, format!("`{path}` is no path"), "write a path such as /healthz"));
        }
        if let Some(status) = written.statuses.iter().find(|status| !(100..=599).contains(status.get_ref())) {
            return Err(self.error(status, format!("{} is no status", status.get_ref()), "write a number such as 200"));
        }
        let seconds = std::time::Duration::from_secs;
        Ok(Check {
            path: path.clone(),
            statuses: written.statuses.iter().map(|status| *status.get_ref()).collect(),
            interval: written.interval.map_or(seconds(5), |span| span.0),
            timeout: written.timeout.map_or(seconds(2), |span| span.0),
            rise: written.rise.unwrap_or(2).max(1),
            fall: written.fall.unwrap_or(3).max(1),
        })
    }

    fn ejection(&self, written: &WrittenEjection) -> Result<Ejection, ConfigError> {
        let default = Ejection::default();
        let share = written.share.as_ref().map_or(default.share, |share| *share.get_ref());
        if let Some(at) = written.share.as_ref().filter(|_| share > 100) {
            return Err(self.error(at, format!("{share} percent of the servers"), "write a number from 0 (never leave one out) to 100"));
        }
        Ok(Ejection {
            after: written.after.unwrap_or(default.after).max(1),
            time: written.time.map_or(default.time, |span| span.0),
            most: written.most.map_or(default.most, |span| span.0),
            share,
            server_errors: written.server_errors,
        })
    }

    fn error<T>(&self, at: &Spanned<T>, fault: impl Into<String>, mend: impl Into<String>) -> ConfigError {
        self.config.error(at.span().start, fault, mend)
    }
}

fn set_times(definition: &mut Definition, written: &WrittenUpstream) {
    let times = &mut definition.times;
    for (time, written) in [
        (&mut times.connect, written.connect),
        (&mut times.head, written.head),
        (&mut times.idle, written.idle),
        (&mut times.answer_idle, written.answer_idle),
        (&mut times.tunnel_idle, written.tunnel_idle),
    ] {
        *time = written.map_or(*time, |span| span.0);
    }
    *times = times.bounded();
}
