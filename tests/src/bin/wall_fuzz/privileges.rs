//! Who the fuzzer is, and what it may use up.

use anyhow::{Context, Result};
use caps::{CapSet, Capability};
use clap::ValueEnum;
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Uid, User, setgroups, setresgid, setresuid};

/// Who makes the calls.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Identity {
    /// An ordinary user.
    Nobody,
    /// Root in all but what makes frames and changes the network or the tree of cgroups.
    Root,
}

/// Without these no packet socket, no route, no namespace and no cgroup can be made.
const SHED: [Capability; 5] = [
    Capability::CAP_NET_RAW,
    Capability::CAP_NET_ADMIN,
    Capability::CAP_SYS_ADMIN,
    Capability::CAP_BPF,
    Capability::CAP_SYS_MODULE,
];

/// Becomes `identity` for good, with bounds on everything.
pub fn shed(identity: Identity) -> Result<()> {
    for (resource, limit) in
        [(Resource::RLIMIT_NOFILE, 512), (Resource::RLIMIT_AS, 2 << 30), (Resource::RLIMIT_CORE, 0)]
    {
        setrlimit(resource, limit, limit).with_context(|| format!("{resource:?}"))?;
    }
    match identity {
        Identity::Root => {
            for set in [CapSet::Ambient, CapSet::Bounding, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
                SHED.iter().try_for_each(|capability| caps::drop(None, set, *capability))?;
            }
        }
        Identity::Nobody => {
            let nobody = User::from_name("nobody")?.context("there is no user nobody")?;
            become_user(nobody.uid, nobody.gid).context("becoming nobody")?;
        }
    }
    Ok(())
}

fn become_user(uid: Uid, gid: Gid) -> nix::Result<()> {
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)
}
