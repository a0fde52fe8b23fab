//! The older transport of MCP (HTTP with SSE, revision 2024-11-05): a server names in its event stream where calls are to be posted, and
//! answers on the stream. So a refusal is said there, too: nobody would read it in the answer to the post.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::task::Context;

use aegis_tools::stream::Event;
use bytes::Bytes;
use futures_util::task::AtomicWaker;

use crate::kernel::AgentIndex;

/// Refusals that may wait in one stream.
const MOST: usize = 64;

/// Where calls are posted: whose, the server's `host:port`, path and query.
type Address = (AgentIndex, String, String);

/// All streams that name such a place.
#[derive(Debug, Default)]
pub struct Mailboxes(RwLock<HashMap<Address, Weak<Mailbox>>>);

/// What is to be said in one stream.
#[derive(Debug, Default)]
pub struct Mailbox {
    mail: Mutex<VecDeque<Bytes>>,
    waker: AtomicWaker,
}

/// An event stream that may name a place for calls.
pub struct Listening {
    boxes: Arc<Mailboxes>,
    agent: AgentIndex,
    server: String,
    held: Option<(Address, Arc<Mailbox>)>,
}

impl Mailboxes {
    /// The stream on which an answer to this post is waited for, where there is one.
    #[must_use]
    pub fn find(&self, agent: AgentIndex, server: &str, target: &str) -> Option<Arc<Mailbox>> {
        let boxes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if boxes.is_empty() {
            return None;
        }
        boxes.get(&(agent, server.to_owned(), target.to_owned())).and_then(Weak::upgrade)
    }
}

impl Mailbox {
    /// Says it in the stream; not where too much waits there already.
    #[must_use]
    pub fn put(&self, event: String) -> bool {
        let mut mail = self.mail.lock().unwrap_or_else(PoisonError::into_inner);
        if mail.len() >= MOST {
            return false;
        }
        mail.push_back(Bytes::from(event));
        drop(mail);
        self.waker.wake();
        true
    }
}

impl Listening {
    #[must_use]
    pub fn new(boxes: &Arc<Mailboxes>, agent: AgentIndex, server: String) -> Self {
        Self { boxes: Arc::clone(boxes), agent, server, held: None }
    }

    /// A block of the stream goes by.
    pub(super) fn hears(&mut self, block: &[u8]) {
        if self.held.is_some() || memchr::memmem::find(block, b"endpoint").is_none() {
            return;
        }
        let event = Event::read(block);
        let Some(target) = event.data.as_deref().filter(|_| event.kind == "endpoint").and_then(target) else { return };
        let address = (self.agent, self.server.clone(), target);
        let mailbox = Arc::new(Mailbox::default());
        let mut boxes = self.boxes.0.write().unwrap_or_else(PoisonError::into_inner);
        boxes.insert(address.clone(), Arc::downgrade(&mailbox));
        drop(boxes);
        self.held = Some((address, mailbox));
    }

    /// What is to be said; wakes the stream when there is more.
    pub(super) fn next(&self, cx: &Context<'_>) -> Option<Bytes> {
        let (_, mailbox) = self.held.as_ref()?;
        mailbox.waker.register(cx.waker());
        mailbox.mail.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let Some((address, mailbox)) = self.held.take() else { return };
        let mut boxes = self.boxes.0.write().unwrap_or_else(PoisonError::into_inner);
        // A later stream may have named the same place.
        if boxes.get(&address).is_some_and(|held| std::ptr::eq(held.as_ptr(), Arc::as_ptr(&mailbox))) {
            boxes.remove(&address);
        }
    }
}

/// Path and query of the place: it may be named as a whole URL.
fn target(said: &str) -> Option<String> {
    let rest = match said.split_once("://") {
        Some((_, rest)) => rest.get(rest.find('/')?..)?,
        None => said,
    };
    (rest.starts_with('/') && rest.len() <= 4096).then(|| rest.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_reaches_the_stream_that_named_its_place_and_no_other() {
        let boxes = Arc::new(Mailboxes::default());
        let agent = AgentIndex::new(1).unwrap();
        let mut stream = Listening::new(&boxes, agent, "mcp.test:443".into());
        stream.hears(b"event: endpoint\r\ndata: /messages/?session_id=1\r\n\r\n");
        let find = |agent, server: &str, target: &str| boxes.find(agent, server, target);
        assert!(find(agent, "mcp.test:443", "/messages/?session_id=2").is_none());
        assert!(find(agent, "other.test:443", "/messages/?session_id=1").is_none());
        assert!(find(AgentIndex::new(2).unwrap(), "mcp.test:443", "/messages/?session_id=1").is_none());
        let mailbox = find(agent, "mcp.test:443", "/messages/?session_id=1").unwrap();
        assert!((0..MOST).all(|n| mailbox.put(n.to_string())) && !mailbox.put("one too many".into()));
        let waker = std::task::Waker::noop();
        assert_eq!(stream.next(&Context::from_waker(waker)).unwrap(), "0");
        drop(stream);
        assert!(find(agent, "mcp.test:443", "/messages/?session_id=1").is_none());
    }

    #[test]
    fn the_place_may_be_a_whole_url() {
        for (said, expected) in [
            ("/m?s=1", Some("/m?s=1")),
            ("https://mcp.test/m?s=1", Some("/m?s=1")),
            ("https://mcp.test", None),
            ("m?s=1", None),
        ] {
            assert_eq!(target(said).as_deref(), expected, "{said}");
        }
    }
}
