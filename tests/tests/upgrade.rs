//! Restarts under a service manager: enforcement goes on, and agents notice nothing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use aegis_tests::lab::{binary, wait_for};
use aegis_tests::{AGENT, Daemon, Lab, Running, Settings};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon under the stand-in for systemd.
struct Service<'lab> {
    lab: &'lab Lab,
    manager: Running,
}

impl<'lab> Service<'lab> {
    fn start(lab: &'lab Lab, settings: &Settings, watchdog: &str) -> Self {
        Daemon::write(lab, settings).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/support/service_manager.py");
        let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
        let (socket, agent) = (text(lab.path("notify.sock")), text(binary("aegis-agent").unwrap()));
        let config = text(lab.path("aegis.yaml"));
        let command = ["/usr/bin/python3", script, &socket, watchdog, &agent, "--config", &config];
        let manager = lab.bystander().limit(Duration::from_secs(180)).start(&command).unwrap();
        let service = Self { lab, manager };
        service.pid_other_than(0);
        service
    }

    fn status(&self) -> Option<Value> {
        serde_json::from_str(&self.lab.ctl(&["--output", "json", "status"]).ok()?.stdout).ok()
    }

    /// The process id of a daemon that is ready and is not `former`.
    fn pid_other_than(&self, former: i32) -> i32 {
        wait_for(PATIENCE, || {
            let status = self.status()?;
            let pid = i32::try_from(status["pid"].as_i64()?).ok()?;
            (pid != former && status["ready"] == true).then_some(pid)
        })
        .expect("the daemon is not ready")
    }

    fn tell(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.manager.pid()).unwrap()), signal).unwrap();
    }

    /// What the daemons told the manager.
    fn stop(self) -> String {
        self.tell(Signal::SIGTERM);
        self.manager.finish().unwrap().stdout
    }
}

#[test]
fn a_restart_refuses_no_connection_and_lets_nothing_out() {
    let lab = Lab::new().unwrap();
    let service = Service::start(&lab, &Settings::default(), "60");
    let requests =
        "while [ ! -e stop ]; do curl -sS -o /dev/null -w '%{http_code}\\n' https://api.allowed.test/hello 2>&1; done";
    let requests = lab.agent(AGENT).limit(PATIENCE * 2).start(&["sh", "-c", requests]).unwrap();
    let escapes = r#"
import os, socket
tries = 0
while not os.path.exists('stop'):
    tries += 1
    for kind, to in ((socket.SOCK_DGRAM, ('203.0.113.66', 443)), (socket.SOCK_DGRAM, ('203.0.113.66', 53))):
        try: socket.socket(socket.AF_INET, kind).sendto(b'restart-marker', to)
        except OSError: pass
    try: s = socket.create_connection(('203.0.113.66', 80), 5); s.sendall(b'restart-marker\r\n\r\n'); s.recv(1)
    except OSError: pass
print(tries)
"#;
    let escapes = lab.agent(AGENT).limit(PATIENCE * 2).start(&["/usr/bin/python3", "-c", escapes]).unwrap();
    let mut pid = service.pid_other_than(0);
    for _ in 0..5 {
        let before = lab.internet.requests.all().len();
        wait_for(PATIENCE, || (lab.internet.requests.all().len() > before).then_some(())).expect("nothing goes on");
        service.tell(Signal::SIGHUP);
        pid = service.pid_other_than(pid);
    }
    std::fs::write(lab.path("home").join("stop"), "").unwrap();
    let (requests, escapes) = (requests.finish().unwrap(), escapes.finish().unwrap());
    let refused: Vec<&str> = requests.stdout.lines().filter(|line| *line != "200").collect();
    assert!(refused.is_empty(), "{refused:?} of {}", requests.stdout.lines().count());
    assert!(escapes.stdout.trim().parse::<u32>().unwrap() > 5, "{escapes:?}");
    lab.settle().unwrap();
    let packets = lab.internet.capture.matching(|packet| packet.contains(b"restart-marker"));
    assert!(packets.is_empty(), "{packets:?}");
    let told = service.stop();
    assert_eq!(told.lines().filter(|line| *line == "READY=1").count(), 6, "{told}");
    let verified =
        lab.ctl(&["audit", "verify", &lab.path("state").join("audit/audit.jsonl").to_string_lossy()]).unwrap();
    assert!(verified.ok(), "{verified:?}");
}

#[test]
fn a_daemon_that_hangs_is_restarted_by_the_watchdog_and_denies_meanwhile() {
    let lab = Lab::new().unwrap();
    let settings = Settings::with(json!({"bpf": {"heartbeat_timeout_ms": 500}}));
    let service = Service::start(&lab, &settings, "2");
    let pid = service.pid_other_than(0);
    assert_eq!(lab.agent(AGENT).curl(&["https://api.allowed.test/hello"]).unwrap().status, 200);
    let connect = "import socket\ntry: socket.socket().connect(('203.0.113.10', 443)); print('connected')\nexcept OSError as e: print(e.errno)";
    let agent = lab
        .agent(AGENT)
        .limit(PATIENCE)
        .start(&["sh", "-c", ": > begun; while [ ! -e stop ]; do /usr/bin/python3 -c \"$0\"; done", connect])
        .unwrap();
    wait_for(PATIENCE, || lab.path("home").join("begun").exists().then_some(())).expect("the agent runs");
    kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    service.pid_other_than(pid);
    std::fs::write(lab.path("home").join("stop"), "").unwrap();
    let attempts = agent.finish().unwrap();
    let denied = nix::libc::EPERM.to_string();
    assert!(attempts.stdout.lines().any(|line| line == denied), "{attempts:?}");
    assert_eq!(lab.agent(AGENT).curl(&["https://api.allowed.test/hello"]).unwrap().status, 200);
    let told = service.stop();
    assert!(told.contains("WATCHDOG=1") && told.contains("killed by the watchdog"), "{told}");
}
