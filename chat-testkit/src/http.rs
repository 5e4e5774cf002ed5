//! HTTP/1.1 and plain bytes on a socket of a test's own: nothing is corrected or hidden.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::PATIENCE;

/// The status, the head and the body of an answer. The status is 0 where there was no answer.
pub type Answer = (u16, String, String);

/// Sends a request on a new connection, and reads until the server closes it.
///
/// `request` is its method and its path, `headers` are whole lines, each with `\r\n` at its end. The
/// headers `host`, `connection: close` and `content-length` are added.
pub async fn ask(address: SocketAddr, request: &str, headers: &str, body: &str) -> Answer {
    let tcp = TcpStream::connect(address).await.unwrap();
    ask_on(tcp, request, headers, body).await
}

/// The same, on a connection that there is.
pub async fn ask_on(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
    headers: &str,
    body: &str,
) -> Answer {
    let length = body.len();
    let bytes = format!(
        "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    // A server that is gone gives no answer.
    stream.write_all(bytes.as_bytes()).await.ok();
    answer(&read_to_end(&mut stream).await)
}

/// Sends these bytes on a new connection, and reads until the server closes it.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    tcp.write_all(bytes).await.unwrap();
    read_to_end(&mut tcp).await
}

/// Reads until the server closes the connection.
///
/// # Panics
///
/// When it does not close it within [`PATIENCE`].
pub async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    // A reset after what was read is an end too.
    timeout(PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("the server closes")
        .ok();
    String::from_utf8_lossy(&answer).into_owned()
}

fn answer(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let code = head.split(' ').nth(1);
    let status = code.and_then(|code| code.parse().ok()).unwrap_or(0);
    (status, head.to_owned(), body.to_owned())
}
