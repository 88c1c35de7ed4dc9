//! The servers of one upstream: which of them gets the next request, and which is left out.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;

use super::definition::Definition;
use super::health;
use super::server::{InFlight, Server, ServerStatus};

/// An upstream and everything that is known of it. All workers share it; it outlives a reload that leaves its definition as it is.
#[derive(Debug)]
pub struct Servers {
    definition: Definition,
    servers: Vec<Arc<Server>>,
    /// Which server's turn it is, each as often as it weighs, evenly mixed.
    turns: Vec<u16>,
    next: AtomicUsize,
    /// Held while a server is left out, so that no two workers exceed the share.
    ejecting: Mutex<()>,
    tunnels: AtomicUsize,
    watched: AtomicBool,
}

/// Why no server takes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoServer {
    /// Each has as many requests as it may.
    Busy,
    /// Each was tried.
    Tried,
}

/// An open tunnel.
#[derive(Debug)]
pub(crate) struct TunnelPlace(Arc<Servers>);

impl Servers {
    pub(crate) fn new(definition: Definition) -> Self {
        let servers = definition.servers.iter().map(|address| Arc::new(Server::new(address, &definition))).collect();
        let turns = turns(&definition.servers.iter().map(|address| address.weight).collect::<Vec<_>>());
        let (next, tunnels) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { definition, servers, turns, next, ejecting: Mutex::default(), tunnels, watched: AtomicBool::new(false) }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// What is known of each server.
    #[must_use]
    pub fn status(&self) -> Vec<ServerStatus> {
        self.servers.iter().map(|server| server.status()).collect()
    }

    /// Open tunnels.
    #[must_use]
    pub fn tunnels(&self) -> usize {
        self.tunnels.load(Ordering::Relaxed)
    }

    pub(crate) const fn definition(&self) -> &Definition {
        &self.definition
    }

    pub(crate) fn all(&self) -> &[Arc<Server>] {
        &self.servers
    }

    /// Starts the health checks, if there are any and they do not run yet. They end when nobody holds the upstream any more. To be called
    /// inside a tokio runtime that lives as long as the gateway.
    pub fn watch(self: &Arc<Self>) {
        let Some(check) = &self.definition.check else { return };
        if !self.watched.swap(true, Ordering::Relaxed) {
            for server in 0..self.servers.len() {
                tokio::spawn(health::watch(Arc::downgrade(self), server, check.clone()));
            }
        }
    }

    /// A place at the next server that is well, not left out, and not among those tried. When that is said of none, all are taken to be well:
    /// a check that fails everywhere tells more of the check than of the servers.
    pub(crate) fn choose(&self, tried: &[u64]) -> Result<InFlight, NoServer> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let in_turn =
            || (0..self.turns.len()).map(move |n| &self.servers[usize::from(self.turns[(first.wrapping_add(n)) % self.turns.len()])]);
        let untried = |server: &&Arc<Server>| !tried.contains(&server.number);
        let usable = |server: &&Arc<Server>| untried(server) && server.is_well() && !server.is_ejected();
        let most = self.definition.most.requests;
        if let Some(place) = in_turn().filter(usable).find_map(|server| server.enter(most)) {
            return Ok(place);
        }
        if self.servers.iter().any(|server| usable(&server)) {
            return Err(NoServer::Busy);
        }
        let mut rest = in_turn().filter(untried).peekable();
        let none = if rest.peek().is_some() { NoServer::Busy } else { NoServer::Tried };
        rest.find_map(|server| server.enter(most)).ok_or(none)
    }

    /// Whether an answer with this status speaks against the server.
    pub(crate) fn is_failure(&self, status: StatusCode) -> bool {
        let gateway = matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT);
        gateway || (self.definition.ejection.server_errors && status.is_server_error())
    }

    /// Notes that a server failed; leaves it out when it did so too often in a row, and not too many are out already.
    pub(crate) fn failed(&self, server: &Server) {
        let rule = &self.definition.ejection;
        if server.failed() < rule.after || server.is_ejected() {
            return;
        }
        let _held = self.ejecting.lock().unwrap_or_else(PoisonError::into_inner);
        let out = self.servers.iter().filter(|server| server.is_ejected()).count();
        let most = self.servers.len() * usize::try_from(rule.share).unwrap_or(0) / 100;
        if out >= most || server.is_ejected() {
            return;
        }
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let time = server.eject(millis(rule.time), millis(rule.most));
        tracing::warn!(upstream = self.name(), server = %server.address, millis = time, "left out: too many failures in a row");
    }

    /// Takes a place for a tunnel.
    pub(crate) fn open_tunnel(self: &Arc<Self>) -> Option<TunnelPlace> {
        if self.tunnels.fetch_add(1, Ordering::Relaxed) >= self.definition.most.tunnels {
            self.tunnels.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(TunnelPlace(Arc::clone(self)))
    }
}

impl Drop for TunnelPlace {
    fn drop(&mut self) {
        self.0.tunnels.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Smooth weighted round robin, worked out once: each server as often as it weighs, as far apart as can be.
fn turns(weights: &[u32]) -> Vec<u16> {
    let total: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
    let mut owed = vec![0_i64; weights.len()];
    (0..total)
        .filter_map(|_| {
            for (owed, weight) in owed.iter_mut().zip(weights) {
                *owed += i64::from(*weight);
            }
            // The first of those that are owed most.
            let (turn, owed) = owed.iter_mut().enumerate().rev().max_by_key(|(_, owed)| **owed)?;
            *owed -= total;
            u16::try_from(turn).ok()
        })
        .collect()
}

/// The upstreams of a configuration by name; those that routes write as an address stand under it.
#[derive(Debug, Clone, Default)]
pub struct Directory(BTreeMap<String, Arc<Servers>>);

impl Directory {
    /// The upstreams, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Servers>> {
        self.0.values()
    }

    /// The upstream of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Servers>> {
        self.0.get(name)
    }

    /// Starts the health checks of all: see [`Servers::watch`].
    pub fn watch(&self) {
        self.iter().for_each(Servers::watch);
    }

    /// Takes in an upstream: the one that `kept` has, with everything that is known of it, if it is defined in the same way.
    pub(crate) fn take_in(&mut self, definition: Definition, kept: &Self) -> Arc<Servers> {
        let same = kept.get(&definition.name).filter(|servers| servers.definition == definition);
        let servers = same.cloned().unwrap_or_else(|| Arc::new(Servers::new(definition)));
        self.0.insert(servers.name().to_owned(), Arc::clone(&servers));
        servers
    }
}

#[cfg(test)]
mod tests {
    use super::super::definition::{Address, Ejection};
    use super::*;
    use crate::limits::Limits;

    fn definition(weights: &[u32]) -> Definition {
        let address = |(n, weight): (usize, &u32)| Address::parse(&format!("http://h:{}", n + 1), *weight).unwrap();
        Definition::new("orders".to_owned(), weights.iter().enumerate().map(address).collect(), None, &Limits::default())
    }

    fn chosen(servers: &Servers) -> String {
        servers.choose(&[]).unwrap().server().address.to_string()
    }

    #[test]
    fn each_server_has_its_turns_evenly_mixed() {
        assert_eq!(turns(&[1]), [0]);
        assert_eq!(turns(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(turns(&[2, 2]), [0, 1, 0, 1]);
        let many = turns(&[100; 64]);
        assert_eq!((many.len(), many.iter().filter(|turn| **turn == 63).count()), (6400, 100));
    }

    #[test]
    fn a_server_that_was_tried_or_is_full_is_passed_over() {
        let mut two = definition(&[1, 1]);
        two.most.requests = 1;
        let servers = Servers::new(two);
        let first = servers.choose(&[]).unwrap();
        let second = servers.choose(&[first.server().number]).unwrap();
        assert_ne!(first.server().number, second.server().number);
        assert_eq!(servers.choose(&[]).unwrap_err(), NoServer::Busy);
        assert_eq!(servers.choose(&[first.server().number, second.server().number]).unwrap_err(), NoServer::Tried);
        drop(second);
        assert_eq!(servers.choose(&[]).unwrap().server().address.to_string(), "http://h:2");
    }

    #[test]
    fn failures_in_a_row_leave_out_at_most_half() {
        let servers = Servers::new(definition(&[1, 1, 1, 1]));
        for server in &servers.servers {
            (0..4).for_each(|_| servers.failed(server));
            server.succeeded();
            (0..4).for_each(|_| servers.failed(server));
            assert!(!server.is_ejected());
        }
        servers.servers.iter().for_each(|server| servers.failed(server));
        assert_eq!(servers.status().iter().map(|status| status.ejected).collect::<Vec<_>>(), [true, true, false, false]);
        assert!((0..8).map(|_| chosen(&servers)).all(|url| url.ends_with('3') || url.ends_with('4')));
        // One alone is never left out.
        let one = Servers::new(definition(&[1]));
        (0..20).for_each(|_| one.failed(&one.servers[0]));
        assert!(!one.servers[0].is_ejected());
    }

    #[test]
    fn each_time_in_a_row_is_twice_as_long_up_to_the_most() {
        let server = Server::new(&Address::parse("http://h", 1).unwrap(), &definition(&[1]));
        assert_eq!((0..5).map(|_| server.eject(1_000, 5_000)).collect::<Vec<_>>(), [1_000, 2_000, 4_000, 5_000, 5_000]);
        assert!((0..200).all(|_| server.eject(1_000, 5_000) == 5_000));
        let calm = Server::new(&Address::parse("http://h", 1).unwrap(), &definition(&[1]));
        assert_eq!(calm.eject(1, 0), 0);
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(calm.eject(1, 1), 1);
    }

    #[test]
    fn checks_turn_a_server_only_in_a_row_and_when_none_is_well_all_are_tried() {
        let servers = Servers::new(definition(&[1, 1]));
        let [a, b] = &servers.servers[..] else { panic!("two") };
        assert!(!a.checked(false, 2, 3) && !a.checked(false, 2, 3) && !a.checked(true, 2, 3));
        assert!(!a.checked(false, 2, 3) && !a.checked(false, 2, 3) && a.checked(false, 2, 3));
        assert!((0..4).all(|_| chosen(&servers).ends_with('2')));
        assert!(b.checked(false, 1, 1));
        let both: std::collections::BTreeSet<String> = (0..4).map(|_| chosen(&servers)).collect();
        assert_eq!(both.len(), 2);
        assert!(!a.checked(true, 2, 3) && a.checked(true, 2, 3));
        assert!((0..4).all(|_| chosen(&servers).ends_with('1')));
    }

    #[test]
    fn state_is_kept_if_and_only_if_the_definition_is_the_same() {
        let mut before = Directory::default();
        let first = before.take_in(definition(&[1, 2]), &Directory::default());
        let mut after = Directory::default();
        assert!(Arc::ptr_eq(&first, &after.take_in(definition(&[1, 2]), &before)));
        assert!(!Arc::ptr_eq(&first, &after.take_in(definition(&[2, 1]), &before)));
        let other = Definition { ejection: Ejection { after: 1, ..Ejection::default() }, ..definition(&[1, 2]) };
        assert!(!Arc::ptr_eq(&first, &after.take_in(other, &before)));
    }

    #[test]
    fn tunnels_are_counted() {
        let mut one = definition(&[1]);
        one.most.tunnels = 1;
        let servers = Arc::new(Servers::new(one));
        let open = servers.open_tunnel().unwrap();
        assert!(servers.open_tunnel().is_none());
        drop(open);
        assert!(servers.open_tunnel().is_some());
        assert_eq!(servers.tunnels(), 0);
    }
}
