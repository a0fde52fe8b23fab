//! Somebody else's token in an agent's hands, wherever it is shown: told with both names, counted, and by the policy of either worth nothing from now on.

use std::time::SystemTime;

use aegis_policy::OnTheft;
use aegis_token::Claims;

use crate::daemon::Aegis;
use crate::identity::{Enrolled, Revocation, Revoker};

/// Who showed it.
pub struct Thief<'a> {
    pub enrolled: &'a Enrolled,
    /// What the policy in force for it says.
    pub on_theft: OnTheft,
    /// The process and its executable, where they are known.
    pub process: Option<(u32, &'a str)>,
}

/// Does what is to be done about a token that has been verified and is another agent's; gives the reason for the record and the answer.
pub async fn told(aegis: &Aegis, thief: &Thief<'_>, claims: &Claims, now: SystemTime) -> String {
    let (shown_by, owner) = (&thief.enrolled.agent.name, &claims.sub);
    aegis.metrics.state().refused("token_theft");
    let (pid, exe) = thief.process.unzip();
    tracing::warn!(shown_by, owner, jti = claims.jti, pid, exe, "token theft");
    let mut reason = format!(
        "token_theft: the token belongs to another agent ({owner}) than the one that this connection comes from ({shown_by})"
    );
    let robbed = aegis.registry.by_name(owner);
    // The stricter of what the policies of the two say.
    let there = robbed.as_ref().map(|robbed| aegis.policy.for_agent(&robbed.agent).token_rules(&robbed.agent).on_theft);
    if there.map_or(thief.on_theft, |there| thief.on_theft.max(there)) == OnTheft::Revoke {
        let revoker = Revoker::Theft(robbed.as_deref().unwrap_or(thief.enrolled));
        let revoked = aegis.replay.revoke(&claims.iss, &claims.jti, Some(claims.exp), revoker, now).await;
        reason.push_str(match &revoked {
            Some((Revocation::Stored, _)) => "; it is revoked",
            Some((Revocation::Here(_), _)) => {
                "; it is revoked on this host, and everywhere once the state store answers"
            }
            Some((Revocation::NotMade(_), _)) | None => "; it could not be revoked",
        });
        if let Some((Revocation::Here(why) | Revocation::NotMade(why), _)) = &revoked {
            tracing::error!(owner, jti = claims.jti, %why, "a stolen token is not revoked everywhere");
        }
    }
    reason
}
