//! A dictionary as a file: values, one a line, or their hashes.
//!
//! ```text
//! aegis-dictionary 1
//! key 00112233445566778899aabbccddeeff
//! lengths 0000000000003ff0
//! count 1000000
//! beginnings BASE64...      the bits for the first letters, 8 KiB, in lines of 64 characters
//! hashes BASE64...          64 bits each, the lowest byte first, ascending, in lines of 64 characters
//! ```
//!
//! Who has the file can try whether a value is in it, so short or guessable values are hidden from readers only.

use data_encoding::{BASE64, HEXLOWER};

use super::dictionary::{BEGINNINGS, Dictionary, DictionaryError, MOST, key_of};

/// The first line of a file of hashes.
const TITLE: &str = "aegis-dictionary 1";
/// Bytes of a line of base64.
const LINE: usize = 48;

impl Dictionary {
    /// Reads a file of values or of hashes. Lines that are empty or begin with `#` are no values.
    ///
    /// # Errors
    /// [`DictionaryError`], with the line.
    pub fn read(text: &str) -> Result<Dictionary, DictionaryError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.lines().next().is_some_and(|first| first.starts_with("aegis-dictionary")) {
            return read_hashes(text);
        }
        Dictionary::of_values(key_of(text), Dictionary::values(text))
    }

    /// The values of a file and their lines.
    pub fn values(text: &str) -> impl Iterator<Item = (usize, &str)> {
        let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
        lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
    }

    /// Whether the text is a file of hashes.
    pub fn is_hashed(text: &str) -> bool {
        text.starts_with("aegis-dictionary")
    }

    /// The dictionary as a file of hashes.
    pub fn write(&self) -> String {
        let mut text = format!("{TITLE}\nkey {}\n", HEXLOWER.encode(&self.key));
        text.push_str(&format!("lengths {:016x}\ncount {}\n", self.lengths, self.len()));
        for (name, words) in [("beginnings", &self.beginnings), ("hashes", &self.hashes)] {
            text.push_str(name);
            text.push('\n');
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            for line in bytes.chunks(LINE) {
                text.push_str(&BASE64.encode(line));
                text.push('\n');
            }
        }
        text
    }
}

/// Lines with their numbers.
struct Lines<'t>(std::iter::Enumerate<std::str::Lines<'t>>, usize);

impl<'t> Lines<'t> {
    fn next(&mut self) -> Result<&'t str, DictionaryError> {
        let (number, line) =
            self.0.next().ok_or(DictionaryError::Malformed { line: self.1 + 1, why: "it ends here" })?;
        self.1 = number + 1;
        Ok(line)
    }

    fn wrong(&self, why: &'static str) -> DictionaryError {
        DictionaryError::Malformed { line: self.1, why }
    }

    /// What stands behind `name`.
    fn field(&mut self, name: &str) -> Result<&'t str, DictionaryError> {
        let line = self.next()?;
        line.strip_prefix(name).map(str::trim_start).ok_or_else(|| self.wrong("another field is expected here"))
    }

    /// So many words of 64 bits in lines of base64.
    fn words(&mut self, count: usize) -> Result<Vec<u64>, DictionaryError> {
        let mut words = Vec::with_capacity(count);
        while words.len() < count {
            let line = self.next()?;
            let bytes = BASE64.decode(line.as_bytes()).map_err(|_| self.wrong("it is not base64"))?;
            let (chunks, rest) = bytes.as_chunks::<8>();
            if bytes.len() > LINE || chunks.is_empty() || !rest.is_empty() {
                return Err(self.wrong("it is too short or too long"));
            }
            words.extend(chunks.iter().map(|chunk| u64::from_le_bytes(*chunk)));
        }
        if words.len() == count { Ok(words) } else { Err(self.wrong("there are more than were counted")) }
    }
}

fn read_hashes(text: &str) -> Result<Dictionary, DictionaryError> {
    let mut lines = Lines(text.lines().enumerate(), 0);
    if lines.next()? != TITLE {
        return Err(lines.wrong("this version of Aegis reads `aegis-dictionary 1`"));
    }
    let key = HEXLOWER.decode(lines.field("key")?.as_bytes()).ok().and_then(|key| <[u8; 16]>::try_from(key).ok());
    let mut dictionary = Dictionary::empty(key.ok_or_else(|| lines.wrong("the key has 32 hexadecimal digits"))?);
    let lengths = u64::from_str_radix(lines.field("lengths")?, 16);
    dictionary.lengths = lengths.map_err(|_| lines.wrong("the lengths have 16 hexadecimal digits"))?;
    let count: usize = lines.field("count")?.parse().map_err(|_| lines.wrong("it is no number"))?;
    if count > MOST {
        return Err(DictionaryError::Full);
    }
    lines.field("beginnings")?;
    dictionary.beginnings = lines.words(BEGINNINGS / 64)?;
    lines.field("hashes")?;
    dictionary.hashes = lines.words(count)?;
    if !dictionary.hashes.is_sorted_by(|left, right| left < right) {
        return Err(lines.wrong("the hashes are not in order"));
    }
    if lines.0.next().is_some() {
        return Err(lines.wrong("something follows it"));
    }
    dictionary.finish()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    const VALUES: &str = "# customers\nACME-0012 34\n\nJane O'Brien\nACME 001234\n  bluebird  \n";

    #[test]
    fn a_file_of_values_and_one_of_hashes_are_the_same_dictionary() {
        let plain = Dictionary::read(VALUES).unwrap();
        assert_eq!(plain.len(), 3, "one value stands twice");
        let written = plain.write();
        assert!(!written.to_lowercase().contains("acme") && Dictionary::is_hashed(&written));
        let hashed = Dictionary::read(&written).unwrap();
        for value in ["acme001234", "jane obrien", "BlueBird"] {
            assert!(plain.has(value) && hashed.has(value), "{value}");
        }
        assert!(!hashed.has("acme001235") && !hashed.has("jane"));
        assert_eq!(hashed.write(), written);
        let other = Dictionary::of_values([1; 16], Dictionary::values(VALUES)).unwrap();
        assert!(other.hashes != hashed.hashes && other.has("bluebird"));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_without_the_value() {
        let wrong = |text: &str| Dictionary::read(text).unwrap_err().to_string();
        assert!(wrong("good one\nabc\n").starts_with("line 2: ") && !wrong("good one\nabc\n").contains("abc"));
        assert!(wrong("# nothing\n").contains("one value a line"));
        let written = Dictionary::read(VALUES).unwrap().write();
        let lines: Vec<&str> = written.lines().collect();
        for (number, instead) in [
            (0, "aegis-dictionary 2"),
            (1, "key 00"),
            (2, "lengths x"),
            (3, "count 4"),
            (3, "count 2"),
            (5, "!!"),
            (5, "AAAA"),
        ] {
            let mut changed = lines.clone();
            changed[number] = instead;
            assert!(Dictionary::read(&changed.join("\n")).is_err(), "{instead}");
        }
        assert!(Dictionary::read(&format!("{written}more")).is_err());
        assert_eq!(Dictionary::read(&lines[..4].join("\n")).unwrap_err().to_string().split(':').next(), Some("line 5"));
    }
}
