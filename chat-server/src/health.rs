//! The subcommand `health`: asks the server that runs with these settings whether it is alive.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use axum::{
    body::Bytes,
    http::{Request, StatusCode, Version},
};
use http_body_util::Full;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    config::{Address, Settings},
    http::{client, proxy_header},
};

/// The longest time for which the answer is waited for: less than a health check of Docker takes by default.
const PATIENCE: Duration = Duration::from_secs(4);

/// The largest answer, in bytes.
const LARGEST: usize = 1 << 10;

/// The server gave no answer, or another one than `OK`; in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{address} is not healthy: {why}")]
pub struct HealthError {
    address: Address,
    why: String,
}

/// Asks the server that listens where these settings say for `/health`, as a container does with its own server.
///
/// # Errors
///
/// The address at which the server should listen, and what is wrong there.
pub async fn ask(settings: &Settings) -> Result<(), HealthError> {
    let asked = timeout(PATIENCE, connect(settings)).await;
    let failed = match asked {
        Ok(Ok(StatusCode::OK)) => return Ok(()),
        Ok(Ok(status)) => format!("it answers {status}"),
        Ok(Err(why)) => why,
        Err(_) => format!("it gave no answer within {PATIENCE:?}"),
    };
    Err(HealthError {
        address: settings.listen.clone(),
        why: failed,
    })
}

async fn connect(settings: &Settings) -> Result<StatusCode, String> {
    match &settings.listen {
        Address::Tcp(address) => {
            let stream = TcpStream::connect(reachable(*address)).await;
            let mut stream = stream.map_err(|error| error.to_string())?;
            let ours = stream.local_addr().map_err(|error| error.to_string())?;
            introduce(&mut stream, Some(ours.ip()), settings).await?;
            if settings.tls_cert_file.is_none() {
                return exchange(stream).await;
            }
            // By its address, for no certificate has to name it then.
            let name = ServerName::from(reachable(*address).ip());
            let connected = client::tls_with_anybody()?.connect(name, stream).await;
            exchange(connected.map_err(|error| error.to_string())?).await
        }
        #[cfg(unix)]
        Address::Unix(path) => {
            let stream = tokio::net::UnixStream::connect(path).await;
            let mut stream = stream.map_err(|error| error.to_string())?;
            introduce(&mut stream, None, settings).await?;
            exchange(stream).await
        }
        #[cfg(not(unix))]
        Address::Unix(_) => Err("this system has no Unix sockets".to_owned()),
    }
}

/// Sends the header of the PROXY protocol, if the server takes us for one of its proxies.
async fn introduce(
    stream: &mut (impl AsyncWrite + Unpin),
    ours: Option<IpAddr>,
    settings: &Settings,
) -> Result<(), String> {
    if settings.trusted_proxy.has(ours) {
        let header = proxy_header::without_client(settings.proxy_protocol);
        let written = stream.write_all(header).await;
        return written.map_err(|error| error.to_string());
    }
    Ok(())
}

/// HTTP/1.0, whose requests name no host: so none of the server's hosts has to be known here.
async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<StatusCode, String> {
    let request = Request::builder()
        .version(Version::HTTP_10)
        .uri("/health")
        .body(Full::<Bytes>::default())
        .map_err(|error| error.to_string())?;
    let (status, _) = client::exchange(stream, request, LARGEST).await?;
    Ok(status)
}

/// An address of this machine, if the server listens at all of them.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}
