//! `aegisctl` as its users see it: arguments in, output and exit code out. The daemon is a fake on a socket of its own.
//!
//! `run` needs root and a cgroup v2 mount, and fails without: it is tested in a cgroup that each test makes and takes away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod confinement;
mod dlp;
mod fake;
mod help;
mod hidden;
mod lab;
mod offline;
mod owned;
mod past;
mod probes;

use std::process::{Command, Output};

/// The command under test, without the caller's environment.
fn aegisctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aegisctl"));
    command.args(arguments).env_remove("AEGIS_SOCKET").env("NO_COLOR", "1");
    command
}

/// Runs it and checks the exit code.
fn expect(code: i32, command: &mut Command) -> (String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8_lossy(&stdout).into_owned(), String::from_utf8_lossy(&stderr).into_owned());
    assert_eq!(status.code(), Some(code), "{command:?}: {status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
    (stdout, stderr)
}
