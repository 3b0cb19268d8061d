//! Counters of a server, and their output for Prometheus.
//!
//! The names of all metrics are in this file. The use cases count by [`Metrics`], in values of the domain; the access log
//! counts requests by [`PrometheusMetrics::count_request`]. Counters are atomics: counting does not block. Values that
//! are read rather than counted are taken from the [`Snapshot`] at rendering.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use movie_bag_core::app::{HashLoad, Snapshot};
use movie_bag_core::domain::limit::Limit;
use movie_bag_core::domain::mail::MailKind;
use movie_bag_core::domain::outbox::EntryState;
use movie_bag_core::ports::metrics::{MailResult, Metrics, ResetResult};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::labels::Labels;
use super::requests::Requests;

/// Value of the `Content-Type` header for [`PrometheusMetrics::text`].
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Counters of one family. All are created at the start: they are shown as 0 from then on, and counting takes no lock.
struct Counters<K>(Vec<(K, Counter)>);

impl<K: Copy + PartialEq> Counters<K> {
    fn new(
        registry: &mut Registry,
        name: &str,
        help: &str,
        keys: impl IntoIterator<Item = K>,
        labels: impl Fn(K) -> Labels,
    ) -> Self {
        let family = Family::<Labels, Counter>::default();
        registry.register(name, help, family.clone());
        let counter = |key| (key, family.get_or_create_owned(&labels(key)));
        Self(keys.into_iter().map(counter).collect())
    }

    fn count(&self, key: K) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == key) {
            counter.inc();
        }
    }
}

/// Counters of one server.
pub struct PrometheusMetrics {
    registry: Registry,
    requests: Requests,
    mails: Counters<(MailKind, MailResult)>,
    mail_server_failures: Counter,
    resets: Counters<ResetResult>,
    limits: Counters<Limit>,
}

impl PrometheusMetrics {
    /// Creates all counters. Requests are counted by one of these `routes`, or as `(none)`.
    pub fn new(routes: &[&'static str], started: Timestamp) -> Self {
        let mut registry = Registry::default();
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register(
            "movie_bag_build",
            "Version of movie-bag",
            Info::new(version),
        );
        let start = Gauge::<f64, std::sync::atomic::AtomicU64>::default();
        start.set(started.as_duration().as_secs_f64());
        registry.register_with_unit(
            "process_start_time",
            "Start time of the process in seconds since 1970",
            Unit::Seconds,
            start,
        );
        let requests = Requests::new(routes);
        registry.register(
            "movie_bag_http_requests",
            "Requests by method, route and status; (none) stands for no route or no response",
            requests.counters(),
        );
        registry.register_with_unit(
            "movie_bag_http_request_duration",
            "Time from the head of a request to the head of its response, by route",
            Unit::Seconds,
            requests.times(),
        );
        let results = MailKind::ALL
            .iter()
            .flat_map(|kind| MailResult::ALL.iter().map(|result| (*kind, *result)));
        let mails = Counters::new(
            &mut registry,
            "movie_bag_mails",
            "Attempts to send a mail, by kind and result",
            results,
            |(kind, result)| {
                vec![
                    ("kind", kind.name().into()),
                    ("result", result.name().into()),
                ]
            },
        );
        let mail_server_failures = Counter::default();
        registry.register(
            "movie_bag_mail_server_failures",
            "Connections to the mail server that failed before a mail was sent",
            mail_server_failures.clone(),
        );
        let resets = Counters::new(
            &mut registry,
            "movie_bag_resets",
            "Attempts to redeem a reset token, by result",
            ResetResult::ALL.iter().copied(),
            |result| vec![("result", result.name().into())],
        );
        let limits = Counters::new(
            &mut registry,
            "movie_bag_limits_hit",
            "Requests refused by a rate limit, by limit",
            Limit::ALL.iter().copied(),
            |limit| vec![("limit", limit.name().into())],
        );
        Self {
            registry,
            requests,
            mails,
            mail_server_failures,
            resets,
            limits,
        }
    }

    /// Counts a request. It has no status if it ended before its response.
    pub(crate) fn count_request(
        &self,
        method: &'static str,
        route: &str,
        status: Option<u16>,
        duration: Duration,
    ) {
        self.requests.count_request(method, route, status, duration);
    }

    /// Renders all metrics as OpenMetrics text.
    ///
    /// # Errors
    /// None is known: the text is written into memory.
    pub(crate) fn text(&self, snapshot: &Snapshot) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &build_registry(snapshot))?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

impl Metrics for PrometheusMetrics {
    fn mail_attempted(&self, kind: MailKind, result: MailResult) {
        self.mails.count((kind, result));
    }

    fn mail_server_failed(&self) {
        self.mail_server_failures.inc();
    }

    fn reset_attempted(&self, result: ResetResult) {
        self.resets.count(result);
    }

    fn limit_hit(&self, limit: Limit) {
        self.limits.count(limit);
    }
}

/// Creates a registry with the values of a snapshot.
fn build_registry(snapshot: &Snapshot) -> Registry {
    let mut registry = Registry::default();
    let HashLoad {
        running,
        waiting,
        refused,
    } = snapshot.hashes;
    registry.register(
        "movie_bag_hashes_running",
        "Passwords being hashed or verified",
        ConstGauge::new(signed(running)),
    );
    registry.register(
        "movie_bag_hashes_waiting",
        "Passwords waiting to be hashed or verified",
        ConstGauge::new(signed(waiting)),
    );
    registry.register(
        "movie_bag_hashes_refused",
        "Requests refused because too many passwords were waiting",
        ConstCounter::new(refused),
    );
    registry.register(
        "movie_bag_database_up",
        "Whether the database answered this scrape",
        ConstGauge::new(i64::from(snapshot.outbox.is_some())),
    );
    let (up, restarts) = (
        Family::<Labels, Gauge>::default(),
        Family::<Labels, Counter>::default(),
    );
    for task in &snapshot.tasks {
        let labels = vec![("task", task.name.into())];
        up.get_or_create(&labels).set(i64::from(task.is_up));
        restarts.get_or_create(&labels).inc_by(task.restarts);
    }
    registry.register(
        "movie_bag_task_up",
        "Whether a background task runs, and has run for some time since its last restart",
        up,
    );
    registry.register(
        "movie_bag_task_restarts",
        "Restarts of a background task after a failure",
        restarts,
    );
    let Some(outbox) = snapshot.outbox else {
        return registry;
    };
    let entries = Family::<Labels, Gauge>::default();
    for (state, count) in [
        (EntryState::Waiting, outbox.waiting),
        (EntryState::Dead, outbox.dead),
    ] {
        let labels = vec![("state", state.name().into())];
        entries.get_or_create(&labels).set(signed(count));
    }
    registry.register(
        "movie_bag_outbox_entries",
        "Undelivered mails by state, of all servers on this database",
        entries,
    );
    let age = outbox.oldest_waiting_since.map_or(0.0, |since| {
        snapshot.now.duration_since(since).as_secs_f64().max(0.0)
    });
    registry.register_with_unit(
        "movie_bag_outbox_oldest_waiting",
        "Age of the oldest waiting mail; 0 if no mail is waiting",
        Unit::Seconds,
        ConstGauge::new(age),
    );
    registry
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use movie_bag_core::domain::outbox::OutboxState;
    use movie_bag_core::supervisor::TaskStatus;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn metrics() -> PrometheusMetrics {
        PrometheusMetrics::new(&["/api/auth/login", "/reset/{token}"], at(1_800_000_000))
    }

    fn render_metrics(metrics: &PrometheusMetrics, outbox: Option<OutboxState>) -> String {
        let snapshot = Snapshot {
            now: at(1_800_000_090),
            hashes: HashLoad {
                running: 2,
                waiting: 3,
                refused: 4,
            },
            outbox,
            tasks: vec![TaskStatus {
                name: "delivery",
                is_up: false,
                restarts: 3,
            }],
        };
        metrics.text(&snapshot).unwrap()
    }

    #[track_caller]
    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|other| other == line), "{line}: {text}");
    }

    #[test]
    fn events_are_counted_and_other_counters_are_0() {
        let metrics = metrics();
        metrics.mail_attempted(MailKind::ResetPassword, MailResult::Sent);
        metrics.reset_attempted(ResetResult::Done);
        metrics.limit_hit(Limit::Forgot);
        let text = render_metrics(&metrics, None);
        for line in [
            r#"movie_bag_mails_total{kind="reset_password",result="sent"} 1"#,
            r#"movie_bag_mails_total{kind="reset_password",result="dead"} 0"#,
            r#"movie_bag_resets_total{result="done"} 1"#,
            r#"movie_bag_resets_total{result="bad_token"} 0"#,
            r#"movie_bag_limits_hit_total{limit="forgot"} 1"#,
            r#"movie_bag_limits_hit_total{limit="client"} 0"#,
            "process_start_time_seconds 1800000000.0",
            "movie_bag_hashes_running 2",
            "movie_bag_hashes_waiting 3",
            "movie_bag_hashes_refused_total 4",
            r#"movie_bag_task_up{task="delivery"} 0"#,
            r#"movie_bag_task_restarts_total{task="delivery"} 3"#,
            "# EOF",
        ] {
            has(&text, line);
        }
    }

    #[test]
    fn the_outbox_is_shown_if_the_database_answers() {
        let state = OutboxState {
            waiting: 5,
            dead: 1,
            oldest_waiting_since: Some(at(1_800_000_060)),
        };
        let text = render_metrics(&metrics(), Some(state));
        for line in [
            "movie_bag_database_up 1",
            r#"movie_bag_outbox_entries{state="waiting"} 5"#,
            r#"movie_bag_outbox_entries{state="dead"} 1"#,
            "movie_bag_outbox_oldest_waiting_seconds 30.0",
        ] {
            has(&text, line);
        }
        let text = render_metrics(&metrics(), Some(OutboxState::default()));
        has(&text, "movie_bag_outbox_oldest_waiting_seconds 0.0");
        let text = render_metrics(&metrics(), None);
        has(&text, "movie_bag_database_up 0");
        assert!(!text.contains("outbox"), "{text}");
    }

    #[test]
    fn a_request_is_counted_by_known_labels_only() {
        let metrics = metrics();
        let millisecond = Duration::from_millis(1);
        metrics.count_request("POST", "/api/auth/login", Some(401), millisecond * 30);
        metrics.count_request("POST", "/api/auth/login", Some(401), millisecond * 300);
        metrics.count_request("GET", "/reset/a-token", Some(200), millisecond);
        metrics.count_request("BREW", "/reset/{token}", Some(999), millisecond);
        metrics.count_request("GET", "/reset/{token}", None, millisecond);
        let text = render_metrics(&metrics, None);
        let name = "movie_bag_http_requests_total";
        for line in [
            format!(r#"{name}{{method="POST",route="/api/auth/login",status="401"}} 2"#),
            format!(r#"{name}{{method="GET",route="(none)",status="200"}} 1"#),
            format!(r#"{name}{{method="(other)",route="/reset/{{token}}",status="(other)"}} 1"#),
            format!(r#"{name}{{method="GET",route="/reset/{{token}}",status="(none)"}} 1"#),
        ] {
            has(&text, &line);
        }
        assert_eq!(text.matches(&format!("\n{name}")).count(), 4, "{text}");
        let name = "movie_bag_http_request_duration_seconds";
        for line in [
            format!(r#"{name}_count{{route="/api/auth/login"}} 2"#),
            format!(r#"{name}_sum{{route="/api/auth/login"}} 0.33"#),
            format!(r#"{name}_bucket{{le="0.025",route="/api/auth/login"}} 0"#),
            format!(r#"{name}_bucket{{le="0.05",route="/api/auth/login"}} 1"#),
            format!(r#"{name}_bucket{{le="+Inf",route="/api/auth/login"}} 2"#),
        ] {
            has(&text, &line);
        }
        assert!(
            !text.contains("a-token") && !text.contains("BREW"),
            "{text}"
        );
    }

    #[test]
    fn concurrent_counts_are_not_lost() {
        let metrics = metrics();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        let millisecond = Duration::from_millis(1);
                        metrics.count_request("GET", "/api/auth/login", Some(200), millisecond);
                    }
                });
            }
        });
        let text = render_metrics(&metrics, None);
        let labels = r#"{method="GET",route="/api/auth/login",status="200"}"#;
        has(
            &text,
            &format!("movie_bag_http_requests_total{labels} 4000"),
        );
        let labels = r#"{route="/api/auth/login"}"#;
        let name = "movie_bag_http_request_duration_seconds";
        has(&text, &format!("{name}_count{labels} 4000"));
        has(&text, &format!("{name}_sum{labels} 4.0"));
    }
}
