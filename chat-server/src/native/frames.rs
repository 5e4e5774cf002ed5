//! Text frames towards a client: many with one system call, and no copy for each receiver.
//!
//! tungstenite would copy each text twice, and keep the buffer that they were gathered in.

use std::io::{self, IoSlice};

use chat_core::Frame;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Data, OpCode},
};

/// Writes all of them. A server's frames aren't masked, so the same bytes go to all who get one.
///
/// # Cancel safety
///
/// After a dropped call the stream may stand within a frame, and is of no use.
pub(super) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    frames: &[Frame],
) -> io::Result<()> {
    let header = FrameHeader {
        opcode: OpCode::Data(Data::Text),
        ..FrameHeader::default()
    };
    let mut headers = Vec::with_capacity(4 * frames.len());
    let mut ends = Vec::with_capacity(frames.len());
    for frame in frames {
        let length = frame.json().len() as u64;
        header
            .format(length, &mut headers)
            .map_err(io::Error::other)?;
        ends.push(headers.len());
    }
    let mut slices = Vec::with_capacity(2 * frames.len());
    let mut start = 0;
    for (frame, end) in frames.iter().zip(ends) {
        slices.push(IoSlice::new(&headers[start..end]));
        slices.push(IoSlice::new(frame.json().as_bytes()));
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use chat_core::{Answer, ErrorBody};
    use futures_util::StreamExt;
    use tokio_tungstenite::{
        WebSocketStream,
        tungstenite::protocol::{Message, Role},
    };

    use super::*;

    fn frame(length: usize) -> Frame {
        let error = ErrorBody::from(&chat_core::Error::BadRequest("x".repeat(length)));
        Answer::Error { id: None, error }.into()
    }

    #[tokio::test]
    async fn frames_of_all_lengths_arrive_through_a_narrow_pipe() {
        let frames: Vec<_> = [0, 1, 60, 125, 126, 300, 65_535, 70_000].map(frame).into();
        let (mut server, client) = tokio::io::duplex(97);
        let sent = frames.clone();
        let sending = tokio::spawn(async move { write(&mut server, &sent).await });
        let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        for frame in frames {
            let message = client.next().await.unwrap().unwrap();
            assert_eq!(message, Message::text(&**frame.json()));
        }
        sending.await.unwrap().unwrap();
    }
}
