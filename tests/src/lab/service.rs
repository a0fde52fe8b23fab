//! Origins that are programs of their own: Python with real server libraries, somewhere in the laboratory's internet.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Lab, wait_for};

/// How long a server may take to be there.
const START: Duration = Duration::from_secs(20);

/// Python with the packages that `cargo xtask test` installs.
pub fn python() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-env/bin/python");
    assert!(path.exists(), "{} is missing: run `cargo xtask test`", path.display());
    path
}

/// An origin at every address of the internet; killed on drop.
pub struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts `tests/support/NAME.py`. It gets `CERT` and `KEY` (files, PEM) and `LOG`, to which it writes a line of JSON for
    /// everything that it sees, the first once it listens.
    pub fn start(lab: &Lab, name: &str) -> Result<Service> {
        let (certificate, key) = lab.internet.authority.issue()?;
        let file = |kind: &str| lab.path(&format!("{name}.{kind}"));
        std::fs::write(file("cert"), certificate)?;
        std::fs::write(file("key"), key)?;
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("support").join(name).with_extension("py");
        ensure!(program.exists(), "{} is missing", program.display());
        let mut command = Command::new(python());
        command.arg(program).env("CERT", file("cert")).env("KEY", file("key")).env("LOG", file("seen"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(file("errors"))?);
        let child = lab.inet.spawn(command, &lab.path("resolv.conf"))?;
        let service = Service { child, log: file("seen") };
        let errors = || std::fs::read_to_string(file("errors")).unwrap_or_default();
        wait_for(START, || (!service.seen().is_empty()).then_some(()))
            .with_context(|| format!("{name}: {}", errors()))?;
        Ok(service)
    }

    /// What it has seen, the line first that says that it listens.
    pub fn seen(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits until it has seen something for which `wanted` holds, at most ten seconds.
    pub fn wait(&self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        wait_for(Duration::from_secs(30), || self.seen().into_iter().find(|line| wanted(line)))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
