//! Whether digits and letters can be the number of a further state, or one of another kind.

use super::checks::{digit, last, luhn, modulo, uniform, weighted};
use super::national::{at, part};
use super::{date_of, value};

/// US social security: areas 000, 666 and 900-999, group 00 and serial 0000 are never issued.
pub(super) fn ssn(number: &[u8]) -> bool {
    let part = |from, to| value(part(number, from, to)).unwrap_or(0);
    (1..900).contains(&part(0, 3)) && part(0, 3) != 666 && part(3, 5) != 0 && part(5, 9) != 0
}

/// US Medicare beneficiary: no leading 0, and none of the letters that look like digits.
pub(super) fn mbi(code: &[u8]) -> bool {
    at(code, 0) != b'0' && !code.iter().any(|byte| b"SLOIBZ".contains(byte))
}

/// British driving licence: five letters of the name, the year's tens, month (of women plus 50), day and year of birth.
pub(super) fn uk_driver(code: &[u8]) -> bool {
    let (month, day) = (value(part(code, 6, 8)).unwrap_or(0), value(part(code, 8, 10)).unwrap_or(0));
    matches!(month, 1..=12 | 51..=62) && (1..=31).contains(&day)
}

/// Korean resident or foreigner's registration of any year: a date, and a digit for century and sex.
pub(super) fn rrn_of_today(number: &[u8]) -> bool {
    date_of(part(number, 4, 6), part(number, 2, 4)) && matches!(at(number, 6), b'1'..=b'8')
}

/// Whether six digits are a day and a month, and two of a year.
fn born(number: &[u8]) -> bool {
    date_of(part(number, 0, 2), part(number, 2, 4))
}

/// Icelandic kennitala: a date (40 more in the day of companies), weights modulo 11 in the ninth place, the century last.
pub(super) fn kennitala(number: &[u8]) -> bool {
    let sum = weighted(number, &[3, 2, 7, 6, 5, 4, 3, 2, 1]);
    let (day, month) = (value(part(number, 0, 2)).unwrap_or(0) % 40, value(part(number, 2, 4)).unwrap_or(0));
    let date = (1..=31).contains(&day) && (1..=12).contains(&month);
    date && sum.is_multiple_of(11) && matches!(last(number), 0 | 8 | 9)
}

/// Malaysian NRIC: a date, the place of birth.
pub(super) fn mykad(number: &[u8]) -> bool {
    let place = value(part(number, 6, 8)).unwrap_or(0);
    date_of(part(number, 4, 6), part(number, 2, 4))
        && matches!(place, 1..=16 | 21..=59 | 60..=68 | 71 | 72 | 74..=79 | 82..=93 | 98 | 99)
}

/// Pakistani CNIC: the province first, the sex last.
pub(super) fn cnic(number: &[u8]) -> bool {
    matches!(at(number, 0), b'1'..=b'7') && matches!(at(number, 12), b'1'..=b'9') && !uniform(number)
}

/// The number of citizens of the states that were Yugoslavia: a date, weights modulo 11.
pub(super) fn jmbg(number: &[u8]) -> bool {
    let rest = 11 - weighted(number, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    born(number) && last(number) == if rest > 9 { 0 } else { rest }
}

/// Ukrainian taxpayer: weights modulo 11, the first of which is -1.
pub(super) fn rnokpp(number: &[u8]) -> bool {
    let sum = weighted(number, &[10, 5, 7, 9, 4, 6, 10, 5, 7]);
    sum % 11 % 10 == last(number) && !uniform(number)
}

/// Ecuadorian and Dominican cédula: Luhn.
pub(super) fn cedula(number: &[u8]) -> bool {
    luhn(number) && !uniform(number)
}

/// Colombian NIT: weights modulo 11.
pub(super) fn nit(number: &[u8]) -> bool {
    // Counted from the right: the first people had fewer digits.
    const WEIGHTS: [u32; 10] = [43, 41, 37, 29, 23, 19, 17, 13, 7, 3];
    let weights = WEIGHTS.get((WEIGHTS.len() + 1).saturating_sub(number.len())..).unwrap_or_default();
    let rest = weighted(part(number, 0, number.len().saturating_sub(1)), weights) % 11;
    last(number) == if rest < 2 { rest } else { 11 - rest } && !uniform(number)
}

/// Indonesian NIK: the province, a date (40 more in the day of women).
pub(super) fn nik(number: &[u8]) -> bool {
    let day = value(part(number, 6, 8)).unwrap_or(0) % 40;
    let month = value(part(number, 8, 10)).unwrap_or(0);
    let province = value(part(number, 0, 2)).unwrap_or(0);
    (11..=96).contains(&province) && (1..=31).contains(&day) && (1..=12).contains(&month)
}

/// Latvian personal code: a date and a digit over it, or since 2017 one of no meaning that begins with 32.
pub(super) fn personas_kods(number: &[u8]) -> bool {
    let rest = (1 + weighted(number, &[10, 5, 8, 4, 2, 1, 6, 3, 7, 9])) % 11 % 10;
    number.starts_with(b"32") || born(number) && rest == last(number)
}

/// German health insurance: a letter, weights 1 and 2 with the digits of the products added.
pub(super) fn kvnr(code: &[u8]) -> bool {
    let letter = u32::from(at(code, 0).wrapping_sub(b'A')) + 1;
    let digits = [letter / 10, letter % 10].into_iter().chain(part(code, 1, 9).iter().map(|byte| digit(*byte)));
    let sum: u32 =
        digits.zip([1, 2].into_iter().cycle()).map(|(digit, weight)| digit * weight / 10 + digit * weight % 10).sum();
    sum % 10 == last(code)
}

/// Mexican RFC of a person: letters, a date, three characters.
pub(super) fn rfc(code: &[u8]) -> bool {
    date_of(part(code, 8, 10), part(code, 6, 8))
}

/// Hong Kong identity card: a letter, six digits, a check digit or `A` modulo 11.
pub(super) fn hkid(code: &[u8]) -> bool {
    let letter = u32::from(at(code, 0).wrapping_sub(b'A')) + 10;
    let check = match at(code, 7) {
        b'A' => 10,
        byte if byte.is_ascii_digit() => digit(byte),
        _ => return false,
    };
    let sum = 36 * 9 + letter * 8 + weighted(part(code, 1, 7), &[7, 6, 5, 4, 3, 2]) + check;
    sum.is_multiple_of(11)
}

/// Taiwanese identity number: the letter of the place as two digits, weights modulo 10.
pub(super) fn taiwanese(code: &[u8]) -> bool {
    const PLACES: [u32; 26] =
        [10, 11, 12, 13, 14, 15, 16, 17, 34, 18, 19, 20, 21, 22, 35, 23, 24, 25, 26, 27, 28, 29, 32, 30, 31, 33];
    let place = PLACES.get(usize::from(at(code, 0).wrapping_sub(b'A'))).copied().unwrap_or(0);
    let sum = place / 10 + place % 10 * 9 + weighted(part(code, 1, 10), &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
    matches!(at(code, 1), b'1' | b'2' | b'8' | b'9') && sum.is_multiple_of(10)
}

/// Emirates identity card: 784, the year of birth, Luhn.
pub(super) fn emirates(number: &[u8]) -> bool {
    number.starts_with(b"784") && matches!(value(part(number, 3, 7)), Some(1900..2040)) && luhn(number)
}

/// Russian SNILS: weights 9 to 1, modulo 101.
pub(super) fn snils(number: &[u8]) -> bool {
    let sum = weighted(number, &[9, 8, 7, 6, 5, 4, 3, 2, 1]);
    u64::from(sum % 101 % 100) == modulo(part(number, 9, 11), 100) && !uniform(part(number, 0, 9))
}

/// Russian INN of a person: two check digits modulo 11.
pub(super) fn inn(number: &[u8]) -> bool {
    let first = weighted(number, &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10;
    let second = weighted(number, &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) % 11 % 10;
    first == digit(at(number, 10)) && second == last(number) && !uniform(number)
}

/// Hungarian TAJ: weights 3 and 7, modulo 10.
pub(super) fn taj(number: &[u8]) -> bool {
    weighted(number, &[3, 7, 3, 7, 3, 7, 3, 7]) % 10 == last(number) && !uniform(number)
}

/// Indian voter card: three letters and seven digits.
pub(super) fn epic(code: &[u8]) -> bool {
    !uniform(part(code, 3, 10))
}

/// Nigerian NIN: eleven digits.
pub(super) fn nin(number: &[u8]) -> bool {
    !uniform(number)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn published_examples() {
        type Case = (fn(&[u8]) -> bool, &'static str);
        let cases: [Case; 12] = [
            (kennitala, "4504013150"),
            (jmbg, "0101006500006"),
            (rnokpp, "1759013776"),
            (cedula, "1714307103"),
            (nit, "2131234321"),
            (personas_kods, "16117519997"),
            (kvnr, "A123456780"),
            (hkid, "A1234563"),
            (taiwanese, "A123456789"),
            (snils, "11223344595"),
            (inn, "500100732259"),
            (taj, "111111110"),
        ];
        for (valid, number) in cases {
            assert!(valid(number.as_bytes()), "{number}");
            // Another digit in the middle is another number.
            let mut other = number.as_bytes().to_vec();
            other[5] = if other[5] == b'9' { b'8' } else { other[5] + 1 };
            assert!(!valid(&other), "{number}");
        }
    }
}
