//! The keys that tokens are verified with, and their sources.

use std::{
    fmt::Display,
    iter,
    path::{Path, PathBuf},
};

use chat_core::port::Secret;
use jsonwebtoken::{
    DecodingKey, EncodingKey,
    jwk::{AlgorithmParameters, Jwk, PublicKeyUse},
};
use serde::Deserialize;

use crate::{
    config::Algorithm,
    files::{FileError, read, reload},
};

/// The minimum length of an HMAC secret in bytes: the length of the hash (RFC 7518, 3.2).
const SECRET_BYTES: usize = 32;

/// The minimum length of an RSA key in bits (RFC 7518, 3.3).
const RSA_BITS: usize = 2_048;

/// The minimum public exponent of an RSA key (NIST SP 800-56B).
const RSA_EXPONENT: u64 = 65_537;

/// The maximum number of keys in a set.
const KEYS: usize = 64;

/// The source of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file with one key, which has no `kid`: a secret, or a key in the PEM format.
    Key(PathBuf, Algorithm),
    /// A file with a set of keys (RFC 7517, 5).
    Set(PathBuf),
}

/// A key for one algorithm.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) algorithm: Algorithm,
    kid: Option<String>,
    /// A secret is tried as raw bytes and, if it is also valid base64, as the decoded bytes: up to
    /// two keys.
    pub(crate) verifying: Vec<DecodingKey>,
    /// Present if the key can sign.
    pub(crate) signing: Option<Signing>,
}

/// A key that signs.
pub(crate) struct Signing(pub(crate) EncodingKey);

impl std::fmt::Debug for Signing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// All keys of a server. A token names one by its `kid`; it may leave the `kid` out if there is
/// only one key.
#[derive(Debug)]
pub(crate) struct KeySet(Vec<Key>);

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

impl Source {
    /// The setting that names the file.
    fn setting(&self) -> &'static str {
        match self {
            Self::Key(..) => "jwt-key-file",
            Self::Set(_) => "jwt-keys-file",
        }
    }

    /// The path of the file.
    fn path(&self) -> &Path {
        match self {
            Self::Key(path, _) | Self::Set(path) => path,
        }
    }
}

impl reload::Source for Source {
    type Value = KeySet;

    const NAME: &'static str = "the keys of tokens";

    fn files(&self) -> impl Iterator<Item = &Path> {
        iter::once(self.path())
    }

    fn read(&self) -> Result<KeySet, FileError> {
        let keys = read::secret(self.path())
            .map_err(|error| error.to_string())
            .and_then(|secret| match self {
                Self::Key(_, algorithm) => Ok(vec![Key::from_file(&secret, *algorithm)?]),
                Self::Set(_) => from_set(secret.bytes(), Err),
            });
        keys.map(KeySet)
            .map_err(|why| FileError::new(self.setting(), self.path(), why))
    }
}

impl KeySet {
    /// The keys that an identity provider publishes. Those that can't be used here are skipped, because it
    /// may publish keys for other services too; a secret is never among them.
    #[cfg(feature = "jwks")]
    pub(crate) fn published(bytes: &[u8]) -> Result<Self, String> {
        let skip = |why: String| {
            tracing::debug!(why, "a published key is skipped");
            Ok(())
        };
        let mut keys = from_set(bytes, skip)?;
        keys.retain(|key| key.algorithm != Algorithm::Hs256);
        if keys.is_empty() {
            return Err("it has no key of EdDSA or RS256 with a `kid` and an `alg`".to_owned());
        }
        Ok(Self(keys))
    }

    /// The key with this `kid`. A token without a `kid` fits only if there is exactly one key.
    pub(crate) fn find(&self, kid: Option<&str>) -> Option<&Key> {
        match (kid, &*self.0) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (kid, keys) => keys.iter().find(|key| key.kid.as_deref() == kid),
        }
    }
}

impl Key {
    fn from_file(secret: &Secret, algorithm: Algorithm) -> Result<Self, String> {
        let (verifying, signing) = match algorithm {
            Algorithm::Hs256 => from_secret(secret)?,
            Algorithm::EdDsa | Algorithm::Rs256 => from_pem(secret.bytes(), algorithm)?,
        };
        Ok(Self {
            algorithm,
            kid: None,
            verifying,
            signing,
        })
    }

    fn from_jwk(jwk: &Jwk) -> Result<Self, String> {
        let kid = jwk.common.key_id.as_deref().ok_or("a key has no `kid`")?;
        let named = |why: String| named(Some(kid), why);
        let algorithm = jwk.common.key_algorithm.and_then(Algorithm::of_key);
        let algorithm = algorithm
            .ok_or_else(|| named("its `alg` has to be HS256, EdDSA or RS256".to_owned()))?;
        check(jwk).map_err(named)?;
        let key = DecodingKey::from_jwk(jwk).map_err(|error| named(error.to_string()))?;
        if key.family() != jsonwebtoken::Algorithm::from(algorithm).family() {
            return Err(named(format!("it is no key of {}", algorithm.name())));
        }
        Ok(Self {
            algorithm,
            kid: Some(kid.to_owned()),
            verifying: vec![key],
            signing: None,
        })
    }
}

/// The secret is the content of the file without its last line break; if that is valid base64, the decoded
/// bytes are accepted too.
fn from_secret(secret: &Secret) -> Result<(Vec<DecodingKey>, Option<Signing>), String> {
    let bytes = match secret.text() {
        Some(text) => text
            .strip_suffix('\n')
            .map_or(text, |line| line.strip_suffix('\r').unwrap_or(line))
            .as_bytes(),
        None => secret.bytes(),
    };
    if bytes.len() < SECRET_BYTES {
        return Err(format!(
            "a secret has at least {SECRET_BYTES} bytes, and this one has {}",
            bytes.len()
        ));
    }
    let mut verifying = vec![DecodingKey::from_secret(bytes).map_err(text)?];
    let decoded = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| DecodingKey::from_base64_secret(text).ok());
    let decoded = decoded.filter(|key| {
        key.try_get_as_bytes()
            .is_ok_and(|bytes| bytes.len() >= SECRET_BYTES)
    });
    verifying.extend(decoded);
    let signing = EncodingKey::from_secret(bytes).map_err(text)?;
    Ok((verifying, Some(Signing(signing))))
}

/// Reads a key in the PEM format. A public key verifies; a private key also signs.
fn from_pem(
    bytes: &[u8],
    algorithm: Algorithm,
) -> Result<(Vec<DecodingKey>, Option<Signing>), String> {
    let is_private = String::from_utf8_lossy(bytes).contains("PRIVATE KEY-----");
    let signing = is_private
        .then(|| match algorithm {
            Algorithm::Rs256 => EncodingKey::from_rsa_pem(bytes),
            _ => EncodingKey::from_ed_pem(bytes),
        })
        .transpose()
        .map_err(|error| format!("it is no private key of {}: {error}", algorithm.name()))?;
    let public = match &signing {
        Some(private) => Jwk::from_encoding_key(private, algorithm.into())
            .and_then(|jwk| DecodingKey::from_jwk(&jwk)),
        None if algorithm == Algorithm::Rs256 => DecodingKey::from_rsa_pem(bytes),
        None => DecodingKey::from_ed_pem(bytes),
    };
    let public =
        public.map_err(|error| format!("it is no key of {} as PEM: {error}", algorithm.name()))?;
    let jwk = Jwk::from_decoding_key(&public, Some(algorithm.into())).map_err(text)?;
    check(&jwk)?;
    Ok((vec![public], signing.map(Signing)))
}

/// The keys of a set (RFC 7517). Each has an `alg` and a `kid` of its own; keys for encryption are skipped,
/// and for any other that can't be used `unfit` decides.
fn from_set(
    bytes: &[u8],
    unfit: impl Fn(String) -> Result<(), String>,
) -> Result<Vec<Key>, String> {
    let Jwks { keys } = serde_json::from_slice(bytes)
        .map_err(|error| format!("it is no set of keys (RFC 7517): {error}"))?;
    if keys.len() > KEYS {
        return Err(format!("it has {} keys, and may have {KEYS}", keys.len()));
    }
    let mut found: Vec<Key> = Vec::new();
    for jwk in &keys {
        if jwk.common.public_key_use == Some(PublicKeyUse::Encryption) {
            continue;
        }
        let key = Key::from_jwk(jwk).and_then(|key| {
            let kid = key.kid.as_deref();
            if found.iter().any(|other| other.kid.as_deref() == kid) {
                return Err(named(kid, "two keys have this `kid`"));
            }
            Ok(key)
        });
        match key {
            Ok(key) => found.push(key),
            Err(why) => unfit(why)?,
        }
    }
    if found.is_empty() {
        return Err("it has no key that verifies signatures".to_owned());
    }
    Ok(found)
}

/// A fault of a key in a set.
fn named(kid: Option<&str>, why: impl Display) -> String {
    format!("the key {:?}: {why}", kid.unwrap_or_default())
}

/// Checks that a key is strong enough.
fn check(jwk: &Jwk) -> Result<(), String> {
    let decode = |part: &str| -> Result<Vec<u8>, String> {
        let key = DecodingKey::from_ed_components(part).map_err(text)?;
        Ok(key.try_get_as_bytes().map_err(text)?.to_vec())
    };
    match &jwk.algorithm {
        AlgorithmParameters::OctetKey(secret) => match decode(&secret.value)?.len() {
            SECRET_BYTES.. => Ok(()),
            bytes => Err(format!(
                "a secret has at least {SECRET_BYTES} bytes, and this one has {bytes}"
            )),
        },
        AlgorithmParameters::RSA(key) => {
            let bits = bits(&decode(&key.n)?);
            let exponent = decode(&key.e)?;
            let exponent = exponent.iter().try_fold(0_u64, |value, byte| {
                Some(value.checked_mul(256)? + u64::from(*byte))
            });
            if bits < RSA_BITS {
                Err(format!(
                    "an RSA key has at least {RSA_BITS} bits, and this one has {bits}"
                ))
            } else if !exponent.is_some_and(|e| e % 2 == 1 && e >= RSA_EXPONENT) {
                Err(format!(
                    "the exponent of an RSA key is odd and at least {RSA_EXPONENT}"
                ))
            } else {
                Ok(())
            }
        }
        AlgorithmParameters::OctetKeyPair(_) => Ok(()),
        _ => Err("it is of a kind that is not supported".to_owned()),
    }
}

/// The length of a number, in bits.
fn bits(number: &[u8]) -> usize {
    let significant = number.iter().skip_while(|byte| **byte == 0);
    let mut bits = 0;
    for (at, byte) in significant.enumerate() {
        bits += 8;
        if at == 0 {
            bits -= byte.leading_zeros() as usize;
        }
    }
    bits
}

fn text(error: impl Display) -> String {
    error.to_string()
}
