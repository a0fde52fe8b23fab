//! An agent comes, and an agent goes: what every part of the daemon has to do about it.

use super::Aegis;
use crate::identity::Enrolled;
use crate::kernel::KernelError;
use crate::sockets;

/// Enrols an agent that is in the registry, and destroys the sockets that it must not have. Whoever calls sees that its
/// network namespaces are looked for. Blocks.
///
/// # Errors
/// When the kernel does not take it; then it is denied everything.
pub fn enter(aegis: &Aegis, enrolled: &Enrolled) -> Result<(), KernelError> {
    match enrolled.cgroup_id {
        Some(id) => aegis.kernel.enroll_found(enrolled.index, &enrolled.cgroup, id, &enrolled.rules)?,
        None => drop(aegis.kernel.enroll(enrolled.index, &enrolled.cgroup, &enrolled.rules)?),
    }
    sockets::enrolled(aegis, enrolled);
    Ok(())
}

/// Ends everything of an agent that is not in the registry any more; gives how much was under way. Blocks.
///
/// # Errors
/// When the kernel's maps cannot be written.
pub fn leave(aegis: &Aegis, enrolled: &Enrolled) -> Result<usize, KernelError> {
    aegis.names.forget(enrolled.index);
    aegis.kernel.withdraw(enrolled.index)?;
    let cut = aegis.standing.removed(enrolled.index, &aegis.policy.version_for(Some(&enrolled.agent)));
    aegis.metrics.live().cut_off(cut);
    sockets::removed(aegis, enrolled);
    aegis.namespaces.wake();
    Ok(cut)
}
