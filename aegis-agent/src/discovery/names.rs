//! What a cgroup's name says: systemd and the container runtimes name their cgroups by fixed rules.

/// What is in a cgroup, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A service of systemd.
    Unit(Unit),
    /// A container, by its id: 64 hex digits.
    Container(String),
    /// A slice, or a directory of a runtime that does not use systemd: others lie in it.
    Parent,
    /// Anything else: it is not looked into.
    Other,
}

/// A service's name, without systemd's escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// As systemd writes it: `agent@3.service`, `a\x2db.service`.
    pub raw: String,
    /// `agent` of `agent@3.service`; the whole name without its end where it is no instance.
    pub prefix: String,
    /// `3` of `agent@3.service`.
    pub instance: Option<String>,
}

/// How runtimes begin the names of their containers' cgroups; the empty one is that of Docker without systemd.
const RUNTIMES: [&str; 5] = ["docker-", "cri-containerd-", "libpod-", "crio-", ""];

impl Seen {
    /// Reads the name of a cgroup's directory.
    #[must_use]
    pub fn read(directory: &str) -> Self {
        // systemd puts `_` before names that the kernel could take for a file of its own.
        let name = directory.strip_prefix('_').unwrap_or(directory);
        if let Some(stem) = name.strip_suffix(".service") {
            return Unit::read(name, stem).map_or(Self::Other, Self::Unit);
        }
        if name.ends_with(".slice") {
            return Self::Parent;
        }
        match container(name.strip_suffix(".scope").unwrap_or(name)) {
            Some(id) => Self::Container(id.to_owned()),
            None if name.contains('.') => Self::Other,
            None => Self::Parent,
        }
    }
}

fn container(name: &str) -> Option<&str> {
    let id = |runtime: &&str| name.strip_prefix(runtime).filter(|id| is_id(id));
    RUNTIMES.iter().find_map(id)
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

impl Unit {
    fn read(raw: &str, stem: &str) -> Option<Self> {
        let (prefix, instance) = match stem.split_once('@') {
            Some((prefix, instance)) => (prefix, Some(unescaped(instance)?)),
            None => (stem, None),
        };
        Some(Self { raw: raw.to_owned(), prefix: unescaped(prefix)?, instance })
    }

    /// The name without its end; `agent-3` for `agent@3.service`.
    #[must_use]
    pub fn plain(&self) -> String {
        match &self.instance {
            Some(instance) => format!("{}-{instance}", self.prefix),
            None => self.prefix.clone(),
        }
    }
}

/// Undoes systemd's `\x2d` (systemd.unit(5)); `None` where what comes out is no text.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = rest
            .strip_prefix(b"\\x")
            .and_then(|digits| Some((std::str::from_utf8(digits.get(..2)?).ok()?, digits.get(2..)?)))
            .and_then(|(digits, tail)| Some((u8::from_str_radix(digits, 16).ok()?, tail)));
        let (byte, tail) = escaped.unwrap_or((*first, tail));
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn names_of_systemd_and_of_runtimes_are_read() {
        let id = "0123456789abcdef".repeat(4);
        for name in [
            format!("docker-{id}.scope"),
            format!("cri-containerd-{id}.scope"),
            format!("libpod-{id}.scope"),
            format!("crio-{id}.scope"),
            format!("libpod-{id}"),
            id.clone(),
        ] {
            assert_eq!(Seen::read(&name), Seen::Container(id.clone()), "{name}");
        }
        for name in ["aegis-research.slice", "docker", "kubepods", "pod1234"] {
            assert_eq!(Seen::read(name), Seen::Parent, "{name}");
        }
        for name in [
            "init.scope",
            "session-3.scope",
            "a.mount",
            "libpod-conmon-0123.scope",
            &format!("crio-conmon-{id}.scope"),
            &format!("docker-{}.scope", id.to_uppercase()),
            "\\xff.service",
        ] {
            assert_eq!(Seen::read(name), Seen::Other, "{name}");
        }
        let unit = |name: &str| match Seen::read(name) {
            Seen::Unit(unit) => (unit.plain(), unit.prefix, unit.instance),
            other => panic!("{name}: {other:?}"),
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(unit("claude-a.service"), ("claude-a".into(), "claude-a".into(), None));
        assert_eq!(unit("_cpu.service"), ("cpu".into(), "cpu".into(), None));
        assert_eq!(unit("agent@3.service"), ("agent-3".into(), "agent".into(), some("3")));
        assert_eq!(unit(r"agent@a\x2db.service"), ("agent-a-b".into(), "agent".into(), some("a-b")));
        assert_eq!(unit(r"a\x2.service"), (r"a\x2".into(), r"a\x2".into(), None));
    }
}
