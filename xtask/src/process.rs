//! Running other programs.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, IsTerminal};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

/// A command with the workspace as its directory and the tools below `target/tools` on its search path.
pub fn command(root: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root).env("PATH", search_path(root));
    command
}

/// The cargo that started us.
pub fn cargo(root: &Path) -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    command(root, &cargo)
}

fn search_path(root: &Path) -> OsString {
    let mut path = root.join("target/tools/bin").into_os_string();
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}

/// Runs a command whose output the user sees as it comes.
pub fn run(what: &str, command: &mut Command) -> Result<()> {
    eprintln!("\n── {what}");
    let status =
        command.status().with_context(|| format!("{what}: {:?} could not be started", command.get_program()))?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(())
}

/// Runs a command behind one line of progress; its output is shown only if it fails.
pub fn run_with_progress(what: &str, command: &mut Command) -> Result<()> {
    let bar = progress_bar(what);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{what}: {:?} could not be started", command.get_program()))?;
    let mut written = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            bar.set_message(line.trim().to_owned());
            written.push(line);
        }
    }
    let status = child.wait()?;
    bar.finish_and_clear();
    if !status.success() {
        bail!("{what} failed ({status}):\n{}", written.join("\n"));
    }
    eprintln!("── {what}: done in {:.0?}", bar.elapsed());
    Ok(())
}

fn progress_bar(what: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        eprintln!("── {what} ...");
    }
    let style = ProgressStyle::with_template("{spinner} {prefix} [{elapsed}] {wide_msg}");
    let bar = ProgressBar::new_spinner().with_prefix(what.to_owned());
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// Becomes `command`: signals and the exit code are then its own, so that Ctrl-C waits for its clean-up.
pub fn become_command(what: &str, command: &mut Command) -> Result<()> {
    eprintln!("\n── {what}");
    let error = command.exec();
    Err(error).with_context(|| format!("{what}: {:?} could not be started", command.get_program()))
}

/// Whether a program of this name is on the search path.
pub fn is_installed(root: &Path, program: &str) -> bool {
    find_program(root, program).is_some()
}

/// Where on the search path a program is.
pub fn find_program(root: &Path, program: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path(root)).map(|directory| directory.join(program)).find(|path| path.is_file())
}

/// Ends with one clear line where root is needed and missing.
pub fn require_root(what: &str) -> Result<()> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let effective = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_whitespace().nth(1));
    if effective != Some("0") {
        bail!("{what} needs root, for network namespaces, cgroups and eBPF: run it as root");
    }
    Ok(())
}
