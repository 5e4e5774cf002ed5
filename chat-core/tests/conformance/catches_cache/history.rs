//! Windows with one fault.

use std::{
    collections::HashMap,
    ops::RangeInclusive,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use chat_core::{
    Cursor, Entry, EntryBody, Epoch, RoomId, Seq,
    port::{BackendError, HistoryCache, WINDOW},
    testing::Hooks,
};
use tokio::task::yield_now;

use super::Fault;

type Window = (Cursor, Vec<Arc<Entry>>);

/// Windows of a cache that breaks one sentence about them.
#[derive(Debug)]
pub(crate) struct BrokenWindows {
    fault: Fault,
    /// Where each room's window stands, and what it holds.
    windows: Mutex<HashMap<String, Window>>,
}

impl BrokenWindows {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            fault,
            windows: Mutex::default(),
        }
    }

    fn there(&self, room: &RoomId) -> Option<Window> {
        self.windows.lock().unwrap().get(&self.key(room)).cloned()
    }

    fn put(&self, room: &RoomId, at: Cursor, entries: &[Arc<Entry>]) {
        let surplus = match self.fault {
            Fault::KeepsAll => 0,
            _ => entries.len().saturating_sub(WINDOW),
        };
        let window = (at, entries[surplus..].to_vec());
        let mut windows = self.windows.lock().unwrap();
        windows.insert(self.key(room), window);
    }

    fn key(&self, room: &RoomId) -> String {
        match self.fault {
            Fault::OneWindowForAll => "all".to_owned(),
            _ => room.to_string(),
        }
    }
}

#[async_trait]
impl Hooks for BrokenWindows {
    async fn forget_room(&self, _: &dyn HistoryCache, room: &RoomId) -> Result<(), BackendError> {
        if self.fault != Fault::ForgetsNoWindow {
            self.windows.lock().unwrap().remove(&self.key(room));
        }
        Ok(())
    }

    async fn window(
        &self,
        _: &dyn HistoryCache,
        room: &RoomId,
        at: Cursor,
        range: RangeInclusive<Seq>,
    ) -> Result<Option<Vec<Arc<Entry>>>, BackendError> {
        let Some((there, mut entries)) = self.there(room) else {
            return Ok(None);
        };
        let fault = self.fault;
        let stands = match fault {
            Fault::StandsAnywhere => there.epoch == at.epoch,
            Fault::EpochsAreOne => there.seq == at.seq,
            _ => there == at,
        };
        entries.retain(|entry| range.contains(&entry.seq));
        let wanted = (range.start().0..=range.end().0).count();
        let whole = entries.len() == wanted || fault == Fault::GivesWhatItHas;
        match fault {
            Fault::NewestFirst => entries.reverse(),
            Fault::LosesEditedAt => entries.iter_mut().for_each(|entry| {
                if let EntryBody::Message { edited_at, .. } = &mut Arc::make_mut(entry).body {
                    *edited_at = None;
                }
            }),
            _ => {}
        }
        Ok(Some(entries).filter(|entries| stands && whole && !entries.is_empty()))
    }

    async fn fill(
        &self,
        _: &dyn HistoryCache,
        room: &RoomId,
        at: Cursor,
        newest: &[Arc<Entry>],
    ) -> Result<(), BackendError> {
        let fault = self.fault;
        let stays = self.there(room).is_some_and(|(there, _)| {
            if there.epoch != at.epoch {
                return fault == Fault::OtherEpochStays;
            }
            match fault {
                Fault::LateFillWins => false,
                Fault::FirstFillStays => there.seq >= at.seq,
                _ => there.seq > at.seq,
            }
        });
        if !stays {
            self.put(room, at, newest);
        }
        Ok(())
    }

    async fn extend(
        &self,
        _: &dyn HistoryCache,
        room: &RoomId,
        epoch: Epoch,
        entries: &[Arc<Entry>],
    ) -> Result<(), BackendError> {
        let fault = self.fault;
        let many = match fault {
            Fault::OneEntryACall => 1,
            _ => usize::MAX,
        };
        for entry in entries.iter().take(many) {
            let seq = entry.seq;
            let at = Cursor { epoch, seq };
            let there = self.there(room);
            if fault == Fault::ExtendsInTwoSteps {
                yield_now().await;
            }
            let changes = entry.body.changes_others() && fault != Fault::EditsFollow;
            let same = there.filter(|(there, _)| there.epoch == epoch);
            match same {
                Some((there, _))
                    if there.seq >= seq && !(changes && fault == Fault::LateEditsCount) => {}
                _ if changes && fault == Fault::EditsForget => {
                    self.windows.lock().unwrap().remove(&self.key(room));
                }
                _ if changes => self.put(room, at, std::slice::from_ref(entry)),
                Some((there, mut entries))
                    if there.seq.next() == seq || fault == Fault::TakesOverGaps =>
                {
                    entries.push(Arc::clone(entry));
                    self.put(room, at, &entries);
                }
                _ => {}
            }
        }
        Ok(())
    }
}
