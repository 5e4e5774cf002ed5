//! The names of keys and channels.

use std::fmt::Write as _;

use chat_core::{RoomId, UserId, port::Topic};

/// The number of slots of a cluster that hold the users' presence. It is part of the format: nodes
/// that disagree don't find each other's users.
pub(crate) const BUCKETS: u8 = 16;

/// Builds the names of the keys and channels of one deployment. Only the part in braces decides on
/// the slot.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    prefix: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// Returns the bucket that holds a user's presence.
    pub(crate) fn bucket(user: &UserId) -> u8 {
        // FNV-1a gives the same hash on every node, in every version.
        let hash = user.as_str().bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        hash.to_be_bytes()[3] % BUCKETS
    }

    /// The key of a bucket's users by the end of their last lease: users who are online, and users
    /// whose lease has ended while no node has been notified of it yet.
    pub(crate) fn ends(&self, bucket: u8) -> String {
        format!("{}:{{p{bucket}}}:ends", self.prefix)
    }

    /// The key of a bucket's users who went offline, by the time at which they did.
    pub(crate) fn seen(&self, bucket: u8) -> String {
        format!("{}:{{p{bucket}}}:seen", self.prefix)
    }

    /// The key of the longest lease that a bucket's users were given lately.
    pub(crate) fn longest(&self, bucket: u8) -> String {
        format!("{}:{{p{bucket}}}:longest", self.prefix)
    }

    /// The key of a user's devices by the end of their leases.
    pub(crate) fn leases(&self, user: &UserId) -> String {
        let bucket = Self::bucket(user);
        format!(
            "{}:{{p{bucket}}}:leases:{}",
            self.prefix,
            hex(user.as_str())
        )
    }

    pub(crate) fn budget(&self, action: &str, user: &UserId) -> String {
        format!("{}:{{r{}}}:{action}", self.prefix, hex(user.as_str()))
    }

    pub(crate) fn window(&self, room: &RoomId) -> String {
        format!("{}:{{h{}}}", self.prefix, hex(room.as_str()))
    }

    /// The name of a key, and of a channel, on which this user's permissions are tested at the
    /// start.
    pub(crate) fn probe(&self) -> String {
        format!("{}:{{probe}}", self.prefix)
    }

    pub(crate) fn channel(&self, topic: &Topic) -> String {
        match topic {
            Topic::User(user) => format!("{}:{{t{}}}", self.prefix, hex(user.as_str())),
            Topic::Online => format!("{}:{{online}}", self.prefix),
            Topic::Policy => format!("{}:{{policy}}", self.prefix),
            Topic::Rooms => format!("{}:{{rooms}}", self.prefix),
        }
    }
}

/// Encodes a name so that it can't be mistaken for a part of a key.
fn hex(name: &str) -> String {
    name.bytes().fold(String::new(), |mut hex, byte| {
        // Writing to a string doesn't fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_stand_raw_in_a_key_and_keys_of_a_user_share_a_slot() {
        let (keys, user) = (Keys::new("chat"), UserId::new("}:{a").unwrap());
        assert_eq!(keys.budget("send", &user), "chat:{r7d3a7b61}:send");
        assert_eq!(keys.channel(&Topic::User(user.clone())), "chat:{t7d3a7b61}");
        let room = RoomId::group("}:{a").unwrap();
        assert_eq!(keys.window(&room), "chat:{h7d3a7b61}");
        let bucket = Keys::bucket(&user);
        let leases = format!("chat:{{p{bucket}}}:leases:7d3a7b61");
        assert_eq!(keys.leases(&user), leases);
        assert_eq!(keys.ends(bucket), format!("chat:{{p{bucket}}}:ends"));
    }

    #[test]
    fn users_are_spread_over_the_buckets_as_they_always_were() {
        let alice = UserId::new("alice").unwrap();
        assert_eq!(Keys::bucket(&alice), 7, "part of the format");
        let mut users = [0; BUCKETS as usize];
        for number in 0..1600 {
            let user = UserId::new(format!("user {number}")).unwrap();
            users[usize::from(Keys::bucket(&user))] += 1;
        }
        assert!(users.iter().all(|users| *users > 50), "{users:?}");
    }
}
