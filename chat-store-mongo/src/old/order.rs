//! The order in which the messages of one room were written.
//!
//! Messages are ordered by the time that they carry, which counts seconds, and within one second by
//! their order in the collection. A second run after a crash finds the same order: a decision that
//! depends on neighbours depends only on earlier ones.

use mongodb::bson::{
    Binary, Bson, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, cstr, oid::ObjectId,
    spec::BinarySubtype,
};
use uuid::Uuid;

use super::{
    time::{Reader, Time},
    unfit::Unfit,
};

/// The `_id` of a document, in little memory: there is one for each message of a room.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Id {
    Uuid(Uuid),
    Binary(Uuid),
    Object(ObjectId),
    Text(Box<str>),
    /// A number or any other value, as the only field of a document.
    Other(Box<[u8]>),
}

/// The namespace of the ids of messages whose old id is no UUID. It was generated once, at random.
const NAMESPACE: Uuid = Uuid::from_u128(0x5d0f_6e1c_9a3b_4c57_8e21_b7d4_06f3_a918);

impl Id {
    pub(super) fn read(doc: &RawDocument) -> Result<Self, Unfit> {
        Ok(match field(doc, "_id")?.ok_or(Unfit::Id)? {
            RawBsonRef::ObjectId(id) => Self::Object(id),
            RawBsonRef::String(text) => match Uuid::parse_str(text) {
                // A UUID in any other spelling would not give back the text of the document.
                Ok(id) if id.to_string() == *text => Self::Uuid(id),
                _ => Self::Text(text.into()),
            },
            RawBsonRef::Binary(binary) if binary.subtype == BinarySubtype::Uuid => {
                Self::Binary(Uuid::from_slice(binary.bytes).map_err(|_| Unfit::Id)?)
            }
            other => {
                let other = Bson::try_from(other).map_err(|_| Unfit::NotUtf8)?;
                let mut alone = RawDocumentBuf::new();
                let other = RawBson::try_from(other).map_err(|_| Unfit::Id)?;
                alone.append(cstr!(""), other);
                Self::Other(alone.into_bytes().into())
            }
        })
    }

    pub(super) fn bson(&self) -> Bson {
        match self {
            Self::Uuid(id) => id.to_string().into(),
            Self::Binary(id) => Binary {
                subtype: BinarySubtype::Uuid,
                bytes: id.as_bytes().to_vec(),
            }
            .into(),
            Self::Object(id) => (*id).into(),
            Self::Text(text) => text.as_ref().into(),
            Self::Other(alone) => {
                let alone = RawDocument::from_bytes(alone).ok();
                let value = alone.and_then(|it| it.get("").ok()?);
                value.map_or(Bson::Null, |it| Bson::try_from(it).unwrap_or(Bson::Null))
            }
        }
    }

    pub(super) fn shown(&self) -> String {
        match self {
            Self::Uuid(id) | Self::Binary(id) => id.to_string(),
            Self::Object(id) => id.to_hex(),
            Self::Text(text) => text.to_string(),
            Self::Other(_) => self.bson().to_string(),
        }
    }

    /// Returns the id of the message in the engine, the same one in every call.
    pub(super) fn message(&self) -> Uuid {
        match self {
            Self::Uuid(id) | Self::Binary(id) => *id,
            Self::Object(id) => Uuid::new_v5(&NAMESPACE, &id.bytes()),
            Self::Text(text) => Uuid::new_v5(&NAMESPACE, text.as_bytes()),
            // No text begins with this byte.
            Self::Other(alone) => Uuid::new_v5(&NAMESPACE, &[&[0xff], &**alone].concat()),
        }
    }
}

/// The fields of a message that decide on its order.
#[derive(Debug)]
pub(super) struct Found {
    id: Id,
    /// The record id, which gives its position in the collection.
    record: i64,
    /// Its number, if it is an entry already.
    seq: Option<i64>,
    time: Time,
    guessed: bool,
}

impl Found {
    pub(super) const FIELDS: [&str; 7] = ["_id", "roomId", "time", "seq", "at", "kind", "clientId"];

    /// Reads a message; for one that can't be imported, returns its id, in readable form, and the
    /// reason.
    pub(super) fn read(doc: &RawDocument, reader: &Reader) -> Result<Self, (String, Unfit)> {
        let id = Id::read(doc).map_err(|why| (lossy(doc, "_id"), why))?;
        let seq = doc.get_i64("seq").ok().filter(|_| is_entry(doc));
        if seq.is_none() && !matches!(doc.get("seq"), Ok(None)) {
            return Err((id.shown(), Unfit::Seq));
        }
        let time = reader.read(doc.get("time").ok().flatten());
        let (time, guessed) = match (seq, doc.get_i64("at"), time, &id) {
            (Some(_), Ok(at), ..) => (Time::At(at), false),
            (.., Time::Unknown, Id::Object(id)) => {
                let made = id.timestamp().timestamp_millis();
                (Time::At(made.saturating_mul(1_000)), true)
            }
            (.., time, _) => (time, time == Time::Unknown),
        };
        Ok(Self {
            id,
            record: doc.get_i64("$recordId").unwrap_or(0),
            seq,
            time,
            guessed,
        })
    }
}

/// Returns whether the document is an entry of this store.
fn is_entry(doc: &RawDocument) -> bool {
    doc.get_str("kind").is_ok() && doc.get_str("clientId").is_ok()
}

/// Returns a field of a document that may not be UTF-8.
pub(super) fn field<'a>(doc: &'a RawDocument, name: &str) -> Result<Option<RawBsonRef<'a>>, Unfit> {
    doc.get(name).map_err(|_| Unfit::NotUtf8)
}

/// Returns a field in readable form, whatever it holds.
pub(super) fn lossy(doc: &RawDocument, name: &str) -> String {
    let elements = doc.iter_elements().map_while(Result::ok);
    let mut named = elements.filter(|it| it.key().as_str() == name);
    let value = named.next().and_then(|it| it.value_utf8_lossy().ok());
    match value.map(Bson::try_from) {
        Some(Ok(Bson::String(text))) => text,
        Some(Ok(value)) => value.to_string(),
        _ => String::new(),
    }
}

/// The key of a message in the order of its room.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) id: Id,
    /// Microseconds.
    pub(super) at: i64,
    /// `true` if the message has no time that could be read.
    pub(super) guessed: bool,
}

/// Puts messages of one room in order. For a time that the clock showed twice it takes the one that
/// does not go back; a message without a time has that of the newest one before it, or 1970.
pub(super) fn ordered(mut found: Vec<Found>) -> Vec<Key> {
    let place = |it: &Found| it.seq.unwrap_or(i64::MAX);
    found.sort_by_key(|it| (place(it), it.record));
    let mut newest = 0;
    for it in &mut found {
        let at = match it.time {
            Time::At(at) => at,
            Time::Twice(first, second) if first < newest => second,
            Time::Twice(first, _) => first,
            Time::Unknown => newest,
        };
        newest = newest.max(at);
        it.time = Time::At(at);
    }
    let at = |it: &Found| match it.time {
        Time::At(at) => at,
        _ => 0,
    };
    found.sort_by_key(|it| (place(it), at(it), it.record));
    found
        .into_iter()
        .map(|it| Key {
            at: at(&it),
            id: it.id,
            guessed: it.guessed,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn found(number: u128, record: i64, time: Time) -> Found {
        Found {
            id: Id::Uuid(Uuid::from_u128(number)),
            record,
            seq: None,
            time,
            guessed: time == Time::Unknown,
        }
    }

    fn order(found: Vec<Found>) -> Vec<(u128, i64)> {
        let keys = ordered(found).into_iter();
        keys.map(|key| (key.id.message().as_u128(), key.at))
            .collect()
    }

    #[test]
    fn time_goes_before_place_and_an_hour_that_came_twice_does_not_go_back() {
        let told = vec![
            found(1, 10, Time::At(50)),
            found(2, 11, Time::At(40)),
            found(3, 12, Time::At(40)),
            found(4, 13, Time::Twice(60, 90)),
            found(5, 14, Time::Twice(59, 89)),
            found(6, 15, Time::Unknown),
        ];
        let expected = [(2, 40), (3, 40), (1, 50), (4, 60), (5, 89), (6, 89)];
        assert_eq!(order(told), expected);
    }

    fn time() -> impl Strategy<Value = Time> {
        prop_oneof![
            6 => (0..60_i64).prop_map(Time::At),
            1 => (0..60_i64).prop_map(|at| Time::Twice(at, at + 20)),
            1 => Just(Time::Unknown),
        ]
    }

    proptest! {
        /// After a crash the first messages are entries, some of them moved to the end of the
        /// collection.
        #[test]
        fn the_rest_has_the_same_order_after_a_crash_anywhere(
            times in vec((time(), any::<bool>()), 1..30), cut in any::<prop::sample::Index>()
        ) {
            let all = || (0..).zip(&times).map(|(number, (time, _))| {
                found(number, i64::try_from(number).unwrap(), *time)
            });
            let whole = order(all().collect());
            let cut = cut.index(times.len() + 1);
            let resumed = all().map(|mut it| {
                let number = it.id.message().as_u128();
                let place = whole.iter().position(|(one, _)| *one == number).unwrap();
                if place < cut {
                    it.seq = Some(i64::try_from(place).unwrap() + 1);
                    it.time = Time::At(whole[place].1);
                    if times[usize::try_from(number).unwrap()].1 {
                        it.record += 1_000;
                    }
                }
                it
            });
            prop_assert_eq!(order(resumed.collect()), whole);
        }
    }
}
