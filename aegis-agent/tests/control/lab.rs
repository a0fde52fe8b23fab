//! A served socket, a cgroup subtree, and processes that call with credentials of their own.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aegis_agent::control::{ControlSocket, serve};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::fake::Fake;

pub struct Lab {
    runtime: Option<Runtime>,
    shutdown: CancellationToken,
    directory: tempfile::TempDir,
    socket: PathBuf,
    root: PathBuf,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub kind: String,
    pub body: Value,
}

/// Who calls, and from where.
#[derive(Clone)]
pub struct Caller {
    uid: u32,
    gid: u32,
    groups: Option<String>,
    inside: Option<String>,
    hand_over: bool,
    departed: bool,
}

impl Caller {
    pub fn root() -> Self {
        Self { uid: 0, gid: 0, groups: None, inside: None, hand_over: false, departed: false }
    }

    pub fn user(id: u32) -> Self {
        Self { uid: id, gid: id, ..Self::root() }
    }

    pub fn main_group(self, gid: u32) -> Self {
        Self { gid, ..self }
    }

    pub fn groups(self, groups: &str) -> Self {
        Self { groups: Some(groups.to_owned()), ..self }
    }

    /// Joins this directory of the subtree first.
    pub fn inside(self, place: &str) -> Self {
        Self { inside: Some(place.to_owned()), ..self }
    }

    /// The kernel has seen it leave its agent's cgroup.
    pub fn departed(self) -> Self {
        Self { departed: true, ..self }
    }

    /// The process that connects ends; its child sends the request.
    pub fn handing_over(self) -> Self {
        Self { hand_over: true, ..self }
    }
}

/// Connects, sends standard input as it is, prints what comes back.
const CLIENT: &str = r#"
import os, socket, sys, time
request = sys.stdin.buffer.read()
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
if sys.argv[2] == "hand-over":
    if os.fork() > 0:
        os._exit(0)
    time.sleep(0.3)
try:
    s.sendall(request)
except BrokenPipeError:
    pass
while True:
    try:
        data = s.recv(65536)
    except ConnectionResetError:
        break
    if not data:
        break
    sys.stdout.buffer.write(data)
"#;

const IDLER: &str = r#"
import socket, sys, time
opened = []
for _ in range(int(sys.argv[2])):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    opened.append(s)
print("ready", flush=True)
time.sleep(60)
"#;

/// Asks for tokens as fast as it can, until it is told to wait; prints how many it got and the last answer.
const GREEDY: &str = r#"
import socket, sys, time
body = b'{}'
request = b'POST /v1/token HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n' + body
got, until = 0, time.monotonic() + 30
while time.monotonic() < until:
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    s.sendall(request)
    answer = b''
    while data := s.recv(65536):
        answer += data
    if not answer.startswith(b'HTTP/1.1 200'):
        break
    got += 1
print(got)
print(answer.decode())
"#;

impl Lab {
    /// As many tokens as somebody gets at once, and the answer when there are no more.
    pub fn greedy(&self, caller: &Caller) -> (u32, Answer) {
        let output = self.command(caller, GREEDY, "").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (got, answer) = text.split_once('\n').unwrap();
        (got.parse().unwrap(), parse(answer))
    }

    pub fn new(group: Option<u32>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("aegis-controltest-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let root = cgroup2_mount().join(name);
        for place in ["a/inner", "b", "removed"] {
            fs::create_dir_all(root.join(place)).expect("these tests need root and a writable cgroup v2 mount");
        }
        let directory = tempfile::tempdir().unwrap();
        // Callers with other users must come through.
        fs::set_permissions(directory.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let log = directory.path().join("audit.jsonl");
        fs::write(&log, "{\"seq\":1}\n{\"seq\":2}\n{\"seq\":3}\n").unwrap();
        let socket = directory.path().join("run/control.sock");
        let runtime = Runtime::new().unwrap();
        let shutdown = CancellationToken::new();
        let bound = runtime.block_on(async { ControlSocket::bind(&socket) }).unwrap();
        let fake = Arc::new(Fake { root: root.clone(), log });
        runtime.spawn(serve(bound, fake, group, shutdown.clone()));
        Self { runtime: Some(runtime), shutdown, directory, socket, root }
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.socket).unwrap()
    }

    /// Makes a call as somebody.
    pub fn call(&self, caller: &Caller, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let file = self.directory.path().join(format!("request-{}", request.len()));
        fs::write(&file, request).unwrap();
        let mode = if caller.hand_over { "hand-over" } else { "stay" };
        let mut command = self.command(caller, CLIENT, mode);
        let output = command.stdin(fs::File::open(file).unwrap()).output().unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        parse(&String::from_utf8_lossy(&output.stdout))
    }

    /// Opens connections that say nothing, until the process is dropped.
    pub fn idlers(&self, caller: &Caller, count: u32) -> Idlers {
        let mut child = self.command(caller, IDLER, &count.to_string()).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = [0; 5];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        Idlers(child)
    }

    fn command(&self, caller: &Caller, code: &str, argument: &str) -> Command {
        let join = match &caller.inside {
            Some(place) => format!("echo 0 > {}/cgroup.procs && ", self.root.join(place).display()),
            None => String::new(),
        };
        let groups = caller.groups.as_ref().map_or("--clear-groups".to_owned(), |groups| format!("--groups {groups}"));
        let (uid, gid) = (caller.uid, caller.gid);
        let script =
            format!("{join}exec setpriv --reuid {uid} --regid {gid} {groups} /usr/bin/python3 -c \"$0\" \"$@\"");
        let mut command = Command::new("sh");
        command.env("AEGIS_TEST_DEPARTED", if caller.departed { "1" } else { "0" });
        command.args(["-c", &script, code]).arg(&self.socket).arg(argument);
        command
    }
}

pub struct Idlers(Child);

impl Drop for Idlers {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(runtime) = self.runtime.take() {
            let gone = (0..100).any(|_| {
                std::thread::sleep(Duration::from_millis(20));
                !self.socket.exists()
            });
            runtime.shutdown_timeout(Duration::from_secs(1));
            if !gone && !std::thread::panicking() {
                panic!("the server did not end");
            }
        }
        for place in ["a/inner", "a", "b", "removed", ""] {
            // The last process may still be on its way out.
            for _ in 0..50 {
                if fs::remove_dir(self.root.join(place)).is_ok() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

fn parse(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ")).unwrap_or_default().to_owned();
    Answer { status, kind, body: serde_json::from_str(body).unwrap_or(Value::Null) }
}

fn cgroup2_mount() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    PathBuf::from(fields.find(|fields| fields[2] == "cgroup2").expect("these tests need a cgroup v2 mount")[1])
}
