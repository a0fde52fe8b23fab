//! Processes that are an agent by their cgroup alone, as a container runtime makes them: no `aegisctl run`, so no
//! seccomp filter, no dropped capabilities and no private mounts. What holds here holds by the kernel's hooks.

use std::ffi::OsString;

use anyhow::Result;

use super::{AgentCommand, Lab};

/// Joins the cgroup `$1`, then becomes the rest. The write is the last thing that happens outside.
const JOIN: &str = r#"echo 0 > "$1/cgroup.procs" || exit 125; shift; exec "$@""#;

impl Lab {
    /// A command placed straight into the cgroup of `agent` (or below it: `"tester/inner"`, which is made), as root
    /// with every capability; `.user("nobody")` makes it an ordinary user's. It ends with 125 where there is no such
    /// cgroup: the daemon makes those of its agents.
    pub fn raw(&self, agent: &str) -> AgentCommand<'_> {
        AgentCommand::raw(self, agent)
    }
}

/// The words in front of a command that put it into the cgroup of `agent`.
pub(super) fn join(lab: &Lab, agent: &str) -> Result<Vec<OsString>> {
    let cgroup = lab.cgroup()?.join(agent);
    if agent.contains('/') {
        std::fs::create_dir_all(&cgroup)?;
    }
    Ok(vec!["sh".into(), "-c".into(), JOIN.into(), "sh".into(), cgroup.into()])
}

/// The words in front of a command that make it `user`'s, with no capability and no group but the user's own.
pub(super) fn become_user(user: &str) -> Result<Vec<OsString>> {
    let account = nix::unistd::User::from_name(user)?.ok_or_else(|| anyhow::anyhow!("there is no user {user}"))?;
    let (uid, gid) = (format!("--reuid={}", account.uid), format!("--regid={}", account.gid));
    Ok(vec!["setpriv".into(), uid.into(), gid.into(), "--clear-groups".into()])
}
