//! The hash of a user's name: what is left of a user who was erased.

use std::{fmt, fmt::Write as _, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::UserId;

/// The SHA-256 of a name, as 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
pub struct NameHash(Arc<str>);

impl NameHash {
    /// The hash of a name.
    pub fn of(user: &UserId) -> Self {
        let digest = Sha256::digest(user.as_str());
        let hex = digest.iter().fold(String::new(), |mut hex, byte| {
            // Writing to a string doesn't fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Self(hex.into())
    }
}

impl fmt::Display for NameHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_hash_that_other_programs_compute() {
        let alice = NameHash::of(&UserId::new("alice").unwrap());
        let expected = "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90";
        assert_eq!(alice.to_string(), expected);
    }
}
