//! Socket options that lead around the other hooks, and those that do not.

use aegis_agent::kernel::{EventKind, Unenrolled};

use crate::lab::{PATIENCE, lab, lines, python};

/// Level, name, value in hexadecimal: joins and leaves of groups, devices, marks, sources that are not the host's, routes.
const AROUND: &[(i32, i32, &str)] = &[
    (1, 25, "6c6f"),
    (1, 36, "01000000"),
    (1, 62, "01000000"),
    (0, 4, "83070400000000"),
    (0, 15, "01000000"),
    (0, 19, "01000000"),
    (0, 35, "e0000105000000000000000000"),
    (0, 36, "e00001050000000000000000"),
    (0, 39, "e0000105000000000a000001"),
    (0, 42, "00000000"),
    (0, 46, "00000000"),
    (0, 50, "00000001"),
    (6, 14, "00"),
    (6, 19, "01000000"),
    (6, 32, "00"),
    (6, 38, "00"),
    (41, 3, "00"),
    (41, 20, "ff15000000000000000000000000004200000000"),
    (41, 27, "2001000000000000000000000000004200000000"),
    (41, 42, "00000000"),
    (41, 54, "0000000000000000"),
    (41, 57, "0000000000000000"),
    (41, 59, "0000000000000000"),
    (41, 75, "01000000"),
    (41, 76, "00000001"),
    (41, 78, "01000000"),
];

/// What programs set every day: SO_REUSEADDR, SO_KEEPALIVE, SO_REUSEPORT, TCP_NODELAY, TCP_FASTOPEN_CONNECT, IP_TTL, IP_TOS,
/// IPV6_V6ONLY; and a value longer than a page.
const DAILY: &str = r#"
s = socket(AF_INET6)
for level, name in ((1, 2), (1, 9), (1, 15), (6, 1), (6, 30), (0, 2), (0, 1), (41, 26)):
    attempt(lambda: s.setsockopt(level, name, 1))
attempt(lambda: s.setsockopt(IPPROTO_TCP, TCP_CONGESTION, b'cubic'.ljust(5000, b'\0')))
"#;

fn attempts() -> String {
    let one = |(level, name, value): &(i32, i32, &str)| {
        format!("attempt(lambda: s.setsockopt({level}, {name}, bytes.fromhex('{value}')))\n")
    };
    let all: String = AROUND.iter().map(one).collect();
    format!("for s in socket(AF_INET6), socket(AF_INET6, SOCK_DGRAM):\n  {}", all.trim_end().replace('\n', "\n  "))
}

#[test]
fn options_that_lead_around_are_refused_and_all_others_pass() {
    lab(|lab| {
        let cgroup = lab.agent(6, &[]);
        let refused = lines(python(&cgroup, &attempts(), &[]));
        assert_eq!(refused, vec!["EPERM"; AROUND.len() * 2]);
        assert_eq!(lab.kernel().counters().unwrap().denied_option, AROUND.len() as u64 * 2);
        assert_eq!(lines(python(&cgroup, DAILY, &[])), ["ok"; 9]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let event = runtime.block_on(async {
            let mut events = lab.kernel().events().unwrap();
            tokio::time::timeout(PATIENCE, events.next()).await.unwrap().unwrap()
        });
        assert_eq!(event.kind, EventKind::DeniedOption { level: 1, name: 25 });
    });
}

#[test]
fn others_keep_their_options() {
    lab(|lab| {
        lab.restart(|cfg| cfg.unenrolled = Unenrolled::Pass);
        let cgroup = lab.cfg.cgroup_root.join("free");
        std::fs::create_dir_all(&cgroup).unwrap();
        let join = "attempt(lambda: socket(AF_INET, SOCK_DGRAM).setsockopt(0, 35, bytes.fromhex('e00001057f000001')))";
        assert_eq!(lines(python(&cgroup, join, &[])), ["ok"]);
    });
}
