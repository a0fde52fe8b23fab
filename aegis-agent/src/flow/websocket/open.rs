//! A permitted handshake on its way: to the origin, back to the agent, and from there on the pump.

use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::call::Call;
use super::gate::Gate;
use super::handshake::{Agreed, Asked, Wanted};
use super::message::{Assembly, Frames};
use super::pump::{self, End, Manner, Shared, Way};
use super::wire::Wire;
use crate::config::Limits;
use crate::flow::answer;
use crate::flow::decide::Permitted;
use crate::flow::ending::Ending;
use crate::flow::forward::{self, Line};
use crate::flow::look::Rules;
use crate::flow::record::Recorder;
use crate::flow::refusal::Refusal;
use crate::flow::response::ToAgent;
use crate::flow::standing::Ongoing;
use crate::flow::stop::Direction;
use crate::upstream::{PoolKey, Pools};

/// A WebSocket that an agent asked for.
pub struct Opening {
    pub asked: Asked,
    /// The agent's connection, once it has its answer.
    pub upgrade: OnUpgrade,
    pub drain: CancellationToken,
    pub tasks: TaskTracker,
}

type Answered = Result<Response<ToAgent>, (Refusal, Option<Box<Recorder>>)>;

impl Opening {
    /// Sends the permitted handshake and gives the agent its answer; the messages flow in a task of their own.
    ///
    /// # Errors
    /// The refusal and the recorder that has to write it down.
    #[allow(clippy::too_many_arguments)]
    pub async fn send(
        self,
        pools: &Pools,
        limits: &Limits,
        pool: PoolKey,
        line: Line,
        permitted: Permitted,
        mut recorder: Box<Recorder>,
        ongoing: Arc<Ongoing>,
    ) -> Answered {
        if let Some(denial) = ongoing.denial() {
            return Err((denial.clone().into(), Some(recorder)));
        }
        let noted = match recorder.note(permitted.permit.policy_version()) {
            Ok(noted) => noted,
            Err(refusal) => return Err((refusal, Some(recorder))),
        };
        let Permitted { permit, path_and_query, headers, findings, notes, .. } = permitted;
        let grant = Arc::new(permit.consume());
        let ending = Arc::new(Ending::new(recorder, ongoing, Arc::clone(&grant)));
        ending.removed_already(&findings, &notes);
        let rules = (Rules::out(&grant.profile), Rules::back(&grant.profile));
        let inspected = rules.0.is_some() || rules.1.is_some();
        let pool = PoolKey { private_ok: grant.private_ok, h2: false, ..pool };
        let call = Call {
            pools,
            limits,
            pool,
            noted: &noted,
            ending: &ending,
            line: &line,
            path_and_query: &path_and_query,
            inspected,
        };
        let answered = tokio::select! {
            answered = call.ask(&self.asked, headers) => answered,
            denial = ending.ongoing().cut_off() => Err(denial.clone().into()),
        };
        let (response, wanted) = answered.map_err(|refusal| (refusal, ending.take()))?;
        match response.status() {
            status if status == wanted.status() => self.opened(response, &wanted, rules, limits, ending),
            // Over HTTP/2 any success would be a WebSocket to the agent.
            status if self.asked.over_h2() && status.is_success() => {
                let why = "it answered without switching to WebSocket".to_owned();
                Err((forward::failure(&grant, why, StatusCode::BAD_GATEWAY), ending.take()))
            }
            _ => answer::relayed(response, limits, false, ending).await,
        }
    }

    fn opened(
        self,
        mut response: Response<Incoming>,
        wanted: &Wanted,
        rules: (Option<Rules>, Option<Rules>),
        limits: &Limits,
        ending: Arc<Ending>,
    ) -> Answered {
        let origin = hyper::upgrade::on(&mut response);
        let (mut parts, _) = response.into_parts();
        let agreed = match wanted.check(&parts.headers) {
            Ok(agreed) => agreed,
            Err(why) => {
                let refusal = forward::failure(ending.grant(), why.to_owned(), StatusCode::BAD_GATEWAY);
                return Err((refusal, ending.take()));
            }
        };
        answer::head(&mut parts, rules.1.as_ref(), &ending)?;
        ending.status(if self.asked.over_h2() { StatusCode::OK } else { StatusCode::SWITCHING_PROTOCOLS });
        ending.websocket();
        let answer = self.asked.answer(&agreed, parts.headers, ToAgent::Own(bytes::Bytes::new()));
        let flow = Flow {
            agent_deflates: agreed.extensions.is_none() && self.asked.deflates(),
            agreed,
            rules,
            most: limits.websocket_message_bytes,
            ending,
            drain: self.drain,
            idle: limits.idle_timeout,
            within: limits.handshake_timeout,
        };
        self.tasks.spawn(flow.run(self.upgrade, origin));
        Ok(answer)
    }
}

/// A WebSocket between its two handshakes and its end.
struct Flow {
    agent_deflates: bool,
    agreed: Agreed,
    rules: (Option<Rules>, Option<Rules>),
    most: usize,
    ending: Arc<Ending>,
    drain: CancellationToken,
    idle: Duration,
    within: Duration,
}

impl Flow {
    async fn run(self, agent: OnUpgrade, origin: OnUpgrade) {
        let both = async { tokio::try_join!(agent, origin) };
        let ending = Arc::clone(&self.ending);
        match tokio::time::timeout(self.within, both).await {
            Ok(Ok((agent, origin))) => {
                let end = self.pump(agent, origin).await;
                match &end {
                    End::Closed => ending.response_complete(),
                    other => ending.response_failed(&told(other, &ending)),
                }
            }
            Ok(Err(error)) => ending.response_failed(&format!("the WebSocket did not begin: {error}")),
            Err(_) => ending.response_failed("the agent did not take the answer to its handshake"),
        }
    }

    async fn pump(self, agent: Upgraded, origin: Upgraded) -> End {
        let (from_agent, to_agent) = tokio::io::split(TokioIo::new(agent));
        let (from_origin, to_origin) = tokio::io::split(TokioIo::new(origin));
        let (mut to_agent, mut to_origin) = (Wire::new(to_agent, false), Wire::new(to_origin, true));
        // What the two agreed on by themselves may set the bit of compression.
        let unread = self.agreed.extensions.is_some();
        let manner = |rules: Option<Rules>, direction: Direction, deflates: bool| {
            if unread {
                return Manner::Pass;
            }
            let gate = Gate::new(rules, direction, self.most, deflates, Arc::clone(&self.ending));
            Manner::Look(Box::new(gate), Assembly::new(self.most))
        };
        let (out, back) = self.rules.clone();
        let out = Way {
            from: from_agent,
            frames: Frames::new(true, unread || self.agent_deflates),
            manner: manner(out, Direction::Out, self.agreed.deflates),
            direction: Direction::Out,
        };
        let back = Way {
            from: from_origin,
            frames: Frames::new(false, unread || self.agreed.deflates),
            manner: manner(back, Direction::Back, self.agent_deflates),
            direction: Direction::Back,
        };
        let shared = Shared::new(Arc::clone(&self.ending), self.drain, self.idle);
        pump::run(&shared, out, back, &mut to_agent, &mut to_origin).await
    }
}

/// The end in the record's words.
fn told(end: &End, ending: &Ending) -> String {
    match end {
        End::Closed | End::Asked => "the WebSocket ended".to_owned(),
        End::Gone(why) | End::Deaf(why) | End::Cut(why) => why.clone(),
        End::Broke(violation) => format!("against the WebSocket protocol: {violation}"),
        End::Stopped => ending.stopped().map_or_else(String::new, |denial| denial.reason.clone()),
        End::Draining => "the daemon was stopped".to_owned(),
        End::Idle(limit) => format!("no message for {limit:?}"),
    }
}
