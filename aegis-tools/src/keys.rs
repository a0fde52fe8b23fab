//! Keys of objects that some readers match without looking at case: Go's `encoding/json` does, and takes the last of several.
//! `{"method": "tools/list", "METHOD": "tools/call"}` is then another call than the one that was decided on.

use serde_json::{Map, Value};

/// Whether `map` has a key that is one of `known` to such a reader, and is none of them as it is written.
pub(crate) fn odd(map: &Map<String, Value>, known: &[&str]) -> bool {
    map.keys().any(|key| !known.contains(&key.as_str()) && known.iter().any(|name| folds_to(key, name)))
}

/// Simple case folding (Unicode, CaseFolding.txt, status S and C) onto an ASCII name: beside ASCII's own, two letters fold into it.
fn folds_to(key: &str, name: &str) -> bool {
    let folded = key.chars().map(|letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    folded.eq(name.chars().map(|letter| letter.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_a_careless_reader_takes_for_others_are_found() {
        let known = ["method", "params", "task"];
        for (key, found) in [
            ("method", false),
            ("Method", true),
            ("METHOD", true),
            ("param\u{17f}", true),
            ("tas\u{212a}", true),
            ("methods", false),
            ("", false),
        ] {
            let map: Map<String, Value> = [(key.to_owned(), Value::Null)].into_iter().collect();
            assert_eq!(odd(&map, &known), found, "{key}");
        }
    }
}
