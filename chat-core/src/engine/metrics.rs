//! What an engine counts. Names and meanings, as monitoring sees them, stand in `exposition`.

use std::sync::Arc;

use super::{log::follower::Follower, state::rooms::LiveRoom};
use crate::{
    metrics::{Counter, Counters, Gauge, Histogram, Label},
    model::{Cursor, Entry},
    port::{AppendError, Appended, Delivery, Outcome},
    wire::{Error, Event, Frame, GapReason, Outgoing},
};

#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) sessions: Gauge,
    pub(crate) ack_time: Histogram,
    pub(crate) appends: Counters<Append>,
    pub(crate) batch: Histogram,
    pub(crate) append_time: Histogram,
    pub(crate) fan_out: Histogram,
    /// What outboxes were given, and were relieved of, in bytes.
    pub(crate) outbox_in: CachePadded,
    pub(crate) outbox_out: CachePadded,
    pub(crate) resumes: Counters<Resume>,
    pub(crate) window_reads: Counters<Source>,
    pub(crate) hints_sent: Counter,
    pub(crate) hints_failed: Counter,
    pub(crate) hints_dropped: Counter,
    /// Those that the broker did not take and may take later.
    pub(crate) hints_unsent: Gauge,
    pub(crate) hints_heard: Counter,
    pub(crate) lagged: Counter,
    pub(crate) away: Counter,
}

/// A counter that every thread increments all the time, and that has a line of the processor's cache for
/// itself.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct CachePadded(pub(crate) Counter);

impl Default for Metrics {
    fn default() -> Self {
        Self {
            sessions: Gauge::default(),
            ack_time: Histogram::of_times(),
            appends: Counters::default(),
            batch: Histogram::of(&[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024]),
            append_time: Histogram::of_times(),
            fan_out: Histogram::of(&[0, 1, 2, 4, 8, 16, 64, 256, 1_024, 4_096, 16_384]),
            outbox_in: CachePadded::default(),
            outbox_out: CachePadded::default(),
            resumes: Counters::default(),
            window_reads: Counters::default(),
            hints_sent: Counter::default(),
            hints_failed: Counter::default(),
            hints_dropped: Counter::default(),
            hints_unsent: Gauge::default(),
            hints_heard: Counter::default(),
            lagged: Counter::default(),
            away: Counter::default(),
        }
    }
}

impl Follower for Arc<Metrics> {
    fn published(&self, _: &Arc<LiveRoom>, _: &Arc<Entry>, devices: usize) {
        self.fan_out.note(devices);
    }
}

impl Metrics {
    /// Counts what the broker yielded.
    pub(crate) fn heard(&self, delivery: Delivery) -> Delivery {
        match delivery {
            Delivery::Hint { .. } => self.hints_heard.add(1),
            Delivery::Lagged => self.lagged.add(1),
            Delivery::Away => self.away.add(1),
        }
        delivery
    }
}

/// Values of a label that are the engine's own.
macro_rules! labels {
    ($($(#[$doc:meta])* $type:ident, $name:literal { $($variant:ident = $value:literal,)+ })+) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $type { $($variant,)+ }

        impl Label for $type {
            const NAME: &'static str = $name;
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn value(self) -> &'static str {
                match self { $(Self::$variant => $value,)+ }
            }
        }
    )+ };
}

labels! {
    /// What the store made of an entry.
    Append, "outcome" {
        Stored = "stored",
        Duplicate = "duplicate",
        Refused = "refused",
        Failed = "failed",
    }

    /// What came of a cursor.
    Resume, "outcome" {
        NothingMissed = "nothing_missed",
        Replayed = "replayed",
        TooMany = "gap_too_many",
        NewEpoch = "gap_new_epoch",
        NoRoom = "no_room",
        Failed = "failed",
    }

    /// Where recent entries were found.
    Source, "from" {
        Cache = "cache",
        Reader = "other_reader",
        Store = "store",
    }
}

impl From<&Result<Appended, AppendError>> for Append {
    fn from(answer: &Result<Appended, AppendError>) -> Self {
        match answer {
            Ok(appended) if appended.outcome == Outcome::Duplicate => Self::Duplicate,
            Ok(_) => Self::Stored,
            Err(
                AppendError::NoRoom
                | AppendError::NoTarget
                | AppendError::NotAllowed
                | AppendError::Blocked
                | AppendError::Full,
            ) => Self::Refused,
            Err(AppendError::Backend(_)) => Self::Failed,
        }
    }
}

impl From<&Result<(Vec<Frame>, Cursor), Error>> for Resume {
    fn from(missed: &Result<(Vec<Frame>, Cursor), Error>) -> Self {
        match missed {
            Ok((frames, _)) => match frames.first().map(Frame::outgoing) {
                None => Self::NothingMissed,
                Some(Outgoing::Event(Event::Gap { reason, .. })) => match reason {
                    GapReason::TooMany => Self::TooMany,
                    GapReason::NewEpoch => Self::NewEpoch,
                },
                Some(_) => Self::Replayed,
            },
            Err(Error::NoRoom) => Self::NoRoom,
            Err(_) => Self::Failed,
        }
    }
}
