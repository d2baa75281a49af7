//! Counters of requests, and their text for Prometheus (exposition format 0.0.4).

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use super::rest::routes::Interaction;
use crate::base::telemetry::{BOUNDS_MICROS, Counter, Histogram, resident_bytes};
use crate::base::traces::counts;
use crate::repo::Status;

/// The status codes that are counted on their own; any other counts as 500.
const STATUSES: [u16; 21] =
    [200, 201, 204, 304, 400, 403, 404, 405, 406, 408, 409, 410, 412, 413, 414, 415, 422, 429, 431, 503, 500];
const KINDS: usize = Interaction::LABELS.len();

/// A number of a tenant: its name, its type, and where it stands.
type OfTenant = (&'static str, &'static str, fn(&Status) -> u64);

/// What is told of each open tenant. There are as many as may be open at a time.
const OF_TENANTS: [OfTenant; 10] = [
    ("cresset_log_head_seq", "gauge", |status| status.head.0.unsigned_abs()),
    ("cresset_index_reached_seq", "gauge", |status| status.indexed.0.unsigned_abs()),
    ("cresset_writer_queue", "gauge", |status| status.waiting as u64),
    ("cresset_index_documents", "gauge", |status| status.documents),
    ("cresset_index_bytes", "gauge", |status| status.index_bytes),
    ("cresset_search_parameters_complete", "gauge", |status| status.complete_params as u64),
    ("cresset_search_parameters_incomplete", "gauge", |status| status.incomplete_params as u64),
    ("cresset_reindex_documents", "gauge", |status| status.reindex_left),
    ("cresset_tenant_requests", "gauge", |status| status.requests as u64),
    ("cresset_tenant_refused_total", "counter", |status| status.refused),
];

/// All counters of a server.
#[derive(Debug, Default)]
pub struct Metrics {
    rows: [Row; KINDS],
}

#[derive(Debug, Default)]
struct Row {
    statuses: [Counter; STATUSES.len()],
    latency: Histogram,
}

impl Metrics {
    /// Counts a request.
    pub fn observe(&self, interaction: Interaction, status: u16, duration: Duration) {
        let row = &self.rows[interaction.number()];
        let at = STATUSES.iter().position(|known| *known == status).unwrap_or(STATUSES.len() - 1);
        row.statuses[at].increment();
        row.latency.observe(duration);
    }

    /// The text of all counters, and of how far the open tenants are.
    pub fn text(&self, tenants: &[(Arc<str>, Status)]) -> String {
        let mut out = String::with_capacity(16 << 10);
        self.requests(&mut out);
        self.latencies(&mut out);
        for (name, kind, of) in OF_TENANTS {
            let _ = writeln!(out, "# TYPE {name} {kind}");
            for (tenant, status) in tenants {
                let _ = writeln!(out, "{name}{{tenant=\"{tenant}\"}} {}", of(status));
            }
        }
        let resident = resident_bytes().unwrap_or(0);
        let _ = writeln!(out, "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes {resident}");
        let (delivered, dropped) = counts();
        for (name, value) in [("cresset_spans_delivered_total", delivered), ("cresset_spans_dropped_total", dropped)] {
            let _ = writeln!(out, "# TYPE {name} counter\n{name} {value}");
        }
        out
    }

    fn requests(&self, out: &mut String) {
        out.push_str("# TYPE cresset_requests_total counter\n");
        for (row, label) in self.rows.iter().zip(Interaction::LABELS) {
            let seen = row.statuses.iter().zip(STATUSES).map(|(counter, status)| (counter.get(), status));
            for (count, status) in seen.filter(|(count, _)| *count > 0) {
                let _ = writeln!(out, "cresset_requests_total{{interaction=\"{label}\",status=\"{status}\"}} {count}");
            }
        }
    }

    fn latencies(&self, out: &mut String) {
        const NAME: &str = "cresset_request_duration_seconds";
        let _ = writeln!(out, "# TYPE {NAME} histogram");
        for (row, label) in self.rows.iter().zip(Interaction::LABELS) {
            let (counts, sum) = row.latency.cumulative();
            let total = counts[BOUNDS_MICROS.len()];
            if total == 0 {
                continue;
            }
            for (bound, count) in BOUNDS_MICROS.iter().zip(counts) {
                let bound = *bound as f64 / 1e6;
                let _ = writeln!(out, "{NAME}_bucket{{interaction=\"{label}\",le=\"{bound}\"}} {count}");
            }
            let _ = writeln!(out, "{NAME}_bucket{{interaction=\"{label}\",le=\"+Inf\"}} {total}");
            let _ = writeln!(out, "{NAME}_sum{{interaction=\"{label}\"}} {}", sum as f64 / 1e6);
            let _ = writeln!(out, "{NAME}_count{{interaction=\"{label}\"}} {total}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::Seq;

    #[test]
    fn counts_by_interaction_and_status() {
        let metrics = Metrics::default();
        metrics.observe(Interaction::Read, 200, Duration::from_micros(300));
        metrics.observe(Interaction::Read, 200, Duration::from_micros(90));
        metrics.observe(Interaction::Absent("patch"), 418, Duration::ZERO);
        let (head, indexed) = (Seq(9), Seq(8));
        let status = Status {
            head,
            indexed,
            waiting: 3,
            documents: 7,
            index_bytes: 1,
            complete_params: 2,
            incomplete_params: 1,
            reindex_left: 5,
            requests: 1,
            refused: 0,
        };
        let text = metrics.text(&[("default".into(), status)]);
        for line in [
            "cresset_requests_total{interaction=\"read\",status=\"200\"} 2",
            "cresset_requests_total{interaction=\"none\",status=\"500\"} 1",
            "cresset_request_duration_seconds_bucket{interaction=\"read\",le=\"0.0001\"} 1",
            "cresset_request_duration_seconds_count{interaction=\"read\"} 2",
            "cresset_writer_queue{tenant=\"default\"} 3",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
