//! What a configuration says, ready for requests: replaced whole at a reload, and loaded once by each request.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::admission::{Admission, BEARER};
use countersign_core::error::StoreError;
use countersign_protocol::{Dialects, Timestamp};

use crate::body::Room;
use crate::capacity::Capacity;
use crate::config::Settings;
use crate::decide::Decide;
use crate::forwarded::Proxies;
use crate::limits::Limits;
use crate::rate::{AddressLimit, AddressRate};
use crate::route::Routes;
use crate::strip::Carried;
use crate::tls::{Server, TlsListener};
use crate::upstream::Directory;

/// The rules for requests. Requests in flight keep the plan under which they came.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) routes: Routes,
    /// The upstreams of the routes, with what is known of their servers.
    pub(crate) upstreams: Directory,
    pub(crate) limits: Arc<Limits>,
    pub(crate) admission: Admission,
    pub(crate) proxies: Proxies,
    /// In decide mode: who may ask, and how.
    pub(crate) decide: Option<Decide>,
    /// Where any known dialect carries its claim.
    pub(crate) known: Carried,
    /// Where each dialect of a route does.
    pub(crate) own: BTreeMap<String, Carried>,
    pub(crate) addresses: Option<Addresses>,
    pub(crate) capacity: Arc<Capacity>,
    /// Memory for bodies.
    pub(crate) bodies: Room,
    /// How each TLS listener speaks, in the order of the listeners.
    pub(crate) tls: Vec<Server>,
}

/// The limit per address, with the rate that it holds.
#[derive(Debug, Clone)]
pub(crate) struct Addresses {
    rate: AddressRate,
    pub(crate) limit: Arc<AddressLimit>,
}

impl Plan {
    /// The plan of a start.
    ///
    /// # Errors
    /// What the replay guard keeps cannot be written down.
    pub(crate) fn first(settings: Settings, dialects: &Dialects, admission: Admission) -> Result<Self, StoreError> {
        let capacity = Arc::new(Capacity::new(&settings.limits));
        let addresses = settings.limits.address_rate.map(Addresses::new);
        let tls = settings.tls.iter().map(|listener| listener.server.clone()).collect();
        let bodies = Room::new(settings.limits.bodies_bytes);
        let admission = serving(admission, &settings)?;
        Ok(Self::new(settings, dialects, admission, (capacity, bodies), addresses, tls))
    }

    /// The plan of a reload. What the former one counted goes on where its limits did not change. `listening` are the TLS
    /// listeners of the start: one that is named no more speaks as before.
    ///
    /// # Errors
    /// What the replay guard keeps cannot be written down.
    pub(crate) fn next(&self, settings: Settings, dialects: &Dialects, listening: &[std::net::SocketAddr]) -> Result<Self, StoreError> {
        let capacity =
            if self.capacity.fits(&settings.limits) { Arc::clone(&self.capacity) } else { Arc::new(Capacity::new(&settings.limits)) };
        let bodies = self.bodies.resized(settings.limits.bodies_bytes);
        let same = |rate: AddressRate| self.addresses.clone().filter(|former| former.rate == rate);
        let addresses = settings.limits.address_rate.map(|rate| same(rate).unwrap_or_else(|| Addresses::new(rate)));
        let tls = self.tls_of(&settings.tls, listening);
        let admission = serving(self.admission.clone().knowing(dialects), &settings)?;
        Ok(Self::new(settings, dialects, admission, (capacity, bodies), addresses, tls))
    }

    fn new(
        settings: Settings,
        dialects: &Dialects,
        admission: Admission,
        (capacity, bodies): (Arc<Capacity>, Room),
        addresses: Option<Addresses>,
        tls: Vec<Server>,
    ) -> Self {
        let accepted = settings.routes.iter().flat_map(|route| &route.rules.dialects);
        let own = accepted.map(|dialect| (dialect.id().to_owned(), Carried::by([dialect])));
        let own = own.chain([(BEARER.to_owned(), Carried::authorization())]).collect();
        Self {
            own,
            routes: settings.routes,
            upstreams: settings.upstreams,
            admission,
            proxies: settings.proxies,
            decide: settings.decide,
            known: Carried::by(dialects.iter()),
            addresses,
            capacity,
            bodies,
            tls,
            limits: Arc::new(settings.limits),
        }
    }

    /// When the certificates end that are served, by name; of several with one name, the first that does.
    pub(crate) fn certificates(&self) -> BTreeMap<String, Timestamp> {
        let mut ends = BTreeMap::new();
        for (name, end) in self.tls.iter().flat_map(Server::ends) {
            let first = ends.entry(name.clone()).or_insert(*end);
            *first = (*first).min(*end);
        }
        ends
    }

    fn tls_of(&self, named: &[TlsListener], listening: &[std::net::SocketAddr]) -> Vec<Server> {
        let same_list = named.iter().map(TlsListener::address).eq(listening.iter().copied());
        let of = |(i, former): (usize, &Server)| {
            let at_place = named.get(i).filter(|_| same_list);
            let new = at_place.or_else(|| named.iter().find(|listener| Some(&listener.address) == listening.get(i)));
            new.map_or_else(|| former.clone(), |listener| listener.server.clone())
        };
        self.tls.iter().enumerate().map(of).collect()
    }
}

fn serving(admission: Admission, settings: &Settings) -> Result<Admission, StoreError> {
    admission.serving(settings.routes.iter().map(|route| &route.rules))
}

impl Addresses {
    fn new(rate: AddressRate) -> Self {
        Self { rate, limit: Arc::new(AddressLimit::new(rate)) }
    }
}
