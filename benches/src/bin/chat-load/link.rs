//! One connection: a WebSocket whose reading half belongs to a task, and whose writing half is shared.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::frames::{self, Frame, Frames};

/// How many clients connect at once where that is not what is measured.
pub(crate) const AT_ONCE: usize = 256;

thread_local! {
    /// What all connections read into, so that one that waits holds nothing.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 << 10]);
}

/// Connects, and asks for a WebSocket at `path`.
pub(crate) async fn connect(address: SocketAddr, path: &str) -> io::Result<(Reader, Writer)> {
    let mut tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    tcp.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(1 << 10);
    let end = loop {
        if tcp.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(at) = find(&answer, b"\r\n\r\n") {
            break at + 4;
        }
    };
    if !answer.starts_with(b"HTTP/1.1 101") {
        let line = answer
            .split(|byte| *byte == b'\r')
            .next()
            .unwrap_or(&answer);
        let line = String::from_utf8_lossy(line);
        return Err(io::Error::other(format!("no WebSocket at {path}: {line}")));
    }
    let (half, out) = tcp.into_split();
    let reader = Reader {
        half,
        early: answer.split_off(end),
        frames: Frames::default(),
        bytes: 0,
    };
    let unsent = Mutex::default();
    Ok((reader, Writer { half: out, unsent }))
}

/// Where `needle` begins.
pub(crate) fn find<const N: usize>(text: &[u8], needle: &[u8; N]) -> Option<usize> {
    text.array_windows()
        .position(|window: &[u8; N]| window == needle)
}

/// What the server says.
#[derive(Debug)]
pub(crate) struct Reader {
    half: OwnedReadHalf,
    /// What came with the answer to the handshake.
    early: Vec<u8>,
    frames: Frames,
    /// How much has been read.
    pub(crate) bytes: u64,
}

impl Reader {
    /// Waits until something is there, and calls `each` with the texts in it: their first bytes,
    /// and how long they are. Answers pings.
    ///
    /// # Errors
    ///
    /// When the connection has ended; a close frame is told with its code.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has read nothing.
    pub(crate) async fn read(
        &mut self,
        writer: &Writer,
        mut each: impl FnMut(&[u8], usize),
    ) -> io::Result<()> {
        let mut closed = None;
        let mut frame = |frame: Frame<'_>| match frame {
            Frame::Text(b"2", _) => writer.send(b"3"),
            Frame::Text(head, length) => each(head, length),
            Frame::Ping(payload) => writer.pong(payload),
            Frame::Close(code) => closed = Some(code),
        };
        if self.early.is_empty() {
            poll_fn(|cx| {
                BUFFER.with_borrow_mut(|buffer| {
                    let mut read = ReadBuf::new(buffer);
                    ready!(Pin::new(&mut self.half).poll_read(cx, &mut read))?;
                    if read.filled().is_empty() {
                        return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                    }
                    self.bytes += read.filled().len() as u64;
                    Poll::Ready(self.frames.take(read.filled(), &mut frame))
                })
            })
            .await?;
        } else {
            let early = std::mem::take(&mut self.early);
            self.bytes += early.len() as u64;
            self.frames.take(&early, &mut frame)?;
        }
        match closed {
            None => Ok(()),
            Some(code) => {
                let code = code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
                Err(io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    format!("the server closed a connection with {code}"),
                ))
            }
        }
    }

    /// Reads until a text that `wanted` finds something in; what comes before it is passed over.
    ///
    /// # Errors
    ///
    /// When the connection ends before.
    pub(crate) async fn wait_for<T>(
        &mut self,
        writer: &Writer,
        mut wanted: impl FnMut(&[u8]) -> Option<T>,
    ) -> io::Result<T> {
        let mut found = None;
        loop {
            self.read(writer, |head, _| {
                if found.is_none() {
                    found = wanted(head);
                }
            })
            .await?;
            if let Some(found) = found.take() {
                return Ok(found);
            }
        }
    }
}

/// What is said to the server.
#[derive(Debug)]
pub(crate) struct Writer {
    half: OwnedWriteHalf,
    /// Frames that the system had no room for.
    unsent: Mutex<Vec<u8>>,
}

impl Writer {
    fn unsent(&self) -> MutexGuard<'_, Vec<u8>> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a text; never waits.
    pub(crate) fn send(&self, text: &[u8]) {
        self.queue(text);
        self.flush();
    }

    /// Puts a text behind what is unsent.
    pub(crate) fn queue(&self, text: &[u8]) {
        frames::text(&mut self.unsent(), text);
    }

    fn pong(&self, payload: &[u8]) {
        frames::pong(&mut self.unsent(), payload);
        self.flush();
    }

    /// Says goodbye.
    pub(crate) fn close(&self) {
        frames::close(&mut self.unsent());
        self.flush();
    }

    /// Writes what is unsent, as far as the system takes it.
    pub(crate) fn flush(&self) {
        let mut unsent = self.unsent();
        while !unsent.is_empty() {
            match self.half.try_write(&unsent) {
                Ok(written) => drop(unsent.drain(..written)),
                // Either there is no room now, or the reader will notice what is wrong.
                Err(_) => return,
            }
        }
    }
}
