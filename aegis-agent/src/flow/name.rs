//! Between decide and forward: the name that a permit leads to is about to be resolved, and a name that the agent chose is a
//! message to whoever answers for its domain, however it came: in a DNS query, an SNI or a Host field.

use aegis_policy::{Permit, Snapshot};

use super::identify::Identity;
use super::refusal::Refusal;
use crate::daemon::Aegis;
use crate::dns::Asked;

/// Lets the permit's host through to the resolver, if it is within `dns.limits`. Queries are not counted here: most
/// requests find a connection that is open.
///
/// # Errors
/// A refusal that names the limit.
pub fn within_limits(aegis: &Aegis, identity: &Identity, snapshot: &Snapshot, permit: &Permit) -> Result<(), Refusal> {
    let host = permit.host();
    let asked = Asked::new(host, host, snapshot.chosen(&identity.agent, host), false);
    let index = identity.enrolled.index;
    aegis.admit_name(index, &asked).map_err(|excess| excess.denial(snapshot.version()).into())
}
