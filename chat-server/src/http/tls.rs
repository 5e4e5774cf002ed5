//! TLS: the certificate of the server and its key, which are read again while it runs.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use chrono::NaiveDateTime;
use rustls::{
    Error, ServerConfig,
    client::verify_server_name,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{
    config::Host,
    files::{
        FileError, read,
        reload::{Reloading, Source},
    },
};

/// The protocol that clients may choose (RFC 7301). There is no HTTP/2 here, and no WebSocket over it.
const HTTP_1_1: &[u8] = b"http/1.1";

/// For how long browsers come by TLS only: a year (RFC 6797).
const STRICT: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// TLS of a listener.
#[derive(Debug)]
pub(crate) struct Tls {
    current: Arc<ArcSwap<Pair>>,
    pub(crate) reloading: Reloading<Files>,
}

/// The two files.
#[derive(Debug)]
pub(crate) struct Files {
    certificates: PathBuf,
    key: PathBuf,
}

/// A certificate with its key, ready for use.
#[derive(Debug)]
pub(crate) struct Pair {
    /// Sessions are resumed only under the certificate that they began with, so its cache is of this one.
    config: Arc<ServerConfig>,
    named: Arc<Named>,
    /// In seconds since 1970.
    not_after: u64,
}

impl Tls {
    /// TLS with a certificate and its key.
    ///
    /// # Errors
    ///
    /// A file that can't be used, or a key that doesn't fit.
    pub(crate) fn open(certificates: &Path, key: &Path) -> Result<Self, FileError> {
        let files = Files {
            certificates: certificates.to_owned(),
            key: key.to_owned(),
        };
        let (current, reloading) = Reloading::open(files)?;
        Ok(Self { current, reloading })
    }

    /// When the certificate ends, in seconds since 1970.
    pub(crate) fn not_after(&self) -> u64 {
        self.current.load().not_after
    }

    /// Whether the certificate of now is for this host.
    pub(super) fn names(&self, host: &Host) -> bool {
        let name = match host {
            Host::Name(name) => name.clone(),
            Host::Address(address) => address.to_string(),
        };
        self.current.load().named.has(&name)
    }

    /// The server's part of a handshake, with the certificate of now.
    ///
    /// # Errors
    ///
    /// A handshake that fails. The client has been sent the alert for it, unless it is gone.
    ///
    /// # Cancel safety
    ///
    /// A dropped call closes the connection.
    pub(super) async fn handshake<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = Arc::clone(&self.current.load().config);
        TlsAcceptor::from(config).accept(stream).await
    }
}

/// Asks browsers to come by TLS only.
pub(crate) async fn be_strict(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT);
    response
}

impl Source for Files {
    type Value = Pair;

    const NAME: &'static str = "the certificate and its key";

    fn files(&self) -> impl Iterator<Item = &Path> {
        [&*self.certificates, &*self.key].into_iter()
    }

    fn read(&self) -> Result<Pair, FileError> {
        let bad_certificate = |why: &str| FileError::new("tls-cert-file", &self.certificates, why);
        let bad_key = |why: &str| FileError::new("tls-key-file", &self.key, why);
        let text = read::public(&self.certificates);
        let text = text.map_err(|error| bad_certificate(&error.to_string()))?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let certificates = certificates.map_err(|error| bad_certificate(&error.to_string()))?;
        let not_after = match certificates.first() {
            None => return Err(bad_certificate("it holds no certificate as PEM")),
            Some(first) => not_after(first)
                .ok_or_else(|| bad_certificate("its first certificate can't be read"))?,
        };
        let secret = read::secret(&self.key).map_err(|error| bad_key(&error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(secret.bytes())
            .map_err(|_| bad_key("it holds no private key as PEM that is not encrypted"))?;
        let provider = aws_lc_rs::default_provider();
        let pair = CertifiedKey::from_der(certificates, key, &provider);
        let pair = pair.map_err(|error| match error {
            Error::InvalidCertificate(_) => bad_certificate(&error.to_string()),
            Error::InconsistentKeys(_) => {
                bad_key("it is not the key of the first certificate of tls-cert-file")
            }
            error => bad_key(&error.to_string()),
        })?;
        // TLS 1.2 and 1.3, and no early data: a request in it could be a repetition.
        let config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| bad_certificate(&error.to_string()))?;
        let named = Arc::new(Named(Arc::new(pair)));
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Named>::clone(&named);
        let mut config = config.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Pair {
            config: Arc::new(config),
            named,
            not_after,
        })
    }
}

/// The one certificate, for clients that ask for a name of it, or for none.
#[derive(Debug)]
struct Named(Arc<CertifiedKey>);

impl ResolvesServerCert for Named {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let names_us = hello.server_name().is_none_or(|name| self.has(name));
        names_us.then(|| Arc::clone(&self.0))
    }
}

impl Named {
    fn has(&self, name: &str) -> bool {
        let (Ok(name), Ok(certificate)) = (ServerName::try_from(name), self.0.end_entity_cert())
        else {
            return false;
        };
        ParsedCertificate::try_from(certificate)
            .is_ok_and(|certificate| verify_server_name(&certificate, &name).is_ok())
    }
}

/// The end of a certificate, in seconds since 1970 (RFC 5280, 4.1).
fn not_after(certificate: &[u8]) -> Option<u64> {
    let (_, certificate, _) = value(certificate)?;
    let (_, mut fields, _) = value(certificate)?;
    // The version, the serial number, the algorithm and the issuer come before the validity.
    for _ in 0..4 {
        (_, _, fields) = value(fields)?;
    }
    let (_, validity, _) = value(fields)?;
    let (_, _, not_after) = value(validity)?;
    let (tag, time, _) = value(not_after)?;
    let form = match tag {
        0x17 => "%y%m%d%H%M%SZ",
        0x18 => "%Y%m%d%H%M%SZ",
        _ => return None,
    };
    let time = NaiveDateTime::parse_from_str(std::str::from_utf8(time).ok()?, form).ok()?;
    u64::try_from(time.and_utc().timestamp()).ok()
}

/// The first value of DER: its tag, its content, and what follows it.
fn value(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let length = bytes.iter().try_fold(0_usize, |length, byte| {
            length.checked_mul(256)?.checked_add(usize::from(*byte))
        });
        (length?, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// A value of at most 127 bytes.
    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        [&[tag, length], content].concat()
    }

    fn certificate(end: &[u8]) -> Vec<u8> {
        let start = der(0x17, b"260101000000Z");
        let validity = der(0x30, &[&start, end].concat());
        let before = [0xa0, 0x02, 0x30, 0x30].map(|tag| der(tag, b".."));
        der(0x30, &der(0x30, &[before.concat(), validity].concat()))
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_forms() {
        let end = |tag, time: &str| not_after(&certificate(&der(tag, time.as_bytes())));
        assert_eq!(end(0x17, "270101000000Z"), Some(1_798_761_600));
        assert_eq!(end(0x18, "20500101000000Z"), Some(2_524_608_000));
        assert_eq!(end(0x18, "tomorrow"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..64)) {
            not_after(&bytes);
        }
    }
}
