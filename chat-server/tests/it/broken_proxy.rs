//! A proxy that passes on HTTP, but breaks every WebSocket in its own way.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{self, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What becomes of a WebSocket.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Break {
    /// Its connection ends after the 101.
    CutAfterTheAnswer,
    /// The 101 comes, and nothing after it in either direction.
    Mute,
    /// The 101 doesn't come.
    SwallowTheAnswer,
    /// The proxy answers 502 to every WebSocket.
    BadGateway,
}

/// The proxy, which counts requests. All its connections end when this is dropped.
pub(crate) struct BrokenProxy {
    pub(crate) address: SocketAddr,
    requests: Arc<AtomicUsize>,
    _running: JoinSet<()>,
}

impl BrokenProxy {
    pub(crate) async fn to(server: SocketAddr, way: Break) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<AtomicUsize>::default();
        let mut running = JoinSet::new();
        running.spawn({
            let requests = Arc::clone(&requests);
            async move {
                let mut connections = JoinSet::new();
                while let Ok((client, _)) = listener.accept().await {
                    let requests = Arc::clone(&requests);
                    connections.spawn(async move {
                        // A connection that breaks is as good as one that ends.
                        serve(client, server, way, &requests).await.ok();
                    });
                }
            }
        });
        Self {
            address,
            requests,
            _running: running,
        }
    }

    /// How many requests have come.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn serve(
    client: TcpStream,
    server: SocketAddr,
    way: Break,
    requests: &AtomicUsize,
) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let mut server = BufReader::new(TcpStream::connect(server).await?);
    while let Some(request) = message(&mut client).await? {
        requests.fetch_add(1, Ordering::Relaxed);
        let is_websocket = request.head.contains("\r\nupgrade: websocket\r\n");
        if is_websocket && matches!(way, Break::BadGateway) {
            let answer =
                "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            return client.write_all(answer.as_bytes()).await;
        }
        server.write_all(&request.bytes).await?;
        let answer = tokio::select! {
            answer = message(&mut server) => answer?,
            // A client that goes away takes its request with it.
            gone = client.fill_buf() => match gone?.len() {
                0 => return Ok(()),
                _ => message(&mut server).await?,
            },
        };
        let Some(answer) = answer else { return Ok(()) };
        if !is_websocket {
            client.write_all(&answer.bytes).await?;
            continue;
        }
        if !matches!(way, Break::SwallowTheAnswer) {
            client.write_all(&answer.bytes).await?;
        }
        if matches!(way, Break::CutAfterTheAnswer) {
            return Ok(());
        }
        // Both are read, so that neither waits to write; that one ends the other sees.
        let (mut nowhere, mut nothing) = (io::sink(), io::sink());
        tokio::select! {
            end = io::copy(&mut client, &mut nowhere) => drop(end?),
            end = io::copy(&mut server, &mut nothing) => drop(end?),
        }
        return Ok(());
    }
    Ok(())
}

struct Message {
    /// In lower case.
    head: String,
    bytes: Vec<u8>,
}

/// Reads a head and as many bytes as it announces; `None` when the stream has ended.
async fn message(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Message>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read_until(b'\n', &mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    let head = String::from_utf8_lossy(&bytes).to_lowercase();
    let length = head
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    let start = bytes.len();
    bytes.resize(start + length, 0);
    stream.read_exact(&mut bytes[start..]).await?;
    Ok(Some(Message { head, bytes }))
}
