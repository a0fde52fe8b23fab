//! The kernel programs on the running kernel. These tests need root; without it they fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "kernel/lab.rs"]
mod lab;

use lab::{accept, agent, lab, lines, python};

#[test]
fn tcp_is_redirected_and_attributed() {
    lab(|lab| {
        let cgroup = lab.agent(7, &[]);
        let child = python(
            &cgroup,
            "s = create_connection(('192.0.2.1', 443)); print(os.getpid(), s.getpeername()); s.recv(1)",
            &[],
        );
        let (stream, record) = lab.accept(&lab.proxy_v4);
        let record = record.unwrap();
        drop(stream);
        assert_eq!(record.agent, agent(7));
        assert_eq!(record.original, "192.0.2.1:443".parse().unwrap());
        let _ = lines(child);
        eprintln!(
            "{record:?} {:?} {:?}",
            lab.kernel().hooks(),
            lab.kernel().counters()
        );
    });
}
