//! The header of a WebSocket frame (RFC 6455, 5.2): the one place that reads and writes it.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::{
    FrameHeader,
    coding::{Data, OpCode},
};

/// The longest header: of a masked frame with a payload of more than 64 KiB.
pub(crate) const LONGEST: usize = 14;

/// What a header says about its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Length of the header itself, in bytes.
    pub(crate) length: usize,
    /// Length of the payload that follows, in bytes.
    pub(crate) payload: u64,
    /// Whether the frame is a ping, a pong or a close, which may stand between the fragments of a message.
    pub(crate) control: bool,
    /// Whether no further fragment of the message follows.
    pub(crate) last: bool,
}

/// The bytes don't begin with a header that RFC 6455 knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unknown;

impl Header {
    /// Reads the header that the bytes begin with; `None` while they end within it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, Unknown> {
        let mut cursor = Cursor::new(bytes);
        let read = FrameHeader::parse(&mut cursor).map_err(|_| Unknown)?;
        Ok(read.map(|(header, payload)| Self {
            length: usize::try_from(cursor.position()).unwrap_or(LONGEST),
            payload,
            control: matches!(header.opcode, OpCode::Control(_)),
            last: header.is_final,
        }))
    }
}

/// Appends the header of a whole, unmasked text frame: what a server writes before a payload of this
/// many bytes.
pub(crate) fn write_text(payload: usize, into: &mut Vec<u8>) {
    let header = FrameHeader {
        opcode: OpCode::Data(Data::Text),
        ..FrameHeader::default()
    };
    // A vector takes whatever is written.
    drop(header.format(payload as u64, into));
}
