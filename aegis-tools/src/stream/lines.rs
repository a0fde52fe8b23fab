//! JSON values on lines of their own (NDJSON, JSON Lines).

use super::MAX_MESSAGE;

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub struct Lines {
    held: Vec<u8>,
    overlong: bool,
}

impl Lines {
    /// Gives each line that ends within `bytes` to `each`, without its end. `None` stands for one that was too long.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Option<&[u8]>)) {
        let mut from = 0;
        for at in memchr::memchr_iter(b'\n', bytes) {
            self.hold(bytes.get(from..at).unwrap_or_default());
            from = at + 1;
            each((!self.overlong).then_some(self.held.as_slice()));
            self.held.clear();
            self.overlong = false;
        }
        self.hold(bytes.get(from..).unwrap_or_default());
    }

    /// The last line, where nothing ended it.
    #[must_use]
    pub fn rest(&self) -> &[u8] {
        &self.held
    }

    fn hold(&mut self, bytes: &[u8]) {
        if self.held.len() + bytes.len() > MAX_MESSAGE {
            self.overlong = true;
            self.held.clear();
        }
        if !self.overlong {
            self.held.extend_from_slice(bytes);
        }
    }
}
