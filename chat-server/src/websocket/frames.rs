//! Text frames towards a client: many with one system call, and no copy for each receiver.
//!
//! tungstenite would copy each text twice, and keep the buffer that they were gathered in.

use std::io::{self, IoSlice};

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::header;

/// Writes each text as one frame. A server's frames aren't masked, so all receivers of a text share its
/// bytes.
///
/// # Cancel safety
///
/// After a dropped call the stream may stand within a frame, and is of no use.
pub(super) async fn write<'a>(
    stream: &mut (impl AsyncWrite + Unpin),
    texts: impl Iterator<Item = &'a str> + Clone,
) -> io::Result<()> {
    let count = texts.size_hint().0;
    let mut headers = Vec::with_capacity(4 * count);
    let mut ends = Vec::with_capacity(count);
    for text in texts.clone() {
        header::write_text(text.len(), &mut headers);
        ends.push(headers.len());
    }
    let mut slices = Vec::with_capacity(2 * ends.len());
    let mut start = 0;
    for (text, end) in texts.zip(ends) {
        slices.push(IoSlice::new(&headers[start..end]));
        slices.push(IoSlice::new(text.as_bytes()));
        start = end;
    }
    let mut left = &mut slices[..];
    while !left.is_empty() {
        let written = stream.write_vectored(left).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut left, written);
    }
    // TLS takes more at once than it has sent.
    stream.flush().await
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tokio_tungstenite::{
        WebSocketStream,
        tungstenite::protocol::{Message, Role},
    };

    use super::*;

    #[tokio::test]
    async fn frames_of_all_lengths_arrive_through_a_narrow_pipe() {
        let texts = [0, 1, 60, 125, 126, 300, 65_535, 70_000].map(|length| "x".repeat(length));
        let (mut server, client) = tokio::io::duplex(97);
        let sent = texts.clone();
        let sending =
            tokio::spawn(async move { write(&mut server, sent.iter().map(|it| &**it)).await });
        let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        for text in texts {
            let message = client.next().await.unwrap().unwrap();
            assert_eq!(message, Message::text(text));
        }
        sending.await.unwrap().unwrap();
    }
}
