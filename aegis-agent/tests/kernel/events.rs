//! What the kernel does by itself is told, and what cannot be told is counted.

use std::net::TcpListener;

use aegis_agent::kernel::{EventKind, KernelError, Protocol};

use crate::lab::{OUTSIDE_V4, PATIENCE, agent, lab, lines, python, rule};

/// More refusals than the ring has room for.
const FLOOD: &str = r#"
s = socket(AF_INET, SOCK_DGRAM)
for _ in range(20000):
    try: s.sendto(b'x', ('192.0.2.1', 443))
    except OSError: pass
"#;

#[test]
fn refusals_are_events() {
    lab(|lab| {
        let cgroup = lab.agent(8, &[rule("10.9.0.1/32", Some(7), Protocol::Tcp)]);
        let runtime = runtime();
        let mut events = runtime.block_on(async { lab.kernel().events() }).unwrap();
        let script = r#"
attempt(lambda: socket(AF_INET, SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 443)))
attempt(lambda: socket(AF_INET, SOCK_STREAM, 262))
attempt(lambda: socket().connect(('10.9.0.1', 7)))
attempt(lambda: socket().bind(('127.0.0.1', int(sys.argv[1]))))
"#;
        let port = lab.cfg.proxy_v4.port();
        let child = python(&cgroup, script, &[&port.to_string()]);
        let pid = child.id();
        assert_eq!(lines(child), ["EPERM", "EPERM", "ECONNREFUSED", "EPERM"]);
        let expected = [
            (EventKind::DeniedUdp, Some("192.0.2.1:443".to_owned()), 17),
            (EventKind::DeniedSocket { family: 2, type_: 1, protocol: 262 }, None, 0),
            (EventKind::AllowedDirect, Some(format!("{OUTSIDE_V4}:7")), 6),
            (EventKind::DeniedBind, Some(format!("127.0.0.1:{port}")), 6),
        ];
        for (kind, destination, protocol) in expected {
            let event =
                runtime.block_on(async { tokio::time::timeout(PATIENCE, events.next()).await }).unwrap().unwrap();
            assert_eq!((event.kind, event.agent), (kind, Some(agent(8))));
            assert_eq!(event.destination, destination.map(|to| to.parse().unwrap()));
            assert_eq!((event.protocol, event.pid, event.comm.as_str()), (protocol, pid, "python3"));
        }
        let again = runtime.block_on(async { lab.kernel().events() });
        assert!(matches!(again, Err(KernelError::EventsTaken)));
    });
}

#[test]
fn no_event_is_lost_uncounted() {
    lab(|lab| {
        lab.without_event_limit();
        let cgroup = lab.agent(8, &[]);
        lines(python(&cgroup, FLOOD, &[]));
        let counters = lab.kernel().counters().unwrap();
        assert_eq!(counters.denied_udp, 20_000);
        assert_eq!(counters.denied(), 20_000);
        assert!(counters.events_dropped > 0, "the ring was never full");
        let runtime = runtime();
        let told = runtime.block_on(async {
            let mut events = lab.kernel().events().unwrap();
            let mut told = 0;
            while told + counters.events_dropped < 20_000 {
                events.next().await.unwrap();
                told += 1;
            }
            told
        });
        assert_eq!(told + counters.events_dropped, 20_000);
    });
}

#[test]
fn a_direct_connection_that_cannot_be_told_is_refused() {
    lab(|lab| {
        lab.without_event_limit();
        let outside = TcpListener::bind((OUTSIDE_V4, 0)).unwrap();
        let port = outside.local_addr().unwrap().port();
        let cgroup = lab.agent(8, &[rule("10.9.0.0/24", Some(port), Protocol::Tcp)]);
        let script = r#"
attempt(lambda: socket().connect(('10.9.0.1', int(sys.argv[1]))))
attempt(lambda: socket(AF_INET6).connect(('::ffff:10.9.0.1', int(sys.argv[1]))))
attempt(lambda: socket().connect(('10.9.0.1', 1)))
"#;
        let attempts = || lines(python(&cgroup, script, &[&port.to_string()]));
        lines(python(&cgroup, FLOOD, &[]));
        let full = lab.kernel().counters().unwrap();
        assert!(full.events_dropped > 0, "the ring was never full");
        // The proxy records what it is handed: only what nobody else would tell of is refused.
        assert_eq!(attempts(), ["EPERM", "EPERM", "ok"]);
        let refused = lab.kernel().counters().unwrap();
        assert_eq!((refused.allowed_direct, refused.events_dropped), (0, full.events_dropped + 2));
        outside.set_nonblocking(true).unwrap();
        assert!(outside.accept().is_err(), "something arrived");

        runtime().block_on(async {
            let mut events = lab.kernel().events().unwrap();
            for _ in 0..8 {
                events.next().await.unwrap();
            }
        });
        assert_eq!(attempts(), ["ok", "ok", "ok"]);
        assert_eq!(lab.kernel().counters().unwrap().allowed_direct, 2);
    });
}

#[test]
fn a_flood_of_one_agent_takes_no_event_from_another() {
    lab(|lab| {
        let outside = TcpListener::bind((OUTSIDE_V4, 0)).unwrap();
        let port = outside.local_addr().unwrap().port();
        let direct = rule("10.9.0.0/24", Some(port), Protocol::Tcp);
        lab.restart(|cfg| cfg.limits.events_per_second = 10);
        let (loud, quiet) = (lab.agent(8, &[]), lab.agent(9, &[direct]));
        lines(python(&loud, FLOOD, &[]));
        let script = "attempt(lambda: socket().connect(('10.9.0.1', int(sys.argv[1]))))";
        assert_eq!(lines(python(&quiet, script, &[&port.to_string()])), ["ok"]);
        let counters = lab.kernel().counters().unwrap();
        let usage = lab.kernel().usage().unwrap();
        assert_eq!((counters.events_dropped, counters.denied_udp), (0, 20_000));
        // What was kept back is known to the last one.
        assert!(counters.events_suppressed > 0, "{counters:?}");
        let (loud, quiet) = (usage[&agent(8)], usage[&agent(9)]);
        assert_eq!((loud.denied, loud.suppressed), (20_000, counters.events_suppressed));
        assert_eq!((quiet.connects, quiet.denied, quiet.suppressed), (1, 0, 0));
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
