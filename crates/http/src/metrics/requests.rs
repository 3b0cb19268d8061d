//! Requests by method, route and status, and their durations by route.
//!
//! A counter is created on its first use, and found by its index in a table afterwards: most of the thousands of
//! combinations never occur, and would only be noise.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use super::labels::Labels;
use super::latency::Latency;

/// Methods that have counters of their own; all others share the last one.
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "(other)",
];
/// Label for a path without a route, and for a request that ended before its response.
const NONE: &str = "(none)";
const FIRST_STATUS: u16 = 100;
const LAST_STATUS: u16 = 599;
const COUNTERS: usize = (LAST_STATUS - FIRST_STATUS) as usize + 3;

/// Counters of a method: one for each status, then one for any other status, and one for requests without a response.
type StatusCounters = [OnceLock<Counter>; COUNTERS];

struct Route {
    name: &'static str,
    time: OnceLock<Latency>,
    by_method: [OnceLock<Box<StatusCounters>>; METHODS.len()],
}

impl Route {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            time: OnceLock::new(),
            by_method: [const { OnceLock::new() }; METHODS.len()],
        }
    }
}

pub(super) struct Requests {
    counters: Family<Labels, Counter>,
    times: Family<Labels, Latency>,
    routes: HashMap<&'static str, Route>,
    unrouted: Route,
}

impl Requests {
    pub(super) fn new(routes: &[&'static str]) -> Self {
        Self {
            counters: Family::default(),
            times: Family::default(),
            routes: routes
                .iter()
                .map(|route| (*route, Route::new(route)))
                .collect(),
            unrouted: Route::new(NONE),
        }
    }

    pub(super) fn counters(&self) -> Family<Labels, Counter> {
        self.counters.clone()
    }

    pub(super) fn times(&self) -> Family<Labels, Latency> {
        self.times.clone()
    }

    pub(super) fn count_request(
        &self,
        method: &'static str,
        route: &str,
        status: Option<u16>,
        duration: Duration,
    ) {
        let route = self.routes.get(route).unwrap_or(&self.unrouted);
        let time = route.time.get_or_init(|| {
            let labels = vec![("route", route.name.into())];
            self.times.get_or_create_owned(&labels)
        });
        time.observe(duration);
        let method = METHODS
            .iter()
            .position(|known| *known == method)
            .unwrap_or(METHODS.len() - 1);
        let counters =
            route.by_method[method].get_or_init(|| Box::new([const { OnceLock::new() }; COUNTERS]));
        let counter = counters[status_index(status)].get_or_init(|| {
            let status = match status {
                Some(status @ FIRST_STATUS..=LAST_STATUS) => status.to_string().into(),
                Some(_) => "(other)".into(),
                None => NONE.into(),
            };
            self.counters.get_or_create_owned(&vec![
                ("method", METHODS[method].into()),
                ("route", route.name.into()),
                ("status", status),
            ])
        });
        counter.inc();
    }
}

fn status_index(status: Option<u16>) -> usize {
    match status {
        Some(status @ FIRST_STATUS..=LAST_STATUS) => usize::from(status - FIRST_STATUS),
        Some(_) => COUNTERS - 2,
        None => COUNTERS - 1,
    }
}
