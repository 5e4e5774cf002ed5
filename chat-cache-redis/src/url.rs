//! The URL of a single Redis or of a cluster.

use std::sync::Arc;

use chat_core::port::{BackendError, BackendErrorKind, Retry};
use fred::types::config::{Config, TlsConnector};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

use crate::error::BACKEND;

/// Reads `redis://USER:PASSWORD@HOST:PORT/NUMBER`, or `redis-cluster://...?node=HOST:PORT`; with
/// `rediss` the connections use TLS.
///
/// No error message shows a part of the login, whatever the URL contains.
pub(crate) fn read(url: &str) -> Result<Config, BackendError> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (plain, tls) = match scheme {
        "redis" => ("redis", false),
        "rediss" => ("redis", true),
        "redis-cluster" => ("redis-cluster", false),
        "rediss-cluster" => ("redis-cluster", true),
        _ => {
            return Err(wrong(
                "the URL begins with redis:// or redis-cluster://, or with TLS rediss:// or \
                 rediss-cluster://",
            ));
        }
    };
    let (login, place) = rest.rsplit_once('@').unwrap_or(("", rest));
    // A character that ends the login would make the rest of it a host.
    if login.contains(['/', '?', '#', '@']) || login.matches(':').count() > 1 {
        return Err(wrong(
            "the name or the password in the URL can't be read; in them, write % / ? # @ : as %25 %2F \
             %3F %23 %40 %3A",
        ));
    }
    Config::from_url(&format!("{plain}://{place}")).map_err(|error| {
        wrong(format!(
            "the host, the port or the number in the URL can't be read ({})",
            error.details()
        ))
    })?;
    let mut config = Config::from_url(&format!("{plain}://{rest}"))
        .map_err(|_| wrong("the name or the password in the URL can't be read"))?;
    if tls {
        config.tls = Some(TlsConnector::from(trusting()?).into());
    }
    Ok(config)
}

/// Returns a TLS configuration that trusts the authorities of the system, or those in the file that
/// `SSL_CERT_FILE` names.
fn trusting() -> Result<ClientConfig, BackendError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(ToString::to_string);
        return Err(wrong(format!(
            "TLS needs a certificate authority to trust, and the system names none{}; name a file with \
             some in SSL_CERT_FILE",
            why.map(|why| format!(" ({why})")).unwrap_or_default()
        )));
    }
    // The provider is named: a second one among the dependencies of a program would leave the
    // default undecided.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| wrong(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn wrong(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BackendError {
    let (kind, retry) = (BackendErrorKind::Misconfigured, Retry::No);
    BackendError::new(BACKEND, kind, retry, "connect", cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_the_place_the_login_and_whether_to_use_tls() {
        let config = read("redis://me:p%40ss%2Fw%3Ard@db:1/2").unwrap();
        assert_eq!(config.username.as_deref(), Some("me"));
        assert_eq!(config.password.as_deref(), Some("p@ss/w:rd"));
        assert_eq!(config.database, Some(2));
        assert!(!config.server.is_clustered() && config.tls.is_none());
        let cluster = read("redis-cluster://:secret@a:1?node=b:2").unwrap();
        assert_eq!(cluster.password.as_deref(), Some("secret"));
        assert_eq!(cluster.server.hosts().len(), 2);
    }

    #[test]
    fn a_url_that_cannot_be_read_is_one_line_without_the_login() {
        for (url, says) in [
            ("redis://ruth:p@ss/w:rd@h", "%2F"),
            ("redis://ruth:p#ss@h", "%23"),
            ("redis://ruth:p?ss@h:1", "%3F"),
            ("redis://ruth:p:ss@h:1", "%3A"),
            ("rediss://ruth:p@ss@h:1", "%40"),
            ("redis:/ruth:sesame@h", "redis://"),
            ("redis:ruth:sesame@h", "redis://"),
            ("http://ruth:sesame@h", "rediss-cluster://"),
            ("ruth:sesame@h", "redis://"),
            ("redis://ruth:sesame@h:port", "port"),
            ("redis://ruth:sesame@", "host"),
            ("redis://ruth:sesame@h:1/two", "number"),
            ("redis://ruth:sesame@h:1/2/3", "number"),
            ("", "redis://"),
        ] {
            let error = read(url).unwrap_err();
            assert_eq!(error.kind, BackendErrorKind::Misconfigured, "{url}");
            let said = error.source.unwrap().to_string();
            assert!(said.contains(says), "{url}: {said}");
            for secret in ["ruth", "sesame", "ss/w", "ss@", "\n"] {
                assert!(!said.contains(secret), "{url}: {said}");
            }
        }
    }
}
