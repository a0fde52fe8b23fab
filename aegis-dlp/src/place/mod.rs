//! Where in a document a match is: a path of names, followed along as the stream passes.

mod csv;
mod json;
mod name;
mod xml;

use crate::view::Encoding;
use name::Path;

/// Elements of a path that are kept; what is deeper is where the last of them is.
const DEPTH: usize = 32;

/// The state of the document at a place of the view; only ever goes forward.
pub(crate) enum Tracker {
    None,
    Json(json::Pointer),
    Xml(xml::Elements),
    Csv(csv::Cells),
}

/// A tracker and the position in the view that it has come to.
pub(crate) struct Followed {
    pub(crate) tracker: Tracker,
    pub(crate) at: usize,
}

impl Followed {
    pub(crate) fn new(encoding: Encoding) -> Self {
        Followed { tracker: Tracker::of(encoding), at: 0 }
    }

    /// Goes on to a position; one that it has passed leaves it where it is.
    pub(crate) fn reach(&mut self, view: &[u8], position: usize) {
        if position > self.at {
            self.tracker.advance(view.get(self.at..position).unwrap_or_default());
            self.at = position;
        }
    }
}

impl Tracker {
    pub(crate) fn of(encoding: Encoding) -> Tracker {
        match encoding {
            Encoding::Json | Encoding::JsonForm => Tracker::Json(json::Pointer::default()),
            Encoding::Xml => Tracker::Xml(xml::Elements::default()),
            Encoding::Csv => Tracker::Csv(csv::Cells::default()),
            Encoding::Plain | Encoding::Form | Encoding::Percent => Tracker::None,
        }
    }

    /// Goes past these bytes of the view.
    pub(crate) fn advance(&mut self, bytes: &[u8]) {
        match self {
            Tracker::None => {}
            Tracker::Json(pointer) => pointer.advance(bytes),
            Tracker::Xml(elements) => elements.advance(bytes),
            Tracker::Csv(cells) => cells.advance(bytes),
        }
    }

    /// Whether the place is within a JSON string.
    pub(crate) fn in_string(&self) -> bool {
        matches!(self, Tracker::Json(pointer) if pointer.in_string())
    }

    /// Whether the place is in the name of an instruction of XML.
    pub(crate) fn in_target(&self) -> bool {
        matches!(self, Tracker::Xml(elements) if elements.in_target())
    }

    /// Whether the place is in the markup of XML, where only a name may stand.
    pub(crate) fn in_markup(&self) -> bool {
        matches!(self, Tracker::Xml(elements) if elements.in_markup())
    }

    /// Whether the place is in the value of an attribute of XML.
    pub(crate) fn in_attribute(&self) -> bool {
        matches!(self, Tracker::Xml(elements) if elements.in_attribute())
    }

    /// How much of what stands at the place is before the end of the text or attribute that it is in; `None` for all of it.
    pub(crate) fn text_length(&self, text: &[u8]) -> Option<usize> {
        match self {
            Tracker::Xml(elements) => elements.text_length(text),
            _ => None,
        }
    }

    /// The heading of the column, where there are columns.
    pub(crate) fn heading(&self) -> &[u8] {
        match self {
            Tracker::Csv(cells) => cells.heading(),
            _ => &[],
        }
    }

    /// The path of the place; empty where the document has none. `found` stands for the rest of a name that the place is in,
    /// `clean` takes out of a name what must not be told.
    pub(crate) fn path(&self, found: &str, clean: &dyn Fn(&str) -> String) -> String {
        let mut path = Path::new(clean);
        match self {
            Tracker::None => {}
            Tracker::Json(pointer) => pointer.write(found, &mut path),
            Tracker::Xml(elements) => elements.write(&mut path),
            Tracker::Csv(cells) => return cells.path(),
        }
        path.into_text()
    }
}
