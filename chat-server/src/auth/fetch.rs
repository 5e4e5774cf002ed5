//! Fetches a small document by HTTPS: one GET, without redirects.

use std::{
    fmt::{self, Display},
    path::Path,
};

use async_trait::async_trait;
use axum::{
    body::Bytes,
    http::{Request, StatusCode, Uri, header},
};
use http_body_util::Full;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::issuer::Publisher;
use crate::{files::FileError, http::client};

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
        let tls = client::tls();
        let tls =
            tls.map_err(|why| FileError::new("jwt-keys-url", Path::new(&url.to_string()), why))?;
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
        let path = self.url.path_and_query().map_or("/", |path| path.as_str());
        let authority = self.url.authority().map_or(host, |it| it.as_str());
        let request = Request::get(path)
            .header(header::HOST, authority)
            .header(header::ACCEPT, "application/json")
            .header(header::CONNECTION, "close")
            .body(Full::default())
            .map_err(text)?;
        let (status, document) = client::exchange(tls, request, LARGEST).await?;
        if status != StatusCode::OK {
            return Err(format!("the answer is {status}"));
        }
        Ok(document)
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}
