//! What came of a run: a line of JSON, and a table for people.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::server::{Server, Usage};

/// Moments of this run, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Moments before this one are none; messages that are only a test carry them.
    pub(crate) const FIRST: u64 = 1_000_000;

    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> u64 {
        Self::FIRST + nanoseconds(self.0.elapsed())
    }
}

pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How long things took.
#[derive(Debug)]
pub(crate) struct Times(Mutex<Histogram<u64>>);

impl Times {
    /// In microseconds, to three digits, up to ten minutes.
    pub(crate) fn new() -> io::Result<Self> {
        let histogram = Histogram::new_with_bounds(1, 600_000_000, 3).map_err(io::Error::other)?;
        Ok(Self(Mutex::new(histogram)))
    }

    /// Notes what began at one moment and ended at another.
    pub(crate) fn note(&self, from: u64, to: u64) {
        let mut histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        histogram.saturating_record(to.saturating_sub(from) / 1_000);
    }

    /// In milliseconds.
    fn summary(&self) -> Value {
        let histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = |quantile| round(thousandths(histogram.value_at_quantile(quantile)));
        json!({ "p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0) })
    }
}

fn thousandths(number: u64) -> f64 {
    Duration::from_micros(number).as_secs_f64() * 1_000.0
}

fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// The figures of a run, in the order of the table.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<(&'static str, Value)>,
    /// What should have come and did not.
    pub(crate) missing: u64,
    /// What went wrong, and how often.
    problems: BTreeMap<String, u64>,
}

impl Report {
    pub(crate) fn problem(&mut self, what: &dyn fmt::Display, count: u64) {
        *self.problems.entry(what.to_string()).or_default() += count;
    }

    pub(crate) fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        self.rows.push((name, value.into()));
    }

    /// A figure with a fraction, of which two digits are shown.
    pub(crate) fn add_fraction(&mut self, name: &'static str, value: f64) {
        self.add(name, round(value));
    }

    pub(crate) fn add_times(&mut self, name: &'static str, times: &Times) {
        self.add(name, times.summary());
    }

    /// How many a second, of what took this long.
    pub(crate) fn add_rate(&mut self, name: &'static str, count: u64, time: Duration) {
        self.add(name, (number(count) / time.as_secs_f64()).round());
    }

    /// Adds the figures of a part.
    pub(crate) fn append(&mut self, part: Self) {
        self.rows.extend(part.rows);
        self.missing += part.missing;
        self.problems.extend(part.problems);
    }

    pub(crate) fn line(&self) -> Value {
        let rows = self
            .rows
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        let mut line: Map<String, Value> = rows.collect();
        line.insert("missing".to_owned(), self.missing.into());
        line.insert("problems".to_owned(), json!(self.problems));
        line.into()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.rows {
            write!(f, "  {:<34}", name.replace('_', " "))?;
            match value {
                Value::Object(parts) => {
                    for part in ["p50", "p90", "p99", "max"] {
                        write!(f, "{part} {}  ", parts.get(part).unwrap_or(&Value::Null))?;
                    }
                    writeln!(f)?;
                }
                Value::String(text) => writeln!(f, "{text}")?,
                other => writeln!(f, "{other}")?,
            }
        }
        writeln!(f, "  {:<34}{}", "missing", self.missing)?;
        for (what, count) in &self.problems {
            writeln!(f, "  {count} times: {what}")?;
        }
        Ok(())
    }
}

/// As good as a number of things can be told.
pub(crate) fn number(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count of far less than 2^52")]
    let number = count as f64;
    number
}

/// What the server and this program have used at the beginning.
#[derive(Debug)]
pub(crate) struct Meter<'a> {
    server: &'a Server,
    before: (Option<Usage>, Option<Usage>),
}

impl<'a> Meter<'a> {
    pub(crate) fn start(server: &'a Server) -> Self {
        Self {
            before: (server.usage(), Usage::of("self")),
            server,
        }
    }

    /// Adds what the server uses now, and how much time of the processor each of `count` took.
    pub(crate) fn stop(self, report: &mut Report, count: u64) {
        let each = |before: Option<Usage>, after: Option<Usage>| {
            let spent = after?.cpu.saturating_sub(before?.cpu);
            (count > 0).then(|| round(spent.as_secs_f64() * 1e6 / number(count)))
        };
        let after = (self.server.usage(), Usage::of("self"));
        report.add("server_cpu_us_each", each(self.before.0, after.0));
        report.add("generator_cpu_us_each", each(self.before.1, after.1));
        report.add("server_memory_mib", after.0.map(|usage| mib(usage.memory)));
        report.add(
            "server_memory_peak_mib",
            after.0.map(|usage| mib(usage.peak)),
        );
    }
}

fn mib(bytes: u64) -> f64 {
    round(number(bytes) / f64::from(1 << 20))
}
