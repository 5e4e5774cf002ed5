//! Figures for monitoring: what they are made of, and the shape in which they are read.
//!
//! Nothing here knows a monitoring system. [`ChatEngine::metrics`](crate::ChatEngine::metrics) gives
//! a list of families; `chat-server` writes it as Prometheus reads it. Noting something is an atomic
//! addition or two, and labels are enums, so that no user, room or address can become one.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::{
    port::BackendErrorKind,
    wire::{CloseReason, ErrorCode},
};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Makes it larger.
    pub fn add(&self, by: usize) {
        self.0.fetch_add(by as u64, Relaxed);
    }

    /// The current value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// One more.
    pub fn up(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// One less, after it was one more.
    pub fn down(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// Sets the value.
    pub fn set(&self, to: usize) {
        self.0.store(to as u64, Relaxed);
    }

    /// The current value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// An enum whose values are those of a label.
pub trait Label: Copy + PartialEq + 'static {
    /// The name of the label.
    const NAME: &'static str;
    /// All of its values.
    const ALL: &'static [Self];
    /// The value as it is written.
    fn value(self) -> &'static str;
}

/// Counters for the values of a label, one for each value.
#[derive(Debug)]
pub struct Counters<L>(Box<[(L, Counter)]>);

impl<L: Label> Default for Counters<L> {
    fn default() -> Self {
        Self(L::ALL.iter().map(|of| (*of, Counter::default())).collect())
    }
}

impl<L: Label> Counters<L> {
    /// Counts one.
    pub fn count(&self, label: L) {
        if let Some((_, counter)) = self.0.iter().find(|(of, _)| *of == label) {
            counter.add(1);
        }
    }
}

/// A histogram: the number of values up to each of some bounds.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// The number of noted units that make one shown unit.
    unit: f64,
    /// One for each bound, and one for what is above them all.
    counts: Box<[Counter]>,
    sum: Counter,
}

impl Histogram {
    /// A histogram of numbers.
    pub fn of(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            unit: 1.0,
            counts: (0..=bounds.len()).map(|_| Counter::default()).collect(),
            sum: Counter::default(),
        }
    }

    /// A histogram of times between 100 microseconds and 10 s, noted in microseconds and shown in seconds.
    pub fn of_times() -> Self {
        const MICROSECONDS: &[u64] = &[
            100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
            1_000_000, 2_500_000, 5_000_000, 10_000_000,
        ];
        Self {
            unit: 1e6,
            ..Self::of(MICROSECONDS)
        }
    }

    /// Notes a number.
    pub fn note(&self, value: usize) {
        let at = self.bounds.partition_point(|bound| *bound < value as u64);
        self.counts[at].add(1);
        self.sum.add(value);
    }

    /// Notes a time.
    pub fn note_time(&self, time: Duration) {
        self.note(usize::try_from(time.as_micros()).unwrap_or(usize::MAX));
    }
}

/// Figures of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// Its name, such as `chat_sessions`; a [`Figures::Counter`]'s ends with `_total`.
    pub name: &'static str,
    /// The meaning, in one sentence.
    pub help: &'static str,
    /// The samples.
    pub figures: Figures,
}

/// The figures of a family.
#[derive(Debug, Clone, PartialEq)]
pub enum Figures {
    /// It goes up and down.
    Gauge(u64),
    /// It only grows.
    Counter(u64),
    /// Each of them only grows.
    Counters {
        /// The label by which the values differ.
        label: &'static str,
        /// Each value of the label, and its count.
        counts: Vec<(&'static str, u64)>,
    },
    /// A distribution, which only grows.
    Histogram {
        /// Ascending bounds, and how many values were at most as large.
        upto: Vec<(f64, u64)>,
        /// The number of values.
        count: u64,
        /// The sum of the values.
        sum: f64,
    },
}

impl Family {
    /// A family with one gauge.
    pub fn gauge(name: &'static str, help: &'static str, value: u64) -> Self {
        Self::of(name, help, Figures::Gauge(value))
    }

    /// A family with one counter.
    pub fn counter(name: &'static str, help: &'static str, counter: &Counter) -> Self {
        Self::of(name, help, Figures::Counter(counter.get()))
    }

    /// A family with one counter for each value of a label.
    pub fn counters<L: Label>(
        name: &'static str,
        help: &'static str,
        counters: &Counters<L>,
    ) -> Self {
        let counts = counters.0.iter();
        let counts = counts.map(|(label, counter)| (label.value(), counter.get()));
        let figures = Figures::Counters {
            label: L::NAME,
            counts: counts.collect(),
        };
        Self::of(name, help, figures)
    }

    /// A family with one histogram.
    pub fn histogram(name: &'static str, help: &'static str, histogram: &Histogram) -> Self {
        let shown = |noted| float(noted) / histogram.unit;
        let mut count = 0;
        let mut upto = Vec::with_capacity(histogram.bounds.len());
        for (at, counter) in histogram.counts.iter().enumerate() {
            count += counter.get();
            if let Some(bound) = histogram.bounds.get(at) {
                upto.push((shown(*bound), count));
            }
        }
        let figures = Figures::Histogram {
            upto,
            count,
            sum: shown(histogram.sum.get()),
        };
        Self::of(name, help, figures)
    }

    fn of(name: &'static str, help: &'static str, figures: Figures) -> Self {
        Self {
            name,
            help,
            figures,
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a sum above 2^53 needs no last digit"
)]
fn float(number: u64) -> f64 {
    number as f64
}

impl Label for ErrorCode {
    const NAME: &'static str = "code";
    const ALL: &'static [Self] = Self::ALL;

    fn value(self) -> &'static str {
        self.name()
    }
}

impl Label for CloseReason {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] = Self::ALL;

    fn value(self) -> &'static str {
        self.name()
    }
}

impl Label for BackendErrorKind {
    const NAME: &'static str = "kind";
    const ALL: &'static [Self] = &[
        Self::Unavailable,
        Self::Timeout,
        Self::Full,
        Self::Corrupt,
        Self::Unauthorized,
        Self::Misconfigured,
        Self::Other,
    ];

    fn value(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Full => "full",
            Self::Corrupt => "corrupt",
            Self::Unauthorized => "unauthorized",
            Self::Misconfigured => "misconfigured",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_up_to_and_including_each_bound() {
        let histogram = Histogram::of(&[1, 10]);
        for value in [0, 1, 2, 10, 11, 1_000] {
            histogram.note(value);
        }
        let Family { figures, .. } = Family::histogram("name", "help", &histogram);
        let expected = Figures::Histogram {
            upto: vec![(1.0, 2), (10.0, 4)],
            count: 6,
            sum: 1_024.0,
        };
        assert_eq!(figures, expected);
    }

    #[test]
    fn times_are_shown_in_seconds() {
        let histogram = Histogram::of_times();
        histogram.note_time(Duration::from_micros(250));
        histogram.note_time(Duration::from_millis(1_500));
        let Figures::Histogram { upto, count, sum } =
            Family::histogram("name", "help", &histogram).figures
        else {
            panic!("no histogram");
        };
        assert_eq!((count, sum), (2, 1.500_25));
        assert_eq!(upto[..2], [(0.000_1, 0), (0.000_25, 1)]);
        assert_eq!(upto.last(), Some(&(10.0, 2)));
    }

    #[test]
    fn each_value_of_a_label_has_a_counter_of_its_own() {
        fn check<L: Label + std::fmt::Debug>() {
            let counters = Counters::<L>::default();
            for (at, label) in L::ALL.iter().enumerate() {
                (0..=at).for_each(|_| counters.count(*label));
            }
            let Figures::Counters { counts, .. } =
                Family::counters("name", "help", &counters).figures
            else {
                panic!("no counters");
            };
            assert!(
                counts
                    .iter()
                    .map(|(_, count)| *count)
                    .eq(1..=L::ALL.len() as u64)
            );
        }
        check::<ErrorCode>();
        check::<CloseReason>();
        check::<BackendErrorKind>();
    }
}
