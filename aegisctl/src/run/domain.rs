//! A Landlock domain around the command: the processes of the same user that are not the agent's are out of its reach.
//!
//! The filters deny `ptrace` and its kin, but `/proc/PID/mem` is a file like others. From inside a domain no process
//! outside of it can be traced by any way, nor signalled, nor spoken to by an abstract unix socket (the latter two since
//! Linux 6.12), by root neither. The file system stays as it is.

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::stopped;
use crate::failure::Failure;

const FIX: &str = "report this as a bug";

/// Enters the domain. A kernel without Landlock costs a warning: for an agent that has a user of its own nobody else's
/// process is in reach anyway.
pub fn enter() -> Result<(), Failure> {
    let root = PathFd::new("/").map_err(|error| stopped("open /", error, FIX))?;
    let status = restrict(root).map_err(|error| stopped("enter a Landlock domain", error, FIX))?;
    if status.ruleset == RulesetStatus::NotEnforced {
        eprintln!(
            "aegisctl: warning: this kernel has no Landlock: give the agent a user of its own (--user), or it can write \
             into the memory of that user's other processes"
        );
    }
    Ok(())
}

/// A domain has to restrict something. Moving files between directories is what every domain restricts unless told
/// otherwise, so that is told: everywhere.
fn restrict(root: PathFd) -> Result<RestrictionStatus, RulesetError> {
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::Refer)?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .add_rule(PathBeneath::new(root, AccessFs::Refer))?
        .restrict_self()
}
