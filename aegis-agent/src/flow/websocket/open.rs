//! A permitted handshake on its way: to the origin, back to the agent, and from there on the pump.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::gate::Gate;
use super::handshake::{Agreed, Asked, Wanted};
use super::message::{Assembly, Frames};
use super::pump::{self, End, Manner, Shared, Way};
use super::wire::Wire;
use crate::config::Limits;
use crate::flow::answer;
use crate::flow::body::ToOrigin;
use crate::flow::decide::Permitted;
use crate::flow::ending::Ending;
use crate::flow::forward::{self, Line};
use crate::flow::look::Rules;
use crate::flow::record::Recorder;
use crate::flow::refusal::Refusal;
use crate::flow::response::ToAgent;
use crate::flow::standing::Ongoing;
use crate::flow::stop::Direction;
use crate::upstream::{DialError, PoolKey, Pools};

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
        let Permitted { permit, path_and_query, mut headers, findings, .. } = permitted;
        let grant = Arc::new(permit.consume());
        let ending = Arc::new(Ending::new(recorder, ongoing, Arc::clone(&grant)));
        ending.removed_already(&findings);
        let rules = (Rules::out(&grant.profile), Rules::back(&grant.profile));
        let inspected = rules.0.is_some() || rules.1.is_some();
        let wanted = self.asked.request(&mut headers, inspected);
        let failed = |refusal: Refusal| (refusal, ending.take());
        let unreachable = |why: String| failed(forward::failure(&grant, why, StatusCode::BAD_GATEWAY));
        let request = forward::request(&grant, line, &path_and_query, headers, ToOrigin::Empty).map_err(unreachable)?;
        // Every server that speaks WebSocket does so over HTTP/1.1; few over HTTP/2.
        let client = pools.client(PoolKey { private_ok: grant.private_ok, h2: false, ..pool }, &noted);
        let answered = tokio::select! {
            answered = forward::first_answer(client.request(request), limits.request_timeout, ending.tally()) => answered,
            denial = ending.ongoing().cut_off() => return Err(failed(denial.clone().into())),
        };
        match answered {
            Some(Ok(response)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                self.opened(response, &wanted, rules, limits, ending)
            }
            // Over HTTP/2 any success would be a WebSocket to the agent.
            Some(Ok(response)) if self.asked.over_h2() && response.status().is_success() => {
                Err(unreachable("it answered without switching to WebSocket".to_owned()))
            }
            Some(Ok(response)) => answer::relayed(response, limits, false, ending).await,
            Some(Err(error)) if is_h2_only(&error) => Err(unreachable(
                "it speaks no HTTP/1.1, over which WebSocket is spoken with origins (not over HTTP/2, RFC 8441)"
                    .to_owned(),
            )),
            Some(Err(error)) => Err(failed(forward::refusal(&grant, ending.tally(), &error))),
            None => {
                let why = format!("it did not answer within {} s", limits.request_timeout.as_secs());
                Err(failed(forward::failure(&grant, why, StatusCode::GATEWAY_TIMEOUT)))
            }
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

/// Whether an origin refused HTTP/1.1: in TLS, or by answering in something else.
fn is_h2_only(error: &(dyn StdError + 'static)) -> bool {
    let refused = |source: &std::io::Error| {
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol);
        source.get_ref().and_then(|inner| inner.downcast_ref()) == Some(&alert)
    };
    match forward::cause::<DialError>(error) {
        Some(DialError::Tls { source, .. }) => refused(source),
        Some(_) => false,
        None => forward::cause::<hyper::Error>(error).is_some_and(hyper::Error::is_parse),
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
