//! What the elements of HTML are to the text that they stand in.

use memchr::{memchr, memchr3};

/// What a tag is to the text that it stands in.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Block,
    Inline,
    /// Of an element that is not known: within text where there is text right before it, or right behind it.
    Opens,
    Closes,
}

/// The longest name of an element in the tables.
const LONGEST: usize = 10;

/// Where these begin or end, text ends. Shorter names first, as `packed` has them.
#[rustfmt::skip]
const BLOCK_NAMES: [&str; 52] = [
    "p",
    "br", "dd", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "td", "th", "tr", "ul",
    "col", "div", "nav", "pre", "row",
    "body", "form", "head", "html", "main",
    "aside", "style", "table", "tbody", "tfoot", "thead", "title",
    "button", "figure", "footer", "header", "legend", "option", "script", "select",
    "address", "article", "caption", "section",
    "fieldset", "optgroup", "textarea",
    "blockquote", "figcaption",
];

/// These only say how text looks.
const INLINE_NAMES: [&str; 17] = [
    "b", "i", "u", "em", "big", "del", "ins", "sub", "sup", "wbr", "font", "mark", "nobr", "span", "small", "tspan",
    "strong",
];

/// For each first letter of the names in the tables, the ends that they have.
static ENDS: [u64; 32] = ends(&BLOCK_NAMES, ends(&INLINE_NAMES, [0; 32]));
static BLOCKS: [u128; 52] = table(BLOCK_NAMES);
static INLINES: [u128; 17] = table(INLINE_NAMES);

/// The tag of an element that content begins with, and its length, if all of it is there.
pub(super) fn whole_tag(content: &[u8]) -> Option<(Kind, usize)> {
    let [b'<', first, more @ ..] = content else { return None };
    if !(first.is_ascii_alphabetic() || b"/_:".contains(first) || !first.is_ascii()) {
        return None;
    }
    let name = 1 + more.iter().position(|byte| ends_name(*byte))?;
    let kind = kind(content.get(1..=name)?);
    let mut at = name + 1;
    let mut byte = content.get(at)?;
    while *byte != b'>' {
        at += 1;
        if matches!(*byte, b'"' | b'\'') {
            at += memchr(*byte, content.get(at..)?)? + 1;
        }
        at += memchr3(b'>', b'"', b'\'', content.get(at..)?)?;
        byte = content.get(at)?;
    }
    Some((kind, at + 1))
}

/// Whether the name of an element ends with this byte.
pub(super) fn ends_name(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\x0C' | b'\r' | b'>' | b'/')
}

/// The kind of a tag, by what stands between its `<` and the first blank, `/` or `>` behind that.
pub(super) fn kind(name: &[u8]) -> Kind {
    let (closes, name) = match name.strip_prefix(b"/") {
        Some(name) => (true, name),
        None => (false, name),
    };
    let unknown = if closes { Kind::Closes } else { Kind::Opens };
    // Hardly a name of XML gets further: a document has a tag every few bytes.
    let (slot, end) = ending(name);
    if name.len() > LONGEST || ENDS.get(slot).is_none_or(|ends| ends & end == 0) {
        return unknown;
    }
    let name = packed(name);
    if BLOCKS.binary_search(&name).is_ok() {
        Kind::Block
    } else if INLINES.binary_search(&name).is_ok() {
        Kind::Inline
    } else {
        unknown
    }
}

/// A name of no more than `LONGEST` bytes in small letters as one number, its length before it.
const fn packed(name: &[u8]) -> u128 {
    let mut word = name.len() as u128;
    let mut left = name;
    let mut room = LONGEST;
    while let [byte, rest @ ..] = left {
        word = word << 8 | byte.to_ascii_lowercase() as u128;
        left = rest;
        room -= 1;
    }
    word << (8 * room)
}

/// The slot of a name's first letter, and the bit of its last one and of whether its length is odd.
const fn ending(name: &[u8]) -> (usize, u64) {
    match (name.first(), name.last()) {
        (Some(first), Some(last)) => ((*first & 31) as usize, 1 << (*last & 31 | (name.len() as u8 & 1) << 5)),
        _ => (0, 0),
    }
}

const fn ends(names: &[&str], mut ends: [u64; 32]) -> [u64; 32] {
    let mut names = names;
    while let [name, more @ ..] = names {
        let (slot, end) = ending(name.as_bytes());
        ends[slot] |= end;
        names = more;
    }
    ends
}

const fn table<const N: usize>(names: [&str; N]) -> [u128; N] {
    let mut table = [0; N];
    let (mut names, mut slots) = (names.as_slice(), table.as_mut_slice());
    while let ([name, more @ ..], [slot, rest @ ..]) = (names, slots) {
        *slot = packed(name.as_bytes());
        (names, slots) = (more, rest);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_names_of_the_tables_are_found() {
        assert!(BLOCKS.is_sorted() && INLINES.is_sorted());
        for (names, expected) in [(&BLOCK_NAMES[..], Kind::Block), (&INLINE_NAMES[..], Kind::Inline)] {
            for name in names {
                assert_eq!(kind(name.as_bytes()), expected, "{name}");
                assert_eq!(kind(name.to_ascii_uppercase().as_bytes()), expected, "{name}");
            }
        }
    }

    #[test]
    fn tags_are_taken_whole() {
        for (content, expected) in [
            ("<b>x", Some((Kind::Inline, 3))),
            ("</b>", Some((Kind::Inline, 4))),
            ("<br/>>", Some((Kind::Block, 5))),
            ("</>x", Some((Kind::Closes, 3))),
            ("<a\nb=\">'\" c='\">'>x>", Some((Kind::Opens, 17))),
            ("<ä:ö>", Some((Kind::Opens, 7))),
            ("<b", None),
            ("<b ", None),
            ("<b c=\">", None),
            ("<b c='>\">", None),
            ("<!-->", None),
            ("<?b>", None),
            ("< b>", None),
            ("<>", None),
            ("<", None),
        ] {
            assert_eq!(whole_tag(content.as_bytes()), expected, "{content}");
        }
    }

    #[test]
    fn kinds_by_name() {
        for (name, expected) in [
            ("p", Kind::Block),
            ("/P", Kind::Block),
            ("figcaption", Kind::Block),
            ("tr", Kind::Block),
            ("b", Kind::Inline),
            ("/Strong", Kind::Inline),
            ("order", Kind::Opens),
            ("b\0", Kind::Opens),
            ("\0b", Kind::Opens),
            ("/\0b", Kind::Closes),
            ("/figcaptions", Kind::Closes),
            ("/", Kind::Closes),
            ("", Kind::Opens),
        ] {
            assert_eq!(kind(name.as_bytes()), expected, "{name}");
        }
    }
}
