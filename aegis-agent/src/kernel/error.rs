//! What can go wrong between the daemon and the kernel, each as one line with the way out.

use std::{error::Error, io, path::PathBuf};

use super::AgentIndex;

/// A failure of the kernel side. Its text is one line, with the fix where one is known.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The machine cannot enforce as it is.
    #[error("{problem}; fix: {fix}")]
    Preflight { problem: String, fix: String },
    /// Pinned maps that are not whole, or not what their directory says: adopting them would misread them.
    #[error(
        "the state pinned in {} has ABI version {found}, this daemon needs {}; \
         fix: aegis-agent --detach, then start again",
        dir.display(), aegis_common::ABI_VERSION
    )]
    ForeignPins { dir: PathBuf, found: String },
    /// The pinned links enforce another cgroup than the configured one.
    #[error(
        "the programs pinned in {} are attached to another cgroup than {}; \
         fix: set cgroup_root back, or aegis-agent --detach, then start again",
        dir.display(), cgroup_root.display()
    )]
    ForeignRoot { dir: PathBuf, cgroup_root: PathBuf },
    /// A cgroup that the attached programs do not cover, or that is the covered root itself.
    #[error(
        "{} is not below the enforced cgroup {}; fix: enrol a cgroup below it",
        cgroup.display(), root.display()
    )]
    OutsideRoot { cgroup: PathBuf, root: PathBuf },
    /// The cgroup already belongs to another agent.
    #[error("{} already belongs to agent {}; fix: withdraw that agent first", cgroup.display(), owner.get())]
    CgroupTaken { cgroup: PathBuf, owner: AgentIndex },
    /// `events` was called twice: the ring buffer has one reader.
    #[error("the kernel's event stream already has its reader")]
    EventsTaken,
    /// A file or socket operation failed.
    #[error("cannot {action}: {source}")]
    Io { action: String, source: io::Error },
    /// The kernel or the loader refused something about programs, maps or links.
    #[error("cannot {action}: {}", chain(source.as_ref()))]
    Bpf { action: String, source: Box<dyn Error + Send + Sync> },
}

impl KernelError {
    pub(super) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let action = action.into();
        |source| Self::Io { action, source }
    }

    pub(super) fn bpf<E: Error + Send + Sync + 'static>(action: impl Into<String>) -> impl FnOnce(E) -> Self {
        let action = action.into();
        |source| Self::Bpf { action, source: Box::new(source) }
    }
}

/// The whole chain of causes on one line: aya keeps the errno in the innermost.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    one_line(&text)
}

/// The longest text shown of what the kernel and aya say (bytes). The verifier's log can be
/// megabytes; what it stumbled over stands at its end.
const LONGEST: usize = 600;

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() <= LONGEST {
        return line;
    }
    let head = &line[..line.floor_char_boundary(LONGEST / 4)];
    let tail = &line[line.ceil_char_boundary(line.len() - LONGEST * 3 / 4)..];
    format!("{head} ... {tail}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_keep_their_ends() {
        assert_eq!(one_line("a\nb  c"), "a b c");
        let long = format!("begin {} end", "é".repeat(5000));
        let line = one_line(&long);
        assert!(line.len() < LONGEST + 10, "{}", line.len());
        assert!(line.starts_with("begin ") && line.ends_with(" end"));
    }
}
