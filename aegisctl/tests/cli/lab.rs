//! Where `run` is tested: an agent's cgroup and a daemon that knows it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::expect;
use crate::fake::{CA, Fake};

/// A user without privileges that every Linux has.
pub const USER: &str = "nobody";

/// An agent's cgroup and a daemon that knows it; both end with the test.
pub struct Lab {
    pub root: PathBuf,
    pub instance: String,
    pub fake: Fake,
    /// What the tests run, apart from any keytool: a key store for Java costs seconds.
    pub tools: TempDir,
}

impl Lab {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let instance = format!("ctltest-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let root = cgroup2_mount().join(format!("aegis-{instance}"));
        fs::create_dir_all(root.join("a")).expect("these tests need root and a writable cgroup v2 mount");
        let info = json!({
            "agent": "a", "instance": instance, "cgroup": root.join("a"), "ca_certificate": "/var/lib/aegis/ca.pem",
            "ca_pem": CA, "proxy": ["127.0.0.1:15001"], "token": "ambient",
        });
        let token = json!({"token": "a.b.c", "agent": "a", "expires_at": 1, "jti": "j"});
        let fake = Fake::serve(&[("GET /v1/run/a", 200, info), ("POST /v1/token", 200, token)]);
        Self { root, instance, fake, tools: tools() }
    }

    /// `aegisctl run --agent a OPTIONS -- COMMAND`, with `tools` as its PATH.
    pub fn run(&self, options: &[&str], command: &[&str]) -> Command {
        let arguments: Vec<&str> = [&["run", "--agent", "a"], options, &["--"], command].concat();
        let mut run = self.fake.aegisctl(&arguments);
        // Directories that the other user may not enter would be in the way of what is tested.
        run.current_dir("/").env("PATH", self.tools.path());
        run
    }

    pub fn as_user(&self, script: &str) -> String {
        expect(0, &mut self.run(&["--user", USER], &["sh", "-c", script])).0
    }

    pub fn as_root(&self, script: &str) -> String {
        expect(0, &mut self.run(&[], &["sh", "-c", script])).0
    }

    /// Runs Python as the user; it prints one JSON value.
    pub fn python(&self, options: &[&str], code: &str) -> Value {
        let (stdout, _) = expect(0, &mut self.run(options, &["/usr/bin/python3", "-c", code]));
        serde_json::from_str(&stdout).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(format!("/run/aegisctl/{}", self.instance));
        for directory in [self.root.join("a"), self.root.clone()] {
            // The last process may still be on its way out.
            for _ in 0..50 {
                if fs::remove_dir(&directory).is_ok() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

pub fn cgroup2_mount() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    PathBuf::from(fields.find(|fields| fields[2] == "cgroup2").expect("these tests need a cgroup v2 mount")[1])
}

fn tools() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    for name in ["sh", "cat", "echo", "env", "ls", "mount", "true", "unshare"] {
        let found = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].iter().map(|dir| PathBuf::from(dir).join(name));
        symlink(found.into_iter().find(|path| path.exists()).unwrap(), directory.path().join(name)).unwrap();
    }
    directory
}
