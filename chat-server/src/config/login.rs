//! The types of the settings about logins.

use axum::http::{Uri, uri::Scheme};
use precis_profiles::{UsernameCasePreserved, precis_core::profile::Profile as _};

use super::value::{Value, choose};

/// How users log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Everybody is believed: the token is the user's name.
    Open,
    /// The token is a JSON Web Token, signed with a key that the server knows.
    Jwt,
}

/// The algorithm of a key, and of every token that is signed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256: a secret that the issuer and the server share.
    Hs256,
    /// Ed25519: the issuer's private key signs, its public key verifies.
    EdDsa,
    /// RSA with SHA-256: the issuer's private key signs, its public key verifies.
    Rs256,
}

impl Algorithm {
    /// The name in tokens and sets of keys (RFC 7518, 3.1; RFC 8037, 3.1).
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }
}

impl Value for Auth {
    fn parse(text: &str) -> Result<Self, String> {
        choose(text, &[("open", Self::Open), ("jwt", Self::Jwt)])
    }
}

impl Value for Algorithm {
    fn parse(text: &str) -> Result<Self, String> {
        let all = [Self::Hs256, Self::EdDsa, Self::Rs256];
        choose(text, &all.map(|algorithm| (algorithm.name(), algorithm)))
    }
}

/// The names that a token may give to its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Visible characters of ASCII.
    Ascii,
    /// User names of PRECIS (RFC 8265, 3.4): letters and digits of all scripts and visible characters of
    /// ASCII, in one spelling each; no spaces, symbols or emoji.
    Precis,
    /// Every name that the engine allows.
    Any,
}

impl Names {
    /// Whether a token may give this name.
    pub(crate) fn allow(self, name: &str) -> bool {
        match self {
            Self::Ascii => name.bytes().all(|byte| byte.is_ascii_graphic()),
            Self::Precis => UsernameCasePreserved::new()
                .enforce(name)
                .is_ok_and(|spelled| spelled == name),
            Self::Any => true,
        }
    }

    /// The name of the choice.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Precis => "precis",
            Self::Any => "any",
        }
    }
}

impl Value for Names {
    fn parse(text: &str) -> Result<Self, String> {
        let all = [Self::Ascii, Self::Precis, Self::Any];
        choose(text, &all.map(|names| (names.name(), names)))
    }
}

/// An address that is fetched by HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsUrl(pub Uri);

impl Value for Option<HttpsUrl> {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let url = text.parse::<Uri>().ok();
        let url = url.filter(|url| url.scheme() == Some(&Scheme::HTTPS) && !text.contains('@'));
        url.map(|url| Some(HttpsUrl(url)))
            .ok_or_else(|| "an address that begins with https:// and holds no password".to_owned())
    }
}

/// The address of a page on which users log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginUrl(pub Uri);

impl Value for Option<LoginUrl> {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let web = [Some(&Scheme::HTTPS), Some(&Scheme::HTTP)];
        let url = text.parse::<Uri>().ok();
        let url = url.filter(|url| web.contains(&url.scheme()) && !text.contains('@'));
        url.map(|url| Some(LoginUrl(url))).ok_or_else(|| {
            "an address that begins with https:// or http:// and holds no password".to_owned()
        })
    }
}

impl Value for Option<String> {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Some(text)
            .filter(|text| !text.is_empty())
            .map(str::to_owned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_choice_of_names_allows_more_than_the_one_before() {
        for (name, ascii, precis) in [
            ("alice", true, true),
            ("Alice", true, true),
            ("auth0|5f7c8ec7c33c6c004bbafe82", true, true),
            ("8f5e6f1c-2d3b-4a5c-9e7f-0a1b2c3d4e5f", true, true),
            ("j\u{fc}rgen", false, true),
            ("\u{430}\u{43d}\u{43d}\u{430}", false, true),
            ("\u{5d3}\u{5e0}\u{5d4}", false, true),
            ("anna maria", false, false),
            ("\u{1f600}", false, false),
            // Full width, which PRECIS spells otherwise.
            ("\u{ff41}", false, false),
            ("\u{fdfa}", false, false),
        ] {
            assert_eq!(Names::Ascii.allow(name), ascii, "{name}");
            assert_eq!(Names::Precis.allow(name), precis, "{name}");
            assert!(Names::Any.allow(name), "{name}");
        }
    }
}
