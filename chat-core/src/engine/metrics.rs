//! What an engine counts: the name, the meaning and the kind of each figure stand here.

use std::sync::Arc;

use super::{ChatEngine, relay::Relay};
use crate::{
    error::Error,
    event::{Event, GapReason, Outgoing},
    frame::Frame,
    log::Cursor,
    metrics::{Counter, Counters, Family, Gauge, Histogram, Label},
    outbox::Outbox,
    port::{AppendError, Appended, Delivery, Outcome},
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
    pub(crate) outbox_in: Alone,
    pub(crate) outbox_out: Alone,
    pub(crate) resumes: Counters<Resume>,
    pub(crate) window_reads: Counters<Source>,
    pub(crate) hints_sent: Counter,
    pub(crate) hints_failed: Counter,
    pub(crate) hints_dropped: Counter,
    /// Those that the broker did not take and may take later.
    pub(crate) hints_unsent: Gauge,
    hints_heard: Counter,
    lagged: Counter,
    away: Counter,
}

/// Every thread counts these all the time, so they have a line of the processor's cache each.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Alone(pub(crate) Counter);

impl Default for Metrics {
    fn default() -> Self {
        Self {
            sessions: Gauge::default(),
            ack_time: Histogram::of_times(),
            appends: Counters::default(),
            batch: Histogram::of(&[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024]),
            append_time: Histogram::of_times(),
            fan_out: Histogram::of(&[0, 1, 2, 4, 8, 16, 64, 256, 1_024, 4_096, 16_384]),
            outbox_in: Alone::default(),
            outbox_out: Alone::default(),
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

impl ChatEngine {
    /// How things stand with this engine, for monitoring. It costs the same however many rooms and
    /// sessions there are.
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    pub fn metrics(&self) -> Vec<Family> {
        let shared = &*self.shared;
        let m = &*shared.metrics;
        let outbox = m.outbox_in.0.get().saturating_sub(m.outbox_out.0.get());
        let hints = shared.relay.as_ref().map_or(0, Relay::waiting);
        vec![
            Family::gauge(
                "chat_sessions",
                "Devices connected to this node.",
                m.sessions.get(),
            ),
            Family::gauge(
                "chat_users",
                "Users with a device connected to this node.",
                shared.hub.user_count() as u64,
            ),
            Family::gauge(
                "chat_rooms",
                "Rooms that this node holds in memory.",
                shared.rooms.count() as u64,
            ),
            Family::histogram(
                "chat_ack_seconds",
                "From a message, edit or deletion handed to the engine to its ack.",
                &m.ack_time,
            ),
            Family::counters(
                "chat_appends_total",
                "Entries handed to the store, by what it made of them.",
                &m.appends,
            ),
            Family::histogram(
                "chat_append_batch_entries",
                "Entries in a batch handed to the store.",
                &m.batch,
            ),
            Family::histogram(
                "chat_append_seconds",
                "What the store took for a batch.",
                &m.append_time,
            ),
            Family::gauge(
                "chat_append_queue",
                "Entries that wait to be handed to the store.",
                self.queued() as u64,
            ),
            Family::histogram(
                "chat_fan_out_sessions",
                "Devices of this node to which an entry was handed.",
                &m.fan_out,
            ),
            Family::gauge(
                "chat_outbox_bytes",
                "What waits to be written to devices, roughly.",
                outbox,
            ),
            Family::counters(
                "chat_resumes_total",
                "Rooms resumed from a cursor, by what came of it.",
                &m.resumes,
            ),
            Family::counters(
                "chat_window_reads_total",
                "Reads of recent entries, with other nodes only, by where they were found.",
                &m.window_reads,
            ),
            Family::gauge(
                "chat_hints_waiting",
                "Hints for other nodes that wait for the broker.",
                hints as u64 + m.hints_unsent.get(),
            ),
            Family::counter(
                "chat_hints_sent_total",
                "Hints for other nodes that the broker took.",
                &m.hints_sent,
            ),
            Family::counter(
                "chat_hints_failed_total",
                "Attempts to send a hint that the broker did not take.",
                &m.hints_failed,
            ),
            Family::counter(
                "chat_hints_dropped_total",
                "Hints for other nodes given up, because too many waited.",
                &m.hints_dropped,
            ),
            Family::counter(
                "chat_hints_heard_total",
                "Hints of other nodes.",
                &m.hints_heard,
            ),
            Family::counter(
                "chat_broker_lagged_total",
                "How often hints of other nodes were lost, and the store was read instead.",
                &m.lagged,
            ),
            Family::counter(
                "chat_broker_away_total",
                "How often the broker was found away; about once a second while it is.",
                &m.away,
            ),
            Family::gauge(
                "chat_store_failing",
                "1 while the store fails, else 0.",
                shared.store_outage.is_on().into(),
            ),
            Family::counters(
                "chat_store_errors_total",
                "Calls to the store that failed.",
                &shared.store_outage.failures,
            ),
            Family::gauge(
                "chat_cache_failing",
                "1 while the cache fails, else 0.",
                shared.cache_outage.is_on().into(),
            ),
            Family::counters(
                "chat_cache_errors_total",
                "Calls to the cache that failed.",
                &shared.cache_outage.failures,
            ),
        ]
    }

    /// An empty outbox for a device, with the limits of the settings; what waits in it is seen in
    /// the [metrics](Self::metrics).
    pub fn outbox(&self) -> Arc<Outbox> {
        let metrics = Arc::clone(&self.shared.metrics);
        Outbox::watched(self.shared.config.outbox, Some(metrics))
    }
}

impl Metrics {
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
            Err(AppendError::NoRoom | AppendError::NoTarget) => Self::Refused,
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
