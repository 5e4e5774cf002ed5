//! A secret: bytes that no log shows, and that are wiped from memory when they are dropped.

use std::fmt;

use zeroize::Zeroizing;

/// A token, a key or a password.
///
/// It can't be cloned, printed or serialized, and its memory is overwritten when it is dropped.
///
/// ```
/// use chat_core::port::Secret;
///
/// let token = Secret::from("a token");
/// assert_eq!(format!("{token:?}"), "***");
/// assert_eq!(token.text(), Some("a token"));
/// ```
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The bytes themselves.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The secret as text; `None` when it is not UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes().to_vec())
    }
}
