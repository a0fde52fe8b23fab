//! The sliding window: raw bytes, their view, and which position of the one is which of the other.

use super::Encoding;
use super::blanks::Blanks;
use super::charset::{Charset, Transcoder};
use super::decode::{Decoder, Seek, Step};
use super::edit::Edits;

/// Bytes that are no more of the window before the rest is moved to their place.
const SLACK: usize = 2048;

/// A sliding window over a stream.
///
/// Its view begins with history: what was decided, as the receiver will see it, masks in place of what
/// was redacted. Detectors look back at that and so judge what follows as they would in the output.
pub(crate) struct Window {
    encoding: Encoding,
    transcoder: Transcoder,
    decoder: Decoder,
    blanks: Blanks,
    /// Bytes that are no more of the view, which begins behind them; then history, then what is to be decided, decoded.
    view: Vec<u8>,
    unused: usize,
    /// The length of the history that no raw bytes belong to any more.
    lead: usize,
    /// Raw bytes that are gone, so many; then those from the lead on, as UTF-8.
    raw: Vec<u8>,
    gone: usize,
    edits: Edits,
    /// The raw bytes already decoded, those that are gone counted.
    taken: usize,
    /// The same of those already put out.
    sent: usize,
    /// Bytes of the stream before the first raw one that is not gone, as they came.
    passed: u64,
    /// The byte at the end of the stream that belongs to no character.
    odd: Option<u8>,
    /// There is more that nobody sees than may be: it is not read on.
    over: bool,
}

impl Window {
    /// A window over a stream from its byte `passed` on, of which `held` has come, as UTF-8.
    pub(crate) fn new(encoding: Encoding, transcoder: Transcoder, held: Vec<u8>, passed: u64) -> Self {
        Window {
            encoding,
            transcoder,
            decoder: Decoder::new(encoding),
            blanks: Blanks::default(),
            view: Vec::new(),
            unused: 0,
            lead: 0,
            raw: held,
            gone: 0,
            edits: Edits::default(),
            taken: 0,
            sent: 0,
            passed,
            odd: None,
            over: false,
        }
    }

    pub(crate) fn charset(&self) -> Charset {
        self.transcoder.charset()
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Refuses what has more bytes of which nothing is seen than anybody writes; else those are shown.
    pub(crate) fn be_strict(&mut self) {
        self.decoder.strict = true;
    }

    /// Whether it is refused.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Bytes of memory that the window holds.
    pub(crate) fn held(&self) -> usize {
        self.view.capacity() + self.raw.capacity() + self.edits.held()
    }

    /// Appends bytes of the stream; an escape that they cut off waits for the rest unless this is the end.
    pub(crate) fn append(&mut self, bytes: &[u8], end: bool) {
        self.close_gaps();
        self.transcoder.append(bytes, &mut self.raw);
        if end {
            self.odd = self.transcoder.end(&mut self.raw);
        }
        self.decode(end);
    }

    /// Moves what is left to the front where so much before it is gone that this costs little for each byte.
    fn close_gaps(&mut self) {
        if self.unused >= SLACK {
            self.view.drain(..self.unused);
            self.unused = 0;
        }
        if self.gone >= SLACK {
            self.raw.drain(..self.gone);
            (self.taken, self.sent) = (self.taken - self.gone, self.sent - self.gone);
            self.gone = 0;
        }
    }

    fn decode(&mut self, end: bool) {
        let mut shift = self.edits.last();
        let mut seek = Seek::new(self.encoding);
        while self.taken < self.raw.len() {
            let special = seek.next(&self.raw, self.taken);
            let mut plain = self.raw.get(self.taken..special).unwrap_or_default();
            self.decoder.plain(plain);
            while self.encoding.is_json() && !plain.is_empty() {
                let (shown, hidden) = self.blanks.split(plain);
                self.view.extend_from_slice(plain.get(..shown).unwrap_or_default());
                if hidden > 0 {
                    shift += hidden;
                    self.edits.push(2 * self.bytes().len() + 1, shift);
                }
                plain = plain.get(shown + hidden..).unwrap_or_default();
            }
            self.view.extend_from_slice(plain);
            self.taken = special;
            let Some(rest) = self.raw.get(special..).filter(|rest| !rest.is_empty()) else { break };
            self.blanks.end();
            match self.decoder.step(rest, end) {
                Step::Byte(byte, length) => {
                    self.view.push(byte);
                    self.taken += length;
                    if length > 1 {
                        shift += length - 1;
                        self.edits.push(2 * self.bytes().len(), shift);
                    }
                }
                Step::Nothing(length) => {
                    self.taken += length;
                    shift += length;
                    self.edits.push(2 * self.bytes().len() + 1, shift);
                }
                Step::Same(length) => {
                    self.view.extend_from_slice(rest.get(..length).unwrap_or_default());
                    self.taken += length;
                }
                Step::Wait => break,
                Step::Over => {
                    self.over = true;
                    break;
                }
            }
        }
    }

    /// The decoded bytes of the window.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.view.get(self.unused..).unwrap_or_default()
    }

    /// Where the byte at a position of the view is in the stream as sent.
    pub(crate) fn offset(&self, position: usize) -> u64 {
        let to = self.raw_start(position).min(self.raw.len());
        self.passed + self.transcoder.charset().width(self.raw.get(self.gone..to).unwrap_or_default())
    }

    /// The raw position of the byte at a position of the view.
    fn raw_start(&self, position: usize) -> usize {
        self.raw_position(position, 2 * position + 1)
    }

    /// The raw position after the byte before a position of the view: what takes no room comes later.
    fn raw_end(&self, position: usize) -> usize {
        self.raw_position(position, 2 * position)
    }

    fn raw_position(&self, position: usize, at: usize) -> usize {
        self.gone + position.saturating_sub(self.lead) + self.edits.shift(at)
    }

    /// Puts out what was not yet, up to the byte before `position`.
    pub(crate) fn put_out(&mut self, position: usize, out: &mut Vec<u8>) {
        self.send(self.raw_end(position), out);
    }

    /// Puts out what was not yet, up to the byte at `position`.
    pub(crate) fn put_out_to(&mut self, position: usize, out: &mut Vec<u8>) {
        self.send(self.raw_start(position), out);
    }

    /// Puts out all that there is, at the end of the stream.
    pub(crate) fn put_out_rest(&mut self, out: &mut Vec<u8>) {
        self.send(self.raw.len(), out);
        out.extend(self.odd.take());
    }

    fn send(&mut self, to: usize, out: &mut Vec<u8>) {
        let mut to = to.min(self.raw.len());
        if self.transcoder.charset() != Charset::Utf8 {
            // A unit has no parts.
            while self.raw.get(to).is_some_and(|byte| matches!(byte, 0x80..=0xBF)) && to > self.sent {
                to -= 1;
            }
        }
        if to > self.sent {
            self.transcoder.charset().write(self.raw.get(self.sent..to).unwrap_or_default(), out);
            self.sent = to;
        }
    }

    /// Puts out text of ours, as this syntax writes it.
    pub(crate) fn put_out_text(&self, text: &[u8], out: &mut Vec<u8>) {
        let charset = self.transcoder.charset();
        if charset == Charset::Utf8 {
            return self.encoding.write(text, out);
        }
        let mut written = Vec::with_capacity(text.len());
        self.encoding.write(text, &mut written);
        charset.write(&written, out);
    }

    /// Puts out bytes that came before.
    pub(crate) fn put_out_raw(&self, utf8: &[u8], out: &mut Vec<u8>) {
        self.transcoder.charset().write(utf8, out);
    }

    /// The bytes between two positions of the view that were not put out yet.
    pub(crate) fn raw_text(&self, from: usize, to: usize) -> &[u8] {
        self.raw.get(self.raw_start(from)..self.raw_end(to)).unwrap_or_default()
    }

    /// Leaves out what was not put out yet, up to the byte before `position`.
    pub(crate) fn pass_over(&mut self, position: usize) {
        self.sent = self.sent.max(self.raw_end(position).min(self.raw.len()));
    }

    /// Puts a mask in the place of a range, all before which was put out; all up to its end is history from then on.
    pub(crate) fn replace(&mut self, from: usize, to: usize, mask: &[u8]) {
        self.release(to);
        let (start, end) = (self.unused + from, (self.unused + to).min(self.view.len()));
        // Whatever is shorter moves: what stands before the range or what stands behind it.
        let begin = (self.unused + end).checked_sub(start + mask.len()).filter(|_| from < self.view.len() - end);
        match begin {
            Some(begin) => {
                self.view.copy_within(self.unused..start, begin);
                self.unused = begin;
                if let Some(place) = self.view.get_mut(end - mask.len()..end) {
                    place.copy_from_slice(mask);
                }
            }
            None => drop(self.view.splice(start..end, mask.iter().copied())),
        }
        self.lead = from + mask.len();
        self.edits.displace(2 * self.lead, 2 * to);
    }

    /// Forgets the view before `position`, all of which was put out.
    pub(crate) fn drop_before(&mut self, position: usize) {
        if position > self.lead {
            self.release(position);
        }
        self.unused = (self.unused + position).min(self.view.len());
        self.lead = self.lead.saturating_sub(position);
        self.edits.displace(0, 2 * position);
    }

    /// Forgets the raw bytes before `position` of the view.
    fn release(&mut self, position: usize) {
        let to = self.raw_end(position).min(self.raw.len());
        let gone = to - self.gone;
        self.passed += self.transcoder.charset().width(self.raw.get(self.gone..to).unwrap_or_default());
        (self.taken, self.sent) = (self.taken.max(to), self.sent.max(to));
        self.gone = to;
        self.edits.drop_to(2 * position, gone - position.saturating_sub(self.lead));
        self.lead = self.lead.max(position);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn window(encoding: Encoding) -> Window {
        Window::new(encoding, Transcoder::default(), Vec::new(), 0)
    }

    fn raw(window: &Window, from: usize, to: usize) -> &str {
        std::str::from_utf8(&window.raw[window.raw_start(from)..window.raw_end(to)]).unwrap()
    }

    fn decoded(encoding: Encoding, raw: &str) -> String {
        let mut whole = window(encoding);
        whole.append(raw.as_bytes(), true);
        let mut cut = window(encoding);
        for byte in raw.bytes() {
            cut.append(&[byte], false);
        }
        cut.append(&[], true);
        assert_eq!(whole.bytes(), cut.bytes(), "{raw}");
        let mut out = Vec::new();
        whole.put_out_rest(&mut out);
        assert_eq!(out, raw.as_bytes());
        String::from_utf8_lossy(whole.bytes()).into_owned()
    }

    #[test]
    fn json_escapes() {
        assert_eq!(decoded(Encoding::Json, r#"a\u0040b\/c\n\r\"d\u0022"#), "a@b/c\n\r'd'");
        assert_eq!(decoded(Encoding::Json, r"\q \u12 \"), r"\q \u12 \", "what is no escape stays");
        assert_eq!(decoded(Encoding::Json, r"\u{40}\U00000040 \u{} \u{zz} \u{1234567}"), r"@@ \u{} \u{zz} \u{1234567}");
        assert_eq!(decoded(Encoding::Plain, r"\u{40} \U00000040 C:\Users \u{4"), r"@ @ C:\Users \u{4");
        assert_eq!(decoded(Encoding::Json, r#""\\" \\q \\\"x"#), r#""\" \q `x"#);
    }

    #[test]
    fn json_in_json() {
        assert_eq!(decoded(Encoding::Json, r#"{\"a\":\"\\u0040\\n\\\/\\\\\\\"\"}"#), "{'a':'@\n/`'}");
        assert_eq!(decoded(Encoding::Json, r"\\\\u0040 \\u004 \\\\\\x40"), r"@ \u004 @");
    }

    #[test]
    fn percent_escapes() {
        assert_eq!(decoded(Encoding::Form, "a+b%2Bc%40%zz%4%2540%252540%25x"), "a b+c@%zz%4@@%x");
        assert_eq!(decoded(Encoding::Percent, "a+b%2bc%u0040%u00"), "a+b+c@%u00");
        assert_eq!(decoded(Encoding::Plain, "%40 %2D %31%32% 100%20x %2540"), "@ - 12% 100 x @");
        assert_eq!(decoded(Encoding::Plain, "'%523-45-6789%' %01 %ff %"), "'%523-45-6789%' %01 %ff %");
    }

    #[test]
    fn escapes_that_escapes_make() {
        assert_eq!(decoded(Encoding::Json, r"\u0025\u0034\u0030 \u0026#64; \u005cu0040 \u0026\u0023x40;"), "@ @ @ @");
        assert_eq!(decoded(Encoding::Form, "%26%2364; %5Cu0040 %26amp; %2526%2523x40;"), "@ @ &amp; @");
        assert_eq!(decoded(Encoding::Xml, "&#37;40 &#92;u0040 &#38;#64; &amp;commat; &#37;x"), "@ @ @ @ %x");
        assert_eq!(decoded(Encoding::Plain, "%5C%75%30%30%34%30 %25252540 &#92;x40"), "@ @ @");
        assert_eq!(decoded(Encoding::Json, r"\u0025523-45-6789 \u0026amp; \u005cn \u0025"), r"%523-45-6789 &amp; \n %");
    }

    #[test]
    fn json_declared_a_form() {
        assert_eq!(decoded(Encoding::JsonForm, r#"{"a+%40\u0040":"%22\"%5c%5Cn%zz%4"#), r#"{"a+@@":"''\\n%zz%4"#);
    }

    #[test]
    fn references() {
        assert_eq!(decoded(Encoding::Xml, "&#49;&#x32;&#0051;&amp;&lt;&commat;&#64 &x; &#; &"), "123&'@@ &x; &#; &");
        assert_eq!(decoded(Encoding::Xml, "&amp;#49;&amp;amp;x&shy;&#xff12;"), "1&x2");
        assert_eq!(
            decoded(Encoding::Json, "&#49;&amp;#x32;&amp;&commat;&#0000000000000000000000051;"),
            "12&amp;&commat;3"
        );
    }

    #[test]
    fn what_looks_alike_and_what_nobody_sees() {
        assert_eq!(decoded(Encoding::Plain, "１２\u{200b}\u{200d}３é中"), "123é中");
        assert_eq!(decoded(Encoding::Json, r"\uff11\ud835\udfcf\u200b2\ud83d3"), "112\u{fffd}3");
        assert_eq!(decoded(Encoding::Form, "%EF%BC%91%E2%80%8B%D0%90KIA"), "1AKIA");
        assert_eq!(decoded(Encoding::Plain, "АКIA_ sk-аnt- сора почта"), "AKIA_ sk-ant- сора почта");
        let many = "\u{200b}".repeat(2000);
        assert_eq!(decoded(Encoding::Plain, &format!("1{many}2")), "12");
        let strike = "1\u{336}2\u{2800}3\u{fff9}";
        assert_eq!(decoded(Encoding::Plain, strike), "123");
    }

    #[test]
    fn positions_map_back_also_after_dropping() {
        let mut window = window(Encoding::Json);
        window.append("ab\\u0040\u{200b}cd\\nef".as_bytes(), true);
        assert_eq!(window.bytes(), b"ab@cd\nef");
        assert_eq!((raw(&window, 2, 3), raw(&window, 3, 6)), (r"\u0040", r"cd\n"));
        window.put_out(8, &mut Vec::new());
        window.drop_before(2);
        assert_eq!(raw(&window, 0, 1), r"\u0040");
        window.drop_before(1);
        assert_eq!(window.bytes(), b"cd\nef");
        assert_eq!((raw(&window, 2, 4), window.offset(3), window.offset(0)), (r"\ne", 15, 11));
    }

    #[test]
    fn positions_map_back_after_a_replacement() {
        let mut window = window(Encoding::Json);
        let mut out = Vec::new();
        window.append("ab\\u0040\u{200b}cd\u{200b}\\nef\\tg".as_bytes(), true);
        window.put_out_to(1, &mut out);
        window.replace(1, 5, b"[MASK]");
        assert_eq!(window.bytes(), b"a[MASK]\nef\tg");
        window.put_out(8, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "a\u{200b}\\n", "what nobody sees after a match stays");
        assert_eq!((raw(&window, 7, 8), raw(&window, 8, 12)), (r"\n", r"ef\tg"));
        window.append(br"\nh", true);
        window.put_out(9, &mut Vec::new());
        window.drop_before(8);
        assert_eq!((window.bytes(), raw(&window, 2, 6)), (&b"ef\tg\nh"[..], r"\tg\nh"));
    }

    #[test]
    fn utf16_is_counted_as_it_came() {
        let bytes = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        let mut window = Window::new(Encoding::Plain, Transcoder::new(Charset::Utf16Be), Vec::new(), 2);
        window.append(&bytes("é😀１x\u{200b}yz"), false);
        assert_eq!(window.bytes(), "é😀1xyz".as_bytes());
        assert_eq!((window.offset(6), window.offset(8)), (2 + 6, 2 + 12));
        let mut out = Vec::new();
        window.put_out_to(8, &mut out);
        window.replace(8, 9, b"[M]");
        window.put_out_text(b"[M]", &mut out);
        window.append(&[1], true);
        window.put_out_rest(&mut out);
        assert_eq!(out, [bytes("é😀１x\u{200b}[M]z"), vec![1]].concat());
    }
}
