//! Fetches a small document by HTTPS: one GET, without redirects.

use std::{
    fmt::{self, Display},
    path::Path,
    sync::Arc,
};

use async_trait::async_trait;
use axum::{
    body::Bytes,
    http::{Request, StatusCode, Uri, header},
};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::issuer::Publisher;
use crate::files::FileError;

/// The maximum size of the document, in bytes.
const LARGEST: usize = 256 << 10;

/// A document at an HTTPS URL.
pub(super) struct Fetcher {
    url: Uri,
    tls: TlsConnector,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fetcher").field(&self.url).finish()
    }
}

impl Display for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.url.fmt(f)
    }
}

impl Fetcher {
    /// The document at this URL, whose server proves itself by an authority that this machine trusts:
    /// those of the system, or of the file that `SSL_CERT_FILE` names.
    ///
    /// # Errors
    ///
    /// A machine that trusts no authority.
    pub(super) fn new(url: Uri) -> Result<Self, FileError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let unusable = |why: &str| FileError::new("jwt-keys-url", Path::new(&url.to_string()), why);
        if roots.is_empty() {
            return Err(unusable(
                "this machine trusts no authority; install ca-certificates, or name their file in \
                 SSL_CERT_FILE",
            ));
        }
        let config = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(config));
        Ok(Self { url, tls })
    }
}

#[async_trait]
impl Publisher for Fetcher {
    /// Any answer but 200 is an error. A dropped call closes the connection.
    async fn fetch(&self) -> Result<Bytes, String> {
        let host = self.url.host().unwrap_or_default();
        let bare = host.trim_matches(['[', ']']);
        let name = ServerName::try_from(bare.to_owned()).map_err(text)?;
        let tcp = TcpStream::connect((bare, self.url.port_u16().unwrap_or(443)))
            .await
            .map_err(text)?;
        let tls = self.tls.connect(name, tcp).await.map_err(text)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await.map_err(text)?;
        let path = self.url.path_and_query().map_or("/", |path| path.as_str());
        let authority = self.url.authority().map_or(host, |it| it.as_str());
        let request = Request::get(path)
            .header(header::HOST, authority)
            .header(header::ACCEPT, "application/json")
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(text)?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(text)?;
            if answer.status() != StatusCode::OK {
                return Err(format!("the answer is {}", answer.status()));
            }
            let body = Limited::new(answer.into_body(), LARGEST).collect().await;
            let body = body.map_err(|error| format!("its document can't be read: {error}"))?;
            Ok(body.to_bytes())
        };
        tokio::pin!(exchange);
        tokio::select! {
            fetched = &mut exchange => fetched,
            // What has arrived when the connection ends is still there to be read.
            _ = connection => exchange.await,
        }
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}
