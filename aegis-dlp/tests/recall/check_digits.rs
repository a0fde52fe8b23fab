//! Check digits, worked out here for themselves: nothing of this is shared with what is tested.

use crate::draw::Draw;

fn text(digits: &[u32]) -> String {
    digits.iter().map(|digit| char::from_digit(*digit, 10).unwrap()).collect()
}

fn weighed(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// The digit that the numbers of ISO/IEC 7812 end in.
pub fn luhn(digits: &[u32]) -> u32 {
    let doubled = |digit: u32| if digit > 4 { digit * 2 - 9 } else { digit * 2 };
    let sum: u32 = digits.iter().rev().enumerate().map(|(i, d)| if i % 2 == 0 { doubled(*d) } else { *d }).sum();
    (10 - sum % 10) % 10
}

/// A number that begins so and ends in its Luhn digit.
pub fn with_luhn(draw: &mut Draw, prefix: &str, length: usize) -> String {
    let mut digits: Vec<u32> = prefix.chars().map(|c| c.to_digit(10).unwrap()).collect();
    digits.extend(draw.digits(length - 1 - prefix.len()));
    digits.push(luhn(&digits));
    text(&digits)
}

/// Day, month and year of somebody's birth.
pub fn birth(draw: &mut Draw) -> (usize, usize, usize) {
    (draw.between(1, 28), draw.between(1, 12), draw.between(1935, 1999))
}

/// Draws until the rule has a check digit (or several) for what was drawn.
fn until(draw: &mut Draw, mut make: impl FnMut(&mut Draw) -> Option<String>) -> String {
    (0..1000).find_map(|_| make(draw)).expect("no number has a check digit")
}

pub fn ssn(draw: &mut Draw) -> String {
    let area = loop {
        let area = draw.between(1, 899);
        if area != 666 {
            break area;
        }
    };
    format!("{area:03}-{:02}-{:04}", draw.between(1, 99), draw.between(1, 9999))
}

pub fn us_itin(draw: &mut Draw) -> String {
    format!("9{:02}-{}-{:04}", draw.below(100), draw.between(70, 88), draw.below(10_000))
}

pub fn uk_nino(draw: &mut Draw) -> String {
    let prefix = draw.one_of(&["AB", "CE", "JG", "HH", "PR", "TW", "SC", "YA"]);
    let form = draw.one_of(&["[0-9]{6}[A-D]", " [0-9]{2} [0-9]{2} [0-9]{2} [A-D]"]);
    format!("{prefix}{}", draw.form(form))
}

pub fn uk_nhs(draw: &mut Draw) -> String {
    until(draw, |draw| {
        let mut digits = draw.digits(9);
        digits.push(11 - weighed(&digits, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11);
        let last = digits[9];
        let digits = text(&digits.iter().map(|d| if *d > 9 { 0 } else { *d }).collect::<Vec<_>>());
        let spaced = format!("{} {} {}", &digits[..3], &digits[3..6], &digits[6..]);
        (last != 10).then(|| if draw.below(2) == 0 { spaced } else { digits })
    })
}

/// ISO 7064 mod 11,10; one of ten digits stands twice, as the tax office gives them out.
pub fn de_tax_id(draw: &mut Draw) -> String {
    let mut digits: Vec<u32> = vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    let twice = draw.below(10);
    let missing = (twice + 1 + draw.below(9)) % 10;
    digits[missing] = u32::try_from(twice).unwrap();
    for at in (1..10).rev() {
        digits.swap(at, draw.below(at + 1));
    }
    if digits[0] == 0 {
        let other = digits.iter().position(|d| *d != 0).unwrap();
        digits.swap(0, other);
    }
    let mut product = 10;
    for digit in &digits {
        let sum = (digit + product) % 10;
        product = (if sum == 0 { 10 } else { sum }) * 2 % 11;
    }
    digits.push((11 - product) % 10);
    text(&digits)
}

pub fn fr_nir(draw: &mut Draw) -> String {
    let (day, month, year) = birth(draw);
    let head = format!(
        "{}{:02}{month:02}{:02}{:03}{:03}",
        draw.between(1, 2),
        year % 100,
        draw.between(1, 19),
        day + 100,
        draw.between(1, 999)
    );
    let key = 97 - head.parse::<u64>().unwrap() % 97;
    if draw.below(2) == 0 {
        format!("{head}{key:02}")
    } else {
        format!(
            "{} {} {} {} {} {} {key:02}",
            &head[..1],
            &head[1..3],
            &head[3..5],
            &head[5..7],
            &head[7..10],
            &head[10..]
        )
    }
}

pub fn es_dni(draw: &mut Draw) -> String {
    const LETTERS: &[u8] = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let letter = |number: usize| char::from(LETTERS[number % 23]);
    if draw.below(3) == 0 {
        let (first, number) = (draw.below(3), draw.below(10_000_000));
        let nie = ["X", "Y", "Z"][first];
        return format!("{nie}{number:07}{}", letter(first * 10_000_000 + number));
    }
    let number = draw.between(10_000_000, 99_999_999);
    let hyphen = draw.one_of(&["", "-"]);
    format!("{number}{hyphen}{}", letter(number))
}

pub fn it_codice_fiscale(draw: &mut Draw) -> String {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let (day, _, year) = birth(draw);
    let day = if draw.below(2) == 0 { day } else { day + 40 };
    let mut code = draw.form("[BCDFGLMNPRSTVZ]{2}[AEIO][BCDFGLMNPRSTVZ]{2}[AEIO]");
    code += &format!("{:02}{}{day:02}", year % 100, draw.form("[ABCDEHLMPRST]"));
    code += &draw.form("[A-M][0-9]{2}[1-9]");
    let sum: u32 = code
        .bytes()
        .enumerate()
        .map(|(at, byte)| {
            let value = if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' };
            if at % 2 == 0 { ODD[usize::from(value)] } else { u32::from(value) }
        })
        .sum();
    code.push(char::from(b'A' + u8::try_from(sum % 26).unwrap()));
    code
}

pub fn nl_bsn(draw: &mut Draw) -> String {
    until(draw, |draw| {
        let mut digits = draw.digits(8);
        digits[0] = digits[0].max(1);
        let last = weighed(&digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        digits.push(last.min(9));
        (last < 10).then(|| text(&digits))
    })
}

pub fn be_national_number(draw: &mut Draw) -> String {
    let (day, month, year) = birth(draw);
    let (date, serial) = (format!("{:02}{month:02}{day:02}", year % 100), draw.between(1, 997));
    let check = 97 - format!("{date}{serial:03}").parse::<u64>().unwrap() % 97;
    if draw.below(2) == 0 {
        format!("{:02}.{month:02}.{day:02}-{serial:03}.{check:02}", year % 100)
    } else {
        format!("{date}{serial:03}{check:02}")
    }
}

pub fn pl_pesel(draw: &mut Draw) -> String {
    let (day, month, year) = birth(draw);
    let mut digits: Vec<u32> =
        format!("{:02}{month:02}{day:02}", year % 100).chars().map(|c| c.to_digit(10).unwrap()).collect();
    digits.extend(draw.digits(4));
    digits.push((10 - weighed(&digits, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10) % 10);
    text(&digits)
}

pub fn se_personnummer(draw: &mut Draw) -> String {
    let (day, month, year) = birth(draw);
    let head = format!("{:02}{month:02}{day:02}{:03}", year % 100, draw.between(1, 979));
    let check = luhn(&head.chars().map(|c| c.to_digit(10).unwrap()).collect::<Vec<_>>());
    if draw.below(2) == 0 {
        format!("{}-{}{check}", &head[..6], &head[6..])
    } else {
        format!("{}{}-{}{check}", year / 100, &head[..6], &head[6..])
    }
}

pub fn fi_hetu(draw: &mut Draw) -> String {
    let (day, month, year) = birth(draw);
    let (date, serial) = (format!("{day:02}{month:02}{:02}", year % 100), draw.between(2, 899));
    let rest = format!("{date}{serial:03}").parse::<usize>().unwrap() % 31;
    format!("{date}-{serial:03}{}", char::from(b"0123456789ABCDEFHJKLMNPRSTUVWXY"[rest]))
}

pub fn dk_cpr(draw: &mut Draw) -> String {
    let (day, month, year) = birth(draw);
    format!("{day:02}{month:02}{:02}-{:04}", year % 100, draw.between(1, 3999))
}

pub fn no_fodselsnummer(draw: &mut Draw) -> String {
    until(draw, |draw| {
        let (day, month, year) = birth(draw);
        let mut digits: Vec<u32> = format!("{day:02}{month:02}{:02}{:03}", year % 100, draw.between(0, 499))
            .chars()
            .map(|c| c.to_digit(10).unwrap())
            .collect();
        for weights in [&[3, 7, 6, 1, 8, 9, 4, 5, 2][..], &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]] {
            digits.push((11 - weighed(&digits, weights) % 11) % 11);
        }
        digits.iter().all(|digit| *digit < 10).then(|| text(&digits))
    })
}

pub fn pt_nif(draw: &mut Draw) -> String {
    let mut digits = vec![u32::try_from(draw.between(1, 2)).unwrap()];
    digits.extend(draw.digits(7));
    let check = 11 - weighed(&digits, &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    digits.push(if check > 9 { 0 } else { check });
    text(&digits)
}

pub fn ie_pps(draw: &mut Draw) -> String {
    let digits = draw.digits(7);
    let second = draw.below(3);
    let extra = u32::try_from(second).unwrap();
    let sum = weighed(&digits, &[8, 7, 6, 5, 4, 3, 2]) + extra * 9;
    let letter = char::from(b"WABCDEFGHIJKLMNOPQRSTUV"[usize::try_from(sum % 23).unwrap()]);
    format!("{}{letter}{}", text(&digits), ["", "A", "B"][second])
}

/// EAN-13 with the country's 756.
pub fn ch_ahv(draw: &mut Draw) -> String {
    let mut digits = vec![7, 5, 6];
    digits.extend(draw.digits(9));
    digits.push((10 - weighed(&digits, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3]) % 10) % 10);
    let plain = text(&digits);
    if draw.below(2) == 0 {
        plain
    } else {
        format!("{}.{}.{}.{}", &plain[..3], &plain[3..7], &plain[7..11], &plain[11..])
    }
}

pub fn ca_sin(draw: &mut Draw) -> String {
    let first = draw.between(1, 7).to_string();
    let plain = with_luhn(draw, &first, 9);
    let between = draw.one_of(&["-", " "]);
    format!("{}{between}{}{between}{}", &plain[..3], &plain[3..6], &plain[6..])
}

pub fn br_cpf(draw: &mut Draw) -> String {
    let mut digits = draw.digits(9);
    for first in [10, 11] {
        let weights: Vec<u32> = (2..=first).rev().collect();
        let check = 11 - weighed(&digits, &weights) % 11;
        digits.push(if check > 9 { 0 } else { check });
    }
    let plain = text(&digits);
    format!("{}.{}.{}-{}", &plain[..3], &plain[3..6], &plain[6..9], &plain[9..])
}

pub fn mx_curp(draw: &mut Draw) -> String {
    const ORDER: &str = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ";
    let (day, month, year) = birth(draw);
    let head = draw.form("[BCDGLMPRSV][AEIOU][BCDFGLMPRSTV]{2}");
    let tail = format!(
        "{}{}{}0",
        draw.form("[HM]"),
        draw.one_of(&["DF", "JC", "NL", "OC", "VZ"]),
        draw.form("[BCDFGLMNPRSTV]{3}")
    );
    let code = format!("{head}{:02}{month:02}{day:02}{tail}", year % 100);
    let value = |c: char| ORDER.chars().position(|one| one == c).unwrap();
    let sum: usize = code.chars().enumerate().map(|(at, c)| value(c) * (18 - at)).sum();
    format!("{code}{}", (10 - sum % 10) % 10)
}

pub fn cl_rut(draw: &mut Draw) -> String {
    let number = draw.between(5_000_000, 25_000_000);
    let (mut sum, mut weight) = (0, 2);
    for digit in number.to_string().chars().rev() {
        sum += digit.to_digit(10).unwrap() * weight;
        weight = if weight == 7 { 2 } else { weight + 1 };
    }
    let check = char::from(b"0123456789K0"[usize::try_from(11 - sum % 11).unwrap()]);
    let number = format!("{number:08}");
    let head = number[..2].trim_start_matches('0');
    format!("{head}.{}.{}-{check}", &number[2..5], &number[5..])
}

/// The digit of Verhoeff's method, from the dihedral group of order ten.
fn verhoeff(digits: &[u32]) -> u32 {
    const PERMUTATION: [u32; 10] = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4];
    let product = |a: u32, b: u32| match (a < 5, b < 5) {
        (true, true) => (a + b) % 5,
        (true, false) => 5 + (a + b - 5) % 5,
        (false, true) => 5 + (a - b) % 5,
        (false, false) => (a + 5 - b) % 5,
    };
    let mut check = 0;
    for (at, digit) in digits.iter().rev().enumerate() {
        let permuted = (0..(at + 1) % 8).fold(*digit, |digit, _| PERMUTATION[digit as usize]);
        check = product(check, permuted);
    }
    (0..10).find(|inverse| product(check, *inverse) == 0).unwrap()
}

pub fn in_aadhaar(draw: &mut Draw) -> String {
    let mut digits = vec![u32::try_from(draw.between(2, 9)).unwrap()];
    digits.extend(draw.digits(10));
    digits.push(verhoeff(&digits));
    let plain = text(&digits);
    format!("{} {} {}", &plain[..4], &plain[4..8], &plain[8..])
}

pub fn in_pan(draw: &mut Draw) -> String {
    draw.form("[A-Z]{3}P[A-Z][0-9]{3}[1-9][A-Z]")
}

pub fn au_tfn(draw: &mut Draw) -> String {
    until(draw, |draw| {
        let digits = draw.digits(9);
        let right = weighed(&digits, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) && digits[0] > 0;
        let plain = text(&digits);
        right.then(|| format!("{} {} {}", &plain[..3], &plain[3..6], &plain[6..]))
    })
}

pub fn au_medicare(draw: &mut Draw) -> String {
    let mut digits = vec![u32::try_from(draw.between(2, 6)).unwrap()];
    digits.extend(draw.digits(7));
    digits.push(weighed(&digits, &[1, 3, 7, 9, 1, 3, 7, 9]) % 10);
    let plain = text(&digits);
    format!("{} {} {}", &plain[..4], &plain[4..], draw.between(1, 5))
}

pub fn sg_nric(draw: &mut Draw) -> String {
    let (first, letters, add) =
        [("S", b"JZIHGFEDCBA", 0), ("T", b"JZIHGFEDCBA", 4), ("F", b"XWUTRQPNMLK", 0), ("G", b"XWUTRQPNMLK", 4)]
            [draw.below(4)];
    let digits = draw.digits(7);
    let sum = weighed(&digits, &[2, 7, 6, 5, 4, 3, 2]) + add;
    format!("{first}{}{}", text(&digits), char::from(letters[usize::try_from(sum % 11).unwrap()]))
}

pub fn kr_rrn(draw: &mut Draw) -> String {
    let (day, month, year) = birth(draw);
    let head = format!("{:02}{month:02}{day:02}{}{:05}", year % 100, draw.between(1, 2), draw.below(95_999));
    let digits: Vec<u32> = head.chars().map(|c| c.to_digit(10).unwrap()).collect();
    let check = (11 - weighed(&digits, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]) % 11) % 10;
    format!("{}-{}{check}", &head[..6], &head[6..])
}

pub fn cn_resident_id(draw: &mut Draw) -> String {
    let (day, month, year) = birth(draw);
    let area = draw.one_of(&["110101", "310115", "440106", "360426", "510104"]);
    let head = format!("{area}{year}{month:02}{day:02}{:03}", draw.between(1, 999));
    let sum: u32 = head
        .chars()
        .enumerate()
        .map(|(at, c)| c.to_digit(10).unwrap() * (2u32.pow(17 - u32::try_from(at).unwrap()) % 11))
        .sum();
    format!("{head}{}", char::from(b"10X98765432"[usize::try_from(sum % 11).unwrap()]))
}

/// ISO 13616: letters are numbers from ten on, the whole is 1 modulo 97.
pub fn iban(draw: &mut Draw) -> String {
    let form = draw.one_of(&[
        "DE[0-9]{18}",
        "FR[0-9]{10}[A-Z0-9]{11}[0-9]{2}",
        "GB[A-Z]{4}[0-9]{14}",
        "NL[A-Z]{4}[0-9]{10}",
        "ES[0-9]{20}",
        "IT[A-Z][0-9]{10}[A-Z0-9]{12}",
        "CH[0-9]{5}[A-Z0-9]{12}",
        "AT[0-9]{16}",
        "PL[0-9]{24}",
        "SE[0-9]{20}",
        "BE[0-9]{12}",
        "NO[0-9]{11}",
        "SA[0-9]{2}[A-Z0-9]{18}",
        "AE[0-9]{19}",
        "BR[0-9]{23}[A-Z][A-Z0-9]",
        "MT[A-Z]{4}[0-9]{5}[A-Z0-9]{18}",
    ]);
    let drawn = draw.form(form);
    let (country, account) = drawn.split_at(2);
    let rest = format!("{account}{country}00").chars().fold(0, |rest, c| {
        let value = c.to_digit(36).unwrap();
        (rest * if value > 9 { 100 } else { 10 } + value) % 97
    });
    let plain = format!("{country}{:02}{account}", 98 - rest);
    if draw.below(2) == 0 {
        return plain;
    }
    plain.as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four).into_owned()).collect::<Vec<_>>().join(" ")
}

pub fn payment_card(draw: &mut Draw) -> String {
    let (prefix, length) = [
        ("4", 16),
        ("51", 16),
        ("2221", 16),
        ("6011", 16),
        ("3528", 16),
        ("62", 16),
        ("5", 16),
        ("34", 15),
        ("37", 15),
        ("36", 14),
        ("6759", 16),
    ][draw.below(11)];
    let prefix = if prefix == "5" { "55" } else { prefix };
    let plain = with_luhn(draw, prefix, length);
    match (length, draw.below(3)) {
        (16, 0) => format!("{}-{}-{}-{}", &plain[..4], &plain[4..8], &plain[8..12], &plain[12..]),
        (16, 1) => format!("{} {} {} {}", &plain[..4], &plain[4..8], &plain[8..12], &plain[12..]),
        (15, 1) => format!("{} {} {}", &plain[..4], &plain[4..10], &plain[10..]),
        _ => plain,
    }
}

pub fn us_routing_number(draw: &mut Draw) -> String {
    let mut digits: Vec<u32> =
        draw.one_of(&["0210", "1110", "1210", "0710", "3222"]).chars().map(|c| c.to_digit(10).unwrap()).collect();
    digits.extend(draw.digits(4));
    digits.push((10 - weighed(&digits, &[3, 7, 1, 3, 7, 1, 3, 7]) % 10) % 10);
    text(&digits)
}

/// A date as its digits, in the order that `write` puts them in.
fn dated(draw: &mut Draw, write: fn(usize, usize, usize) -> String) -> Vec<u32> {
    let (day, month, year) = birth(draw);
    write(day, month, year).chars().map(|c| c.to_digit(10).unwrap()).collect()
}

fn short_year_first(day: usize, month: usize, year: usize) -> String {
    format!("{:02}{month:02}{day:02}", year % 100)
}

fn day_first(day: usize, month: usize, year: usize) -> String {
    format!("{day:02}{month:02}{:02}", year % 100)
}

/// Area, date, letter, two digits; of each weighted digit both its digits count.
pub fn de_rvnr(draw: &mut Draw) -> String {
    let letter = draw.between(1, 26);
    let mut digits = [draw.digits(2), dated(draw, day_first), vec![]].concat();
    digits[0] = digits[0].max(1);
    let head = text(&digits);
    digits.extend([u32::try_from(letter / 10).unwrap(), u32::try_from(letter % 10).unwrap()]);
    let serial = draw.digits(2);
    digits.extend(&serial);
    let sum: u32 =
        digits.iter().zip([2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1]).map(|(d, w)| d * w).map(|n| n / 10 + n % 10).sum();
    format!("{head}{}{}{}", char::from(b'A' + u8::try_from(letter - 1).unwrap()), text(&serial), sum % 10)
}

pub fn at_svnr(draw: &mut Draw) -> String {
    until(draw, |draw| {
        let mut head = draw.digits(3);
        head[0] = head[0].max(1);
        let date = dated(draw, day_first);
        let check = (weighed(&head, &[3, 7, 9]) + weighed(&date, &[5, 8, 4, 2, 1, 6])) % 11;
        let between = draw.one_of(&["", " "]);
        (check < 10).then(|| format!("{}{check}{between}{}", text(&head), text(&date)))
    })
}

pub fn cz_rodne_cislo(draw: &mut Draw) -> String {
    until(draw, |draw| {
        let (day, month, year) = birth(draw);
        let month = if draw.below(2) == 0 { month } else { month + 50 };
        let head = format!("{:02}{month:02}{day:02}{:03}", year.max(1954) % 100, draw.below(1000));
        let rest = head.parse::<usize>().unwrap() % 11;
        (rest < 10).then(|| format!("{}/{}{rest}", &head[..6], &head[6..]))
    })
}

pub fn ro_cnp(draw: &mut Draw) -> String {
    let mut digits = vec![u32::try_from(draw.between(1, 2)).unwrap()];
    digits.extend(dated(draw, short_year_first));
    digits.extend([[2, 2], [1, 2], [4, 0], [0, 5]][draw.below(4)]);
    digits.extend(draw.digits(3));
    let check = weighed(&digits, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    digits.push(if check == 10 { 1 } else { check });
    text(&digits)
}

pub fn bg_egn(draw: &mut Draw) -> String {
    let mut digits = dated(draw, short_year_first);
    digits.extend(draw.digits(3));
    digits.push(weighed(&digits, &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10);
    text(&digits)
}

/// ISO 7064 mod 11,10.
pub fn hr_oib(draw: &mut Draw) -> String {
    let mut digits = draw.digits(10);
    let mut product = 10;
    for digit in &digits {
        let sum = (digit + product) % 10;
        product = (if sum == 0 { 10 } else { sum }) * 2 % 11;
    }
    digits.push((11 - product) % 10);
    text(&digits)
}

pub fn ee_isikukood(draw: &mut Draw) -> String {
    let mut digits = vec![u32::try_from(draw.between(3, 4)).unwrap()];
    digits.extend(dated(draw, short_year_first));
    digits.extend(draw.digits(3));
    let mut check = weighed(&digits, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    if check == 10 {
        check = weighed(&digits, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10;
    }
    digits.push(check);
    text(&digits)
}

pub fn gr_amka(draw: &mut Draw) -> String {
    let date = text(&dated(draw, day_first));
    with_luhn(draw, &date, 11)
}

pub fn tr_kimlik(draw: &mut Draw) -> String {
    let mut digits = draw.digits(9);
    digits[0] = digits[0].max(1);
    let (odd, even) = (weighed(&digits, &[1, 0, 1, 0, 1, 0, 1, 0, 1]), weighed(&digits, &[0, 1, 0, 1, 0, 1, 0, 1, 0]));
    digits.push((odd * 7 + 100 - even) % 10);
    digits.push(digits.iter().sum::<u32>() % 10);
    text(&digits)
}

pub fn za_id(draw: &mut Draw) -> String {
    let date = text(&dated(draw, short_year_first));
    let head = format!("{date}{:04}{}8", draw.below(10_000), draw.below(2));
    with_luhn(draw, &head, 13)
}

pub fn th_id(draw: &mut Draw) -> String {
    let mut digits = vec![u32::try_from(draw.between(1, 8)).unwrap()];
    digits.extend(draw.digits(11));
    digits.push((11 - weighed(&digits, &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11) % 10);
    let plain = text(&digits);
    if draw.below(2) == 0 {
        return plain;
    }
    format!("{}-{}-{}-{}-{}", &plain[..1], &plain[1..5], &plain[5..10], &plain[10..12], &plain[12..])
}

pub fn il_id(draw: &mut Draw) -> String {
    let first = draw.between(1, 3).to_string();
    with_luhn(draw, &first, 9)
}

pub fn jp_my_number(draw: &mut Draw) -> String {
    let mut digits = draw.digits(11);
    let sum: u32 = digits.iter().rev().zip(1..).map(|(digit, n)| digit * if n < 7 { n + 1 } else { n - 5 }).sum();
    digits.push(if sum % 11 < 2 { 0 } else { 11 - sum % 11 });
    let plain = text(&digits);
    if draw.below(2) == 0 { plain } else { format!("{} {} {}", &plain[..4], &plain[4..8], &plain[8..]) }
}

pub fn ar_cuit(draw: &mut Draw) -> String {
    until(draw, |draw| {
        let mut digits = [[2, 0], [2, 3], [2, 7]][draw.below(3)].to_vec();
        digits.extend(draw.digits(8));
        let check = (11 - weighed(&digits, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
        digits.push(check.min(9));
        let plain = text(&digits);
        (check < 10).then(|| format!("{}-{}-{}", &plain[..2], &plain[2..10], &plain[10..]))
    })
}

/// The methods themselves, by numbers that the issuers and the documents of their methods print.
#[test]
fn check_digits_are_those_of_published_numbers() {
    let digits = |text: &str| -> Vec<u32> { text.chars().map(|c| c.to_digit(10).unwrap()).collect() };
    assert_eq!(luhn(&digits("411111111111111")), 1);
    assert_eq!(luhn(&digits("7992739871")), 3);
    assert_eq!(verhoeff(&digits("23412341234")), 6);
    assert_eq!(verhoeff(&digits("236")), 3);
}

/// A date and a digit for century and sex; the rest is by chance since 2020.
pub fn kr_rrn_of_today(draw: &mut Draw) -> String {
    let (day, month, year) = birth(draw);
    let sex = draw.between(1, 2);
    format!("{:02}{month:02}{day:02}-{sex}{}", year % 100, draw.form("[0-9]{6}"))
}

pub fn us_mbi(draw: &mut Draw) -> String {
    draw.form(
        "[1-9][ACDEFGHJKMNPQRTUVWXY][0-9ACDEFGHJKMNPQRTUVWXY][0-9]-[ACDEFGHJKMNPQRTUVWXY][0-9ACDEFGHJKMNPQRTUVWXY][0-9]\
         -[ACDEFGHJKMNPQRTUVWXY]{2}[0-9]{2}",
    )
}

/// Weights modulo 11 in the ninth place; the century stands last.
pub fn kennitala(draw: &mut Draw) -> String {
    until(draw, |draw| {
        let mut digits = dated(draw, day_first);
        digits.extend([2 + u32::try_from(draw.below(8)).unwrap(), u32::try_from(draw.below(10)).unwrap()]);
        let check = (11 - weighed(&digits, &[3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
        let number = (check != 10).then(|| {
            digits.extend([check, 9]);
            text(&digits)
        });
        number.map(|number| format!("{}-{}", &number[..6], &number[6..]))
    })
}

pub fn jmbg(draw: &mut Draw) -> String {
    let (day, month, year) = birth(draw);
    let head = format!("{day:02}{month:02}{:03}{}", year % 1000, draw.form("[0-9]{5}"));
    let mut digits: Vec<u32> = head.chars().map(|c| c.to_digit(10).unwrap()).collect();
    let rest = 11 - weighed(&digits, &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
    digits.push(if rest > 9 { 0 } else { rest });
    text(&digits)
}

pub fn emirates(draw: &mut Draw) -> String {
    let (.., year) = birth(draw);
    let number = with_luhn(draw, &format!("784{year}"), 15);
    format!("{}-{}-{}-{}", &number[..3], &number[3..7], &number[7..14], &number[14..])
}

/// Twelve digits of an issuer that has sixteen as well.
pub fn maestro(draw: &mut Draw) -> String {
    let issuer = draw.one_of(&["5018", "5038", "6304", "6759"]);
    with_luhn(draw, issuer, 12)
}
