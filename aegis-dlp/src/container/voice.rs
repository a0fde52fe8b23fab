//! A text that is put together from content, and scanned: what of the content may leave follows from how far it was judged.

use crate::stream::{Content, Step};

use super::{Text, Within};

/// A scanner, and what it is to see next.
pub(super) struct Voice {
    text: Text,
    pub(super) said: Vec<u8>,
    pub(super) spoken: u64,
    pub(super) judged: u64,
    scratch: Vec<u8>,
}

impl Voice {
    pub(super) fn new(content: &Content, within: &Within) -> Self {
        let text = Text::of_parts(within.fixed().profile(content), &within.path);
        Voice { text, said: Vec::new(), spoken: 0, judged: 0, scratch: Vec::new() }
    }

    pub(super) fn speak(&mut self, content: &mut Content) -> Step {
        self.spoken += self.said.len() as u64;
        let step = self.text.push(content, &self.said, &mut self.scratch);
        self.said.clear();
        self.judged += self.scratch.len() as u64;
        self.scratch.clear();
        step
    }

    pub(super) fn finish(&mut self, content: &mut Content) -> Step {
        self.speak(content)?;
        self.text.finish(content, &mut self.scratch)
    }

    pub(super) fn held(&self) -> usize {
        self.text.held() + self.said.capacity() + self.scratch.capacity()
    }
}
