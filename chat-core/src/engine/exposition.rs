//! The figures of an engine as monitoring sees them: the name, the meaning and the kind of each.

use super::parts::Parts;
use crate::metrics::Family;

/// All figures, at the same cost however many rooms and sessions there are.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub(crate) fn families(parts: &Parts) -> Vec<Family> {
    let m = &*parts.metrics;
    let outbox = m.outbox_in.0.get().saturating_sub(m.outbox_out.0.get());
    vec![
        Family::gauge(
            "chat_sessions",
            "Devices connected to this node.",
            m.sessions.get(),
        ),
        Family::gauge(
            "chat_users",
            "Users with a device connected to this node.",
            parts.hub.user_count() as u64,
        ),
        Family::gauge(
            "chat_rooms",
            "Rooms that this node holds in memory.",
            parts.directory.rooms.count() as u64,
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
            parts.queue.waiting() as u64,
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
            parts.hints.waiting() as u64 + m.hints_unsent.get(),
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
            "chat_policy_version",
            "The newest decision about users that this node knows.",
            parts.policy.version().0,
        ),
        Family::gauge(
            "chat_policy_in_force",
            "Revocations, bans and mutes that this node holds.",
            parts.policy.standings.size() as u64,
        ),
        Family::gauge(
            "chat_policy_stale",
            "1 when decisions could not be read for a minute, else 0.",
            parts.policy.is_stale().into(),
        ),
        Family::gauge(
            "chat_store_failing",
            "1 while the store fails, else 0.",
            parts.watched_store.outage().is_on().into(),
        ),
        Family::counters(
            "chat_store_errors_total",
            "Calls to the store that failed.",
            &parts.watched_store.outage().failures,
        ),
        Family::gauge(
            "chat_cache_failing",
            "1 while the cache fails, else 0.",
            parts.watched_cache.outage().is_on().into(),
        ),
        Family::counters(
            "chat_cache_errors_total",
            "Calls to the cache that failed.",
            &parts.watched_cache.outage().failures,
        ),
    ]
}
