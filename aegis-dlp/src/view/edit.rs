//! Where a view and the bytes that it shows are not the same.

/// From a place in the view on, raw positions are so many further ahead.
///
/// There may be one for every other raw byte: in half the room of two positions, for windows are small.
struct Edit {
    /// Twice the position in the view; one more where what lies before the byte there takes no room.
    at: u32,
    shift: u32,
}

/// All of a window, ascending. That what is before them goes away or changes its length costs the same however many they are.
#[derive(Default)]
pub(super) struct Edits {
    list: Vec<Edit>,
    /// Those that are gone already.
    gone: usize,
    /// What is to be added to both numbers of each, modulo 2^32.
    at: u32,
    shift: u32,
}

/// Windows are small: a position fits.
fn small(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl Edits {
    /// Adds one behind all others.
    pub(super) fn push(&mut self, at: usize, shift: usize) {
        let (at, shift) = (small(at).wrapping_sub(self.at), small(shift).wrapping_sub(self.shift));
        self.list.push(Edit { at, shift });
    }

    /// How far ahead raw positions are behind the last one.
    pub(super) fn last(&self) -> usize {
        self.live().last().map_or(0, |edit| self.shift_of(edit))
    }

    /// How far ahead they are at a place, given as an edit's is.
    #[inline]
    pub(super) fn shift(&self, at: usize) -> usize {
        let live = self.live();
        let before = self.count(live, at);
        before.checked_sub(1).and_then(|last| live.get(last)).map_or(0, |edit| self.shift_of(edit))
    }

    /// Forgets those up to a place; raw positions of the others become less by `shift`.
    pub(super) fn drop_to(&mut self, at: usize, shift: usize) {
        self.gone += self.count(self.live(), at);
        self.shift = self.shift.wrapping_sub(small(shift));
        if self.gone == self.list.len() {
            self.list.clear();
            self.gone = 0;
        } else if self.gone > self.list.len() / 2 {
            self.list.drain(..self.gone);
            self.gone = 0;
        }
    }

    /// The places of all become more by `more` and less by `less`.
    pub(super) fn displace(&mut self, more: usize, less: usize) {
        self.at = self.at.wrapping_add(small(more)).wrapping_sub(small(less));
    }

    /// Bytes of memory held.
    pub(super) fn held(&self) -> usize {
        self.list.capacity() * size_of::<Edit>()
    }

    fn live(&self) -> &[Edit] {
        self.list.get(self.gone..).unwrap_or_default()
    }

    /// How many are at a place or before it.
    #[inline]
    fn count(&self, live: &[Edit], at: usize) -> usize {
        live.partition_point(|edit| edit.at.wrapping_add(self.at) as usize <= at)
    }

    fn shift_of(&self, edit: &Edit) -> usize {
        edit.shift.wrapping_add(self.shift) as usize
    }
}
