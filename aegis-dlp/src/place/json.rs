//! The JSON pointer (RFC 6901) of a place in a JSON document, or in a row of them.

use memchr::memchr;

use super::DEPTH;
use super::name::{Name, Path};

/// The containers that the place is in.
#[derive(Default)]
pub(crate) struct Pointer {
    frames: Vec<Frame>,
    /// Containers beyond those.
    deeper: u64,
    in_string: bool,
}

struct Frame {
    array: bool,
    /// The element of the array.
    index: u64,
    /// The member of the object.
    key: Name,
    /// The key is over and its value comes.
    value: bool,
}

/// What may change the state outside of strings.
const STRUCTURE: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 7 {
        table[b"{}[],:\""[at] as usize] = true;
        at += 1;
    }
    table
};

impl Pointer {
    pub(super) fn in_string(&self) -> bool {
        self.in_string
    }

    pub(super) fn advance(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.in_string {
                let end = memchr(b'"', rest);
                self.text(rest.get(..end.unwrap_or(rest.len())).unwrap_or_default());
                let Some(end) = end else { return };
                self.in_string = false;
                at += end + 1;
                continue;
            }
            let Some(next) = rest.iter().position(|byte| STRUCTURE[usize::from(*byte)]) else { return };
            if let Some(byte) = rest.get(next) {
                self.structure(*byte);
            }
            at += next + 1;
        }
    }

    /// Part of a string: of a key, perhaps.
    fn text(&mut self, text: &[u8]) {
        if let Some(frame) = self.innermost().filter(|frame| !frame.array && !frame.value) {
            frame.key.push(text);
        }
    }

    fn innermost(&mut self) -> Option<&mut Frame> {
        self.frames.last_mut().filter(|_| self.deeper == 0)
    }

    fn structure(&mut self, byte: u8) {
        match byte {
            b'{' | b'[' if self.frames.len() < DEPTH => {
                self.frames.push(Frame { array: byte == b'[', index: 0, key: Name::default(), value: false });
            }
            b'{' | b'[' => self.deeper += 1,
            b'}' | b']' if self.deeper > 0 => self.deeper -= 1,
            b'}' | b']' => {
                self.frames.pop();
            }
            b'"' => {
                self.in_string = true;
                if let Some(frame) = self.innermost().filter(|frame| !frame.value) {
                    frame.key.clear();
                }
            }
            b':' => {
                if let Some(frame) = self.innermost() {
                    frame.value = true;
                }
            }
            _ => {
                if let Some(frame) = self.innermost() {
                    frame.index += 1;
                    frame.value = false;
                }
            }
        }
    }

    pub(super) fn write(&self, found: &str, path: &mut Path<'_>) {
        for (depth, frame) in self.frames.iter().enumerate() {
            let innermost = depth + 1 == self.frames.len() && self.deeper == 0;
            if frame.array {
                path.index(frame.index);
            } else if !innermost || frame.value {
                path.name("", &frame.key, "");
            } else if self.in_string {
                path.name("", &frame.key, found);
                path.key();
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::{Encoding, Tracker};

    fn path(before: &str) -> String {
        let mut whole = Tracker::of(Encoding::Json);
        whole.advance(before.as_bytes());
        let mut cut = Tracker::of(Encoding::Json);
        before.bytes().for_each(|byte| cut.advance(&[byte]));
        let path = whole.path("[X]", &str::to_owned);
        assert_eq!(cut.path("[X]", &str::to_owned), path);
        path
    }

    #[test]
    fn pointers() {
        for (before, pointer) in [
            (r#"""#, ""),
            (r#"{"a":"#, "/a"),
            (r#"{"a":"x"#, "/a"),
            (r#"{"a":{"b~/c" : ["#, "/a/b~0~1c/0"),
            (r#"{"a":[{},[1,2],"x"#, "/a/2"),
            (r#"{"a":[{"k":1},{"k":"#, "/a/1/k"),
            (r#"{"a":1,"bc"#, "/bc[X]#"),
            (r#"{"a":1,"b":{"c":1}, "#, ""),
            (r#"{"a":",:[{","b":"#, "/b"),
            ("{\"a\":1}\n{\"b\":", "/b"),
            ("}}]]{\"a\":", "/a"),
        ] {
            assert_eq!(path(before), pointer, "{before}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let deep = "{\"key\":".repeat(10_000);
        assert_eq!(path(&deep), "/key".repeat(32));
        assert_eq!(path(&format!("{deep}1{}", "}".repeat(9_999))), "/key");
        let long = format!("{{\"{}\":", "é".repeat(1000));
        assert_eq!(path(&long), format!("/{}", "é".repeat(32)));
        assert!(path(&long.repeat(32)).len() < 700);
    }
}
