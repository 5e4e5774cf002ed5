//! A store in which much has been said already.

use std::{error::Error, io, path::Path};

use chat_core::{InvalidId, RoomId, Seq, UserId, port::Store};
use chat_store_sqlite::SqliteStore;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::Messages;

/// What came of it, or why not.
pub type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// A user's name, of the same length for all.
pub fn user(index: usize) -> String {
    format!("u{index:06}")
}

/// A number that looks like chance, the same one each time (the finalizer of `SplitMix64`).
pub fn scatter(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Direct rooms of ten speakers, each with somebody else, and messages that came in all of them in turn:
/// what stands together in a room lies far apart in the store.
#[derive(Debug, Clone, Copy)]
pub struct Stock {
    /// How many rooms.
    pub rooms: usize,
    /// How many messages, in all rooms together.
    pub messages: u64,
}

impl Stock {
    /// How many speakers there are; the room of any number belongs to the one of its last digit.
    pub const SPEAKERS: usize = 10;

    /// Who speaks in a room, and who listens.
    pub fn members(room: usize) -> [String; 2] {
        [user(room % Self::SPEAKERS), user(Self::SPEAKERS + room)]
    }

    /// The rooms of a speaker.
    pub fn rooms_of(self, speaker: usize) -> impl Iterator<Item = usize> {
        (speaker..self.rooms).step_by(Self::SPEAKERS)
    }

    /// The newest number of a room.
    pub fn head(self, room: usize) -> Seq {
        let (room, rooms) = (room as u64, self.rooms as u64);
        Seq(self.messages / rooms + u64::from(room < self.messages % rooms))
    }

    /// Some room, and a number in it before which there are `page` messages, if it has so many.
    pub fn place(self, chance: u64, page: u64) -> (usize, Seq) {
        let chance = scatter(chance);
        let room = usize::try_from(chance % self.rooms as u64).unwrap_or(0);
        let head = self.head(room).0;
        let earlier = (chance >> 32) % (head.saturating_sub(page) + 1);
        (room, Seq(head + 1 - earlier))
    }

    /// The id of a room.
    ///
    /// # Errors
    ///
    /// None, for these names are valid.
    pub fn room(room: usize) -> Result<RoomId, InvalidId> {
        let [speaker, listener] = Self::members(room);
        RoomId::direct(&UserId::new(speaker)?, &UserId::new(listener)?)
    }

    /// Makes a new file with all that: a million messages in some ten seconds.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub async fn file(self, path: &Path) -> Fallible<()> {
        self.fill(&SqliteStore::open(path).await?).await
    }

    /// Puts all that into an empty store.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn fill(self, store: &impl Store) -> Fallible<()> {
        /// Written at once.
        const BATCH: usize = 10_000;
        const AT_ONCE: usize = 1_000;
        let mut sources = (0..self.rooms)
            .map(|room| {
                let [speaker, listener] = Self::members(room);
                Messages::between(&speaker, &listener)
            })
            .collect::<Result<Vec<_>, _>>()?;
        stream::iter(
            sources
                .iter()
                .map(|source| store.create_room(source.room())),
        )
        .buffer_unordered(AT_ONCE)
        .try_for_each(async |_| Ok(()))
        .await?;
        let mut left = usize::try_from(self.messages)?;
        let mut next = 0;
        while left > 0 {
            let count = left.min(BATCH);
            let batch = (next..next + count).filter_map(|at| sources[at % self.rooms].next());
            for answer in store.append(batch.collect()).await {
                answer?;
            }
            next += count;
            left -= count;
        }
        Ok(())
    }
}

/// Lets the system forget what it has read of a file, so that the next reader waits for the device,
/// which may have it in a memory of its own: the disk of a virtual machine, in that of its host.
///
/// # Errors
///
/// When there is no such file, or the system can't do that.
#[cfg(target_os = "linux")]
pub fn drop_cached(path: &Path) -> io::Result<()> {
    use rustix::fs::{Advice, fadvise};
    let file = std::fs::File::open(path)?;
    Ok(fadvise(file, 0, None, Advice::DontNeed)?)
}

/// Lets the system forget what it has read of a file: on Linux only.
///
/// # Errors
///
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn drop_cached(_: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_core::{Page, memory::MemoryStore, port::LogStore};

    #[tokio::test]
    async fn every_room_has_what_is_said_of_it() {
        let stock = Stock {
            rooms: 13,
            messages: 100,
        };
        let store = MemoryStore::default();
        stock.fill(&store).await.unwrap();
        let page = async |room, page, limit| {
            let room = Stock::room(room).unwrap();
            store.page(&room, page, limit).await.unwrap()
        };
        for room in 0..13 {
            assert_eq!(page(room, Page::Newest, 1).await[0].seq, stock.head(room));
        }
        for chance in 0..100 {
            let (room, before) = stock.place(chance, 5);
            assert_eq!(page(room, Page::Before(before), 5).await.len(), 5);
        }
        let all: usize = (0..Stock::SPEAKERS)
            .map(|it| stock.rooms_of(it).count())
            .sum();
        assert_eq!(all, 13);
    }
}
