//! Names, cut short, and paths of them.

/// Bytes of a name that are kept.
const LONGEST: usize = 64;
/// Bytes of a path after which no more elements are added.
const PATH: usize = 512;

/// The beginning of a name: a JSON key, an element, the heading of a column.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Name {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Default for Name {
    fn default() -> Self {
        Name { bytes: [0; LONGEST], length: 0 }
    }
}

impl Name {
    /// Adds bytes as far as there is room.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let end = LONGEST.min(self.length + bytes.len());
        if let Some((room, bytes)) = self.bytes.get_mut(self.length..end).zip(bytes.get(..end - self.length)) {
            room.copy_from_slice(bytes);
            self.length = end;
        }
    }

    pub(super) fn clear(&mut self) {
        self.length = 0;
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    fn text(&self) -> String {
        let bytes = self.bytes();
        // A character that the end cut is left out.
        let cut = match std::str::from_utf8(bytes) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => bytes.len(),
        };
        String::from_utf8_lossy(bytes.get(..cut).unwrap_or_default()).into_owned()
    }
}

/// A path as it is written, element by element (RFC 6901, section 3).
pub(super) struct Path<'a> {
    text: String,
    clean: &'a dyn Fn(&str) -> String,
}

impl<'a> Path<'a> {
    pub(super) fn new(clean: &'a dyn Fn(&str) -> String) -> Self {
        Path { text: String::new(), clean }
    }

    /// Adds an element of this name, and what was `found` behind it.
    pub(super) fn name(&mut self, mark: &str, name: &Name, found: &str) {
        if self.text.len() >= PATH {
            return;
        }
        self.text.push('/');
        self.text.push_str(mark);
        for char in (self.clean)(&name.text()).chars().chain(found.chars()).take(LONGEST) {
            match char {
                '~' => self.text.push_str("~0"),
                '/' => self.text.push_str("~1"),
                char if char.is_control() => self.text.push(char::REPLACEMENT_CHARACTER),
                char => self.text.push(char),
            }
        }
    }

    /// Adds an element of an array.
    pub(super) fn index(&mut self, index: u64) {
        if self.text.len() < PATH {
            self.text.push_str(&format!("/{index}"));
        }
    }

    /// Says that the path is of a key.
    pub(super) fn key(&mut self) {
        self.text.push('#');
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}
