//! Makes the WebSocket: resolves the name, connects, and does the handshakes of TLS and WebSocket.

use std::{io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, protocol::WebSocketConfig},
};

use super::end::End;
use crate::{error::ClientError, url::Address};

/// A connection with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) type Socket = WebSocketStream<Box<dyn Stream>>;

/// Bytes of the largest frame that is read: a page of history of long texts is well below it.
const FRAME: usize = 16 << 20;

impl From<tungstenite::Error> for End {
    fn from(error: tungstenite::Error) -> Self {
        Self::Lost(match error {
            tungstenite::Error::Io(error) => error.to_string(),
            tungstenite::Error::ConnectionClosed
            | tungstenite::Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            ) => "the server went away".to_owned(),
            error => error.to_string(),
        })
    }
}

/// The way to the server.
#[derive(Debug, Clone)]
pub(super) struct Dialer {
    address: Address,
    tls: Option<Arc<ClientConfig>>,
}

impl Dialer {
    /// For the server at `address`. With TLS its certificate has to lead to one of those in the
    /// file `ca`, or, without a file, to one of Mozilla's list.
    pub(super) fn new(address: Address, ca: Option<&Path>) -> Result<Self, ClientError> {
        let tls = if address.tls {
            Some(Arc::new(tls(ca)?))
        } else {
            None
        };
        Ok(Self { address, tls })
    }

    /// One attempt. Cancel safe: dropped, it leaves nothing behind.
    pub(super) async fn dial(self, was_connected: bool) -> Result<Socket, End> {
        let Address {
            uri, host, port, ..
        } = self.address;
        let addresses: Vec<_> = match lookup_host((host.as_str(), port)).await {
            Ok(addresses) => addresses.collect(),
            Err(error) => return Err(End::not_resolved(&host, error.to_string(), was_connected)),
        };
        let lost = |error: io::Error| End::Lost(error.to_string());
        let stream = TcpStream::connect(&addresses[..]).await.map_err(lost)?;
        // Nagle's algorithm is off: frames are small and awaited.
        stream.set_nodelay(true).map_err(lost)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(16 << 10)
            .max_message_size(Some(FRAME))
            .max_frame_size(Some(FRAME));
        let stream: Box<dyn Stream> = match self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::try_from(host)
                    .map_err(|error| End::Lost(format!("no name of a TLS server: {error}")))?;
                let connecting = TlsConnector::from(tls).connect(name, stream);
                Box::new(connecting.await.map_err(lost)?)
            }
        };
        match client_async_with_config(uri, stream, Some(config)).await {
            Ok((socket, _)) => Ok(socket),
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                let status = response.status().as_u16();
                Err(End::no_websocket(status, body, was_connected))
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn tls(ca: Option<&Path>) -> Result<ClientConfig, ClientError> {
    let mut roots = RootCertStore::empty();
    match ca {
        // The system's list would need a file that small containers don't have.
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let unusable = |why: String| ClientError::Certificates {
                path: path.to_owned(),
                why,
            };
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
                roots
                    .add(certificate)
                    .map_err(|error| unusable(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(unusable("it holds no certificate in PEM form".to_owned()));
            }
        }
    }
    // The provider is named: a second one in somebody's tree would leave the default undecided.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::Certificates {
            path: ca.unwrap_or(Path::new("")).to_owned(),
            why: error.to_string(),
        })
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth())
}
