//! Listeners and trusted proxies, from as written to valid by construction.

use std::net::SocketAddr;
use std::path::Path;

use ipnet::IpNet;
use toml::Spanned;

use super::faults::Faults;
use crate::config::written::tls::WrittenTls;
use crate::config::{Config, ConfigError};
use crate::forwarded::Proxies;
use crate::tls::{ClientAuthority, Pair, Server, TlsListener};

/// Certificates of one listener.
const MOST_CERTIFICATES: usize = 64;
/// Ranges of trusted proxies.
const MOST_RANGES: usize = 1024;

pub(super) fn address(config: &Config, text: &Spanned<String>) -> Result<SocketAddr, ConfigError> {
    let mend = "write an address and a port, such as 127.0.0.1:8080";
    let fault = |_| config.error(text.span().start, format!("`{}` is no socket address", text.get_ref()), mend);
    text.get_ref().parse::<SocketAddr>().map_err(fault)
}

/// Every address that is listened on with TLS.
pub(super) fn tls(config: &Config, warnings: &mut Vec<String>, faults: &mut Faults) -> Vec<TlsListener> {
    let mut listeners = Vec::new();
    for written in &config.written.tls {
        let reader = TlsReader { config, written };
        let addresses = faults.keep_all(written.get_ref().listen.iter().map(|text| address(config, text)));
        if addresses.as_ref().is_some_and(Vec::is_empty) && config.is_whole() {
            faults.add(reader.error_at_table("no address to listen on", "write `listen = [\"0.0.0.0:8443\"]`"));
        }
        let server = reader.server(warnings, faults);
        if let (Some(addresses), Some(server)) = (addresses, server) {
            listeners.extend(addresses.into_iter().map(|address| TlsListener { address, server: server.clone() }));
        }
    }
    listeners
}

pub(super) fn proxies(config: &Config, faults: &mut Faults) -> Proxies {
    let written = &config.written.trusted_proxies;
    if let Some(beyond) = written.get(MOST_RANGES) {
        faults.add(config.error(beyond.span().start, format!("more than {MOST_RANGES} ranges"), "join them to larger ranges"));
    }
    let range = |text: &Spanned<String>| {
        let one = || text.get_ref().parse::<std::net::IpAddr>().map(IpNet::from).ok();
        let range = text.get_ref().parse::<IpNet>().ok().or_else(one);
        let mend = "write an address or a range, such as 10.0.0.0/8 or 2001:db8::/32";
        range.ok_or_else(|| config.error(text.span().start, format!("`{}` is no range of addresses", text.get_ref()), mend))
    };
    let headers = config.written.proxy_protocol.as_ref().filter(|headers| *headers.get_ref());
    if let Some(headers) = headers.filter(|_| written.is_empty() && config.is_whole()) {
        let mend = "write `trusted_proxies = [\"10.0.0.0/8\"]` with the addresses of the proxies that send them";
        faults.add(config.error(headers.span().start, "PROXY headers are awaited, and no proxy is trusted", mend));
    }
    let ranges = faults.keep_all(written.iter().map(range)).unwrap_or_default();
    Proxies::new(ranges).with_proxy_headers(headers.is_some())
}

/// Reads one `[[tls]]`.
struct TlsReader<'a> {
    config: &'a Config,
    written: &'a Spanned<WrittenTls>,
}

impl TlsReader<'_> {
    fn error_at_table(&self, fault: impl Into<String>, mend: &str) -> ConfigError {
        self.config.error(self.written.span().start, fault, mend)
    }

    fn server(&self, warnings: &mut Vec<String>, faults: &mut Faults) -> Option<Server> {
        let written = self.written.get_ref();
        if written.certificates.is_empty() && !self.config.is_whole() {
            return None;
        }
        if written.certificates.is_empty() || written.certificates.len() > MOST_CERTIFICATES {
            let mend = "write `certificates = [{ certificate = \"api.pem\", key = \"api.key\" }]`";
            faults.add(self.error_at_table(format!("the number of certificates is not between 1 and {MOST_CERTIFICATES}"), mend));
            return None;
        }
        let pairs = faults.keep_all(written.certificates.iter().map(|pair| {
            let (certificate, key) = (&pair.get_ref().certificate, &pair.get_ref().key);
            self.warn_of_open_key(key, pair.span().start, warnings);
            let mend = "name a PEM file with the chain, the server's own certificate first, and one with its private key";
            Pair::read(certificate, key).map_err(|error| self.config.error(pair.span().start, error.to_string(), mend))
        }));
        let clients = faults.keep(self.clients())?;
        Server::new(pairs?, clients).map_err(|error| faults.add(self.error_at_table(error.to_string(), "use other certificates"))).ok()
    }

    fn clients(&self) -> Result<Option<ClientAuthority>, ConfigError> {
        let written = self.written.get_ref();
        let required = match &written.client_certificate {
            None => true,
            Some(word) => match word.get_ref().as_str() {
                "required" => true,
                "optional" => false,
                other => {
                    let fault = format!("`{other}` says not whether clients need a certificate");
                    return Err(self.config.error(word.span().start, fault, "write required or optional"));
                }
            },
        };
        match (&written.client_ca, &written.client_certificate) {
            (Some(path), _) => {
                let mend = "name a PEM file with the certificates of those who may certify clients";
                let fault = |error: crate::tls::TlsError| self.config.error(path.span().start, error.to_string(), mend);
                ClientAuthority::read(path.get_ref(), required).map(Some).map_err(fault)
            }
            (None, Some(word)) if self.config.is_whole() => {
                let mend = "name the file of their authority under `client_ca`, or remove this key";
                Err(self.config.error(word.span().start, "client certificates, and nobody who may issue them", mend))
            }
            (None, _) => Ok(None),
        }
    }

    fn warn_of_open_key(&self, key: &Path, at: usize, warnings: &mut Vec<String>) {
        use std::os::unix::fs::PermissionsExt;
        let open = std::fs::metadata(key).is_ok_and(|file| file.permissions().mode() & 0o004 != 0);
        if open {
            warnings
                .push(self.config.warning(at, format_args!("the private key {} can be read by everyone on this machine", key.display())));
        }
    }
}
