//! Windows of history: the newest entries of rooms, as Redis keeps them.

use std::{ops::RangeInclusive, sync::Arc};

use async_trait::async_trait;
use chat_core::{
    Cursor, Entry, Epoch, RoomId, Seq,
    port::{BackendError, BackendErrorKind, HistoryCache, Retry, WINDOW},
};
use fred::types::Value;

use crate::{cache::RedisCache, client::Script, error::BACKEND};

static WINDOW_OF: Script = Script::new(include_str!("lua/window.lua"));
static FILL: Script = Script::new(include_str!("lua/fill.lua"));
static FORGET: Script = Script::new(include_str!("lua/forget_window.lua"));
static EXTEND: Script = Script::new(include_str!("lua/extend.lua"));

/// The time after which an unused window expires, in milliseconds.
const UNUSED: i64 = 60 * 60 * 1000;

/// The most bytes of JSON that a window holds.
const BYTES: usize = 512 << 10;

impl RedisCache {
    /// Returns the label of a position in a log. It is part of the format: the scripts compare the
    /// labels of an epoch as text.
    fn label(&self, epoch: Epoch, seq: u64) -> String {
        match self.store {
            Some(store) => format!("{store}:{epoch}:{seq:020}"),
            None => format!("{epoch}:{seq:020}"),
        }
    }
}

fn json(operation: &'static str, entry: &Entry) -> Result<String, BackendError> {
    let failed = |error| {
        BackendError::new(
            BACKEND,
            BackendErrorKind::Other,
            Retry::No,
            operation,
            error,
        )
    };
    serde_json::to_string(entry).map_err(failed)
}

/// Decodes the entries `first`, `first + 1`, ... of a room from values that are newest first;
/// `None` if the values are anything else.
fn entries(room: &RoomId, first: Seq, found: &[Value]) -> Option<Vec<Arc<Entry>>> {
    let entry = |(value, seq): (&Value, u64)| {
        let entry: Entry = serde_json::from_slice(value.as_bytes()?).ok()?;
        (entry.room == *room && entry.seq.0 == seq).then(|| Arc::new(entry))
    };
    found.iter().rev().zip(first.0..).map(entry).collect()
}

#[async_trait]
impl HistoryCache for RedisCache {
    async fn window(
        &self,
        room: &RoomId,
        at: Cursor,
        range: RangeInclusive<Seq>,
    ) -> Result<Option<Vec<Arc<Entry>>>, BackendError> {
        // The label is at index 0, the newest entry at 1.
        let place = |seq: Seq| i64::try_from(at.seq.0.checked_sub(seq.0)?.checked_add(1)?).ok();
        let (Some(newest), Some(oldest)) = (place(*range.end()), place(*range.start())) else {
            return Ok(None);
        };
        if range.is_empty() {
            return Ok(None);
        }
        let arguments = vec![
            self.label(at.epoch, at.seq.0).into(),
            newest.into(),
            oldest.into(),
            UNUSED.into(),
        ];
        let keys = vec![self.keys.window(room)];
        let run = self.servers.run("window", &WINDOW_OF, keys, arguments);
        let found: Option<Vec<Value>> = run.await?;
        let Some(found) = found else { return Ok(None) };
        let entries = entries(room, *range.start(), &found);
        if entries.is_none() {
            // A damaged window does no harm: its reader reads the store and fills the window anew.
            tracing::debug!("what stands in a window is no history");
        }
        Ok(entries)
    }

    async fn forget_room(&self, room: &RoomId) -> Result<(), BackendError> {
        let keys = vec![self.keys.window(room)];
        let run = self.servers.run("forget_room", &FORGET, keys, Vec::new());
        let _: bool = run.await?;
        Ok(())
    }

    async fn fill(
        &self,
        room: &RoomId,
        at: Cursor,
        newest: &[Arc<Entry>],
    ) -> Result<(), BackendError> {
        let (mut bytes, mut kept) = (0, Vec::new());
        for entry in newest.iter().rev().take(WINDOW) {
            let json = json("fill", entry)?;
            if bytes + json.len() > BYTES {
                break;
            }
            bytes += json.len();
            kept.push(json.into());
        }
        let label = self.label(at.epoch, at.seq.0).into();
        let mut arguments: Vec<Value> = vec![label, UNUSED.into(), count(bytes)];
        arguments.append(&mut kept);
        let keys = vec![self.keys.window(room)];
        self.servers.run("fill", &FILL, keys, arguments).await
    }

    async fn extend(
        &self,
        room: &RoomId,
        epoch: Epoch,
        entries: &[Arc<Entry>],
    ) -> Result<(), BackendError> {
        // Redis runs no other command while a script runs, so scripts are kept short.
        for entries in entries.chunks(WINDOW) {
            let mut arguments = vec![UNUSED.into(), count(WINDOW), count(BYTES)];
            for entry in entries {
                let seq = entry.seq.0;
                arguments.push(self.label(epoch, seq).into());
                arguments.push(self.label(epoch, seq.saturating_sub(1)).into());
                arguments.push(i64::from(entry.body.changes_others()).into());
                arguments.push(json("extend", entry)?.into());
            }
            let keys = vec![self.keys.window(room)];
            let run = self.servers.run::<()>("extend", &EXTEND, keys, arguments);
            run.await?;
        }
        Ok(())
    }
}

fn count(count: usize) -> Value {
    i64::try_from(count).unwrap_or(i64::MAX).into()
}
