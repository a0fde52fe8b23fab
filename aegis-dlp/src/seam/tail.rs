//! What the texts at a place ended with.

/// Bytes of a text that are kept, and bytes of the next that they are joined with: longer values are found in part or not.
pub const SEAM: usize = 256;
/// Places of one stream of messages that are followed. Beyond it the one that was silent for longest is given up.
pub(super) const PLACES: usize = 64;
/// The shortest identifiers of one length that are told by having nothing but hexadecimal digits and hyphens.
const IDENTIFIER: usize = 16;
/// Texts that begin with the same bytes are values of one kind (times, numbers of orders), and no parts of one.
const SAME: usize = 6;

/// What the texts at one place ended with.
pub(super) struct Tail {
    place: Box<str>,
    /// Up to twice what is kept, so that it seldom moves.
    text: String,
    /// Bytes at the end of it that numbers are made of.
    numbers: usize,
    /// The first text; `None` once there was another one.
    constant: Option<String>,
    /// What the last text began with, and how long it was.
    begin: [u8; SAME],
    length: usize,
    /// When it was last heard of, and which one was after it.
    heard: u64,
    next: usize,
}

impl Tail {
    fn new(place: &str, text: &str, heard: u64) -> Tail {
        let constant = (text.len() <= SEAM).then(|| text.to_owned());
        let mut tail = Tail {
            place: place.into(),
            text: String::new(),
            numbers: 0,
            constant,
            begin: [0; SAME],
            length: 0,
            heard,
            next: 0,
        };
        tail.add(text);
        tail
    }

    /// The last bytes.
    pub(super) fn text(&self) -> &str {
        end_of(&self.text)
    }

    /// Whether the next text is the same as all before it: what never changes is a name, and no part of anything.
    pub(super) fn is_constant(&mut self, text: &str) -> bool {
        if self.constant.as_deref() != Some(text) {
            self.constant = None;
        }
        self.constant.is_some()
    }

    /// Whether the text of a record is no part of what those before it began.
    pub(super) fn is_apart(&self, text: &str) -> bool {
        if text.len() >= SAME && self.begin == begin(text) {
            return true;
        }
        let identifier = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        let kept = self.text();
        let last = || kept.get(kept.len().saturating_sub(self.length)..).unwrap_or_default();
        self.numbers >= kept.len() && text.bytes().all(in_number)
            || text.len() >= IDENTIFIER && text.len() == self.length && identifier(text) && identifier(last())
    }

    /// Adds the next text, as it goes on.
    pub(super) fn add(&mut self, text: &str) {
        (self.begin, self.length) = (begin(text), text.len());
        let text = end_of(text);
        let numbers = text.bytes().rev().take_while(|byte| in_number(*byte)).count();
        self.numbers = if numbers == text.len() { self.numbers.saturating_add(numbers) } else { numbers };
        if self.text.len() + text.len() > 2 * SEAM {
            self.text.drain(..self.text.len() - end_of(&self.text).len());
        }
        self.text.push_str(text);
    }

    pub(super) fn held(&self) -> usize {
        size_of::<Tail>() + self.place.len() + self.text.capacity() + self.constant.as_ref().map_or(0, String::capacity)
    }
}

/// The places that were heard of last.
#[derive(Default)]
pub(super) struct Tails {
    list: Vec<Tail>,
    /// The one that was asked for last.
    last: usize,
    clock: u64,
}

impl Tails {
    /// What the texts at a place ended with; `None` for the first one, which is noted. Messages are alike: the place that came
    /// next before does so again.
    pub(super) fn of(&mut self, place: &str, text: &str) -> Option<&mut Tail> {
        self.clock += 1;
        let is_it = |tail: &Tail| *tail.place == *place;
        let likely = self.list.get(self.last).map_or(0, |tail| tail.next);
        let known = match self.list.get(likely) {
            Some(tail) if is_it(tail) => Some(likely),
            _ => self.list.iter().position(is_it),
        };
        let at = known.unwrap_or_else(|| self.enter(Tail::new(place, text, self.clock)));
        if at != likely
            && let Some(before) = self.list.get_mut(self.last)
        {
            before.next = at;
        }
        self.last = at;
        let tail = self.list.get_mut(at).filter(|_| known.is_some())?;
        tail.heard = self.clock;
        Some(tail)
    }

    /// Takes a new one in, in the place of another one where there are too many.
    fn enter(&mut self, tail: Tail) -> usize {
        let full = self.list.len() >= PLACES;
        let oldest = self.list.iter_mut().enumerate().min_by_key(|(_, tail)| tail.heard).filter(|_| full);
        if let Some((at, old)) = oldest {
            *old = tail;
            return at;
        }
        self.list.push(tail);
        self.list.len() - 1
    }

    pub(super) fn held(&self) -> usize {
        let unused = self.list.capacity() - self.list.len();
        unused * size_of::<Tail>() + self.list.iter().map(Tail::held).sum::<usize>()
    }

    #[cfg(test)]
    pub(super) fn list(&self) -> &[Tail] {
        &self.list
    }
}

/// The first bytes of a text.
#[inline]
fn begin(text: &str) -> [u8; SAME] {
    if let Some(begin) = text.as_bytes().first_chunk() {
        return *begin;
    }
    let mut begin = [0; SAME];
    begin.iter_mut().zip(text.bytes()).for_each(|(slot, byte)| *slot = byte);
    begin
}

#[inline]
fn in_number(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'.' | b',' | b':' | b'/' | b' ')
}

/// The last bytes of a text.
#[inline]
fn end_of(text: &str) -> &str {
    if text.len() <= SEAM {
        return text;
    }
    text.get(text.ceil_char_boundary(text.len() - SEAM)..).unwrap_or_default()
}
