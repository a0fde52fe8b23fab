//! Check digits: the sums that numbers are protected by.

/// The value of a digit; 0 of anything else.
pub(super) fn digit(byte: u8) -> u32 {
    if byte.is_ascii_digit() { u32::from(byte - b'0') } else { 0 }
}

/// The sum of digits times weights; what has no weight does not count.
pub(in crate::detect) fn weighted(number: &[u8], weights: &[u32]) -> u32 {
    number.iter().zip(weights).map(|(byte, weight)| digit(*byte) * weight).sum()
}

/// The last digit.
pub(super) fn last(number: &[u8]) -> u32 {
    number.last().map_or(0, |byte| digit(*byte))
}

/// ISO/IEC 7812: doubled from the right.
pub(super) fn luhn(number: &[u8]) -> bool {
    std::str::from_utf8(number).is_ok_and(luhn::valid)
}

/// The remainder of a decimal number however long; other bytes count as 0.
pub(super) fn modulo(number: &[u8], divisor: u64) -> u64 {
    number.iter().fold(0, |rest, byte| (rest * 10 + u64::from(digit(*byte))) % divisor)
}

/// ISO 7064 MOD 11,10: the last digit is the check digit.
pub(super) fn iso_11_10(number: &[u8]) -> bool {
    let product = number.iter().rev().skip(1).rev().fold(10, |product, byte| {
        let sum = (digit(*byte) + product) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == last(number)
}

/// The dihedral group of ten (Verhoeff 1969), the last digit being the check digit.
pub(super) fn verhoeff(number: &[u8]) -> bool {
    const TIMES: [[u8; 10]; 10] = [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
        [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
        [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
        [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
        [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
        [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
        [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
        [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
        [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    ];
    const TURN: [u8; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let times = |one: u8, other: u8| {
        TIMES.get(usize::from(one)).and_then(|row| row.get(usize::from(other))).copied().unwrap_or(0)
    };
    let sum = number.iter().rev().enumerate().fold(0, |sum, (place, byte)| {
        let mut value = byte.wrapping_sub(b'0');
        for _ in 0..place % 8 {
            value = TURN.get(usize::from(value)).copied().unwrap_or(0);
        }
        times(sum, value)
    });
    sum == 0
}

/// Whether all bytes are the same.
pub(super) fn uniform(number: &[u8]) -> bool {
    number.iter().all(|byte| Some(byte) == number.first())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    /// Whether exactly one last digit fits.
    fn decides(check: fn(&[u8]) -> bool, number: &str) {
        assert!(check(number.as_bytes()), "{number}");
        let body = &number[..number.len() - 1];
        assert_eq!((0..10).filter(|last| check(format!("{body}{last}").as_bytes())).count(), 1, "{number}");
    }

    #[test]
    fn sums() {
        decides(luhn, "79927398713");
        decides(verhoeff, "2363");
        decides(verhoeff, "234123412346");
        decides(iso_11_10, "65929970489");
        assert_eq!(modulo(b"3214282912345698765432161182", 97), 1);
        assert_eq!(weighted(b"123", &[1, 2, 3]), 14);
    }
}
