//! Values made by a published form, the same on each run.

/// A source of numbers that is the same for the same seed (SplitMix64).
pub struct Draw(u64);

impl Draw {
    pub fn new(seed: &str) -> Draw {
        // FNV-1a.
        let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        Draw(seed.bytes().fold(0xcbf2_9ce4_8422_2325, hash))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&mut self, from: usize, to: usize) -> usize {
        from + self.below(to - from + 1)
    }

    pub fn one_of<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    pub fn digits(&mut self, count: usize) -> Vec<u32> {
        (0..count).map(|_| u32::try_from(self.below(10)).unwrap()).collect()
    }

    /// What a form of literal characters and classes stands for: `AKIA[A-Z2-7]{16}`. `~` stands for nothing: it keeps
    /// whole keys out of the source.
    pub fn form(&mut self, form: &str) -> String {
        let mut out = String::new();
        let mut rest = form;
        while let Some(first) = rest.chars().next() {
            rest = &rest[first.len_utf8()..];
            if first != '[' {
                out.extend((first != '~').then_some(first));
                continue;
            }
            let (class, behind) = rest.split_once(']').unwrap_or_else(|| panic!("{form}"));
            let class = members(class);
            let mut count = 1;
            rest = behind;
            if let Some((number, behind)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
                (count, rest) = (number.parse().unwrap_or_else(|_| panic!("{form}")), behind);
            }
            out.extend((0..count).map(|_| class[self.below(class.len())]));
        }
        out
    }
}

/// The characters of a class: ranges, and single ones. A hyphen at the end is one.
fn members(class: &str) -> Vec<char> {
    let class: Vec<char> = class.chars().collect();
    let mut members = Vec::new();
    let mut at = 0;
    while at < class.len() {
        if class.get(at + 1) == Some(&'-') && at + 2 < class.len() {
            members.extend(class[at]..=class[at + 2]);
            at += 3;
        } else {
            members.push(class[at]);
            at += 1;
        }
    }
    members
}
