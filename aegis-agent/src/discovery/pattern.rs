//! Which agent a unit or a container is: patterns that names and labels fit, and texts with places to be filled in.

use std::collections::BTreeMap;
use std::fmt;

use super::names::Unit;
use super::runtime::Container;
use crate::config::is_name;

/// A pattern: `*` stands for any run of characters, everything else for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(String);

impl Glob {
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == text };
        let Some(mut text) = text.strip_prefix(first) else { return false };
        let mut parts: Vec<&str> = rest.split('*').collect();
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            // The earliest place leaves the most for what comes after.
            let Some((_, after)) = text.split_once(part) else { return false };
            text = after;
        }
        text.ends_with(last)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a template is filled in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Unit,
    Container,
}

/// A text with places: `{unit}`, `{prefix}`, `{instance}` of a unit; `{container}`, `{name}`, `{label:KEY}` of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Unit,
    Prefix,
    Instance,
    Id,
    Name,
    Label(String),
}

/// What is known of the unit or container.
#[derive(Clone, Copy, Debug)]
pub enum Facts<'a> {
    Unit(&'a Unit),
    Container { id: &'a str, container: &'a Container },
}

impl Template {
    /// # Errors
    /// One line: a place that there is not, or a brace without its other.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (place, tail) = after.split_once('}').ok_or("a `{` is not closed")?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::read(place, kind)?);
            rest = tail;
        }
        parts.push(Part::Text(rest.to_owned()));
        if parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains('}'))) {
            return Err("a `}` was not opened".to_owned());
        }
        Ok(Self(parts))
    }

    /// The text with everything filled in.
    ///
    /// # Errors
    /// One line: what is not there, or is no DNS label.
    pub fn fill(&self, facts: Facts<'_>) -> Result<String, String> {
        self.0.iter().map(|part| part.fill(facts)).collect()
    }
}

impl Part {
    fn read(place: &str, kind: Kind) -> Result<Self, String> {
        match (kind, place) {
            (Kind::Unit, "unit") => Ok(Self::Unit),
            (Kind::Unit, "prefix") => Ok(Self::Prefix),
            (Kind::Unit, "instance") => Ok(Self::Instance),
            (Kind::Container, "container") => Ok(Self::Id),
            (Kind::Container, "name") => Ok(Self::Name),
            (Kind::Container, other) if other.strip_prefix("label:").is_some_and(|key| !key.is_empty()) => {
                Ok(Self::Label(other.trim_start_matches("label:").to_owned()))
            }
            (Kind::Unit, other) => {
                Err(format!("there is no {{{other}}} of a unit; allowed: {{unit}}, {{prefix}}, {{instance}}"))
            }
            (Kind::Container, other) => {
                Err(format!("there is no {{{other}}} of a container; allowed: {{container}}, {{name}}, {{label:KEY}}"))
            }
        }
    }

    /// What comes from outside is taken only as a DNS label.
    fn fill(&self, facts: Facts<'_>) -> Result<String, String> {
        let label = |what: &str, value: Option<&str>| match value {
            Some(value) if is_name(value) => Ok(value.to_owned()),
            Some(_) => Err(format!("its {what} is no DNS label (a-z, 0-9 and `-`, at most 63)")),
            None => Err(format!("it has no {what}")),
        };
        match (self, facts) {
            (Self::Text(text), _) => Ok(text.clone()),
            (Self::Unit, Facts::Unit(unit)) => label("name", Some(&unit.plain())),
            (Self::Prefix, Facts::Unit(unit)) => label("prefix", Some(&unit.prefix)),
            (Self::Instance, Facts::Unit(unit)) => label("instance", unit.instance.as_deref()),
            (Self::Id, Facts::Container { id, .. }) => label("id", id.get(..12)),
            (Self::Name, Facts::Container { container, .. }) => label("name", container.name.as_deref()),
            (Self::Label(key), Facts::Container { container, .. }) => {
                label(&format!("label {key}"), container.labels.get(key).map(String::as_str))
            }
            (part, _) => Err(format!("{part:?} is not of its kind")),
        }
    }
}

/// Whether each of `wanted` is there and fits.
#[must_use]
pub fn all_fit(wanted: &BTreeMap<String, Glob>, labels: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, glob)| labels.get(key).is_some_and(|value| glob.fits(value)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::super::names::Seen;
    use super::*;

    #[test]
    fn stars_stand_for_any_run() {
        let table = [
            ("claude-*.service", "claude-a.service", true),
            ("claude-*.service", "claude-.service", true),
            ("claude-*.service", "claude-a.service.d", false),
            ("claude-*.service", "xclaude-a.service", false),
            ("*", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "acb", false),
            ("a*b*bc", "abc", false),
            ("ab*ba", "aba", false),
            ("**x", "x", true),
        ];
        for (pattern, text, fits) in table {
            assert_eq!(Glob::new(pattern).fits(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn templates_take_nothing_but_dns_labels_from_outside() {
        let Seen::Unit(unit) = Seen::read("agent@3.service") else { panic!() };
        let of_unit = |text: &str| Template::parse(text, Kind::Unit).unwrap().fill(Facts::Unit(&unit));
        assert_eq!(of_unit("{unit}").unwrap(), "agent-3");
        assert_eq!(of_unit("x-{prefix}-{instance}").unwrap(), "x-agent-3");
        let Seen::Unit(plain) = Seen::read("Über.service") else { panic!() };
        let filled = |text: &str| Template::parse(text, Kind::Unit).unwrap().fill(Facts::Unit(&plain));
        assert_eq!(filled("{unit}").unwrap_err(), "its name is no DNS label (a-z, 0-9 and `-`, at most 63)");
        assert_eq!(filled("{instance}").unwrap_err(), "it has no instance");

        let labels = [("a.b/c", "good"), ("bad", "x\ny"), ("long", &"a".repeat(64))];
        let labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let container = Container { name: Some("box".to_owned()), labels };
        let id = "0123456789abcdef".repeat(4);
        let facts = Facts::Container { id: &id, container: &container };
        let of_container = |text: &str| Template::parse(text, Kind::Container).unwrap().fill(facts);
        assert_eq!(of_container("{name}-{container}-{label:a.b/c}").unwrap(), "box-0123456789ab-good");
        for bad in ["{label:bad}", "{label:long}", "{label:none}"] {
            assert!(of_container(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn templates_are_checked_when_they_are_written() {
        for (text, kind, why) in [
            ("a{", Kind::Unit, "a `{` is not closed"),
            ("a}", Kind::Unit, "a `}` was not opened"),
            ("{label:x}", Kind::Unit, "there is no {label:x} of a unit"),
            ("{unit}", Kind::Container, "there is no {unit} of a container"),
            ("{label:}", Kind::Container, "there is no {label:} of a container"),
        ] {
            assert!(Template::parse(text, kind).unwrap_err().starts_with(why), "{text}");
        }
    }
}
