//! What content is, by its first bytes and not by what it is called.

/// The most bytes looked at.
pub(crate) const LOOKED_AT: usize = 512;

/// How content of a kind is read.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// By the scanner.
    Text,
    /// As documents are, whose text is spread over elements.
    Markup,
    /// Entry by entry: zip, and so office documents.
    Zip,
    /// Decompressed.
    Gzip,
    /// Where it holds readable text: pictures, sound, films, programs, databases. Their media type.
    Binary(&'static str),
    /// Not at all: archives and documents without a reader. Their media type.
    Closed(&'static str),
}

/// The media type of content that is not text and not of a kind that is known.
pub(crate) const OCTETS: &str = "application/octet-stream";
/// Bytes that tell whether content is text, where the first of them is none of text.
const TOLD: usize = 16;

/// First bytes, and what they say.
const MAGIC: &[(&[u8], Kind)] = &[
    (b"PK\x03\x04", Kind::Zip),
    (b"PK\x05\x06", Kind::Zip),
    (b"\x1f\x8b\x08", Kind::Gzip),
    (b"%PDF-", Kind::Closed("application/pdf")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind::Closed("application/x-ole-storage")),
    (b"Rar!\x1a\x07", Kind::Closed("application/vnd.rar")),
    (b"7z\xbc\xaf\x27\x1c", Kind::Closed("application/x-7z-compressed")),
    (b"\xfd7zXZ\x00", Kind::Closed("application/x-xz")),
    (b"BZh", Kind::Closed("application/x-bzip2")),
    (b"\x28\xb5\x2f\xfd", Kind::Closed("application/zstd")),
    (b"\x04\x22\x4d\x18", Kind::Closed("application/x-lz4")),
    (b"\x1f\x9d\x90", Kind::Closed("application/x-compress")),
    (b"\x02\x21\x4c\x18", Kind::Closed("application/x-lz4")),
    (b"\x78\x01", Kind::Closed("application/zlib")),
    (b"\x5d\x00\x00", Kind::Closed("application/x-lzma")),
    (b"\xff\x06\x00\x00sNaPpY", Kind::Closed("application/x-snappy-framed")),
    (b"LZIP\x01", Kind::Closed("application/lzip")),
    (b"\x89LZO\x00\r\n\x1a\n", Kind::Closed("application/x-lzop")),
    (b"\xed\xab\xee\xdb", Kind::Closed("application/x-rpm")),
    (b"!<arch>\ndebian-binary", Kind::Closed("application/vnd.debian.binary-package")),
    (b"\x89HDF\r\n\x1a\n", Kind::Closed("application/x-hdf5")),
    (b"Obj\x01", Kind::Closed("application/avro")),
    (b"PAR1\x15", Kind::Closed("application/vnd.apache.parquet")),
    (b"MSCF\x00\x00\x00\x00", Kind::Closed("application/vnd.ms-cab-compressed")),
    (b"Salted__", Kind::Closed("application/x-openssl-salted")),
    (b"\x89PNG\r\n\x1a\n", Kind::Binary("image/png")),
    (b"\xff\xd8\xff", Kind::Binary("image/jpeg")),
    (b"II*\x00", Kind::Binary("image/tiff")),
    (b"MM\x00*", Kind::Binary("image/tiff")),
    (b"\x00\x00\x01\x00", Kind::Binary("image/vnd.microsoft.icon")),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", Kind::Binary("image/jp2")),
    (b"OggS\x00", Kind::Binary("audio/ogg")),
    (b"ID3\x02", Kind::Binary("audio/mpeg")),
    (b"ID3\x03", Kind::Binary("audio/mpeg")),
    (b"ID3\x04", Kind::Binary("audio/mpeg")),
    (b"\xff\xfb", Kind::Binary("audio/mpeg")),
    (b"\xff\xf3", Kind::Binary("audio/mpeg")),
    (b"\xff\xf2", Kind::Binary("audio/mpeg")),
    (b"fLaC\x00", Kind::Binary("audio/flac")),
    (b"\x1a\x45\xdf\xa3", Kind::Binary("video/x-matroska")),
    (b"wOFF\x00\x01\x00\x00", Kind::Binary("font/woff")),
    (b"wOFFOTTO", Kind::Binary("font/woff")),
    (b"wOF2\x00\x01\x00\x00", Kind::Binary("font/woff2")),
    (b"wOF2OTTO", Kind::Binary("font/woff2")),
    (b"\x00\x01\x00\x00\x00", Kind::Binary("font/ttf")),
    (b"OTTO\x00", Kind::Binary("font/otf")),
    (b"MZ\x90\x00", Kind::Binary("application/vnd.microsoft.portable-executable")),
    (b"MZ\x78\x00", Kind::Binary("application/vnd.microsoft.portable-executable")),
    (b"MZP\x00", Kind::Binary("application/vnd.microsoft.portable-executable")),
    (b"8BPS\x00\x01", Kind::Binary("image/vnd.adobe.photoshop")),
    (b"MThd\x00\x00\x00\x06", Kind::Binary("audio/midi")),
    (b"\x7fELF", Kind::Binary("application/x-executable")),
    (b"\xca\xfe\xba\xbe", Kind::Binary("application/java-vm")),
    (b"\xfe\xed\xfa", Kind::Binary("application/x-mach-binary")),
    (b"\xcf\xfa\xed\xfe", Kind::Binary("application/x-mach-binary")),
    (b"\x00asm", Kind::Binary("application/wasm")),
    (b"SQLite format 3\x00", Kind::Binary("application/vnd.sqlite3")),
];

/// The first bytes of those.
static FIRST: [bool; 256] = {
    let mut first = [false; 256];
    let mut rest = MAGIC;
    while let [(magic, _), more @ ..] = rest {
        first[magic[0] as usize] = true;
        rest = more;
    }
    first
};

/// What content with these first bytes is; `None` while that depends on bytes to come. Content that begins
/// like nothing known is text, and known as such by its first byte or few.
pub(crate) fn kind(opening: &[u8], end: bool) -> Option<Kind> {
    if opening.is_empty() && !end {
        return None;
    }
    // Text mostly begins as none does.
    let known = opening.first().is_none_or(|first| FIRST[usize::from(*first)]);
    let magic = if known { MAGIC } else { &[] };
    if let Some((_, kind)) = magic.iter().find(|(magic, _)| opening.starts_with(magic)) {
        return Some(*kind);
    }
    let boxed = [
        typed_box(opening),
        event_stream(opening),
        riff(opening),
        gif(opening),
        bitmap(opening),
        zlib(opening, end),
        skipped(opening),
    ];
    if let Some(kind) = boxed.iter().find_map(|known| known.kind()) {
        return Some(kind);
    }
    let unknown = unknown(opening, end);
    if let Some(kind) = unknown.kind() {
        return Some(kind);
    }
    let waits = unknown == Known::Open || boxed.contains(&Known::Open);
    let open = waits || magic.iter().any(|(magic, _)| magic.starts_with(opening));
    (end || !open).then_some(Kind::Text)
}

/// Whether text begins as XML does, after a byte order mark and blanks.
pub(crate) fn opens_markup(opening: &[u8]) -> bool {
    let text = opening.strip_prefix(b"\xef\xbb\xbf").unwrap_or(opening);
    text.trim_ascii_start().starts_with(b"<") && !opens_wide_markup(opening)
}

/// Whether that may yet be said, or be said no more, of text that begins so: it is a part of the mark, or blank, or the first
/// half of a bracket in UTF-16.
pub(crate) fn may_open_markup(opening: &[u8]) -> bool {
    let mark = b"\xef\xbb\xbf";
    let wide = (opening.len() == 1 || is_wide(opening)) && opening.iter().all(|byte| leads_wide(*byte));
    wide || opening == b"<"
        || mark.starts_with(opening)
        || opening.strip_prefix(mark).unwrap_or(opening).trim_ascii_start().is_empty()
}

/// Whether text begins as XML in UTF-16 does.
pub(crate) fn opens_wide_markup(opening: &[u8]) -> bool {
    is_wide(opening) && opening.iter().find(|byte| !leads_wide(**byte)) == Some(&b'<')
}

/// Whether text is in UTF-16 by its mark or its first character, as far as there is one.
fn is_wide(opening: &[u8]) -> bool {
    matches!(opening, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=0xff, ..] | [1..=0x7f, 0, ..])
}

/// Bytes of the mark, of blanks, and the zeros beside them.
fn leads_wide(byte: u8) -> bool {
    matches!(byte, 0xff | 0xfe | 0 | b' ' | b'\t' | b'\r' | b'\n')
}

#[derive(Copy, Clone, Eq, PartialEq)]
enum Known {
    No,
    /// More bytes will tell.
    Open,
    Yes(Kind),
}

impl Known {
    fn kind(&self) -> Option<Kind> {
        match self {
            Known::Yes(kind) => Some(*kind),
            Known::No | Known::Open => None,
        }
    }
}

/// A media file of boxes (ISO/IEC 14496-12): a length below 64 KiB, `ftyp`, a brand.
fn typed_box(opening: &[u8]) -> Known {
    let matches = opening.iter().zip(b"\x00\x00").all(|(byte, zero)| byte == zero)
        && opening.iter().skip(4).zip(b"ftyp").all(|(byte, letter)| byte == letter);
    match opening.get(8..12) {
        _ if !matches => Known::No,
        None => Known::Open,
        Some(b"avif" | b"heic" | b"heix" | b"mif1") => Known::Yes(Kind::Binary("image/heif")),
        Some(b"M4A ") => Known::Yes(Kind::Binary("audio/mp4")),
        Some(_) => Known::Yes(Kind::Binary("video/mp4")),
    }
}

/// Messages in Amazon's event stream encoding, as Bedrock streams its answers: the length of the first and of its fields, each below
/// 64 KiB, and a checksum over both. Without that they would be two characters of UTF-32.
fn event_stream(opening: &[u8]) -> Known {
    let zero = |at: usize| opening.get(at).is_none_or(|byte| *byte == 0);
    let matches = [0, 1, 4, 5].into_iter().all(zero);
    match (opening.get(..8), opening.get(8..12)) {
        _ if !matches => Known::No,
        (Some(lengths), Some(sum)) if sum == crc32fast::hash(lengths).to_be_bytes() => {
            Known::Yes(Kind::Binary("application/vnd.amazon.eventstream"))
        }
        (_, Some(_)) => Known::No,
        (_, None) => Known::Open,
    }
}

/// A GIF: its mark, and a width and height that are no letters.
fn gif(opening: &[u8]) -> Known {
    let matches = |mark: &[u8]| opening.iter().zip(mark).all(|(byte, letter)| byte == letter);
    match opening.get(6..10) {
        _ if !matches(b"GIF87a") && !matches(b"GIF89a") => Known::No,
        None => Known::Open,
        Some([_, 0..0x20, _, 0..0x20]) => Known::Yes(Kind::Binary("image/gif")),
        Some(_) => Known::No,
    }
}

/// A bitmap of Windows: its mark, and two fields that nobody uses.
fn bitmap(opening: &[u8]) -> Known {
    let matches = opening.iter().zip(b"BM").all(|(byte, letter)| byte == letter);
    let unused = opening.get(6..).unwrap_or_default();
    match unused.iter().take(4).any(|byte| *byte != 0) || !matches {
        true => Known::No,
        false if unused.len() < 4 => Known::Open,
        false => Known::Yes(Kind::Binary("image/bmp")),
    }
}

/// Data of zlib (RFC 1950): a method, a window and a check; behind what could be two letters, something that is no text.
fn zlib(opening: &[u8], end: bool) -> Known {
    let closed = Known::Yes(Kind::Closed("application/zlib"));
    match *opening {
        [first, ..] if first & 0x0F != 8 || first >> 4 > 7 => Known::No,
        [] | [_] => Known::Open,
        [first, check, ..] if !u16::from_be_bytes([first, check]).is_multiple_of(31) => Known::No,
        [_, 0x80..=0xFF, ..] => closed,
        [0x78, 0x5E, ref rest @ ..] => match rest.get(..TOLD) {
            _ if is_noise(rest.get(..TOLD).unwrap_or(rest)) => closed,
            None if !end => Known::Open,
            _ => Known::No,
        },
        _ => Known::No,
    }
}

/// A frame of zstd or lz4 that decoders skip, with which compressed data may begin (RFC 8878, section 3.1.2).
fn skipped(opening: &[u8]) -> Known {
    let rest = b"\x2a\x4d\x18";
    let matches =
        matches!(opening, [0x50..=0x5F, ..]) && opening.iter().skip(1).zip(rest).all(|(byte, mark)| byte == mark);
    match opening.len() > rest.len() {
        _ if !matches => Known::No,
        true => Known::Yes(Kind::Closed("application/zstd")),
        false => Known::Open,
    }
}

/// What begins with a byte that is none of text, and goes on as no text does.
fn unknown(opening: &[u8], end: bool) -> Known {
    let first = opening.get(..TOLD).unwrap_or(opening);
    match *first {
        [] | [0x20..=0x7E | b'\t' | b'\n' | b'\r' | 0x0C | 0x1B, ..] => Known::No,
        // Text of two or four bytes a character.
        [0xFF, 0xFE, ..]
        | [0xFE, 0xFF, ..]
        | [0, 0x09..=0x7E, ..]
        | [0, 0, 0, 0x09..=0x7E, ..]
        | [0, 0, 0xFE, 0xFF, ..] => Known::No,
        [0x80..=0xFF, ..] if std::str::from_utf8(first).map_or_else(|error| error.valid_up_to() > 0, |_| true) => {
            Known::No
        }
        _ if first.len() < TOLD && !end => Known::Open,
        _ if is_noise(first) => Known::Yes(Kind::Binary(OCTETS)),
        _ => Known::No,
    }
}

/// Whether bytes are text in no charset: control characters among them, and what UTF-8 does not have.
fn is_noise(bytes: &[u8]) -> bool {
    let control = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C | 0x1B);
    let foreign = std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some());
    foreign && bytes.iter().any(control)
}

fn riff(opening: &[u8]) -> Known {
    // The last byte of its length is none of text: no such file has 512 MiB.
    let matches = opening.iter().zip(b"RIFF").all(|(byte, letter)| byte == letter)
        && opening.get(7).is_none_or(|length| *length < 0x20);
    match opening.get(8..12) {
        _ if !matches => Known::No,
        None => Known::Open,
        Some(b"WEBP") => Known::Yes(Kind::Binary("image/webp")),
        Some(b"WAVE") => Known::Yes(Kind::Binary("audio/wav")),
        Some(b"AVI ") => Known::Yes(Kind::Binary("video/x-msvideo")),
        Some(_) => Known::No,
    }
}

/// The media type of a file by its first bytes, for rules about attachments; `None` for text.
pub(crate) fn media_type(opening: &[u8], kind: Kind) -> Option<&'static str> {
    let known = infer::get(opening).map(|known| known.mime_type());
    match kind {
        Kind::Binary(name) | Kind::Closed(name) => Some(known.unwrap_or(name)),
        Kind::Zip => Some(known.unwrap_or("application/zip")),
        Kind::Gzip => Some("application/gzip"),
        Kind::Text | Kind::Markup => known.filter(|name| !name.starts_with("text/")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn by_content_whatever_the_cuts() {
        for (bytes, expected) in [
            (&b"{\"a\":1}"[..], Kind::Text),
            (b"PKZIP is a program", Kind::Text),
            (b"I think", Kind::Text),
            (b"ID3 is a tag", Kind::Text),
            (b"RIFFRAFF and more", Kind::Text),
            (b"data: x\n\n", Kind::Text),
            (b"", Kind::Text),
            (b"R", Kind::Text),
            (b"\x00\x00\x00\x18ftypmp42\x00", Kind::Binary("video/mp4")),
            (b"\0\0\0\x7b\0\0\0\x57\x1e\x2f\xca\xe0\x0b", Kind::Binary("application/vnd.amazon.eventstream")),
            (b"\0\0\0\x7b\0\0\0\x57\x1e\x2f\xca\xe1\x0b", Kind::Text),
            (b"\x00a\x00b\x00c\x00d", Kind::Text),
            (b"RIFF\x10\x00\x00\x00WEBPVP8 ", Kind::Binary("image/webp")),
            (b"\x89PNG\r\n\x1a\n\x00", Kind::Binary("image/png")),
            (b"PK\x03\x04\x14\x00", Kind::Zip),
            (b"%PDF-1.7\n", Kind::Closed("application/pdf")),
            (b"\x1f\x8b\x08\x00", Kind::Gzip),
            (b"RIFFabcdWAVE and more", Kind::Text),
            (b"x^2 + y^2 = z^2, as is known", Kind::Text),
            (b"x^\x4b\xcb\xcf\x07\x00\x02\x82\x01\x45", Kind::Closed("application/zlib")),
            (b"x\x9cK\xcb\xcf", Kind::Closed("application/zlib")),
            (b"H\x89\x4b\xcb", Kind::Closed("application/zlib")),
            (b"\x5d\x00\x00\x80\x00", Kind::Closed("application/x-lzma")),
            (b"\xff\x06\x00\x00sNaPpY\x01", Kind::Closed("application/x-snappy-framed")),
            (b"\x04\x22\x4d\x18\x64", Kind::Closed("application/x-lz4")),
            (b"Obj\x01\x04\x14avro.codec", Kind::Closed("application/avro")),
            (b"PAR1\x15\x04", Kind::Closed("application/vnd.apache.parquet")),
            (b"\x50\x2a\x4d\x18\x00\x00\x00\x00", Kind::Closed("application/zstd")),
            (b"Possibly", Kind::Text),
            (b"BM\x46\x00\x00\x00\x00\x00\x00\x00\x36", Kind::Binary("image/bmp")),
            (b"BMW is a make", Kind::Text),
            (b"MZ\x90\x00\x03", Kind::Binary("application/vnd.microsoft.portable-executable")),
            (b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00}\x94(", Kind::Binary(OCTETS)),
            (b"\x93NUMPY\x01\x00v\x00{'descr'", Kind::Binary(OCTETS)),
            (b"\0user\0pass", Kind::Text),
            (b"\xe9t\xe9 et hiver", Kind::Text),
            ("\u{4e2d}\u{6587}".as_bytes(), Kind::Text),
            (b"\x82\xa3ssn\xab123-45-6789", Kind::Text),
            (b"\x01", Kind::Text),
        ] {
            assert_eq!(kind(bytes, true), Some(expected), "{bytes:?}");
            let first = (0..=bytes.len()).find_map(|length| kind(&bytes[..length], length == bytes.len()));
            assert_eq!(first, Some(expected), "{bytes:?} cut");
        }
    }

    #[test]
    fn plain_text_does_not_wait() {
        for text in ["d", "{", "[1", "\"", "<", " ", "a", "e", "1", "-"] {
            assert_eq!(kind(text.as_bytes(), false), Some(Kind::Text), "{text}");
        }
        assert!(MAGIC.iter().all(|(magic, _)| magic.len() <= LOOKED_AT));
    }

    #[test]
    fn true_types() {
        let of = |bytes: &[u8]| media_type(bytes, kind(bytes, true).unwrap());
        assert_eq!(of(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), Some("image/png"));
        assert_eq!(of(b"%PDF-1.7\n"), Some("application/pdf"));
        assert_eq!(of(b"MZ\x90\x00\x03\x00\x00\x00\x04"), Some("application/vnd.microsoft.portable-executable"));
        assert_eq!(of(b"hello"), None);
    }
}
