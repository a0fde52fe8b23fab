//! Passwords as systems keep them: `$`, the way they were hashed, `$`, salt and hash (crypt(5), and the PHC string format).

use super::keys::shape::varied;
use crate::view::{Eval, View};

/// The longest head: `$argon2id$v=19$m=1048576,t=10,p=16$`, and a salt.
const HEAD: usize = 112;

/// A way to hash: its mark, what the hash is written in, and how long it is.
struct Way {
    mark: &'static [u8],
    least: usize,
    most: usize,
}

const fn way(mark: &'static [u8], least: usize, most: usize) -> Way {
    Way { mark, least, most }
}

const WAYS: [Way; 14] = [
    // Salt and hash in one.
    way(b"$2a$", 53, 53),
    way(b"$2b$", 53, 53),
    way(b"$2x$", 53, 53),
    way(b"$2y$", 53, 53),
    way(b"$1$", 22, 22),
    way(b"$apr1$", 22, 22),
    way(b"$5$", 43, 43),
    way(b"$6$", 86, 86),
    way(b"$y$", 43, 43),
    way(b"$8$", 43, 43),
    way(b"$9$", 43, 43),
    way(b"$argon2id$", 22, 86),
    way(b"$argon2i$", 22, 86),
    way(b"$scrypt$", 22, 90),
];

/// The whole of what ends in the hash that the word at `start` is.
pub(super) fn password(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    if view.before(start) != Some(b'$') {
        return Ok(None);
    }
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"./+=,$-_".contains(&byte);
    let from = view.run_back(start, HEAD, inside);
    let head = view.slice(from, start);
    let Some((at, way)) = WAYS.iter().find_map(|way| {
        let at = head.windows(way.mark.len()).position(|part| part == way.mark)?;
        Some((at, way))
    }) else {
        return Ok(None);
    };
    let end = view.run(start, way.most + 1, |byte| byte.is_ascii_alphanumeric() || b"./+".contains(&byte))?;
    let hash = view.slice(start, end);
    let right = (way.least..=way.most).contains(&hash.len()) && varied(hash) && view.seen(end) != Some(b'$');
    // What may stand before a clue of what belongs to its match; of a long head salt and hash are enough.
    let near = view.run_back(start, super::TOKEN - 4, |byte| byte.is_ascii_alphanumeric() || b"./+$-_".contains(&byte));
    Ok(right.then_some((near.max(from + at), end)))
}
