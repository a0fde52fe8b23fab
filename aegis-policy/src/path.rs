//! One reading of a path, or none.
//!
//! Origins differ in what they make of `/../`, `//`, encoded slashes and matrix parameters. A path that two of them
//! could understand differently has no normal form here: it meets no condition of a rule that permits, and every path
//! condition of a rule that refuses.

/// The path with percent-encoded unreserved characters (RFC 3986 section 2.3) decoded and hex digits in upper case;
/// `None` where the path can be read in more than one way.
pub(crate) fn normalise(path: &str) -> Option<String> {
    let mut normal = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => push_escape(&mut normal, hex(bytes.next()?)? << 4 | hex(bytes.next()?)?)?,
            // `;` starts matrix parameters that some origins cut off; the others stand in no valid path.
            b';' | b'\\' | b'#' | b'?' | b' ' | 0..=0x1f | 0x7f.. => return None,
            plain => normal.push(char::from(plain)),
        }
    }
    let mut segments = normal.strip_prefix('/')?.split('/').peekable();
    while let Some(segment) = segments.next() {
        let inner_empty = segment.is_empty() && segments.peek().is_some();
        if inner_empty || segment == "." || segment == ".." {
            return None;
        }
    }
    Some(normal)
}

fn push_escape(normal: &mut String, byte: u8) -> Option<()> {
    match byte {
        // Encoded separators, and `%` itself, which a second decoding would turn into anything.
        b'/' | b'\\' | b'%' | b';' | 0 => None,
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            normal.push(char::from(byte));
            Some(())
        }
        other => {
            const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
            normal.push('%');
            normal.push(*DIGITS.get(usize::from(other >> 4))?);
            normal.push(*DIGITS.get(usize::from(other & 15))?);
            Some(())
        }
    }
}

pub(crate) fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reading_or_none() {
        for (path, expected) in [
            ("/", Some("/")),
            ("/a/b/", Some("/a/b/")),
            ("/%61%2Db/%c3%a9", Some("/a-b/%C3%A9")),
            ("/a:b@c!$&'()*+,=", Some("/a:b@c!$&'()*+,=")),
            ("/...", Some("/...")),
            ("/.well-known/x", Some("/.well-known/x")),
            ("", None),
            ("*", None),
            ("a", None),
            ("//", None),
            ("//a", None),
            ("/a//b", None),
            ("/a/../b", None),
            ("/a/..", None),
            ("/./a", None),
            ("/%2e%2e/a", None),
            ("/a/%2E", None),
            ("/a/..;/b", None),
            ("/a%2fb", None),
            ("/a%5cb", None),
            ("/a\\b", None),
            ("/a%00", None),
            ("/a%252fb", None),
            ("/a%", None),
            ("/a%4", None),
            ("/a%zz", None),
            ("/a b", None),
            ("/a\tb", None),
            ("/é", None),
            ("/a?b", None),
        ] {
            assert_eq!(normalise(path).as_deref(), expected, "{path}");
        }
    }
}
