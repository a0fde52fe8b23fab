//! What the fuzz target `websocket` checks, and the replay of its corpus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::BytesMut;

use super::close::{self, Violation};
use super::deflate::{deflate, inflate};
use super::frame::{Head, Opcode, mask};
use super::message::{Assembly, Event, Frames};

/// The longest message that is put together.
const LIMIT: usize = 16 * 1024;

/// What came whole, before the side broke the protocol if it did.
type Read = (Vec<(Opcode, bool, Vec<u8>)>, Option<Violation>);

fn read(bytes: &[u8], size: usize, masked: bool) -> Read {
    let (mut frames, mut assembly) = (Frames::new(masked, true), Assembly::new(LIMIT));
    let (mut buffer, mut read) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(size) {
        buffer.extend_from_slice(piece);
        loop {
            let event = match frames.next(&mut buffer) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(violation) => return (read, Some(violation)),
            };
            match event {
                Event::Control(opcode, payload) => {
                    assert!(payload.len() <= super::frame::MAX_CONTROL);
                    if opcode == Opcode::Close && close::check(&payload).is_err() {
                        return (read, close::check(&payload).err());
                    }
                    read.push((opcode, false, payload.to_vec()));
                }
                Event::Piece(piece) => match assembly.take(&piece) {
                    Ok(Some(message)) => read.push((message.kind.opcode(), message.compressed, message.data)),
                    Ok(None) => {}
                    Err(violation) => return (read, Some(violation)),
                },
            }
        }
    }
    (read, None)
}

/// The first byte says which side it is and how long the pieces are; the rest comes from it.
pub fn check(data: &[u8]) {
    let [first, bytes @ ..] = data else { return };
    let masked = first & 1 == 1;
    let whole = read(bytes, bytes.len().max(1), masked);
    assert_eq!(read(bytes, usize::from(first >> 1) + 1, masked), whole);
    assert_eq!(read(bytes, 1, masked), whole);
    for (opcode, compressed, data) in &whole.0 {
        let key = masked.then_some([1, 2, 3, 4]);
        let mut frame = Vec::new();
        Head { last: true, compressed: *compressed, opcode: *opcode, length: data.len() as u64, mask: key }
            .put(&mut frame);
        let start = frame.len();
        frame.extend_from_slice(data);
        key.into_iter().for_each(|key| mask(key, 0, &mut frame[start..]));
        assert_eq!(read(&frame, frame.len(), masked), (vec![(*opcode, *compressed, data.clone())], None));
        let plain = if *compressed { inflate(data, LIMIT) } else { Ok(data.clone()) };
        let Ok(plain) = plain else { continue };
        assert!(plain.len() <= LIMIT);
        if let Some(shorter) = deflate(&plain) {
            assert_eq!(inflate(&shorter, LIMIT).as_ref(), Ok(&plain));
        }
    }
}

#[cfg(test)]
mod replay {
    #[test]
    fn the_corpus_of_the_fuzz_target_is_read_alike_in_any_pieces() {
        crate::flow::corpus::replay("websocket", 15, super::check);
    }
}
