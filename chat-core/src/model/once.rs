//! Rooms that are made once, however often their maker asks: the id of such a room is a hash of the maker's name
//! and client id. Every node finds it in the store, also after a crash between store and answer, and nothing is
//! kept beside the room.
//!
//! The epoch of such a room says what it was made as: half of it is a hash of that, the other half is random, as
//! an epoch that is lost must not come again.

use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid, Variant, Version};

use super::{ClientMessageId, Details, Epoch, InvalidId, NewRoom, RoomId, RoomKind, UserId};

/// The kind, the details and the members with which a room is made.
#[derive(Serialize)]
struct Made<'a> {
    kind: RoomKind,
    details: &'a Details,
    members: Vec<UserId>,
}

/// The id of the room that a user makes under a client id.
pub(crate) fn id(maker: &UserId, client_id: &ClientMessageId) -> Result<RoomId, InvalidId> {
    let hash = Sha256::new()
        .chain_update("room\0")
        .chain_update(maker.as_str())
        // No name holds it.
        .chain_update("\0")
        .chain_update(client_id.as_str())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    RoomId::group(uuid(bytes).to_string())
}

/// An epoch that says what the room was made as, and is random otherwise.
pub(crate) fn epoch(random: Uuid, new: &NewRoom) -> Epoch {
    let mut bytes = *random.as_bytes();
    bytes[..8].copy_from_slice(&random.as_bytes()[8..]);
    bytes[8..].copy_from_slice(&made_as(new));
    Epoch(uuid(bytes))
}

/// True if the room with this epoch was made as this one.
pub(crate) fn is_made_as(found: Epoch, new: &NewRoom) -> bool {
    epoch(found.0, new).0.as_bytes()[8..] == found.0.as_bytes()[8..]
}

fn made_as(new: &NewRoom) -> [u8; 8] {
    let members = new.first_members().into_iter();
    let made = Made {
        kind: new.kind,
        details: &new.details,
        members: members.map(|member| member.user).collect(),
    };
    // What a room is made as always has a JSON.
    let json = serde_json::to_vec(&made).unwrap_or_default();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&Sha256::digest(json)[..8]);
    bytes
}

/// A UUID of bytes that follow no rule of the standard but these two.
fn uuid(bytes: [u8; 16]) -> Uuid {
    let custom = Builder::from_bytes(bytes).with_variant(Variant::RFC4122);
    custom.with_version(Version::Custom).into_uuid()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn client_id(text: &str) -> ClientMessageId {
        ClientMessageId::new(text).unwrap()
    }

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    #[test]
    fn the_id_differs_by_maker_and_client_id_and_is_no_other() {
        let of = |maker: &str, text: &str| id(&user(maker), &client_id(text)).unwrap();
        assert_eq!(of("alice", "c1"), of("alice", "c1"));
        for other in [of("alice", "c2"), of("bob", "c1"), of("alicec", "1")] {
            assert_ne!(other, of("alice", "c1"));
        }
        // It never changes, or a retry after an upgrade would make another room.
        let id = "899ad7af-faee-8f39-a428-697f64a23d2e";
        assert_eq!(of("alice", "c1").as_str(), id);
    }

    #[test]
    fn the_epoch_says_what_the_room_was_made_as_in_whatever_order_members_are_named() {
        let new = |kind, members: &[&str]| NewRoom {
            id: RoomId::group("team").unwrap(),
            kind,
            epoch: Epoch(Uuid::nil()),
            members: members.iter().map(|name| user(name)).collect(),
            created_by: Some(user("alice")),
            details: Details::default(),
            created_at: DateTime::UNIX_EPOCH,
        };
        let group = new(RoomKind::Group, &["bob", "carol"]);
        let random = |number: u128| Uuid::from_u128((number << 64) | number);
        let one = epoch(random(1), &group);
        assert_ne!(one, epoch(random(2), &group), "two logs have two epochs");
        assert!(is_made_as(one, &group));
        assert!(is_made_as(
            one,
            &new(RoomKind::Group, &["carol", "alice", "bob", "bob"])
        ));
        assert!(!is_made_as(one, &new(RoomKind::Channel, &["bob", "carol"])));
        assert!(!is_made_as(one, &new(RoomKind::Group, &["bob"])));
    }
}
