//! Requests by route, dialect, reason and class of status. Every label comes from the configuration or from a closed list.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use countersign_protocol::Reason;

use super::series::{Counter, Histogram};
use super::text::Text;
use crate::route::Routes;

/// The reason of a request that was not refused.
const NO_REASON: &str = "none";
/// The classes of status.
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What came of a request, as it is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended<'a> {
    pub(crate) route: &'a str,
    pub(crate) dialect: &'a str,
    pub(crate) reason: Option<Reason>,
    /// For which a route in shadow mode would have refused.
    pub(crate) would_refuse: Option<Reason>,
    pub(crate) status: u16,
    pub(crate) took: Duration,
    /// Until the request was admitted or refused, its body included.
    pub(crate) admission: Option<Duration>,
    pub(crate) body: u64,
}

/// The requests of every route.
#[derive(Debug)]
pub(crate) struct Requests(ArcSwap<Table>);

#[derive(Debug)]
struct Table {
    routes: HashMap<String, RouteSeries>,
    /// Requests of no route, and of routes that are gone.
    none: RouteSeries,
}

#[derive(Debug, Clone)]
struct RouteSeries {
    /// By dialect; the empty name stands for requests of none.
    dialects: Vec<(String, Arc<Cells>)>,
    times: Arc<Times>,
    /// By reason, what a route in shadow mode would have refused.
    shadow: Arc<[Counter]>,
}

#[derive(Debug)]
struct Times {
    whole: Histogram,
    admission: Histogram,
    body: Histogram,
}

/// A counter for each reason and class.
#[derive(Debug)]
struct Cells(Box<[Counter]>);

impl Requests {
    pub(crate) fn new(routes: &Routes) -> Self {
        let requests = Self(ArcSwap::from_pointee(Table { routes: HashMap::new(), none: RouteSeries::new() }));
        requests.know(routes);
        requests
    }

    /// Takes over the routes of a configuration. What was counted under a name that stays is kept.
    pub(crate) fn know(&self, routes: &Routes) {
        let before = self.0.load();
        let mut known = HashMap::new();
        for route in routes.iter() {
            let former = || before.routes.get(&route.name).cloned().unwrap_or_else(RouteSeries::new);
            let series: &mut RouteSeries = known.entry(route.name.clone()).or_insert_with(former);
            route.rules.dialects.iter().for_each(|dialect| series.know(dialect.id()));
        }
        self.0.store(Arc::new(Table { routes: known, none: before.none.clone() }));
    }

    pub(crate) fn note(&self, ended: &Ended<'_>) {
        let table = self.0.load();
        table.routes.get(ended.route).unwrap_or(&table.none).note(ended);
    }

    pub(crate) fn write(&self, text: &mut Text) {
        let table = self.0.load();
        let mut routes: Vec<(&str, &RouteSeries)> = table.routes.iter().map(|(name, series)| (name.as_str(), series)).collect();
        routes.sort_by_key(|(name, _)| *name);
        routes.insert(0, ("", &table.none));
        let mut family = text.counter("countersign_requests_total", "Requests that ended, by exact reason of refusal and class of status.");
        for (route, series) in &routes {
            for (dialect, cells) in &series.dialects {
                cells.each(|reason, class, count| {
                    family.value(&[("route", route), ("dialect", dialect), ("reason", reason), ("class", class)], count);
                });
            }
        }
        let mut family = text.counter("countersign_shadow_refusals_total", "Requests that a route in shadow mode would have refused.");
        for (route, series) in &routes {
            for (reason, count) in Reason::ALL.iter().zip(&*series.shadow).filter(|(_, count)| count.get() > 0) {
                family.value(&[("route", route), ("reason", reason.as_str())], count.get());
            }
        }
        let mut times = |name, help, of: fn(&Times) -> &Histogram| {
            let mut family = text.histogram(name, help);
            routes.iter().for_each(|(route, series)| family.values_of(&[("route", route)], of(&series.times)));
        };
        times("countersign_request_duration_seconds", "From the head of a request to the head of its answer.", |times| &times.whole);
        times("countersign_admission_duration_seconds", "Until a request was admitted or refused, its body included.", |times| {
            &times.admission
        });
        times("countersign_request_body_bytes", "Bodies of admitted requests.", |times| &times.body);
    }
}

impl RouteSeries {
    fn new() -> Self {
        let times = Times { whole: Histogram::of_durations(), admission: Histogram::of_durations(), body: Histogram::of_sizes() };
        let shadow = Reason::ALL.iter().map(|_| Counter::default()).collect();
        Self { dialects: vec![(String::new(), Arc::default())], times: Arc::new(times), shadow }
    }

    fn know(&mut self, dialect: &str) {
        if self.dialects.iter().all(|(known, _)| known != dialect) {
            self.dialects.push((dialect.to_owned(), Arc::default()));
        }
    }

    fn note(&self, ended: &Ended<'_>) {
        let of_dialect = self.dialects.iter().find(|(known, _)| known == ended.dialect).or_else(|| self.dialects.first());
        if let Some((_, cells)) = of_dialect {
            cells.0[Cells::index(ended.reason, ended.status)].add(1);
        }
        let would_refuse = ended.would_refuse.and_then(|reason| Reason::ALL.iter().position(|known| *known == reason));
        if let Some(place) = would_refuse {
            self.shadow[place].add(1);
        }
        self.times.whole.note_time(ended.took);
        if let Some(admission) = ended.admission {
            self.times.admission.note_time(admission);
        }
        if ended.admission.is_some() && ended.reason.is_none() {
            self.times.body.note(ended.body);
        }
    }
}

impl Cells {
    fn index(reason: Option<Reason>, status: u16) -> usize {
        let reason = reason.and_then(|reason| Reason::ALL.iter().position(|known| *known == reason)).map_or(0, |at| at + 1);
        let class = usize::from(status / 100).clamp(1, CLASSES.len()) - 1;
        reason * CLASSES.len() + class
    }

    /// Calls this with reason, class and count of each counter that has counted.
    fn each(&self, mut told: impl FnMut(&str, &str, u64)) {
        let reasons = std::iter::once(NO_REASON).chain(Reason::ALL.iter().map(|reason| reason.as_str()));
        let labels = reasons.flat_map(|reason| CLASSES.iter().map(move |class| (reason, class)));
        for ((reason, class), count) in labels.zip(&self.0) {
            let count = count.get();
            if count > 0 {
                told(reason, class, count);
            }
        }
    }
}

impl Default for Cells {
    fn default() -> Self {
        Self((0..(Reason::ALL.len() + 1) * CLASSES.len()).map(|_| Counter::default()).collect())
    }
}
