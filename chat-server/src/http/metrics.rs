//! The metrics of the server, and the text format in which Prometheus reads them.

use std::{
    fmt::{self, Display},
    fs,
};

use chat_core::{
    Answer, CloseReason, ErrorCode, Frame, Outgoing,
    metrics::{Counter, Counters, Family, Figures, Gauge, Label},
};

use crate::config::StoreUrl;

/// What the server counts beside the engine.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) connections: Gauge,
    pub(crate) accepted: Counter,
    pub(crate) refused: Counters<Limit>,
    pub(crate) closed: Counters<CloseReason>,
    pub(crate) refusals: Counters<ErrorCode>,
}

/// Which limit of connections is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    All,
    Address,
    New,
}

impl Label for Limit {
    const NAME: &'static str = "limit";
    const ALL: &'static [Self] = &[Self::All, Self::Address, Self::New];

    fn value(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Address => "address",
            Self::New => "new",
        }
    }
}

impl Metrics {
    /// Counts the frame if it says that a command was not carried out.
    pub(crate) fn count_refusal(&self, frame: &Frame) {
        if let Outgoing::Answer(Answer::Error { error, .. }) = frame.outgoing()
            && let Some(code) = ErrorCode::from_code(error.code)
        {
            self.refusals.count(code);
        }
    }

    /// The server's figures; those of the engine are [`chat_core::ChatEngine::metrics`].
    pub(crate) fn families(&self) -> Vec<Family> {
        vec![
            Family::gauge(
                "chat_connections",
                "Connections of all kinds.",
                self.connections.get(),
            ),
            Family::counter(
                "chat_connections_accepted_total",
                "Connections accepted.",
                &self.accepted,
            ),
            Family::counters(
                "chat_connections_refused_total",
                "Connections refused, by the limit that was reached.",
                &self.refused,
            ),
            Family::counters(
                "chat_connections_closed_total",
                "WebSocket and Socket.IO connections that the server closed, by its reason.",
                &self.closed,
            ),
            Family::counters(
                "chat_refusals_total",
                "Errors that clients were answered with.",
                &self.refusals,
            ),
        ]
    }
}

/// The size of the log beside an SQLite store, as of now.
pub(super) fn store_log(store: &StoreUrl) -> Family {
    let bytes = match store {
        StoreUrl::Sqlite(path) => {
            // Behind a link it stands beside the file itself.
            let mut log = fs::canonicalize(path).unwrap_or_default().into_os_string();
            log.push("-wal");
            fs::metadata(log).map_or(0, |found| found.len())
        }
        _ => 0,
    };
    Family::gauge(
        "chat_store_log_bytes",
        "Bytes of the write-ahead log of an SQLite store; 0 for other stores.",
        bytes,
    )
}

/// The figures in Prometheus' text format 0.0.4. No name, help text or label needs escaping, for all
/// stand in our code.
pub(crate) fn text(families: &[Family]) -> impl Display {
    fmt::from_fn(move |f| families.iter().try_for_each(|family| write(f, family)))
}

fn write(f: &mut fmt::Formatter<'_>, family: &Family) -> fmt::Result {
    let Family {
        name,
        help,
        figures,
    } = family;
    let kind = match figures {
        Figures::Gauge(_) => "gauge",
        Figures::Counter(_) | Figures::Counters { .. } => "counter",
        Figures::Histogram { .. } => "histogram",
    };
    writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
    match figures {
        Figures::Gauge(value) | Figures::Counter(value) => writeln!(f, "{name} {value}"),
        Figures::Counters { label, counts } => counts
            .iter()
            .try_for_each(|(of, count)| writeln!(f, "{name}{{{label}=\"{of}\"}} {count}")),
        Figures::Histogram { upto, count, sum } => {
            for (bound, upto) in upto {
                writeln!(f, "{name}_bucket{{le=\"{bound}\"}} {upto}")?;
            }
            writeln!(f, "{name}_bucket{{le=\"+Inf\"}} {count}")?;
            writeln!(f, "{name}_sum {sum}\n{name}_count {count}")
        }
    }
}

#[cfg(test)]
mod tests {
    use chat_core::metrics::Histogram;

    use super::*;

    #[test]
    fn each_kind_is_written_as_prometheus_reads_it() {
        let (counter, counters) = (Counter::default(), Counters::default());
        counter.add(3);
        counters.count(Limit::Address);
        let histogram = Histogram::of_times();
        histogram.note(250);
        let families = [
            Family::gauge("a", "A.", 2),
            Family::counter("b_total", "B.", &counter),
            Family::counters("c_total", "C.", &counters),
            Family::histogram("d_seconds", "D.", &histogram),
        ];
        let text = text(&families).to_string();
        let expected = [
            "# HELP a A.",
            "# TYPE a gauge",
            "a 2",
            "# HELP b_total B.",
            "# TYPE b_total counter",
            "b_total 3",
            "# HELP c_total C.",
            "# TYPE c_total counter",
            "c_total{limit=\"all\"} 0",
            "c_total{limit=\"address\"} 1",
            "c_total{limit=\"new\"} 0",
            "# HELP d_seconds D.",
            "# TYPE d_seconds histogram",
            "d_seconds_bucket{le=\"0.0001\"} 0",
            "d_seconds_bucket{le=\"0.00025\"} 1",
        ];
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..expected.len()], expected);
        let end = [
            "d_seconds_bucket{le=\"10\"} 1",
            "d_seconds_bucket{le=\"+Inf\"} 1",
            "d_seconds_sum 0.00025",
            "d_seconds_count 1",
        ];
        assert_eq!(lines[lines.len() - end.len()..], end);
    }
}
