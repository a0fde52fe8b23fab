//! Where a view and the bytes that it shows are not the same.

/// From a place in the view on, raw positions are `shift` further ahead.
///
/// There may be one for every other raw byte: in half the room of two positions, for windows are small.
pub(super) struct Edit {
    /// Twice the position in the view; one more where what lies before the byte there takes no room.
    at: u32,
    shift: u32,
}

impl Edit {
    pub(super) fn new(at: usize, shift: usize) -> Self {
        let [at, shift] = [at, shift].map(|value| u32::try_from(value).unwrap_or(u32::MAX));
        Edit { at, shift }
    }

    pub(super) fn at(&self) -> usize {
        self.at as usize
    }

    pub(super) fn shift(&self) -> usize {
        self.shift as usize
    }
}
