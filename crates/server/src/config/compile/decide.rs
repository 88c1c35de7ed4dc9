//! Decide mode, from as written to valid by construction.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use countersign_core::admission::RouteRules;
use countersign_protocol::{BodyNeed, Part, ReplayMode};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use toml::Spanned;

use super::route::Reader;
use crate::config::written::decide::WrittenDecide;
use crate::config::{Config, ConfigError};
use crate::decide::{Decide, DecideBody, Proxy};

/// How the gateway decides, if that is its mode.
pub(super) fn mode(config: &Config) -> Result<Option<Decide>, ConfigError> {
    let written = config.written.decide.as_ref();
    let decides = match &config.written.mode {
        Some(mode) if mode.get_ref() == "decide" => true,
        Some(mode) if mode.get_ref() != "gateway" => {
            return Err(config.error(mode.span().start, format!("`{}` is no mode", mode.get_ref()), "write gateway or decide"));
        }
        _ => config.decides,
    };
    if let Some(rate) = config.written.limits.address_rate.as_ref().filter(|_| decides) {
        let mend = "remove it: limit callers in the proxy, which sees their addresses";
        return Err(config.error(rate.span().start, "address_rate, and in decide mode every question comes from the proxy", mend));
    }
    match written {
        Some(written) if decides => decide(config, written.get_ref()).map(Some),
        Some(written) => {
            Err(config.error(written.span().start, "a [decide] table, and the mode is gateway", "write `mode = \"decide\"` or remove it"))
        }
        None if decides => Err(config.error(0, "decide mode without a [decide] table", "write `[decide]` and `proxy = \"...\"` in it")),
        None => Ok(None),
    }
}

fn decide(config: &Config, written: &WrittenDecide) -> Result<Decide, ConfigError> {
    let network = |text: &Spanned<String>| {
        let parsed = text.get_ref().parse::<IpNet>().or_else(|_| text.get_ref().parse::<IpAddr>().map(IpNet::from));
        let mend = "write an address or a range, such as 10.0.0.0/8";
        parsed.map_err(|_| config.error(text.span().start, format!("`{}` is no range of addresses", text.get_ref()), mend))
    };
    let trusted = match &written.trusted {
        Some(list) => list.iter().map(network).collect::<Result<Vec<_>, _>>()?,
        None => loopback(),
    };
    Ok(Decide { proxy: proxy(config, written)?, trusted })
}

fn proxy(config: &Config, written: &WrittenDecide) -> Result<Proxy, ConfigError> {
    let name = &written.proxy;
    let prefix = written.path_prefix.as_ref();
    let proxy = match name.get_ref().as_str() {
        "nginx" => Proxy::Nginx,
        "traefik" => Proxy::Traefik,
        "caddy" => Proxy::Caddy,
        "envoy" => {
            let path_prefix = prefix.map(|prefix| prefix.get_ref().clone()).unwrap_or_default();
            return match prefix {
                Some(prefix) if !path_prefix.starts_with('/') || path_prefix.ends_with('/') => {
                    Err(config.error(prefix.span().start, format!("`{path_prefix}` is no prefix"), "write one such as /decide"))
                }
                _ => Ok(Proxy::Envoy { path_prefix }),
            };
        }
        other => {
            return Err(config.error(
                name.span().start,
                format!("`{other}` is no proxy known here"),
                "write nginx, traefik, caddy or envoy",
            ));
        }
    };
    match prefix {
        Some(prefix) => Err(config.error(prefix.span().start, "path_prefix is for envoy only", "remove it")),
        None => Ok(proxy),
    }
}

fn loopback() -> Vec<IpNet> {
    vec![Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8).into(), Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128).into()]
}

impl Reader<'_> {
    /// What becomes of bodies on this route, and whether everything else of it makes sense in its mode.
    pub(super) fn decide_body(&self, rules: &RouteRules, warnings: &mut Vec<String>) -> Result<DecideBody, ConfigError> {
        let written = self.written.decide_body.as_ref();
        let has_upstream = !self.written.upstream.span().is_empty();
        let Some(decide) = self.around.decide else {
            return match written {
                Some(written) => {
                    Err(self.error(written, "decide_body, and the mode is gateway", "remove it, or write `mode = \"decide\"`"))
                }
                None if has_upstream => Ok(DecideBody::Refuse),
                None => Err(self.error_at_route("the route has no upstream", "write `upstream = \"http://host:port\"`")),
            };
        };
        if has_upstream {
            return Err(self.error(
                &self.written.upstream,
                "an upstream, and decide mode forwards nothing",
                "remove it: the proxy forwards",
            ));
        }
        if let Some(authority) = &self.written.authority {
            return Err(self.error(authority, "authority, and in decide mode the proxy tells scheme and host", "remove it"));
        }
        if let Some(signer) = &self.written.sign_response {
            return Err(self.error(signer, "sign_response, and in decide mode answers do not pass here", "remove it"));
        }
        let body = match written.map(|word| (word, word.get_ref().as_str())) {
            None | Some((_, "refuse")) => DecideBody::Refuse,
            Some((_, "unchecked")) => DecideBody::Unchecked,
            Some((_, "given")) => DecideBody::Given,
            Some((word, other)) => {
                return Err(self.error(word, format!("`{other}` is no way with bodies"), "write refuse, unchecked or given"));
            }
        };
        if let Some(word) = written.filter(|_| body == DecideBody::Given && !decide.proxy.gives_bodies()) {
            let mend = "write refuse or unchecked, or use the gateway";
            return Err(self.error(word, "this proxy never gives a body with its question", mend));
        }
        self.can_decide(rules, body)?;
        if rules.dialects.iter().any(|dialect| rules.replay.unwrap_or_else(|| dialect.replay()) == ReplayMode::Event) {
            let what = "in decide mode an event is used up when it is let through, also if its handler fails then";
            warnings.push(self.config.warning(self.span.start, format_args!("route {}: {what}", self.written.prefix.get_ref())));
        }
        Ok(body)
    }

    /// A body that is not seen can neither make a tag nor be required.
    fn can_decide(&self, rules: &RouteRules, body: DecideBody) -> Result<(), ConfigError> {
        if body == DecideBody::Given {
            return Ok(());
        }
        let needs = |need| matches!(need, BodyNeed::Tag | BodyNeed::Claim);
        if let Some(dialect) = rules.dialects.iter().find(|dialect| needs(dialect.body_need())) {
            let fault = format!("the signature of {} needs the body, which decide mode does not see", dialect.id());
            return Err(self.error_at_route(fault, "use another dialect, `decide_body = \"given\"`, or the gateway"));
        }
        if body == DecideBody::Unchecked && rules.policy.require.contains(&Part::Body) {
            return Err(self.error_at_route("the body is required and unchecked", "write `decide_body = \"refuse\"`, or do not require it"));
        }
        Ok(())
    }
}
