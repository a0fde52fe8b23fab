//! Commands in the laboratory: as an agent (through `aegisctl run`, or straight in its cgroup) or as a bystander.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::netns::Namespace;
use super::{Lab, binary, raw, wait_for};

/// The search path of every process of the laboratory: the system's own, nothing of the developer's.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command about to be run in the host's namespace, in an environment that is the same on every machine.
pub struct AgentCommand<'lab> {
    lab: &'lab Lab,
    role: Role,
    namespace: Namespace,
    user: Option<String>,
    run_arguments: Vec<String>,
    environment: Vec<(String, String)>,
    input: Vec<u8>,
    limit: Duration,
}

/// Whose process a command becomes.
enum Role {
    /// Nobody's agent.
    Bystander,
    /// An agent, by `aegisctl run`.
    Agent(String),
    /// An agent, by its cgroup alone.
    Raw(String),
}

/// How a command ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Exit code; 128 + N for signal N, as in a shell.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Whether it had to be killed at its time limit.
    pub timed_out: bool,
    /// How long it ran.
    pub took: Duration,
}

impl Outcome {
    /// Whether the command ended with 0.
    pub fn ok(&self) -> bool {
        self.code == 0
    }
}

impl<'lab> AgentCommand<'lab> {
    pub(super) fn new(lab: &'lab Lab, agent: Option<&str>) -> AgentCommand<'lab> {
        Self::of(lab, agent.map_or(Role::Bystander, |agent| Role::Agent(agent.to_owned())))
    }

    pub(super) fn raw(lab: &'lab Lab, agent: &str) -> AgentCommand<'lab> {
        Self::of(lab, Role::Raw(agent.to_owned()))
    }

    fn of(lab: &'lab Lab, role: Role) -> AgentCommand<'lab> {
        let limit = Duration::from_secs(30);
        AgentCommand {
            lab,
            role,
            namespace: lab.host.clone(),
            user: None,
            run_arguments: Vec::new(),
            environment: Vec::new(),
            input: Vec::new(),
            limit,
        }
    }

    /// Runs the command in another network namespace than the host's.
    pub(super) fn place(mut self, namespace: &Namespace) -> Self {
        self.namespace = namespace.clone();
        self
    }

    /// Adds an environment variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Adds an argument for `aegisctl run` itself.
    pub fn run_argument(mut self, argument: &str) -> Self {
        self.run_arguments.push(argument.to_owned());
        self
    }

    /// Changes to another user before the command starts; otherwise it stays root, the hard case.
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    /// What the command reads on standard input.
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Kills the command after `limit`; 30 s otherwise.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs the command to its end.
    pub fn run<S: AsRef<OsStr>>(self, command: &[S]) -> Result<Outcome> {
        self.start(command)?.finish()
    }

    /// Runs a shell script.
    pub fn shell(self, script: &str) -> Result<Outcome> {
        self.run(&["sh", "-c", script])
    }

    /// Runs a Python program, given as text.
    pub fn python(self, program: &str) -> Result<Outcome> {
        self.run(&["/usr/bin/python3", "-c", program])
    }

    /// Starts the command and leaves it running.
    pub fn start<S: AsRef<OsStr>>(self, arguments: &[S]) -> Result<Running> {
        let mut command = self.command(arguments)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let started = Instant::now();
        let mut child = self.namespace.spawn(command, &self.lab.path("resolv.conf"))?;
        let input = self.input;
        // In a thread of its own: a command that writes before it has read all would block us both.
        if let Some(mut stdin) = child.stdin.take() {
            std::thread::spawn(move || stdin.write_all(&input));
        }
        let output = Some([collect(child.stdout.take()), collect(child.stderr.take())]);
        Ok(Running { child, output, started, limit: self.limit })
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Command> {
        let mut words = self.wrapper()?;
        words.extend(arguments.iter().map(|argument| argument.as_ref().to_owned()));
        let (program, rest) = words.split_first().context("an empty command")?;
        let mut command = Command::new(program);
        command.args(rest).env_clear().env("PATH", PATH).env("LANG", "C.UTF-8");
        command.env("HOME", self.lab.path("home")).env("AEGIS_SOCKET", self.lab.path("control.sock"));
        command.envs(self.environment.iter().map(|(name, value)| (name, value))).current_dir(self.lab.path("home"));
        Ok(command)
    }

    /// What stands before the command's own words.
    fn wrapper(&self) -> Result<Vec<OsString>> {
        let mut words = match &self.role {
            Role::Bystander => Vec::new(),
            Role::Raw(agent) => raw::join(self.lab, agent)?,
            Role::Agent(agent) => {
                let mut words = vec![binary("aegisctl")?.into(), "run".into(), "--agent".into(), agent.into()];
                words.extend(self.run_arguments.iter().map(OsString::from));
                words.extend(self.user.iter().flat_map(|user| ["--user".into(), user.into()]));
                words.push("--".into());
                return Ok(words);
            }
        };
        if let Some(user) = &self.user {
            words.extend(raw::become_user(user)?);
        }
        Ok(words)
    }
}

/// A command that runs; killed with all its process group on drop.
pub struct Running {
    child: Child,
    /// Standard output and error; none once they have been asked for.
    output: Option<[JoinHandle<String>; 2]>,
    started: Instant,
    limit: Duration,
}

impl Running {
    /// The command's process id (`aegisctl run` replaces itself by the command).
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the end, at most until the time limit.
    pub fn finish(mut self) -> Result<Outcome> {
        let left = self.limit.saturating_sub(self.started.elapsed());
        let status = wait_for(left, || self.child.try_wait().ok().flatten());
        let timed_out = status.is_none();
        self.kill();
        let status = match status {
            Some(status) => status,
            None => self.child.wait()?,
        };
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        let took = self.started.elapsed();
        let output = self.output.take().context("the output was asked for twice")?;
        let [stdout, stderr] = output.map(|pipe| pipe.join().unwrap_or_default());
        Ok(Outcome { code, stdout, stderr, timed_out, took })
    }

    // Also after the command's own end: its children hold the pipes open.
    fn kill(&self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.output.is_some() {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
