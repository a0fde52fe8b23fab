#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;

fn frame(last: bool, opcode: Opcode, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mut out = Vec::new();
    Head { last, compressed: false, opcode, length: payload.len() as u64, mask: key }.put(&mut out);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = key {
        frame::mask(key, 0, &mut out[start..]);
    }
    out
}

/// Whole messages and control frames, of bytes that come in pieces of `size`.
fn read(bytes: &[u8], size: usize, masked: bool, limit: usize) -> Result<Vec<(Opcode, Vec<u8>)>, Violation> {
    let (mut frames, mut assembly) = (Frames::new(masked, false), Assembly::new(limit));
    let (mut buffer, mut read) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(size.max(1)) {
        buffer.extend_from_slice(piece);
        while let Some(event) = frames.next(&mut buffer)? {
            match event {
                Event::Control(opcode, payload) => read.push((opcode, payload.to_vec())),
                Event::Piece(piece) => {
                    if let Some(message) = assembly.take(&piece)? {
                        read.push((message.kind.opcode(), message.data));
                    }
                }
            }
        }
    }
    Ok(read)
}

#[test]
fn control_frames_come_between_fragments_and_messages_whole() {
    let bytes = [
        frame(false, Opcode::Text, b"one ", None),
        frame(true, Opcode::Ping, b"there?", None),
        frame(false, Opcode::Continuation, b"", None),
        frame(true, Opcode::Continuation, b"two", None),
        frame(true, Opcode::Binary, b"", None),
    ]
    .concat();
    let expected =
        [(Opcode::Ping, b"there?".to_vec()), (Opcode::Text, b"one two".to_vec()), (Opcode::Binary, Vec::new())];
    for size in 1..bytes.len() {
        assert_eq!(read(&bytes, size, false, 7).unwrap(), expected, "in pieces of {size}");
    }
}

#[test]
fn messages_keep_their_order_and_their_bound() {
    for (frames, code) in [
        (vec![frame(true, Opcode::Continuation, b"x", None)], 1002),
        (vec![frame(false, Opcode::Text, b"x", None), frame(true, Opcode::Text, b"y", None)], 1002),
        (vec![frame(false, Opcode::Text, b"1234", None), frame(true, Opcode::Continuation, b"5678", None)], 1009),
        (vec![frame(true, Opcode::Binary, b"12345678", None)], 1009),
    ] {
        assert_eq!(read(&frames.concat(), 100, false, 7).unwrap_err().code, code);
    }
    // A length that nobody could hold ends the connection with its first bytes beyond the bound.
    let endless = [&[0x82, 0x7F, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF][..], b"12345678"].concat();
    assert_eq!(read(&endless, 100, false, 7).unwrap_err().code, 1009);
}

proptest! {
    #[test]
    fn messages_come_out_as_they_went_in(
        messages in prop::collection::vec((any::<bool>(), prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..4)), 1..6),
        key: Option<[u8; 4]>,
        size in 1_usize..400,
    ) {
        let (mut bytes, mut expected) = (Vec::new(), Vec::new());
        for (text, fragments) in &messages {
            let opcode = if *text { Opcode::Text } else { Opcode::Binary };
            for (at, fragment) in fragments.iter().enumerate() {
                let opcode = if at == 0 { opcode } else { Opcode::Continuation };
                bytes.extend(frame(at + 1 == fragments.len(), opcode, fragment, key));
            }
            expected.push((opcode, fragments.concat()));
        }
        prop_assert_eq!(read(&bytes, size, key.is_some(), 4096).unwrap(), expected);
    }

    #[test]
    fn no_bytes_do_harm(bytes: Vec<u8>, masked: bool, size in 1_usize..50) {
        let _ = read(&bytes, size, masked, 64);
    }
}
