//! The types of the settings about logins.

use axum::http::{Uri, uri::Scheme};

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

impl Value for Option<String> {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(Some(text)
            .filter(|text| !text.is_empty())
            .map(str::to_owned))
    }
}
