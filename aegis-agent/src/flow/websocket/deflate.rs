//! permessage-deflate (RFC 7692), agreed on with each side by itself. Nothing of a message is carried over into the next one
//! in either direction (`no_context_takeover`), so that a quiet connection holds no window.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::close::{self, Violation};

/// What Aegis offers to origins, and agrees on with agents.
pub const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
const NAME: &str = "permessage-deflate";
/// What a compressed message is written without (RFC 7692, section 7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];
/// Shorter messages are not worth it.
const WORTH: usize = 128;
const ROOM: usize = 8 * 1024;

/// Whether one of an agent's offers can be agreed to. A window of another size for what is sent to it is not on offer here
/// (section 7.1.2.1: then the offer is declined), and a parameter that nobody knows makes an offer void.
#[must_use]
pub fn acceptable(offers: &str) -> bool {
    offers.split(',').any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case(NAME))
            && parts.all(|parameter| match parameter.split_once('=') {
                None => matches!(
                    parameter,
                    "server_no_context_takeover" | "client_no_context_takeover" | "client_max_window_bits"
                ),
                // The agent says what window it needs at most; a larger one here reads it all the same.
                Some((name, bits)) => name.trim() == "client_max_window_bits" && window(bits),
            })
    })
}

/// Whether an origin's answer to [`AGREED`] is one: `None` where it is not, `Some(false)` where it wants no compression.
#[must_use]
pub fn agreed(answer: Option<&str>) -> Option<bool> {
    let Some(answer) = answer.map(str::trim).filter(|answer| !answer.is_empty()) else { return Some(false) };
    let mut parts = answer.split(';').map(str::trim);
    let named = parts.next() == Some(NAME) && !answer.contains(',');
    let mut takeover = true;
    let known = parts.all(|parameter| match parameter.split_once('=') {
        None => {
            takeover &= parameter != "server_no_context_takeover";
            matches!(parameter, "server_no_context_takeover" | "client_no_context_takeover")
        }
        Some((name, bits)) => name.trim() == "server_max_window_bits" && window(bits),
    });
    (named && known && !takeover).then_some(true)
}

fn window(bits: &str) -> bool {
    matches!(bits.trim().trim_matches('"'), "8" | "9" | "10" | "11" | "12" | "13" | "14" | "15")
}

/// Undoes the compression of one message, which may be no longer than `limit`.
///
/// # Errors
/// Where it is longer, or no deflate.
pub fn inflate(data: &[u8], limit: usize) -> Result<Vec<u8>, Violation> {
    let mut inflate = Decompress::new(false);
    let mut out = Vec::with_capacity(data.len().saturating_mul(3).clamp(64, limit.max(64)));
    for part in [data, &TAIL] {
        let begun = inflate.total_in();
        loop {
            let taken = usize::try_from(inflate.total_in() - begun).unwrap_or(usize::MAX);
            let rest = part.get(taken..).unwrap_or_default();
            out.reserve(ROOM);
            let (before, room) = (out.len(), out.capacity());
            let status = inflate.decompress_vec(rest, &mut out, FlushDecompress::Sync);
            if out.len() > limit {
                return Err(close::too_big());
            }
            match status {
                // A final block: behind it stands at most the byte that with the tail makes an empty one (section 7.2.3.4).
                Ok(Status::StreamEnd) => {
                    let taken = usize::try_from(inflate.total_in() - begun).unwrap_or(usize::MAX);
                    return match part.get(taken..) {
                        Some([] | [0]) => Ok(out),
                        _ => Err(close::protocol("data behind the end of a message")),
                    };
                }
                Ok(_) => {}
                Err(_) => return Err(close::protocol("a message that is no deflate")),
            }
            let idle =
                out.len() == before && usize::try_from(inflate.total_in() - begun).unwrap_or(usize::MAX) == taken;
            if idle || (rest.is_empty() && out.len() < room) {
                break;
            }
        }
        if inflate.total_in() - begun < part.len() as u64 {
            return Err(close::protocol("a message that is no deflate"));
        }
    }
    Ok(out)
}

/// Compresses one message; `None` where it would not be shorter.
#[must_use]
pub fn deflate(data: &[u8]) -> Option<Vec<u8>> {
    if data.len() < WORTH {
        return None;
    }
    let mut deflate = Compress::new(Compression::fast(), false);
    let mut out = Vec::with_capacity(data.len() / 2 + 64);
    loop {
        let taken = usize::try_from(deflate.total_in()).ok()?;
        let rest = data.get(taken..)?;
        deflate.compress_vec(rest, &mut out, FlushCompress::Sync).ok()?;
        if out.len() >= data.len() {
            return None;
        }
        let done = usize::try_from(deflate.total_in()).ok()? == data.len();
        if done && out.len() < out.capacity() {
            break;
        }
        out.reserve(ROOM);
    }
    let shorter = out.strip_suffix(&TAIL)?.len();
    out.truncate(shorter);
    Some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_standard() {
        // RFC 7692, section 7.2.3.1, .3 and .4.
        assert_eq!(inflate(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], 5).unwrap(), b"Hello");
        assert_eq!(inflate(&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00], 5).unwrap(), b"Hello");
        assert_eq!(inflate(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], 5).unwrap(), b"Hello");
        assert_eq!(inflate(&[0x00], 5).unwrap(), b"");
    }

    #[test]
    fn what_is_no_deflate_or_too_much_is_refused() {
        assert_eq!(inflate(&[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], 4).unwrap_err().code, 1009);
        assert_eq!(inflate(b"\xff\xff\xff\xff", 100).unwrap_err().code, 1002);
        let bomb = deflate(&vec![0; 50_000_000]).unwrap();
        assert!(bomb.len() < 300_000);
        assert_eq!(inflate(&bomb, 1_000_000).unwrap_err().code, 1009);
    }

    #[test]
    fn offers_and_answers() {
        for (offers, fine) in [
            ("permessage-deflate", true),
            ("permessage-deflate; client_max_window_bits", true),
            ("permessage-deflate; server_max_window_bits=10, permessage-deflate", true),
            ("permessage-deflate; client_max_window_bits=12; client_no_context_takeover", true),
            ("permessage-deflate; server_max_window_bits=10", false),
            ("permessage-deflate; client_max_window_bits=77", false),
            ("permessage-deflate; something", false),
            ("x-webkit-deflate-frame", false),
            ("", false),
        ] {
            assert_eq!(acceptable(offers), fine, "{offers}");
        }
        for (answer, agreed_on) in [
            (None, Some(false)),
            (Some(""), Some(false)),
            (Some(AGREED), Some(true)),
            (Some("permessage-deflate; server_no_context_takeover; server_max_window_bits=10"), Some(true)),
            (Some("permessage-deflate"), None),
            (Some("permessage-deflate; server_no_context_takeover; client_max_window_bits=10"), None),
            (Some("something-else"), None),
            (Some("permessage-deflate; server_no_context_takeover, something-else"), None),
        ] {
            assert_eq!(agreed(answer), agreed_on, "{answer:?}");
        }
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(data in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..3000),
            ("[a-c ]{1,20}", 1_usize..4000).prop_map(|(word, times)| word.repeat(times).into_bytes()),
        ]) {
            if let Some(packed) = deflate(&data) {
                prop_assert!(packed.len() < data.len());
                prop_assert_eq!(inflate(&packed, data.len()).unwrap(), data);
            }
        }

        #[test]
        fn no_bytes_do_harm(data: Vec<u8>) {
            let _ = inflate(&data, 1000);
        }
    }
}
