//! The elements that a place in an XML or HTML document is in.

use memchr::memchr;

use super::DEPTH;
use super::name::{Name, Path};

/// The elements that the place is in.
#[derive(Default)]
pub(crate) struct Elements {
    open: Vec<Name>,
    /// Elements beyond those.
    deeper: u64,
    state: State,
    /// The name under way: of an element or an attribute.
    name: Name,
    /// The last two bytes before the place.
    last: [u8; 2],
}

#[derive(Copy, Clone, Debug, Default, Eq, PartialEq)]
enum State {
    #[default]
    Text,
    /// After a `<`.
    Opened,
    /// In the name of a start tag, or of an end tag.
    Start,
    End,
    /// In a start tag, between attributes or in the name of one.
    Tag,
    Attribute,
    /// In the value of an attribute, up to this quote.
    Value(u8),
    /// After `<!`, so many bytes on.
    Declaration(usize),
    /// Up to a `>` after two of these: a comment, CDATA.
    Until(u8),
    /// In the name of an instruction, after `<?`.
    Target,
    /// Up to the next `>`: an instruction or a declaration.
    Instruction,
}

impl Elements {
    pub(super) fn in_markup(&self) -> bool {
        !matches!(self.state, State::Text | State::Value(_) | State::Until(_) | State::Instruction)
    }

    /// Whether the place is in the name of an instruction.
    pub(super) fn in_target(&self) -> bool {
        self.state == State::Target
    }

    pub(super) fn in_attribute(&self) -> bool {
        matches!(self.state, State::Value(_))
    }

    pub(super) fn text_length(&self, text: &[u8]) -> Option<usize> {
        match self.state {
            State::Text => memchr(b'<', text),
            State::Value(quote) => memchr(quote, text),
            State::Until(_) | State::Instruction => memchr(b'>', text),
            _ => text.iter().any(|byte| b"<>\"'= ".contains(byte)).then_some(0),
        }
    }

    pub(super) fn advance(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let skipped = match self.state {
                State::Text => memchr(b'<', rest),
                State::Value(quote) => memchr(quote, rest),
                State::Until(_) | State::Instruction => memchr(b'>', rest),
                State::Start | State::End | State::Attribute => rest.iter().position(|byte| ends_name(*byte)),
                _ => Some(0),
            };
            let skipped = skipped.unwrap_or(rest.len());
            if let State::Start | State::End | State::Attribute = self.state {
                self.name.push(rest.get(..skipped).unwrap_or_default());
            }
            self.note(rest.get(..skipped).unwrap_or_default());
            at += skipped;
            if self.state == State::Text
                && let Some(length) = self.plain_tag(bytes.get(at..).unwrap_or_default())
            {
                at += length;
                continue;
            }
            if let Some(byte) = bytes.get(at) {
                self.byte(*byte);
                self.note(&[*byte]);
                at += 1;
            }
        }
    }

    /// Goes past a tag that is all there and has nothing but a name, as most have; gives its length.
    fn plain_tag(&mut self, bytes: &[u8]) -> Option<usize> {
        let tag = bytes.strip_prefix(b"<")?;
        let named = tag.strip_prefix(b"/").unwrap_or(tag);
        let length = named.iter().position(|byte| ends_name(*byte))?;
        let (name, rest) = named.split_at_checked(length)?;
        let [.., last] = *name else { return None };
        if rest.first() != Some(&b'>') || !name.first().is_some_and(u8::is_ascii_alphabetic) {
            return None;
        }
        self.name.clear();
        self.name.push(name);
        if named.len() < tag.len() {
            self.closed();
        } else {
            self.push();
        }
        self.last = [last, b'>'];
        Some(bytes.len() - rest.len() + 1)
    }

    fn note(&mut self, bytes: &[u8]) {
        match *bytes {
            [] => {}
            [byte] => self.last = [self.last[1], byte],
            [.., first, second] => self.last = [first, second],
        }
    }

    fn byte(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Text, _) => State::Opened,
            (State::Opened, b'/') => self.named(State::End, b""),
            (State::Opened, b'!') => State::Declaration(0),
            (State::Opened, b'?') => State::Target,
            // A bracket that is none.
            (State::Opened, byte) if byte.is_ascii_whitespace() || byte == b'=' => State::Text,
            (State::Opened, byte) => self.named(State::Start, &[byte]),
            (State::Start | State::Tag | State::Attribute, b'>') => self.opened(),
            (State::Start, byte) if byte.is_ascii_whitespace() || byte == b'/' => {
                self.push();
                State::Tag
            }
            (State::End, b'>') => self.closed(),
            (State::Target, b'>') => State::Text,
            (State::Target, byte) if byte.is_ascii_whitespace() || byte == b'?' => State::Instruction,
            (State::Tag | State::Attribute, b'"' | b'\'') => State::Value(byte),
            (State::Start | State::End | State::Target, _) => self.state,
            (State::Attribute, _) => State::Tag,
            (State::Tag, byte) if byte.is_ascii_whitespace() || matches!(byte, b'=' | b'/') => State::Tag,
            (State::Tag, byte) => self.named(State::Attribute, &[byte]),
            (State::Value(_), _) => State::Tag,
            (State::Declaration(_), b'>') => State::Text,
            (State::Declaration(at), byte) => declaration(at, byte),
            (State::Until(end), _) if self.last != [end, end] => self.state,
            (State::Until(_) | State::Instruction, _) => State::Text,
        };
    }

    fn named(&mut self, state: State, first: &[u8]) -> State {
        self.name.clear();
        self.name.push(first);
        state
    }

    fn push(&mut self) {
        if self.open.len() < DEPTH {
            self.open.push(self.name.clone());
        } else {
            self.deeper += 1;
        }
    }

    /// At the end of a start tag.
    fn opened(&mut self) -> State {
        if self.state == State::Start {
            self.push();
        }
        if self.last[1] == b'/' {
            self.pop();
        }
        State::Text
    }

    /// At the end of an end tag: it also ends what HTML leaves open within.
    fn closed(&mut self) -> State {
        let open = self.open.iter().rposition(|name| *name.bytes() == *self.name.bytes());
        match open {
            _ if self.deeper > 0 => self.deeper -= 1,
            Some(open) => self.open.truncate(open),
            None => {}
        }
        State::Text
    }

    fn pop(&mut self) {
        if self.deeper > 0 {
            self.deeper -= 1;
        } else {
            self.open.pop();
        }
    }

    pub(super) fn write(&self, path: &mut Path<'_>) {
        for name in &self.open {
            path.name("", name, "");
        }
        if let State::Value(_) = self.state {
            path.name("@", &self.name, "");
        }
    }
}

fn ends_name(byte: u8) -> bool {
    ENDS_NAME[usize::from(byte)]
}

static ENDS_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        table[at] = byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/' | b'=' | b'"' | b'\'');
        at += 1;
    }
    table
};

/// What `<!` begins, by its byte `at` after that: `<!--`, `<![CDATA[`.
fn declaration(at: usize, byte: u8) -> State {
    match (at, byte) {
        (1, b'-') => State::Until(b'-'),
        (6, b'[') => State::Until(b']'),
        (0, b'-' | b'[') => State::Declaration(1),
        (1..=5, byte) if b"CDATA".get(at - 1) == Some(&byte) => State::Declaration(at + 1),
        _ => State::Instruction,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::{Encoding, Tracker};

    fn place(before: &str) -> (String, bool) {
        let mut whole = Tracker::of(Encoding::Xml);
        whole.advance(before.as_bytes());
        let mut cut = Tracker::of(Encoding::Xml);
        before.bytes().for_each(|byte| cut.advance(&[byte]));
        let place = (whole.path("", &str::to_owned), whole.in_markup());
        assert_eq!((cut.path("", &str::to_owned), cut.in_markup()), place, "{before}");
        place
    }

    #[test]
    fn paths() {
        for (before, path) in [
            ("<?xml version=\"1.0\"?><!DOCTYPE x><a>", "/a"),
            ("<a><b>x</b><c d=\"1\">", "/a/c"),
            ("<a><b/><w:c d=\"1\" e='x", "/a/w:c/@e"),
            ("<a><b x=\"/\"/>", "/a"),
            ("<a><!-- <b> --><![CDATA[ <c>]] ", "/a"),
            ("<a><!-- <b> --><![CDATA[ <c>]]><d>", "/a/d"),
            ("<p>one<br>two<img src=x></p><q>", "/q"),
            ("1 < 2 <a>", "/a"),
            ("</x></y><a >", "/a"),
        ] {
            assert_eq!(place(before), (path.to_owned(), false), "{before}");
        }
        assert!(place(&"<ab>".repeat(10_000)).0.len() <= 96);
    }

    #[test]
    fn markup() {
        for before in ["<", "<a", "</", "</a", "<a b", "<a ", "<a b=", "<a b='c' ", "<?", "<?pi"] {
            assert!(place(before).1, "{before}");
        }
        for before in ["<a>", "<a b='", "<!-- ", "<![CDATA[", "<?pi ", "<?pi?", "<?pi?>", "<?pi>"] {
            assert!(!place(before).1, "{before}");
        }
    }
}
