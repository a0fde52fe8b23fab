//! The parameters of a template: typed, and bounded by whoever owns it.

use std::cmp::Ordering;

use serde_json::Number;

use crate::glob::{PathGlob, REGEX_SIZE};
use crate::host::HostPattern;
use crate::source::cursor::Cursor;
use crate::source::node::Node;

/// Items that a list takes where its template says nothing.
const MAX_ITEMS: usize = 32;
/// Characters that a string takes where its template says nothing.
const MAX_LENGTH: usize = 256;
const KINDS: [&str; 9] = ["number", "integer", "string", "word", "boolean", "host", "path", "method", "list"];

/// A parameter.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// What holds where a use gives no value.
    pub(crate) default: Option<Node>,
}

/// What a parameter may be.
#[derive(Debug)]
pub(crate) enum Kind {
    Number {
        whole: bool,
        min: Option<Number>,
        max: Option<Number>,
    },
    Text {
        one_of: Vec<String>,
        matches: Option<regex::Regex>,
        longest: usize,
    },
    /// Letters, digits, `-` and `_`: what can stand inside of a host name or a path without changing its shape.
    Word {
        one_of: Vec<String>,
    },
    Boolean,
    Host {
        within: Vec<HostPattern>,
    },
    Path {
        within: Vec<PathGlob>,
    },
    Method {
        within: Vec<String>,
    },
    List {
        of: Box<Kind>,
        most: usize,
    },
}

/// Reads one parameter of a template.
pub(super) fn read(name: &str, at: &Cursor<'_>) -> Option<Parameter> {
    let of = |key: &str| at.child(key).and_then(|kind| known(&kind));
    if at.child("type").is_none() {
        at.problem_with("`type` is missing", "needs `type`", format!("one of: {}", KINDS.join(", ")));
    }
    let kind = of("type")?;
    let item = if kind == "list" { Some(of("of")) } else { None };
    let mut keys = vec!["type", "default"];
    match item {
        Some(item) => {
            keys.extend(["of", "max_items"]);
            keys.extend(own_keys(item.unwrap_or_default()));
        }
        None => keys.extend(own_keys(kind)),
    }
    let fields = at.fields(&keys);
    let kind = match item {
        None => bounds(kind, at)?,
        Some(of) => {
            fields.require("of");
            let most = fields.get("max_items").and_then(|at| at.integer::<u16>("a number of items"));
            Kind::List { of: Box::new(bounds(of?, at)?), most: most.map_or(MAX_ITEMS, usize::from) }
        }
    };
    let default = fields.get("default");
    let read = default.map(|at| kind.accept(at, name));
    Some(Parameter { name: name.to_owned(), kind, default: read.unwrap_or_default() })
}

/// The word for a type; noted where it is none.
fn known<'a>(at: &Cursor<'a>) -> Option<&'a str> {
    let text = at.string()?;
    if !KINDS.contains(&text) {
        at.problem_with(format!("unknown type `{text}`"), "unknown type", format!("one of: {}", KINDS.join(", ")));
        return None;
    }
    Some(text)
}

fn own_keys(kind: &str) -> &'static [&'static str] {
    match kind {
        "number" | "integer" => &["min", "max"],
        "string" => &["one_of", "matches", "max_length"],
        "word" => &["one_of"],
        "host" | "path" | "method" => &["within"],
        _ => &[],
    }
}

/// The bounds of a type other than `list`.
fn bounds(kind: &str, at: &Cursor<'_>) -> Option<Kind> {
    let list = |key: &str| at.child(key).map(|list| list.items()).unwrap_or_default();
    let texts = |key: &str| list(key).iter().filter_map(|item| item.string().map(str::to_owned)).collect::<Vec<_>>();
    Some(match kind {
        "number" | "integer" => {
            Kind::Number { whole: kind == "integer", min: number(at, "min"), max: number(at, "max") }
        }
        "string" => {
            let longest = at.child("max_length").and_then(|at| at.integer::<u16>("a number of characters"));
            let matches = at.child("matches").and_then(|at| whole_match(&at));
            Kind::Text { one_of: texts("one_of"), matches, longest: longest.map_or(MAX_LENGTH, usize::from) }
        }
        "word" => Kind::Word { one_of: texts("one_of") },
        "boolean" => Kind::Boolean,
        "host" => Kind::Host { within: within(at, HostPattern::parse)? },
        "path" => Kind::Path { within: within(at, PathGlob::parse)? },
        "method" => Kind::Method { within: within(at, |text| Ok(text.to_owned()))? },
        _ => {
            at.problem_with("a list of lists is no parameter", "not a list", "write `of: host` or another plain type");
            return None;
        }
    })
}

fn number(at: &Cursor<'_>, key: &str) -> Option<Number> {
    let at = at.child(key)?;
    match at.node {
        Node::Number(number) => Some(number.clone()),
        other => {
            at.problem(format!("expected a number, found {}", other.kind()), "expected a number");
            None
        }
    }
}

/// The whole value must match, else a bound would be one in name only.
fn whole_match(at: &Cursor<'_>) -> Option<regex::Regex> {
    let text = at.string()?;
    let built = regex::RegexBuilder::new(&format!("^(?:{text})$")).size_limit(REGEX_SIZE).build();
    if built.is_err() {
        at.problem(format!("`{text}` is not a regular expression"), "bad regular expression");
    }
    built.ok()
}

/// What hosts, paths and methods are bounded by. Without it there would be no bound, so it has to be there.
fn within<T>(at: &Cursor<'_>, parse: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
    let Some(list) = at.child("within") else {
        at.problem_with("`within` is missing", "has no bounds", "say within which patterns the value must stay");
        return None;
    };
    let item = |item: &Cursor<'_>| {
        let read = parse(item.string()?);
        read.map_err(|why| item.problem(why, "not a pattern")).ok()
    };
    Some(list.items().iter().filter_map(item).collect())
}

impl Kind {
    /// The value at `at`, where it is one that the parameter takes; else what is wrong is noted there.
    pub(super) fn accept(&self, at: &Cursor<'_>, name: &str) -> Option<Node> {
        if let (Kind::List { of, most }, Node::List(_)) = (self, at.node) {
            let items = at.items();
            if items.len() > *most {
                at.problem(format!("`{name}` takes at most {most} items, here are {}", items.len()), "too many");
            }
            let taken: Vec<Node> = items.iter().filter_map(|item| of.accept(item, name)).collect();
            return (taken.len() == items.len() && taken.len() <= *most).then_some(Node::List(taken));
        }
        match self.refusal(at.node) {
            None => Some(at.node.clone()),
            Some(why) => {
                at.problem(format!("`{name}` {why}"), "outside its bounds");
                None
            }
        }
    }

    /// Why the value is not one of these.
    fn refusal(&self, value: &Node) -> Option<String> {
        let wanted = |what: &str| Some(format!("takes {what}, found {}", value.kind()));
        match (self, value) {
            (Kind::Number { whole, min, max }, Node::Number(number)) => {
                outside(*whole, min.as_ref(), max.as_ref(), number)
            }
            (Kind::Number { .. }, _) => wanted("a number"),
            (Kind::Boolean, Node::Bool(_)) => None,
            (Kind::Boolean, _) => wanted("true or false"),
            (Kind::List { .. }, _) => wanted("a list"),
            (_, Node::String(text)) => self.refusal_of_text(text),
            _ => wanted("a string"),
        }
    }

    fn refusal_of_text(&self, text: &str) -> Option<String> {
        let listed = |one_of: &[String]| {
            let known = one_of.is_empty() || one_of.iter().any(|one| one == text);
            (!known).then(|| format!("is one of {}, not {text:?}", one_of.join(", ")))
        };
        let outside = |covered: Result<bool, String>, within: String| match covered {
            Ok(true) => None,
            Ok(false) => Some(format!("is {text:?}, which is not within {within}")),
            Err(why) => Some(format!("is {text:?}: {why}")),
        };
        match self {
            Kind::Text { one_of, matches, longest } => listed(one_of)
                .or_else(|| (text.chars().count() > *longest).then(|| format!("is longer than {longest} characters")))
                .or_else(|| {
                    let missed = matches.as_ref().filter(|regex| !regex.is_match(text))?;
                    Some(format!("is {text:?}, which does not match {}", missed.as_str()))
                }),
            Kind::Word { one_of } => {
                let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                let word = (1..=64).contains(&text.len()) && text.chars().all(letter);
                if word { listed(one_of) } else { Some("takes 1 to 64 letters, digits, `-` and `_`".to_owned()) }
            }
            Kind::Host { within } => {
                let inside = HostPattern::parse(text).map(|host| within.iter().any(|outer| outer.covers(&host)));
                outside(inside, words(within))
            }
            Kind::Path { within } => {
                let inside = PathGlob::parse(text).map(|path| within.iter().any(|outer| outer.covers(&path)));
                outside(inside, within.iter().map(PathGlob::pattern).collect::<Vec<_>>().join(", "))
            }
            Kind::Method { within } => outside(Ok(within.iter().any(|one| one == text)), within.join(", ")),
            Kind::Number { .. } | Kind::Boolean | Kind::List { .. } => Some("takes no string".to_owned()),
        }
    }

    /// A value that the parameter could have, to try a template out with.
    pub(super) fn sample(&self) -> Node {
        let first = |list: &[String], other: &str| list.first().cloned().unwrap_or_else(|| other.to_owned());
        match self {
            Kind::Number { min, max, .. } => {
                Node::Number(max.clone().or_else(|| min.clone()).unwrap_or_else(|| Number::from(1)))
            }
            Kind::Text { one_of, .. } => Node::String(first(one_of, "text")),
            Kind::Word { one_of } => Node::String(first(one_of, "word")),
            Kind::Boolean => Node::Bool(true),
            Kind::Host { within } => Node::String(within.first().map(ToString::to_string).unwrap_or_default()),
            Kind::Path { within } => Node::String(within.first().map(PathGlob::pattern).unwrap_or_default().to_owned()),
            Kind::Method { within } => Node::String(first(within, "GET")),
            Kind::List { of, .. } => Node::List(vec![of.sample()]),
        }
    }

    /// The word for it in messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Kind::Number { whole: true, .. } => "integer",
            Kind::Number { .. } => "number",
            Kind::Text { .. } => "string",
            Kind::Word { .. } => "word",
            Kind::Boolean => "boolean",
            Kind::Host { .. } => "host",
            Kind::Path { .. } => "path",
            Kind::Method { .. } => "method",
            Kind::List { .. } => "list",
        }
    }
}

fn words(list: &[HostPattern]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn outside(whole: bool, min: Option<&Number>, max: Option<&Number>, value: &Number) -> Option<String> {
    if whole && !(value.is_i64() || value.is_u64()) {
        return Some(format!("takes a whole number, not {value}"));
    }
    if let Some(min) = min.filter(|min| compare(value, min) != Some(Ordering::Greater) && *min != value) {
        return Some(format!("is at least {min}, not {value}"));
    }
    let max = max.filter(|max| compare(value, max) != Some(Ordering::Less) && *max != value)?;
    Some(format!("is at most {max}, not {value}"))
}

/// Which of two numbers is larger; exact for 64-bit integers. `None` where that can't be said.
pub(crate) fn compare(a: &Number, b: &Number) -> Option<Ordering> {
    let whole = |number: &Number| number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    match (whole(a), whole(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64().partial_cmp(&b.as_f64()),
    }
}
