//! Records of connections that never became a request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use aegis_audit::Draft;

use super::{Recorder, draft};
use crate::daemon::Aegis;
use crate::flow::identify::Identity;
use crate::flow::question::Question;
use crate::flow::refusal::Refusal;

/// A connection that the kernel knows nothing about: nobody is behind it, so only the counter and the record tell.
pub fn unattributed(aegis: &Arc<Aegis>, peer: SocketAddr, why: &str, version: &str) {
    tracing::warn!(%peer, why, "a connection to the listener was refused");
    let Ok(slot) = aegis.audit.reserve() else { return aegis.metrics.unrecordable() };
    let now = SystemTime::now();
    let draft = Draft { reason: why.to_owned(), ..draft(now, version) };
    aegis.metrics.decision(&draft);
    aegis.spans.decision(&draft, now);
    slot.commit(draft);
}

/// An attributed connection that was refused before it said what it wants, or broke off with something unreadable.
pub fn connection_refused(
    aegis: &Arc<Aegis>,
    identity: &Identity,
    destination: SocketAddr,
    sni: Option<&str>,
    refusal: &Refusal,
) {
    let snapshot = aegis.policy.for_agent(&identity.agent);
    let Ok(mut recorder) = Recorder::open(aegis, identity, &snapshot) else { return aegis.metrics.unrecordable() };
    recorder.asks(Question::connection(&identity.agent, sni, destination, None));
    if let Some(draft) = recorder.draft() {
        draft.scheme = Some(if sni.is_some() { "tls" } else { "tcp" }.to_owned());
        draft.host = Some(sni.map_or_else(|| destination.ip().to_string(), str::to_owned));
        draft.port = Some(destination.port());
    }
    recorder.refuse_connection(refusal);
}
