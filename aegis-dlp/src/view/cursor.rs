//! What a detector sees: bytes around a place, and whether more may come.

/// The answer depends on bytes that have not arrived yet.
#[derive(Debug)]
pub(crate) struct More;

/// The outcome of an examination.
pub(crate) type Eval<T> = Result<T, More>;

/// A decoded stretch of the stream.
///
/// Detectors reach forward only through [`View::at`] and its kin, which ask for more where the bytes end
/// but the stream does not: that is what makes the outcome independent of how the stream was cut.
#[derive(Copy, Clone)]
pub(crate) struct View<'a> {
    pub(crate) bytes: &'a [u8],
    /// No more bytes will come.
    pub(crate) end: bool,
    /// The content is JSON: quotes delimit keys and values.
    pub(crate) json: bool,
    /// It is a table: lines are its rows.
    pub(crate) rows: bool,
    /// In a table: the heading of the column; else empty.
    pub(crate) heading: &'a [u8],
}

impl<'a> View<'a> {
    /// The byte at `position`, `None` past the end of the stream.
    pub(crate) fn at(&self, position: usize) -> Eval<Option<u8>> {
        match self.bytes.get(position) {
            Some(byte) => Ok(Some(*byte)),
            None if self.end => Ok(None),
            None => Err(More),
        }
    }

    /// The byte at `position` if it has arrived.
    pub(crate) fn seen(&self, position: usize) -> Option<u8> {
        self.bytes.get(position).copied()
    }

    /// The byte before `position`.
    pub(crate) fn before(&self, position: usize) -> Option<u8> {
        position.checked_sub(1).and_then(|previous| self.seen(previous))
    }

    /// The bytes of a range, as far as they are there.
    pub(crate) fn slice(&self, from: usize, to: usize) -> &'a [u8] {
        self.bytes.get(from..to.min(self.bytes.len())).unwrap_or_default()
    }

    /// The position after the run of bytes of a class that starts at `from`, at most `limit` bytes on.
    pub(crate) fn run(&self, from: usize, limit: usize, class: impl Fn(u8) -> bool) -> Eval<usize> {
        let stop = from.saturating_add(limit);
        let inside = self.slice(from, stop);
        let length = inside.iter().position(|byte| !class(*byte)).unwrap_or(inside.len());
        let reached = from + length;
        if reached < stop {
            self.at(reached)?;
        }
        Ok(reached)
    }

    /// The start of the run of bytes of a class that ends before `to`, at most `limit` bytes back.
    pub(crate) fn run_back(&self, to: usize, limit: usize, class: impl Fn(u8) -> bool) -> usize {
        let floor = to.saturating_sub(limit);
        let inside = self.slice(floor, to);
        floor + inside.iter().rposition(|byte| !class(*byte)).map_or(0, |last| last + 1)
    }

    /// Whether a token may start at `position`: after no letter or digit. The letter of an escape that
    /// stayed in the content (`\n` in JSON within JSON) is none.
    pub(crate) fn opens(&self, position: usize) -> bool {
        match self.before(position) {
            Some(b'n' | b'r' | b't') => self.before(position - 1) == Some(b'\\'),
            Some(byte) => !byte.is_ascii_alphanumeric(),
            None => true,
        }
    }
}
