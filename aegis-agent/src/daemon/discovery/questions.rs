//! Questions to container runtimes that are under way.

use std::collections::HashMap;
use std::path::PathBuf;

use tokio::task::JoinSet;

use crate::discovery::{Answer, inspect};

/// Questions to one runtime at a time; more wait for the next look.
const AT_ONCE: usize = 8;

/// Which container a runtime is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    pub socket: PathBuf,
    /// The container's id.
    pub container: String,
    /// The kernel's id of its cgroup: a container that is started again is asked for again.
    pub cgroup: u64,
}

/// Those under way, and their answers.
#[derive(Default)]
pub struct Questions {
    running: JoinSet<(Question, Answer)>,
    by_socket: HashMap<PathBuf, Vec<Question>>,
}

impl Questions {
    /// Asks, unless it is being asked or the runtime has enough to do.
    pub fn ask(&mut self, question: Question) {
        let running = self.by_socket.entry(question.socket.clone()).or_default();
        if running.len() >= AT_ONCE || running.contains(&question) {
            return;
        }
        running.push(question.clone());
        self.running.spawn(async move {
            let answer = inspect(&question.socket, &question.container).await;
            (question, answer)
        });
    }

    /// The next answer; waits for ever where nothing was asked.
    pub async fn answered(&mut self) -> (Question, Answer) {
        loop {
            match self.running.join_next().await {
                Some(Ok((question, answer))) => {
                    if let Some(running) = self.by_socket.get_mut(&question.socket) {
                        running.retain(|other| *other != question);
                    }
                    return (question, answer);
                }
                // A question that broke off has no name; its place is free with the others'.
                Some(Err(error)) => {
                    tracing::error!(%error, "a question to a container runtime broke off");
                    self.by_socket.clear();
                    self.running.abort_all();
                }
                None => {
                    self.by_socket.clear();
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}
