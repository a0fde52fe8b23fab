//! Whether the digits and letters of a number can be one, country by country.

use super::checks::{digit, iso_11_10, last, luhn, modulo, uniform, verhoeff, weighted};
use super::{date_of, value};

/// A part of a number.
pub(super) fn part(number: &[u8], from: usize, to: usize) -> &[u8] {
    number.get(from..to).unwrap_or_default()
}

pub(super) fn at(number: &[u8], position: usize) -> u8 {
    number.get(position).copied().unwrap_or(0)
}

/// US ITIN: area 900-999, and groups of the Internal Revenue Service's list.
pub(super) fn itin(number: &[u8]) -> bool {
    let group = value(part(number, 3, 5)).unwrap_or(0);
    at(number, 0) == b'9' && matches!(group, 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// US bank routing: Federal Reserve district, weights 3-7-1.
pub(super) fn routing(number: &[u8]) -> bool {
    let district = value(part(number, 0, 2)).unwrap_or(99);
    matches!(district, 1..=12 | 21..=32 | 61..=72 | 80)
        && weighted(number, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
}

/// UK national insurance: prefixes that are in use, suffix A to D.
pub(super) fn nino(number: &[u8]) -> bool {
    let (first, second) = (at(number, 0), at(number, 1));
    let never = matches!(part(number, 0, 2), b"BG" | b"GB" | b"NK" | b"KN" | b"TN" | b"NT" | b"ZZ");
    !b"DFIQUV".contains(&first) && !b"DFIOQUV".contains(&second) && !never && matches!(at(number, 8), b'A'..=b'D')
}

/// UK NHS: weights 10 to 2, modulo 11.
pub(super) fn nhs(number: &[u8]) -> bool {
    let rest = weighted(number, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    (11 - rest) % 11 == last(number) && rest != 1 && !uniform(number)
}

/// German tax id: no leading zero, one digit twice or three times among the first ten, ISO 7064 MOD 11,10.
pub(super) fn steuer_id(number: &[u8]) -> bool {
    let mut counts = [0_u8; 10];
    for byte in part(number, 0, 10) {
        if let Some(count) = counts.get_mut(digit(*byte) as usize) {
            *count += 1;
        }
    }
    let repeated: Vec<u8> = counts.into_iter().filter(|count| *count > 1).collect();
    at(number, 0) != b'0' && matches!(repeated[..], [2 | 3]) && iso_11_10(number)
}

/// French NIR: sex, year, month, department (2A and 2B are 19 and 18), commune, order, key modulo 97.
pub(super) fn nir(number: &[u8]) -> bool {
    let (mut body, corsica) = ([0_u8; 13], at(number, 6));
    body.copy_from_slice(part(number, 0, 13).first_chunk::<13>().unwrap_or(&[b'0'; 13]));
    if !corsica.is_ascii_digit() {
        let tail = if corsica == b'A' { b'9' } else { b'8' };
        if at(number, 5) != b'2' || !matches!(corsica, b'A' | b'B') {
            return false;
        }
        body.iter_mut().skip(5).zip([b'1', tail]).for_each(|(slot, byte)| *slot = byte);
    }
    let month = value(part(&body, 3, 5)).unwrap_or(0);
    let sex = matches!(at(&body, 0), b'1' | b'2' | b'7' | b'8');
    let key = modulo(part(number, 13, 15), 100);
    sex && matches!(month, 1..=12 | 20..=42 | 50..=99) && key == 97 - modulo(&body, 97)
}

/// Spanish DNI and NIE: a letter by the remainder modulo 23; X, Y and Z of a NIE are 0, 1 and 2.
pub(super) fn dni(number: &[u8]) -> bool {
    const LETTERS: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let mut digits: Vec<u8> = part(number, 0, number.len().saturating_sub(1)).to_vec();
    if let Some(first) = digits.first_mut().filter(|first| !first.is_ascii_digit()) {
        if !matches!(*first, b'X'..=b'Z') {
            return false;
        }
        *first = *first - b'X' + b'0';
    }
    let letter = LETTERS.get(modulo(&digits, 23) as usize);
    letter == number.last() && modulo(&digits, 100_000_000) != 0
}

/// Italian codice fiscale: month letter, day (of women plus 40), control letter.
pub(super) fn codice_fiscale(code: &[u8]) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let place = |byte: u8| if byte.is_ascii_digit() { digit(byte) } else { u32::from(byte.wrapping_sub(b'A')) };
    let sum: u32 = part(code, 0, 15)
        .iter()
        .enumerate()
        .map(|(position, byte)| {
            let value = place(*byte);
            if position % 2 == 0 { ODD.get(value as usize).copied().unwrap_or(0) } else { value }
        })
        .sum();
    let day = value(part(code, 9, 11)).unwrap_or(0);
    b"ABCDEHLMPRST".contains(&at(code, 8)) && matches!(day, 1..=31 | 41..=71) && sum % 26 == place(at(code, 15))
}

/// Dutch citizen service number: weights 9 to 2 and -1, modulo 11.
pub(super) fn bsn(number: &[u8]) -> bool {
    let sum = weighted(number, &[9, 8, 7, 6, 5, 4, 3, 2]);
    sum % 11 == last(number) && sum != 0 && !uniform(number)
}

/// Belgian national number: a date, and 97 minus the remainder; of those born since 2000 with a 2 before.
pub(super) fn rijksregister(number: &[u8]) -> bool {
    let (month, day) = (value(part(number, 2, 4)).unwrap_or(99), value(part(number, 4, 6)).unwrap_or(99));
    let body = modulo(part(number, 0, 9), 1_000_000_000);
    let key = modulo(part(number, 9, 11), 100);
    let fits = |body: u64| key == 97 - body % 97;
    // 20 or 40 more in the month where sex or birth were not known (BIS numbers).
    month % 20 <= 12 && month < 53 && day <= 31 && (fits(body) || fits(body + 2_000_000_000)) && body != 0
}

/// Polish PESEL: a date with the century in the month, weights 1-3-7-9.
pub(super) fn pesel(number: &[u8]) -> bool {
    let (month, day) = (value(part(number, 2, 4)).unwrap_or(99), value(part(number, 4, 6)).unwrap_or(99));
    let sum = weighted(number, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]);
    matches!(month % 20, 1..=12) && (1..=31).contains(&day) && (10 - sum % 10) % 10 == last(number)
}

/// Swedish personal number: a date (60 more in the day of a coordination number), Luhn over the last ten.
pub(super) fn personnummer(number: &[u8]) -> bool {
    let digits: Vec<u8> = number.iter().copied().filter(u8::is_ascii_digit).collect();
    let century = if digits.len() == 12 { value(part(&digits, 0, 2)) } else { Some(19) };
    let short = part(&digits, digits.len().saturating_sub(10), digits.len());
    let day = value(part(short, 4, 6)).unwrap_or(0) % 60;
    let month = value(part(short, 2, 4)).unwrap_or(0);
    matches!(century, Some(18..=20)) && (1..=12).contains(&month) && (1..=31).contains(&day) && luhn(short)
}

/// Finnish personal identity code: a date, the sign of the century, a number from 002, a letter modulo 31.
pub(super) fn hetu(code: &[u8]) -> bool {
    const LETTERS: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let number = modulo(part(code, 0, 6), 1_000_000) * 1000 + modulo(part(code, 7, 10), 1000);
    date_of(part(code, 0, 2), part(code, 2, 4))
        && value(part(code, 7, 10)).is_some_and(|number| number >= 2)
        && LETTERS.get((number % 31) as usize) == code.get(10)
}

/// Danish CPR: a date; check digits are no longer given to all.
pub(super) fn cpr(number: &[u8]) -> bool {
    date_of(part(number, 0, 2), part(number, 2, 4)) && !uniform(number)
}

/// Norwegian birth number: a date (40 more in the day of a D number), two check digits modulo 11.
pub(super) fn fodselsnummer(number: &[u8]) -> bool {
    let day = value(part(number, 0, 2)).unwrap_or(0) % 40;
    let month = value(part(number, 2, 4)).unwrap_or(0);
    let first = weighted(number, &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]) % 11;
    let second = weighted(number, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]) % 11;
    (1..=31).contains(&day) && (1..=12).contains(&month) && first == 0 && second == 0
}

/// Portuguese tax number: first digits in use, weights 9 to 2, modulo 11.
pub(super) fn nif(number: &[u8]) -> bool {
    let rest = weighted(number, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    let check = if rest < 2 { 0 } else { 11 - rest };
    matches!(at(number, 0), b'1'..=b'3' | b'5' | b'6' | b'8' | b'9') && check == last(number) && !uniform(number)
}

/// Canadian social insurance number: Luhn; 0 and 8 are not given to people.
pub(super) fn sin(number: &[u8]) -> bool {
    at(number, 0) != b'8' && luhn(number) && !uniform(number)
}

/// Brazilian CPF: two check digits modulo 11.
pub(super) fn cpf(number: &[u8]) -> bool {
    let check = |weights: &[u32]| weighted(number, weights) * 10 % 11 % 10;
    let first = check(&[10, 9, 8, 7, 6, 5, 4, 3, 2]);
    let second = check(&[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    first == digit(at(number, 9)) && second == digit(at(number, 10)) && !uniform(number)
}

/// Indian Aadhaar: no leading 0 or 1, Verhoeff.
pub(super) fn aadhaar(number: &[u8]) -> bool {
    at(number, 0) >= b'2' && verhoeff(number) && !uniform(number)
}

/// Indian PAN: the fourth letter says whose it is.
pub(super) fn pan(code: &[u8]) -> bool {
    b"ABCFGHJLPT".contains(&at(code, 3)) && part(code, 5, 9) != b"0000"
}

/// Australian tax file number: weights modulo 11.
pub(super) fn tfn(number: &[u8]) -> bool {
    weighted(number, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) && !uniform(number)
}

/// Australian Medicare card: first digit 2 to 6, weights modulo 10 in the ninth place, the issue last.
pub(super) fn medicare(number: &[u8]) -> bool {
    let sum = weighted(number, &[1, 3, 7, 9, 1, 3, 7, 9]);
    matches!(at(number, 0), b'2'..=b'6') && sum % 10 == digit(at(number, 8)) && at(number, 9) != b'0'
}

/// Irish PPS: a letter modulo 23, the second letter counting nine times.
pub(super) fn pps(code: &[u8]) -> bool {
    // T and W were given to wives and do not count.
    let second = code.get(8).map_or(0, |byte| match byte {
        b'T' | b'W' => 0,
        byte => u32::from(byte.wrapping_sub(b'A')) + 1,
    });
    let rest = (weighted(code, &[8, 7, 6, 5, 4, 3, 2]) + 9 * second) % 23;
    let letter = if rest == 0 { b'W' } else { b'@' + u8::try_from(rest).unwrap_or(0) };
    letter == at(code, 7) && second <= 9
}

/// Swiss AHV: 756, and the check digit of EAN-13.
pub(super) fn ahv(number: &[u8]) -> bool {
    number.starts_with(b"756")
        && (10 - weighted(number, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3]) % 10) % 10 == last(number)
}

/// Chinese resident identity: a date, ISO 7064 MOD 11-2.
pub(super) fn resident_id(code: &[u8]) -> bool {
    let sum = weighted(code, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]);
    let year = value(part(code, 6, 10)).unwrap_or(0);
    let place = value(part(code, 0, 2)).unwrap_or(0);
    (11..=82).contains(&place)
        && (1900..2040).contains(&year)
        && date_of(part(code, 12, 14), part(code, 10, 12))
        && b"10X98765432".get((sum % 11) as usize) == code.get(17)
}

/// Korean resident registration: a date, the century's digit, weights modulo 11.
pub(super) fn rrn(number: &[u8]) -> bool {
    let sum = weighted(number, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    date_of(part(number, 4, 6), part(number, 2, 4))
        && at(number, 6).is_ascii_digit()
        && (11 - sum % 11) % 10 == last(number)
}

/// Singapore NRIC and FIN: a letter by the weighted sum, shifted by the century.
pub(super) fn nric(code: &[u8]) -> bool {
    let sum = weighted(part(code, 1, 8), &[2, 7, 6, 5, 4, 3, 2]);
    let (shift, letters): (u32, &[u8; 11]) = match at(code, 0) {
        b'S' => (0, b"JZIHGFEDCBA"),
        b'T' => (4, b"JZIHGFEDCBA"),
        b'F' => (0, b"XWUTRQPNMLK"),
        b'G' => (4, b"XWUTRQPNMLK"),
        b'M' => (3, b"XWUTRQPNJLK"),
        _ => return false,
    };
    let rest = (sum + shift) % 11;
    let rest = if at(code, 0) == b'M' { 10 - rest } else { rest };
    letters.get(rest as usize) == code.get(8)
}

/// Mexican CURP: a date, the sex, and a digit over all of it.
pub(super) fn curp(code: &[u8]) -> bool {
    let place = |byte: u8| match byte {
        b'0'..=b'9' => digit(byte),
        // The letter N is followed by one that is none of ours.
        b'A'..=b'N' => u32::from(byte - b'A') + 10,
        _ => u32::from(byte.wrapping_sub(b'A')) + 11,
    };
    let sum: u32 = (0..17).map(|position| place(at(code, position)) * (18 - position as u32)).sum();
    date_of(part(code, 8, 10), part(code, 6, 8))
        && matches!(at(code, 10), b'H' | b'M' | b'X')
        && (10 - sum % 10) % 10 == digit(at(code, 17))
}

/// Chilean RUT: weights 2 to 7 from the right, modulo 11, ten being K.
pub(super) fn rut(code: &[u8]) -> bool {
    let Some((last, number)) = code.split_last() else { return false };
    let weights: &[u32] = if number.len() == 8 { &[3, 2, 7, 6, 5, 4, 3, 2] } else { &[2, 7, 6, 5, 4, 3, 2] };
    let rest = weighted(number, weights) % 11;
    let letter = match 11 - rest {
        11 => b'0',
        10 => b'K',
        digit => b'0' + u8::try_from(digit).unwrap_or(0),
    };
    last.to_ascii_uppercase() == letter && !uniform(number)
}

/// German pension insurance: area, date, letter, two digits; sums of the digits of weighted digits modulo 10.
pub(super) fn rvnr(code: &[u8]) -> bool {
    const WEIGHTS: [u32; 12] = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let letter = u32::from(at(code, 8).wrapping_sub(b'A')) + 1;
    let digits = part(code, 0, 8).iter().map(|byte| digit(*byte));
    let digits = digits.chain([letter / 10, letter % 10]).chain(part(code, 9, 11).iter().map(|byte| digit(*byte)));
    let sum: u32 = digits.zip(WEIGHTS).map(|(digit, weight)| digit * weight / 10 + digit * weight % 10).sum();
    // 20 or 40 more in the day where several were born on one.
    let day = value(part(code, 2, 4)).unwrap_or(99);
    let month = value(part(code, 4, 6)).unwrap_or(99);
    day <= 71 && (1..=12).contains(&month) && letter <= 26 && sum % 10 == last(code)
}

/// Austrian social insurance: the fourth digit checks the others, modulo 11; a date (months to 15) follows.
pub(super) fn svnr(number: &[u8]) -> bool {
    let (day, month) = (value(part(number, 4, 6)).unwrap_or(99), value(part(number, 6, 8)).unwrap_or(99));
    let sum = weighted(number, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
    at(number, 0) != b'0' && (1..=31).contains(&day) && (1..=15).contains(&month) && sum % 11 == digit(at(number, 3))
}

/// Czech and Slovak birth number: a date (50 more in the month of women, 20 where numbers ran out), and a multiple of 11.
pub(super) fn rodne_cislo(number: &[u8]) -> bool {
    let month = value(part(number, 2, 4)).unwrap_or(99) % 50;
    let day = value(part(number, 4, 6)).unwrap_or(99);
    let month = if month > 20 { month - 20 } else { month };
    // In some years a rest of 10 was written as 0.
    let rest = modulo(part(number, 0, 9), 11) % 10;
    (1..=12).contains(&month) && (1..=31).contains(&day) && rest == u64::from(last(number))
}

/// Romanian personal number: sex and century, a date, weights modulo 11.
pub(super) fn cnp(number: &[u8]) -> bool {
    let rest = weighted(number, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    at(number, 0) != b'0'
        && date_of(part(number, 5, 7), part(number, 3, 5))
        && last(number) == if rest == 10 { 1 } else { rest }
}

/// Bulgarian civil number: a date (20 or 40 more in the month for another century), weights modulo 11.
pub(super) fn egn(number: &[u8]) -> bool {
    let (month, day) = (value(part(number, 2, 4)).unwrap_or(99), value(part(number, 4, 6)).unwrap_or(99));
    let sum = weighted(number, &[2, 4, 8, 5, 10, 9, 7, 3, 6]);
    month < 53 && (1..=12).contains(&(month % 20)) && (1..=31).contains(&day) && sum % 11 % 10 == last(number)
}

/// Croatian personal number: ISO 7064 MOD 11,10.
pub(super) fn oib(number: &[u8]) -> bool {
    iso_11_10(number) && !uniform(number)
}

/// Estonian and Lithuanian personal code: sex and century, a date, weights modulo 11, other ones where that is 10.
pub(super) fn isikukood(number: &[u8]) -> bool {
    let first = weighted(number, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let second = weighted(number, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10;
    matches!(at(number, 0), b'1'..=b'8')
        && date_of(part(number, 5, 7), part(number, 3, 5))
        && last(number) == if first == 10 { second } else { first }
}

/// Greek social security: a date, Luhn.
pub(super) fn amka(number: &[u8]) -> bool {
    date_of(part(number, 0, 2), part(number, 2, 4)) && luhn(number)
}

/// Turkish identity number: two check digits.
pub(super) fn tckn(number: &[u8]) -> bool {
    let odd = weighted(number, &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
    let even = weighted(number, &[0, 1, 0, 1, 0, 1, 0, 1]);
    let all = weighted(number, &[1; 10]);
    at(number, 0) != b'0' && (odd * 7 + 90 - even) % 10 == digit(at(number, 9)) && all % 10 == last(number)
}

/// South African identity number: a date, whether a citizen, Luhn.
pub(super) fn za_id(number: &[u8]) -> bool {
    date_of(part(number, 4, 6), part(number, 2, 4)) && matches!(at(number, 10), b'0'..=b'2') && luhn(number)
}

/// Thai identity number: weights 13 to 2, modulo 11.
pub(super) fn thai(number: &[u8]) -> bool {
    let sum = weighted(number, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    matches!(at(number, 0), b'1'..=b'8') && (11 - sum % 11) % 10 == last(number)
}

/// Israeli identity number: Luhn.
pub(super) fn zehut(number: &[u8]) -> bool {
    luhn(number) && !uniform(number)
}

/// Japanese individual number: weights from the right, modulo 11.
pub(super) fn my_number(number: &[u8]) -> bool {
    let rest = weighted(number, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    last(number) == if rest < 2 { 0 } else { 11 - rest } && !uniform(number)
}

/// Argentine CUIT and CUIL: of whom it is, weights modulo 11.
pub(super) fn cuit(number: &[u8]) -> bool {
    let rest = weighted(number, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    let check = match 11 - rest {
        11 => 0,
        10 => 9,
        check => check,
    };
    matches!(value(part(number, 0, 2)), Some(20 | 23..=27 | 30 | 33 | 34)) && check == last(number)
}
