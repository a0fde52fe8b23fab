//! Writing frames to one side.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::frame::{self, Head, Opcode};
use super::message::Piece;

/// The longest head of a frame.
const HEAD: usize = 14;

/// Where frames for one side are written.
pub struct Wire<W> {
    to: W,
    /// Towards servers frames are masked (RFC 6455, section 5.3).
    masked: bool,
    /// A frame was begun and not ended: nothing can follow it.
    open: bool,
    /// A close frame has been written: nothing may follow it.
    closed: bool,
    buffer: Vec<u8>,
}

impl<W: AsyncWrite + Unpin> Wire<W> {
    #[must_use]
    pub fn new(to: W, masked: bool) -> Self {
        Self { to, masked, open: false, closed: false, buffer: Vec::new() }
    }

    /// Writes a piece of a message as a frame of its own.
    ///
    /// # Errors
    /// As write(2).
    pub async fn piece(&mut self, piece: &Piece) -> io::Result<()> {
        let opcode = if piece.first { piece.kind.opcode() } else { Opcode::Continuation };
        self.frame(opcode, piece.last, piece.first && piece.compressed, &piece.data).await
    }

    /// Writes a control frame.
    ///
    /// # Errors
    /// As write(2).
    pub async fn control(&mut self, opcode: Opcode, payload: &[u8]) -> io::Result<()> {
        self.frame(opcode, true, false, payload).await?;
        self.closed |= opcode == Opcode::Close;
        Ok(())
    }

    /// Writes a close frame, if one can be written still.
    pub async fn close(&mut self, payload: &[u8]) {
        // The other side may be gone: then nobody has to be told.
        let _ = self.control(Opcode::Close, payload).await;
    }

    /// Ends the side's stream.
    pub async fn shutdown(&mut self) {
        let _ = self.to.shutdown().await;
    }

    async fn frame(&mut self, opcode: Opcode, last: bool, compressed: bool, payload: &[u8]) -> io::Result<()> {
        if self.open || self.closed {
            return Err(io::ErrorKind::NotConnected.into());
        }
        // Unpredictable to whoever chooses the payload (RFC 6455, section 10.3).
        let mask = if self.masked { Some(key()?) } else { None };
        self.buffer.clear();
        self.buffer.reserve(HEAD + payload.len());
        Head { last, compressed, opcode, length: payload.len() as u64, mask }.put(&mut self.buffer);
        let start = self.buffer.len();
        self.buffer.extend_from_slice(payload);
        if let (Some(key), Some(copied)) = (mask, self.buffer.get_mut(start..)) {
            frame::mask(key, 0, copied);
        }
        self.open = true;
        self.to.write_all(&self.buffer).await?;
        self.to.flush().await?;
        self.open = false;
        if self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
        Ok(())
    }
}

/// What the buffer may keep between frames, in bytes.
const KEPT: usize = 64 * 1024;

fn key() -> io::Result<[u8; 4]> {
    let mut key = [0; 4];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| io::Error::other("no random bytes"))?;
    Ok(key)
}
