//! What passes unread as gRPC, because its path names the call, has to be gRPC: a server that takes JSON whatever the
//! Content-Type says would be called by something else than the path.

use aegis_dlp::{Opaque, Reason, Why};

use super::stop::{Direction, Stop};

/// A flag and the length of the message (gRPC over HTTP/2, "Requests").
const PREFIX: usize = 5;
/// Plain and compressed messages, Connect's last one, gRPC-Web's trailers.
const FLAGS: [u8; 6] = [0, 1, 2, 3, 0x80, 0x81];
/// The first byte of a length is below this: no server takes longer messages, and no text in UTF-16 begins so.
const FIRST: u8 = 0x09;

/// Follows messages from prefix to prefix.
#[derive(Debug, Default)]
pub struct Framing {
    prefix: [u8; PREFIX],
    /// Bytes of the prefix that are there.
    held: usize,
    /// Bytes of the message that are still to come.
    left: u64,
}

/// Looks at the next bytes of a body, where it has to be gRPC.
///
/// # Errors
/// It is not.
pub fn check(framing: Option<&mut Framing>, data: &[u8]) -> Result<(), Stop> {
    unless_broken(framing.is_none_or(|framing| framing.keeps_to(data)))
}

/// Looks at the end of such a body: a message that is cut short is none.
///
/// # Errors
/// It ends in the middle of a message.
pub fn ended(framing: Option<&Framing>) -> Result<(), Stop> {
    unless_broken(framing.is_none_or(|framing| framing.held == 0 && framing.left == 0))
}

fn unless_broken(whole: bool) -> Result<(), Stop> {
    if whole {
        return Ok(());
    }
    let opaque = Opaque { reason: Reason::Broken("message stream"), approvable: false, path: "grpc".into() };
    Err(Stop::content(Why::Opaque(opaque), &[], Direction::Out))
}

impl Framing {
    fn keeps_to(&mut self, data: &[u8]) -> bool {
        let mut data = data;
        while let Some((first, rest)) = data.split_first() {
            if self.left > 0 {
                let passed = self.left.min(data.len() as u64);
                self.left -= passed;
                data = data.get(usize::try_from(passed).unwrap_or(data.len())..).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.prefix.get_mut(self.held) {
                *place = *first;
            }
            self.held += 1;
            data = rest;
            let [flag, a, b, c, d] = self.prefix;
            if !FLAGS.contains(&flag) || self.held >= 2 && a >= FIRST {
                return false;
            }
            if self.held == PREFIX {
                (self.held, self.left) = (0, u32::from_be_bytes([a, b, c, d]).into());
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps(pieces: &[&[u8]]) -> bool {
        let mut framing = Framing::default();
        pieces.iter().all(|piece| framing.keeps_to(piece)) && ended(Some(&framing)).is_ok()
    }

    #[test]
    fn messages_pass_however_they_are_cut_and_nothing_else_does() {
        let messages = b"\0\0\0\0\x03abc\x01\0\0\0\0\0\0\0\0\x02{}";
        for size in 1..=messages.len() {
            assert!(keeps(&messages.chunks(size).collect::<Vec<_>>()), "{size}");
        }
        for other in [
            &b"{\"jsonrpc\":\"2.0\"}"[..],
            b"[{}]",
            b" {}",
            b"\xef\xbb\xbf{}",
            // UTF-16, big end first.
            b"\0{\0}",
            b"\0\t\0{\0}",
            b"\0\0\0\0\x01a{\"jsonrpc\":1}",
        ] {
            assert!(!keeps(&[other]), "{other:?}");
            assert!(!keeps(&other.chunks(1).collect::<Vec<_>>()), "{other:?}");
        }
        for end in 1..messages.len() {
            // Between two messages it may end.
            assert_eq!(keeps(&[&messages[..end]]), [8, 13].contains(&end), "{end}");
        }
    }
}
