//! A real `aegis-agent` process in the laboratory.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{Lab, Settings, binary, wait_for};

/// How long a daemon may take to be ready: far above what it needs, machines that build meanwhile are slow.
const READY: Duration = Duration::from_secs(30);
const EXIT: Duration = Duration::from_secs(20);
const HTTP_PORT: u16 = 15090;

/// A running daemon; killed on drop.
pub struct Daemon<'lab> {
    lab: &'lab Lab,
    child: Child,
}

impl<'lab> Daemon<'lab> {
    /// Writes configuration and policy, starts the daemon and waits until it says that it is ready.
    pub fn start(lab: &'lab Lab, settings: &Settings) -> Result<Daemon<'lab>> {
        Self::write(lab, settings)?;
        Self::resume(lab)
    }

    /// Starts a daemon on the configuration that is there already, as after a crash.
    pub fn resume(lab: &'lab Lab) -> Result<Daemon<'lab>> {
        let mut daemon = Self::launch(lab)?;
        daemon.await_ready()?;
        Ok(daemon)
    }

    /// The same without waiting for anything.
    pub fn launch(lab: &'lab Lab) -> Result<Daemon<'lab>> {
        Ok(Daemon { lab, child: Self::spawn(lab)? })
    }

    /// Waits until it says that it is ready.
    pub fn await_ready(&mut self) -> Result<()> {
        let outcome = wait_for(READY, || match self.child.try_wait() {
            Ok(Some(status)) => Some(Err(status)),
            _ => self.ready().then_some(Ok(())),
        });
        match outcome {
            Some(Ok(())) => Ok(()),
            Some(Err(status)) => bail!("aegis-agent ended with {status} at its start:\n{}", self.log()),
            None => bail!("aegis-agent is not ready after {READY:?}:\n{}", self.log()),
        }
    }

    /// Starts a daemon that is expected to refuse to start; gives its exit status and what it wrote.
    pub fn refuses(lab: &Lab, settings: &Settings) -> Result<(ExitStatus, String)> {
        Self::write(lab, settings)?;
        let mut daemon = Daemon { lab, child: Self::spawn(lab)? };
        let status = daemon.wait_exit()?;
        Ok((status, daemon.log()))
    }

    /// Writes the configuration and policy files without starting anything.
    pub fn write(lab: &Lab, settings: &Settings) -> Result<()> {
        if let Some(policy) = &settings.policy {
            std::fs::write(lab.path("policy.yaml"), policy)?;
        }
        std::fs::write(lab.path("aegis.yaml"), serde_yaml::to_string(&settings.config_for(lab))?)?;
        Ok(())
    }

    fn spawn(lab: &Lab) -> Result<Child> {
        let log = File::options().create(true).append(true).open(lab.path("daemon.log"))?;
        let mut command = Command::new(binary("aegis-agent")?);
        command.arg("--config").arg(lab.path("aegis.yaml"));
        command.env_clear().env("PATH", super::command::PATH).env("RUST_BACKTRACE", "1");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        lab.host.spawn(command, &lab.path("resolv.conf"))
    }

    /// Everything that daemons of this laboratory wrote to standard output and error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.lab.path("daemon.log")).unwrap_or_default()
    }

    /// The daemon's process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// GET on the daemon's own HTTP listener: status and body.
    pub fn get(&self, path: &str) -> Result<(u16, String)> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let answer = self.lab.host.within(move || -> std::io::Result<String> {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, HTTP_PORT))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(request.as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        })??;
        let (head, body) = answer.split_once("\r\n\r\n").context("not an HTTP answer")?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no status in the answer")?;
        Ok((status, body.to_owned()))
    }

    fn ready(&self) -> bool {
        self.get("/readyz").is_ok_and(|(status, _)| status == 200)
    }

    /// The value of one metric with exactly these labels as they are printed, e.g. `aegis_flows_total`.
    pub fn metric(&self, series: &str) -> Result<Option<f64>> {
        let (_, text) = self.get("/metrics")?;
        Ok(text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok()))
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    /// CPU time used so far, user and system.
    pub fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        let (_, fields) = stat.rsplit_once(") ").context("an unknown /proc/PID/stat")?;
        let ticks: u64 = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap_or(0)).sum();
        // USER_HZ is 100 on every architecture that Linux supports today.
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.pid())?), signal).with_context(|| format!("sending {signal}"))
    }

    /// Waits until the process has ended by itself.
    pub fn wait_exit(&mut self) -> Result<ExitStatus> {
        wait_for(EXIT, || self.child.try_wait().ok().flatten())
            .with_context(|| format!("aegis-agent still runs after {EXIT:?}:\n{}", self.log()))
    }

    /// SIGTERM, and the orderly end.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait_exit()
    }

    /// SIGKILL: the crash.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// `GET /v1/status` through `aegisctl status --output json`.
    pub fn status(&self) -> Result<Value> {
        let outcome = self.lab.ctl(&["--output", "json", "status"])?;
        serde_json::from_str(&outcome.stdout).with_context(|| format!("aegisctl status: {outcome:?}"))
    }

    /// All audit records so far, in order; signed checkpoints are no records and are left out.
    pub fn records(&self) -> Result<Vec<Value>> {
        let path = self.lab.path("state").join("audit/audit.jsonl");
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        Ok(lines.into_iter().filter(|line| line.get("decision").is_some()).collect())
    }

    /// Waits for an audit record for which `wanted` holds: records are written in batches, a moment later.
    pub fn record(&self, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        wait_for(Duration::from_secs(5), || self.records().ok()?.into_iter().find(&wanted)).with_context(|| {
            let last: Vec<String> =
                self.records().unwrap_or_default().iter().rev().take(5).map(Value::to_string).collect();
            format!("no such audit record; the last are:\n{}\nlog:\n{}", last.join("\n"), self.log())
        })
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- aegis-agent wrote:\n{}", self.log());
        }
    }
}
