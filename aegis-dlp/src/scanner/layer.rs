//! A scanner of content that stands encoded within other content.

use super::{Flow, Scanner};
use crate::finding::Finding;
use crate::nested::{Layer, Unread};

impl Layer for Scanner {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Flow {
        Scanner::push(self, chunk, out)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Flow {
        Scanner::finish(self, out)
    }

    fn take_findings(&mut self) -> Vec<Finding> {
        Scanner::take_findings(self)
    }

    fn altered_at(&self) -> Option<u64> {
        self.altered
    }

    fn take_unread(&mut self) -> Unread {
        Scanner::take_unread(self)
    }

    fn held(&self) -> usize {
        Scanner::held(self)
    }
}
