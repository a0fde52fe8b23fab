//! Text from outside, fit for a terminal.

use std::borrow::Cow;

/// The text with U+FFFD for each character that a terminal obeys and does not show: control characters (C0, C1, line breaks)
/// and those that turn the direction of writing or break lines. What an agent sent stays one line that is read as it stands.
pub fn plain(text: &str) -> Cow<'_, str> {
    if text.contains(is_obeyed) { text.replace(is_obeyed, "\u{fffd}").into() } else { text.into() }
}

fn is_obeyed(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_a_terminal_obeys_is_shown_as_such() {
        for (text, shown) in [
            ("plain, \u{e9}\u{1f600} \u{200d}", "plain, \u{e9}\u{1f600} \u{200d}"),
            ("\u{1b}[2Ja\nb\rc\td", "\u{fffd}[2Ja\u{fffd}b\u{fffd}c\u{fffd}d"),
            ("\u{9b}31m\u{7f}\u{0}", "\u{fffd}31m\u{fffd}\u{fffd}"),
            ("\u{200e}\u{202e}\u{2028}\u{2066}\u{2069}\u{61c}", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(plain(text), shown);
        }
    }
}
