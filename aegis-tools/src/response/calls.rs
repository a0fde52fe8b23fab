//! Calls of tools, put together from the pieces in which a model streams them.

/// Calls that are kept of one answer.
pub const MAX_TOOL_CALLS: usize = 64;
/// The longest arguments that are kept, in bytes; all calls of an answer together.
const MAX_ARGUMENTS: usize = 256 << 10;

/// A call of a tool that a model wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolCall {
    pub name: String,
    /// As the model wrote them: JSON, most often.
    pub arguments: String,
}

#[derive(Default)]
pub(super) struct Calls {
    /// By the place that the provider gives each.
    open: Vec<(u64, ToolCall)>,
    held: usize,
    cut: bool,
}

impl Calls {
    /// A call begins at `place`, or is named again there.
    pub(super) fn named(&mut self, place: u64, name: &str) {
        if name.is_empty() {
            return;
        }
        if !crate::llm::is_word(name) {
            self.cut = true;
            return;
        }
        if let Some(call) = self.at(place) {
            call.name = name.to_owned();
        }
    }

    /// A piece of its arguments.
    pub(super) fn piece(&mut self, place: u64, piece: &str) {
        if self.held + piece.len() > MAX_ARGUMENTS {
            self.cut = true;
            return;
        }
        self.held += piece.len();
        if let Some(call) = self.at(place) {
            call.arguments.push_str(piece);
        }
    }

    /// All of its arguments.
    pub(super) fn whole(&mut self, place: u64, arguments: &str) {
        let before = self.at(place).map_or(0, |call| std::mem::take(&mut call.arguments).len());
        self.held = self.held.saturating_sub(before);
        self.piece(place, arguments);
    }

    /// A call that comes in one piece, after all that were there.
    pub(super) fn add(&mut self, name: &str, arguments: &str) {
        let place = self.open.iter().map(|(place, _)| *place + 1).max().unwrap_or_default();
        self.named(place, name);
        self.whole(place, arguments);
    }

    fn at(&mut self, place: u64) -> Option<&mut ToolCall> {
        if !self.open.iter().any(|(known, _)| *known == place) {
            if self.open.len() >= MAX_TOOL_CALLS {
                self.cut = true;
                return None;
            }
            self.open.push((place, ToolCall::default()));
        }
        self.open.iter_mut().find(|(known, _)| *known == place).map(|(_, call)| call)
    }

    /// All that have a name, and whether any were left out.
    pub(super) fn finish(self) -> (Vec<ToolCall>, bool) {
        (self.open.into_iter().map(|(_, call)| call).filter(|call| !call.name.is_empty()).collect(), self.cut)
    }
}
