//! Addresses of wallets: of Bitcoin and what writes its own alike, by their checksums, and of Ethereum.

use sha2::{Digest, Sha256};
use sha3::Keccak256;

use super::keys::shape::{alnum, mixed};
use crate::context::{Topic, speaks_of};
use crate::view::{Eval, View};

/// The longest that is looked for: of bech32.
const LONGEST: usize = 74;
/// Bytes of an address in base58, its version and checksum counted.
const ADDRESS: usize = 25;
/// Bytes of a private key in base58: version, key, perhaps a mark, checksum.
const KEY: std::ops::RangeInclusive<usize> = 37..=38;

/// The address that is the word at `start`.
pub(super) fn address(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    let first = view.slice(start, start + 3);
    let [head, ..] = first else { return Ok(None) };
    if !matches!(head, b'0' | b'1' | b'3' | b'L' | b'M' | b'D' | b'T' | b'b' | b'B' | b't' | b'l') {
        return Ok(None);
    }
    let end = view.run(start, LONGEST + 1, alnum)?;
    let word = view.slice(start, end);
    let right = match word {
        [b'0', b'x', digits @ ..] if digits.len() == 40 => ethereum(digits, || speaks_of(view, start, Topic::Wallet)),
        [b'b' | b't', b'c' | b'b', b'1', ..] | [b'B', b'C', b'1', ..] | [b'l', b't', b'c', b'1', ..] => bech32(word),
        [b'1' | b'3' | b'L' | b'M' | b'D' | b'T', ..] if (26..=35).contains(&word.len()) => {
            // Bitcoin's two kinds, Litecoin's, Dogecoin's and Tron's.
            matches!(base58(word).as_deref(), Some([0x00 | 0x05 | 0x30 | 0x32 | 0x1e | 0x41, rest @ ..]) if rest.len() + 1 == ADDRESS)
        }
        _ => false,
    };
    Ok(right.then_some((start, end)))
}

/// A private key as wallets write it: version 0x80, the key, perhaps a mark.
pub(super) fn private_key(view: &View<'_>, start: usize) -> Eval<Option<(usize, usize)>> {
    if !matches!(view.slice(start, start + 1), b"5" | b"K" | b"L") {
        return Ok(None);
    }
    let end = view.run(start, 53, alnum)?;
    if !matches!(end - start, 51 | 52) {
        return Ok(None);
    }
    let bytes = base58(view.slice(start, end)).filter(|bytes| KEY.contains(&bytes.len()));
    Ok(bytes.filter(|bytes| bytes.first() == Some(&0x80)).map(|_| (start, end)))
}

/// The bytes of base58 with a checksum of four bytes at the end, when it is right.
fn base58(word: &[u8]) -> Option<Vec<u8>> {
    const LETTERS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    // From the last byte on.
    let mut bytes: Vec<u8> = Vec::with_capacity(*KEY.end());
    for byte in word {
        let mut carry = u32::try_from(LETTERS.iter().position(|letter| letter == byte)?).ok()?;
        for place in &mut bytes {
            carry += u32::from(*place) * 58;
            *place = (carry & 0xFF) as u8;
            carry >>= 8;
        }
        if carry > 0 {
            bytes.push(u8::try_from(carry).ok()?);
        }
    }
    bytes.extend(word.iter().take_while(|byte| **byte == b'1').map(|_| 0));
    bytes.reverse();
    let (body, check) = bytes.split_at_checked(bytes.len().checked_sub(4)?)?;
    let twice = Sha256::digest(Sha256::digest(body));
    (twice.get(..4)? == check).then_some(bytes)
}

/// An address of BIP 173 or BIP 350: the part before the last `1`, the rest in base32, six characters of checksum.
fn bech32(word: &[u8]) -> bool {
    const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const STEPS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let capitals = word.iter().any(u8::is_ascii_uppercase);
    if word.len() > LONGEST || capitals && word.iter().any(u8::is_ascii_lowercase) {
        return false;
    }
    let word = word.to_ascii_lowercase();
    let Some((prefix, data)) =
        word.iter().position(|byte| *byte == b'1').and_then(|one| Some((word.get(..one)?, word.get(one + 1..)?)))
    else {
        return false;
    };
    let mut values: Vec<u8> = prefix.iter().map(|byte| byte >> 5).chain([0]).collect();
    values.extend(prefix.iter().map(|byte| byte & 31));
    for byte in data {
        match LETTERS.iter().position(|letter| letter == byte).and_then(|value| u8::try_from(value).ok()) {
            Some(value) => values.push(value),
            None => return false,
        }
    }
    let sum = values.iter().fold(1_u32, |sum, value| {
        let top = sum >> 25;
        let sum = (sum & 0x1ff_ffff) << 5 ^ u32::from(*value);
        STEPS.iter().enumerate().fold(sum, |sum, (bit, step)| if top >> bit & 1 == 1 { sum ^ step } else { sum })
    });
    data.len() >= 6 && matches!(sum, 1 | 0x2bc8_30a3)
}

/// 40 hexadecimal digits: letters in capitals where a hash of them says so (EIP-55), or all alike and said to be one.
fn ethereum(digits: &[u8], said: impl Fn() -> bool) -> bool {
    if !digits.iter().all(u8::is_ascii_hexdigit) || !mixed(digits) {
        return false;
    }
    let capitals = digits.iter().any(u8::is_ascii_uppercase);
    if !capitals || !digits.iter().any(u8::is_ascii_lowercase) {
        return said();
    }
    let hash = Keccak256::digest(digits.to_ascii_lowercase());
    digits.iter().enumerate().all(|(at, digit)| {
        let nibble = hash.get(at / 2).map_or(0, |byte| if at % 2 == 0 { byte >> 4 } else { byte & 15 });
        digit.is_ascii_digit() || digit.is_ascii_uppercase() == (nibble >= 8)
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn checksums() {
        for address in ["1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"] {
            assert_eq!(base58(address.as_bytes()).unwrap().len(), ADDRESS, "{address}");
            assert!(base58(address.replace("N", "P").as_bytes()).is_none(), "{address}");
        }
        for address in [
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
            "bc1p5d7rjq7g6rdk2yhzks9smlaqtedr4dekq08ge8ztwac72sfr9rusxg3297",
        ] {
            assert!(bech32(address.as_bytes()), "{address}");
            assert!(!bech32(address.replace(['d', 'D'], "e").as_bytes()), "{address}");
        }
        // The examples of EIP-55.
        for address in ["5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "fB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"] {
            assert!(ethereum(address.as_bytes(), || false), "{address}");
            assert!(!ethereum(address.replace('E', "e").replace('f', "F").as_bytes(), || false), "{address}");
            assert!(ethereum(address.to_ascii_lowercase().as_bytes(), || true), "{address}");
            assert!(!ethereum(address.to_ascii_lowercase().as_bytes(), || false), "{address}");
        }
    }
}
