//! Why a WebSocket ends, in the codes of RFC 6455, section 7.4.

use super::frame::MAX_CONTROL;

/// The other side, or Aegis, goes away.
pub const GOING_AWAY: u16 = 1001;
const PROTOCOL: u16 = 1002;
const NOT_TEXT: u16 = 1007;
/// The policy does not let a message pass.
pub const POLICY: u16 = 1008;
const TOO_BIG: u16 = 1009;

/// What a side sent that no one may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Violation {
    /// The close code for it.
    pub code: u16,
    pub why: &'static str,
}

/// Against the protocol.
#[must_use]
pub const fn protocol(why: &'static str) -> Violation {
    Violation { code: PROTOCOL, why }
}

/// Text that is not UTF-8.
#[must_use]
pub const fn not_text() -> Violation {
    Violation { code: NOT_TEXT, why: "text that is not UTF-8" }
}

/// A message beyond the limit.
#[must_use]
pub const fn too_big() -> Violation {
    Violation { code: TOO_BIG, why: "a message that is longer than `limits.websocket_message_bytes`" }
}

/// The payload of a close frame; the reason is cut where it is too long.
#[must_use]
pub fn payload(code: u16, reason: &str) -> Vec<u8> {
    let reason = reason.as_bytes().get(..reason.floor_char_boundary(MAX_CONTROL - 2)).unwrap_or_default();
    [&code.to_be_bytes(), reason].concat()
}

/// Looks at the payload of a close frame that came: empty, or a code that may be sent and a reason in UTF-8.
///
/// # Errors
/// Where it is neither.
pub fn check(payload: &[u8]) -> Result<(), Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(()) } else { Err(protocol("a close frame of one byte")) };
    };
    // 1004 means nothing, 1005, 1006 and 1015 stand for what was not sent.
    if !matches!(u16::from_be_bytes(*code), 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(protocol("a close code that may not be sent"));
    }
    std::str::from_utf8(reason).map(drop).map_err(|_| not_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_frames_say_what_may_be_said() {
        for (bytes, fine) in [
            (&b""[..], true),
            (b"\x03", false),
            (b"\x03\xe8", true),
            (b"\x03\xe8bye", true),
            (b"\x03\xe8\xff", false),
            (b"\x03\xec", false),
            (b"\x03\xed", false),
            (b"\x03\xee", false),
            (b"\x03\xf7", false),
            (b"\x03\xe7", false),
            (b"\x0b\xb8", true),
            (b"\x13\x88", false),
        ] {
            assert_eq!(check(bytes).is_ok(), fine, "{bytes:?}");
        }
        let long = payload(POLICY, &"ä".repeat(100));
        assert_eq!((long.len(), check(&long)), (124, Ok(())));
    }
}
