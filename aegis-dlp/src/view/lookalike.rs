//! Characters that people and lenient parsers read as ASCII ones, and characters nobody sees (Unicode 16).

/// What a character beyond ASCII is to the detectors.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Fold {
    /// The same as this ASCII character wherever it stands.
    Ascii(u8),
    /// A letter that looks like this one, where it stands in a word of ASCII letters.
    Letter(u8),
    /// A character that takes no room.
    Nothing,
    /// Itself.
    Other,
}

/// What each decimal digit zero is: nine more follow it (general category Nd).
const ZEROS: [u32; 60] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6, 0x0E50,
    0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50,
    0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136,
    0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0,
    0x16A60, 0x16AC0, 0x16B50, 0x1E140, 0x1E2F0, 0x1E950, 0x1FBF0,
];

/// Greek and Cyrillic letters that cannot be told from these, and Roman numerals of one letter.
const LETTERS: [(u32, u8); 59] = [
    (0x0391, b'A'),
    (0x0392, b'B'),
    (0x0395, b'E'),
    (0x0396, b'Z'),
    (0x0397, b'H'),
    (0x0399, b'I'),
    (0x039A, b'K'),
    (0x039C, b'M'),
    (0x039D, b'N'),
    (0x039F, b'O'),
    (0x03A1, b'P'),
    (0x03A4, b'T'),
    (0x03A5, b'Y'),
    (0x03A7, b'X'),
    (0x03B1, b'a'),
    (0x03B9, b'i'),
    (0x03BA, b'k'),
    (0x03BD, b'v'),
    (0x03BF, b'o'),
    (0x03C1, b'p'),
    (0x03C5, b'u'),
    (0x03F2, b'c'),
    (0x03F3, b'j'),
    (0x03F9, b'C'),
    (0x0405, b'S'),
    (0x0406, b'I'),
    (0x0408, b'J'),
    (0x0410, b'A'),
    (0x0412, b'B'),
    (0x0415, b'E'),
    (0x0417, b'3'),
    (0x041A, b'K'),
    (0x041C, b'M'),
    (0x041D, b'H'),
    (0x041E, b'O'),
    (0x0420, b'P'),
    (0x0421, b'C'),
    (0x0422, b'T'),
    (0x0423, b'Y'),
    (0x0425, b'X'),
    (0x0430, b'a'),
    (0x0433, b'r'),
    (0x0435, b'e'),
    (0x043A, b'k'),
    (0x043E, b'o'),
    (0x0440, b'p'),
    (0x0441, b'c'),
    (0x0443, b'y'),
    (0x0445, b'x'),
    (0x0455, b's'),
    (0x0456, b'i'),
    (0x0458, b'j'),
    (0x04AE, b'Y'),
    (0x04BB, b'h'),
    (0x04C0, b'I'),
    (0x04CF, b'l'),
    (0x0501, b'd'),
    (0x051B, b'q'),
    (0x051D, b'w'),
];

/// Letters of Cherokee, Coptic and Lisu that cannot be told from these.
const FAR_LETTERS: [(u32, u8); 66] = [
    (0x13A0, b'D'),
    (0x13A1, b'R'),
    (0x13A2, b'T'),
    (0x13A5, b'i'),
    (0x13A9, b'Y'),
    (0x13AA, b'A'),
    (0x13AB, b'J'),
    (0x13AC, b'E'),
    (0x13B3, b'W'),
    (0x13B7, b'M'),
    (0x13BB, b'H'),
    (0x13BD, b'Y'),
    (0x13C0, b'G'),
    (0x13C3, b'Z'),
    (0x13CE, b'4'),
    (0x13CF, b'b'),
    (0x13D2, b'R'),
    (0x13D4, b'W'),
    (0x13D5, b'S'),
    (0x13D9, b'V'),
    (0x13DA, b'S'),
    (0x13DE, b'L'),
    (0x13DF, b'C'),
    (0x13E2, b'P'),
    (0x13E6, b'K'),
    (0x13E7, b'd'),
    (0x13F3, b'G'),
    (0x13F4, b'B'),
    (0x2C82, b'B'),
    (0x2C8E, b'H'),
    (0x2C92, b'I'),
    (0x2C94, b'K'),
    (0x2C98, b'M'),
    (0x2C9A, b'N'),
    (0x2C9E, b'O'),
    (0x2CA2, b'P'),
    (0x2CA4, b'C'),
    (0x2CA6, b'T'),
    (0x2CA8, b'Y'),
    (0x2CAC, b'X'),
    (0xA4D0, b'B'),
    (0xA4D1, b'P'),
    (0xA4D2, b'd'),
    (0xA4D3, b'D'),
    (0xA4D4, b'T'),
    (0xA4D6, b'G'),
    (0xA4D7, b'K'),
    (0xA4D9, b'J'),
    (0xA4DA, b'C'),
    (0xA4DC, b'Z'),
    (0xA4DD, b'F'),
    (0xA4DF, b'M'),
    (0xA4E0, b'N'),
    (0xA4E1, b'L'),
    (0xA4E2, b'S'),
    (0xA4E3, b'R'),
    (0xA4E6, b'V'),
    (0xA4E7, b'H'),
    (0xA4EA, b'W'),
    (0xA4EB, b'X'),
    (0xA4EC, b'Y'),
    (0xA4EE, b'A'),
    (0xA4F0, b'E'),
    (0xA4F2, b'I'),
    (0xA4F3, b'O'),
    (0xA4F4, b'U'),
];

/// Latin small capitals, each as the letter that it is.
const SMALL_CAPITALS: [(u32, u8); 25] = [
    (0x0262, b'g'),
    (0x026A, b'i'),
    (0x0274, b'n'),
    (0x0280, b'r'),
    (0x028F, b'y'),
    (0x0299, b'b'),
    (0x029C, b'h'),
    (0x029F, b'l'),
    (0x1D00, b'a'),
    (0x1D04, b'c'),
    (0x1D05, b'd'),
    (0x1D07, b'e'),
    (0x1D0A, b'j'),
    (0x1D0B, b'k'),
    (0x1D0D, b'm'),
    (0x1D0F, b'o'),
    (0x1D18, b'p'),
    (0x1D1B, b't'),
    (0x1D1C, b'u'),
    (0x1D20, b'v'),
    (0x1D21, b'w'),
    (0x1D22, b'z'),
    (0xA730, b'f'),
    (0xA731, b's'),
    (0xA7AF, b'q'),
];

/// Whether a character is a tag or a variation selector.
pub(super) fn is_tag(code: u32) -> bool {
    matches!(code, 0xFE00..=0xFE0F | 0xE0000..=0xE0FFF)
}

/// Whether a character is of the scripts of [`Fold::Letter`].
pub(super) fn is_script(code: u32) -> bool {
    matches!(code, 0x370..=0x52F)
}

/// Whether a byte begins no character that is folded: most languages pass without being looked at.
#[inline]
pub(super) fn is_plain(byte: u8) -> bool {
    PLAIN[usize::from(byte)]
}

const PLAIN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0x80;
    while byte < 256 {
        table[byte] = matches!(byte, 0x80..=0xC1 | 0xC3..=0xC8 | 0xD5..=0xD7 | 0xE4..=0xE9 | 0xEB..=0xEE | 0xF1 | 0xF2 | 0xF4..=0xFF);
        byte += 1;
    }
    table
};

/// The first character of the scripts of [`LETTERS`], and what each looks like; zero for itself.
const SCRIPT: u32 = 0x370;
const TWINS: [u8; 0x1C0] = {
    let mut table = [0; 0x1C0];
    let mut at = 0;
    while at < LETTERS.len() {
        let (code, byte) = LETTERS[at];
        table[(code - SCRIPT) as usize] = byte;
        at += 1;
    }
    table
};

/// What a character beyond ASCII is.
pub(crate) fn fold(code: u32) -> Fold {
    match code {
        0xAD
        // Combining marks: what they stand on is what is read.
        | 0x300..=0x36F
        | 0x483..=0x489
        | 0x61C
        | 0x115F
        | 0x1160
        | 0x17B4
        | 0x17B5
        | 0x180B..=0x180F
        | 0x1AB0..=0x1AFF
        | 0x1DC0..=0x1DFF
        | 0x200B..=0x200F
        | 0x202A..=0x202E
        | 0x2060..=0x206F
        | 0x20D0..=0x20FF
        | 0x2800
        | 0x3164
        | 0xFE00..=0xFE0F
        | 0xFE20..=0xFE2F
        | 0xFEFF
        | 0xFFA0
        | 0xFFF9..=0xFFFB
        | 0xE0000..=0xE0FFF => Fold::Nothing,
        0xA0 | 0x1680 | 0x2000..=0x200A | 0x2028 | 0x2029 | 0x202F | 0x205F | 0x3000 => Fold::Ascii(b' '),
        0x2D7 | 0x2010..=0x2015 | 0x2027 | 0x2043 | 0x2212 | 0x2796 | 0xFE31 | 0xFE32 | 0xFE58 | 0xFE63 => Fold::Ascii(b'-'),
        0xFE6B => Fold::Ascii(b'@'),
        0x2024 | 0x3002 | 0xFE52 | 0xFF61 => Fold::Ascii(b'.'),
        0x2044 | 0x2215 => Fold::Ascii(b'/'),
        0x2236 | 0xA789 | 0xFE55 => Fold::Ascii(b':'),
        0xFF01..=0xFF5E => ascii(code - 0xFEE0),
        0xB2 | 0xB3 => ascii(code - 0xB2 + 0x32),
        0xB9 => Fold::Ascii(b'1'),
        0x2070 | 0x2074..=0x2079 => ascii(code - 0x2070 + 0x30),
        0x2080..=0x2089 => ascii(code - 0x2080 + 0x30),
        0x2460..=0x2468 => ascii(code - 0x2460 + 0x31),
        0x2474..=0x247C => ascii(code - 0x2474 + 0x31),
        0x2488..=0x2490 => ascii(code - 0x2488 + 0x31),
        0x24F5..=0x24FD => ascii(code - 0x24F5 + 0x31),
        0x24EA | 0x24FF => Fold::Ascii(b'0'),
        0x2776..=0x277E => ascii(code - 0x2776 + 0x31),
        0x24B6..=0x24CF => ascii(code - 0x24B6 + 0x41),
        0x24D0..=0x24E9 => ascii(code - 0x24D0 + 0x61),
        0x1D400..=0x1D6A3 => mathematical((code - 0x1D400) % 52),
        0x1D7CE..=0x1D7FF => ascii((code - 0x1D7CE) % 10 + 0x30),
        SCRIPT..=0x52F => match TWINS.get((code - SCRIPT) as usize) {
            Some(0) | None => Fold::Other,
            Some(byte) => Fold::Letter(*byte),
        },
        0x249C..=0x24B5 => ascii(code - 0x249C + 0x61),
        0x1CCD6..=0x1CCEF => ascii(code - 0x1CCD6 + 0x41),
        0x1CCF0..=0x1CCF9 => ascii(code - 0x1CCF0 + 0x30),
        0x1F101..=0x1F10A => ascii(code - 0x1F101 + 0x30),
        0x1F10B | 0x1F10C => Fold::Ascii(b'0'),
        0x1F110..=0x1F129 => ascii(code - 0x1F110 + 0x41),
        0x1F130..=0x1F149 => ascii(code - 0x1F130 + 0x41),
        0x1F150..=0x1F169 => ascii(code - 0x1F150 + 0x41),
        0x1F170..=0x1F189 => ascii(code - 0x1F170 + 0x41),
        0x262..=0x29F | 0x1D00..=0x1D22 | 0xA730..=0xA7AF => of(&SMALL_CAPITALS, code).map_or(Fold::Other, Fold::Ascii),
        0x13A0..=0x13F4 | 0x2C80..=0x2CFF | 0xA4D0..=0xA4F7 => of(&FAR_LETTERS, code).map_or(Fold::Other, Fold::Letter),
        0x4E00..=0x9FFF | 0x1F300..=0x1FAFF => Fold::Other,
        _ => digit(code),
    }
}

fn of(table: &[(u32, u8)], code: u32) -> Option<u8> {
    table.binary_search_by_key(&code, |(code, _)| *code).ok().and_then(|at| table.get(at)).map(|(_, byte)| *byte)
}

fn digit(code: u32) -> Fold {
    let zero = ZEROS.partition_point(|zero| *zero <= code).checked_sub(1).and_then(|at| ZEROS.get(at));
    match zero.map(|zero| code - zero) {
        Some(value @ 0..=9) => ascii(value + 0x30),
        _ => Fold::Other,
    }
}

/// The alphabets of mathematics stand one after the other, capitals first.
fn mathematical(letter: u32) -> Fold {
    if letter < 26 { ascii(letter + 0x41) } else { ascii(letter - 26 + 0x61) }
}

fn ascii(code: u32) -> Fold {
    match u8::try_from(code) {
        // As where it is escaped: a quote of the view delimits a string.
        Ok(b'"') => Fold::Ascii(b'\''),
        Ok(byte) if byte.is_ascii() => Fold::Ascii(byte),
        _ => Fold::Other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_in_order() {
        assert!(ZEROS.is_sorted() && LETTERS.is_sorted() && FAR_LETTERS.is_sorted() && SMALL_CAPITALS.is_sorted());
    }

    #[test]
    fn what_looks_alike() {
        for (text, ascii) in [
            ("１２３－４５", "123-45"),
            ("٠١٢٣٤٥٦٧٨٩", "0123456789"),
            ("۴۵", "45"),
            ("𝟏𝟚𝟥𝟰𝟻", "12345"),
            ("𝐀𝖪𝙸𝒜", "AKIA"),
            ("a＠b．c｡d。", "a@b.c.d."),
            ("①²₃⑴⒉⓷", "123123"),
            ("𞥑𑁧𖩢", "112"),
            ("1˗2‧3︱4", "1-2-3-4"),
            ("1\u{a0}2\u{2011}3", "1 2-3"),
            ("🄰🅚🄸🅰⒜🄐", "AKIAaA"),
            ("\u{1ccd6}\u{1ccf5}🄂🄋", "A510"),
            ("ᴀᴋɪᴀꜱʙ", "akiasb"),
        ] {
            let folded: String = text
                .chars()
                .map(|c| match fold(u32::from(c)) {
                    Fold::Ascii(byte) => char::from(byte),
                    other => {
                        assert!(c.is_ascii() && other == Fold::Other, "{c:?}");
                        c
                    }
                })
                .collect();
            assert_eq!(folded, ascii);
        }
        for letter in ['А', 'Ꭺ', 'ꓮ'] {
            assert_eq!(fold(u32::from(letter)), Fold::Letter(b'A'));
        }
        for c in
            ['\u{200b}', '\u{ad}', '\u{feff}', '\u{e0041}', '\u{fe0f}', '\u{2800}', '\u{fff9}', '\u{336}', '\u{20e3}']
        {
            assert_eq!(fold(u32::from(c)), Fold::Nothing);
        }
        for c in ['é', 'ü', '中', 'ж', '€', '😀'] {
            assert_eq!(fold(u32::from(c)), Fold::Other, "{c}");
        }
    }

    #[test]
    fn no_character_that_is_folded_begins_with_a_plain_byte() {
        for c in ('\u{80}'..=char::MAX).filter(|c| fold(u32::from(*c)) != Fold::Other) {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes);
            assert!(!is_plain(bytes[0]), "{c:?} {:x}", u32::from(c));
        }
    }
}
