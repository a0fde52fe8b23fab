//! Where attacks are tried: first as agents in every way of being one, then as a bystander, who must get out.

use std::path::Path;

use aegis_tests::lab::wiring::address;
use aegis_tests::{Daemon, Lab, Outcome, Packet, Running, Settings};

use crate::attempt::{AGENTS, Attempt, Role, kept_in, said};
use crate::foreign::{describe, is_foreign};
use crate::program::build;

/// A host that no policy of the laboratory allows and that the daemon never dials.
pub const TARGET: &str = "denied.test";
/// Port of a TCP echo outside.
pub const TCP_PORT: u16 = 2525;
/// Port of a UDP sink outside.
pub const UDP_PORT: u16 = 9999;

/// Where an attack program aims.
#[derive(Clone, Debug)]
pub struct Target {
    pub v4: String,
    pub v6: String,
    pub port: u16,
}

impl Target {
    /// The forbidden host at `port`.
    pub fn denied(port: u16) -> Target {
        let (v4, v6) = address(TARGET);
        Target { v4: v4.to_string(), v6: v6.to_string(), port }
    }

    /// The command line of an attack program.
    pub fn words(&self, program: &Path, role: Role, attempts: &[&str]) -> Vec<String> {
        let is_script = program.extension().is_some_and(|extension| extension == "py");
        let mut words = if is_script { vec!["/usr/bin/python3".to_owned()] } else { Vec::new() };
        let program = program.to_str().unwrap().to_owned();
        words.extend([program, role.marker().to_owned(), self.v4.clone(), self.v6.clone(), self.port.to_string()]);
        words.extend(attempts.iter().map(|attempt| (*attempt).to_owned()));
        words
    }
}

/// A laboratory with a daemon that enforces.
pub struct Stage<'lab> {
    pub lab: &'lab Lab,
    pub daemon: Daemon<'lab>,
}

impl<'lab> Stage<'lab> {
    pub fn new(lab: &'lab Lab) -> Stage<'lab> {
        Self::with(lab, &Settings::default())
    }

    pub fn with(lab: &'lab Lab, settings: &Settings) -> Stage<'lab> {
        Stage { lab, daemon: Daemon::start(lab, settings).unwrap() }
    }

    /// Every attempt in every role: as an agent nothing may leave, as a bystander each must. Agents come first: what a
    /// bystander's connections still send at their end would be in the way.
    pub fn play(&self, program: &str, target: &Target, attempts: &[Attempt]) {
        self.play_with(&build(self.lab, program), target, attempts, &[]);
    }

    /// As `play`, with a built program or a script, and an environment.
    pub fn play_with(&self, program: &Path, target: &Target, attempts: &[Attempt], environment: &[(&str, String)]) {
        let mut problems = self.agents_try(program, target, attempts, environment);
        let names: Vec<&str> = attempts.iter().map(|attempt| attempt.name).collect();
        let outcome = self.start(Role::Bystander, program, target, &names, environment).finish().unwrap();
        problems.extend(kept_in(self.lab, attempts, &outcome));
        let name = program.file_name().unwrap_or_default().display();
        assert!(problems.is_empty(), "{name}: {}\n{}", problems.join("\n"), outcome.stderr);
    }

    /// All roles at the same time; gives what went wrong.
    pub fn agents_try(
        &self,
        program: &Path,
        target: &Target,
        attempts: &[Attempt],
        environment: &[(&str, String)],
    ) -> Vec<String> {
        let tried_by = |role: &Role| attempts.iter().filter(|a| a.roles.contains(role)).map(|a| a.name).collect();
        let parts: Vec<(Role, Vec<&str>)> = AGENTS.iter().map(|role| (*role, tried_by(role))).collect();
        let running: Vec<_> = parts
            .iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(role, names)| (role, names, self.start(*role, program, target, names, environment)))
            .collect();
        let mut problems = Vec::new();
        let mut said = String::new();
        for (role, names, running) in running {
            let outcome = running.finish().unwrap();
            problems.extend(unsaid(&outcome, names).into_iter().map(|name| format!("{role:?} did not try {name}")));
            said.push_str(&format!("{role:?} said:\n{}", outcome.stdout));
        }
        let escaped = self.escaped();
        problems.extend(escaped.iter().take(20).map(|packet| format!("an agent got out: {}", describe(packet))));
        if !escaped.is_empty() {
            problems.push(format!("{} packets in all; {said}", escaped.len()));
        }
        problems
    }

    pub fn start(
        &self,
        role: Role,
        program: &Path,
        target: &Target,
        names: &[&str],
        environment: &[(&str, String)],
    ) -> Running {
        let mut command = role.command(self.lab);
        for (name, value) in environment {
            command = command.env(name, value.clone());
        }
        command.start(&target.words(program, role, names)).unwrap()
    }

    /// Every packet that left the host and that neither the daemon nor the kernel's own housekeeping sends.
    pub fn escaped(&self) -> Vec<Packet> {
        self.lab.settle().unwrap();
        self.lab.internet.capture.matching(is_foreign)
    }
}

fn unsaid<'n>(outcome: &Outcome, names: &[&'n str]) -> Vec<&'n str> {
    names.iter().copied().filter(|name| said(outcome, name).is_none()).collect()
}
