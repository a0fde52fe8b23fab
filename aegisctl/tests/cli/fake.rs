//! A daemon that knows one answer a call.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

pub const CA: &str = include_str!("ca.pem");

type Answers = HashMap<String, (u16, String)>;

/// Serves on a socket in a directory of its own, until the test's process ends.
pub struct Fake {
    directory: TempDir,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Fake {
    /// `answers`: `"GET /path"`, status, body.
    pub fn serve(answers: &[(&str, u16, Value)]) -> Self {
        let answers = answers.iter().map(|(call, status, body)| (call.to_string(), (*status, body.to_string())));
        Self::serve_text(answers.collect())
    }

    pub fn serve_text(answers: Answers) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("control.sock")).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &answers, &seen);
            }
        });
        Self { directory, requests }
    }

    /// The command under test, pointed at this daemon.
    pub fn aegisctl(&self, arguments: &[&str]) -> Command {
        let mut command = super::aegisctl(arguments);
        command.env("AEGIS_SOCKET", self.directory.path().join("control.sock"));
        command
    }

    /// Where its socket `control.sock` is.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// The calls so far, each with its body.
    pub fn requests(&self) -> Vec<(String, Value)> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(stream: UnixStream, answers: &Answers, seen: &Mutex<Vec<(String, Value)>>) {
    let mut reader = BufReader::new(&stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let call = first.trim().trim_end_matches(" HTTP/1.1").to_owned();
    seen.lock().unwrap().push((call.clone(), serde_json::from_slice(&body).unwrap_or(Value::Null)));
    let missing = json!({"title": "Not Found", "status": 404, "detail": format!("no {call}")}).to_string();
    let (status, body) = answers.get(&call).cloned().unwrap_or((404, missing));
    // The reader may have what it wanted and be gone.
    let _ = write!(
        &stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}

pub fn agent(name: &str) -> Value {
    json!({
        "name": name, "org": "acme", "tenant": "emea", "parent": null, "labels": {"team": "payments"},
        "scopes": ["payments:write"], "token": "ambient", "mode": "enforce", "on_agent_down": "closed", "listen": "loopback", "cgroup": format!("/sys/fs/cgroup/aegis/{name}"),
        "direct": [], "dial": "host", "origin": "registered",
    })
}

pub fn status() -> Value {
    json!({
        "instance": "default", "version": "0.1.0", "host": "node-1", "pid": 42, "started": "2026-11-23T00:00:00Z",
        "uptime_s": 3720, "ready": true,
        "kernel": {
            "cgroup_root": "/sys/fs/cgroup/aegis", "pin_dir": "/sys/fs/bpf/aegis",
            "hooks": [{"name": "connect4", "attached": true, "pinned": true}],
            "counters": {"redirected": 7}, "events_dropped": 0, "guards": [], "unaccounted": 0,
            "accounts": [{"agent": "finance-agent", "connects": 9, "denied": 2, "redirected": 7, "taken": 7, "waiting": 0,
                          "ended_early": 0, "unaccounted": 0, "open": 1, "events_suppressed": 0}],
            "tables": [{"name": "flows", "used": 0, "capacity": 65536}],
        },
        "policy": {"version": "v7", "rules": 3, "source": "/etc/aegis/policies", "loaded_at": "2026-11-23T00:00:00Z",
                   "last_error": "finance.yaml:3:1: unknown key"},
        "agents": [agent("finance-agent")], "flows": {"active": 1, "total": 9}, "decisions": {"allow": 5, "deny": 4},
        "listeners": [{"name": "proxy", "address": "127.0.0.1:15001"}],
        "ca": {"certificate": "/var/lib/aegis/ca.pem", "not_after": "2029-01-01T00:00:00Z", "days_left": 770},
        "audit": {"path": "/nonexistent/audit.jsonl", "checkpoints": null, "public_key": null, "healthy": true,
                  "last_seq": 9, "queued": 0, "last_error": null},
        "namespaces": [
            {"inode": 4026532999u64, "cookie": 21, "agents": ["boxed"], "paths": ["/run/netns/box"],
             "listeners": [{"name": "proxy", "address": "[::1]:15001"}], "since": "2026-11-23T01:02:03Z", "error": null},
            {"inode": null, "cookie": null, "agents": ["late"], "paths": ["/run/netns/late"], "listeners": [],
             "since": null, "error": "/run/netns/late cannot be opened"},
        ],
    })
}
