//! One virtual machine.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{kernels::Kernel, plan::Extent};

/// How long a machine may take in all. With a processor of its own it needs about a fifth of it.
const LIMIT: Duration = Duration::from_secs(1200);
/// How much of the console is shown when something went wrong.
const TAIL: usize = 50;
/// Debian's own list ends with `bpf`, so a machine without it needs a list as much as one with it.
const SECURITY_MODULES: &str = "landlock,lockdown,yama,apparmor";

/// A panic restarts at once, and QEMU ends instead of restarting. The rest guards nothing here and costs a quarter of the
/// time in an emulated machine.
const BASE_LINE: &str =
    "console=ttyS0 panic=-1 mitigations=off init_on_alloc=0 hardened_usercopy=off cgroup.memory=nokmem nowatchdog";

/// A kernel, its initramfs, and whether BPF LSM is on.
pub struct Machine {
    /// As people call it: `6.12.117+deb12-cloud-amd64 lsm=...,bpf`.
    pub name: String,
    /// The file with all that the kernel printed.
    pub console: PathBuf,
    image: PathBuf,
    initramfs: PathBuf,
    lsm: bool,
    /// What it runs of the plan.
    pub extent: Extent,
}

impl Machine {
    pub fn new(kernel: &Kernel, initramfs: &Path, directory: &Path, lsm: bool, extent: Extent) -> Self {
        let modules = if lsm { "lsm=...,bpf" } else { "lsm=..." };
        Self {
            name: format!("{} {modules}", kernel.release),
            console: directory.join(format!("console-{}-{}.log", kernel.release, if lsm { "bpf" } else { "nobpf" })),
            image: kernel.image.clone(),
            initramfs: initramfs.to_owned(),
            lsm,
            extent,
        }
    }

    /// Boots, hands over each line that the guest's tests write, and returns when the guest turned itself off.
    pub fn run(&self, mut each_line: impl FnMut(&str)) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        let mut qemu = self.qemu().spawn().context("QEMU could not be started")?;
        let output = qemu.stdout.take().context("QEMU has no output")?;
        let (send, lines) = sync_channel(1024);
        let reader = thread::spawn(move || {
            let lines = BufReader::new(output).split(b'\n').map_while(Result::ok);
            lines.map(|line| String::from_utf8_lossy(&line).into_owned()).all(|line| send.send(line).is_ok())
        });
        let ended = loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => each_line(&line),
                Err(RecvTimeoutError::Disconnected) => break true,
                Err(RecvTimeoutError::Timeout) => break false,
            }
        };
        drop(lines);
        if !ended {
            qemu.kill()?;
        }
        let status = qemu.wait()?;
        let _ = reader.join();
        if !ended {
            bail!("the machine was not done after {LIMIT:?} and was stopped");
        }
        let mut complaint = String::new();
        if let Some(mut stderr) = qemu.stderr.take() {
            stderr.read_to_string(&mut complaint)?;
        }
        ensure!(status.success(), "QEMU failed ({status}): {}", complaint.trim());
        Ok(())
    }

    /// The first serial line is the kernel's console, the second the tests'; so neither is torn by the other.
    fn qemu(&self) -> Command {
        // Dies with us, however we end: the machine would run on otherwise.
        let mut qemu = Command::new("setpriv");
        qemu.args(["--pdeathsig", "KILL", "qemu-system-x86_64", "-no-user-config", "-nodefaults", "-display", "none"]);
        qemu.args(["-machine", "pc,accel=tcg", "-cpu", "max", "-m", "1536", "-no-reboot"]);
        qemu.arg("-serial").arg(format!("file:{}", self.console.display())).args(["-serial", "stdio"]);
        qemu.arg("-kernel").arg(&self.image).arg("-initrd").arg(&self.initramfs);
        qemu.args(["-append", &self.command_line()]);
        qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        qemu
    }

    /// The kernel hands what it does not know to init as the environment: by it the tests know what they must find.
    fn command_line(&self) -> String {
        let (bpf, expect) = if self.lsm { (",bpf", 1) } else { ("", 0) };
        let plan = if self.extent == Extent::Full { "full" } else { "core" };
        format!("{BASE_LINE} lsm={SECURITY_MODULES}{bpf} AEGIS_EXPECT_LSM={expect} AEGIS_PLAN={plan}")
    }

    /// The last lines of the kernel's console.
    pub fn console_tail(&self) -> String {
        let console = fs::read(&self.console).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let lines: Vec<&str> = console.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }
}
