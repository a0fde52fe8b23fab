//! The command line: global options, the tree of commands, and where each goes.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::api::Client;
use crate::commands::{agents, audit, dlp, doctor, keys, packaging, policy, status, token, tools, verify};
use crate::failure::Failure;
use crate::output::{Format, Screen};
use crate::run;

const AFTER: &str = "\
Examples:
  sudo aegisctl doctor                                        can this machine enforce?
  sudo aegisctl agents register finance-agent                 make an agent known
  sudo aegisctl run --agent finance-agent --user bob -- python3 agent.py
  sudo aegisctl status                                        what is enforced here
  sudo aegisctl audit tail -f                                 watch decisions

Exit codes: 0 ok, 1 the answer is no, 2 usage, 3 the daemon is not reachable; `run` ends with the command's own.";

/// Runs commands as enforced agents, and asks and steers the Aegis daemon of this host.
#[derive(Debug, Parser)]
#[command(name = "aegisctl", version, after_help = AFTER, arg_required_else_help = true)]
pub struct Cli {
    /// Control socket of the daemon.
    #[arg(long, global = true, env = "AEGIS_SOCKET", default_value = aegis_api::DEFAULT_SOCKET, value_name = "PATH")]
    socket: PathBuf,

    /// How answers are written.
    #[arg(long, short, global = true, value_enum, default_value = "table", value_name = "FORMAT")]
    output: Format,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Status(status::Args),
    Doctor(doctor::Args),
    /// Lists, registers and removes agents.
    #[command(subcommand, after_help = agents::EXAMPLES)]
    Agents(agents::Command),
    /// Mints, inspects and revokes agent tokens.
    #[command(subcommand, after_help = token::EXAMPLES)]
    Token(token::Command),
    /// Lists and rotates the keys that tokens are signed with.
    #[command(subcommand, after_help = keys::EXAMPLES)]
    Keys(keys::Command),
    /// Checks, explains and reloads policies.
    #[command(subcommand, after_help = policy::EXAMPLES)]
    Policy(policy::Command),
    /// Lists and resets the definitions of tools that agents know.
    #[command(subcommand, after_help = tools::EXAMPLES)]
    Tools(tools::Command),
    /// Looks for sensitive data in files, lists detectors, makes dictionaries.
    #[command(subcommand, after_help = dlp::EXAMPLES)]
    Dlp(dlp::Command),
    /// Reads and verifies the audit log.
    #[command(subcommand, after_help = audit::EXAMPLES)]
    Audit(audit::Command),
    Verify(verify::Args),
    #[command(hide = true)]
    VerifyProbe(verify::probe::Args),
    Completions(packaging::CompletionsArgs),
    Man(packaging::ManArgs),
}

impl Cli {
    /// Does what was asked.
    pub fn execute(self) -> Result<ExitCode, Failure> {
        let tests = matches!(&self.command, Command::Policy(policy::Command::Test(_)));
        if self.output == Format::Junit && !tests {
            return Err(Failure::Usage("--output junit is for `aegisctl policy test`; use table or json".to_owned()));
        }
        let screen = Screen::new(self.output);
        let client = Client::new(&self.socket)?;
        match self.command {
            Command::Run(args) => match run::run(&args, &client)? {},
            Command::Status(_) => status::run(&client, &screen),
            Command::Doctor(_) => doctor::run(&client, &screen),
            Command::Agents(command) => agents::run(&command, &client, &screen),
            Command::Token(command) => token::run(&command, &client, &screen),
            Command::Keys(command) => keys::run(&command, &client, &screen),
            Command::Policy(command) => policy::run(&command, &client, &screen),
            Command::Tools(command) => tools::run(&command, &client, &screen),
            Command::Dlp(command) => dlp::run(&command, &screen),
            Command::Audit(command) => audit::run(&command, &client, &screen),
            Command::Verify(args) => verify::run(&args, &client, &screen),
            Command::VerifyProbe(args) => verify::probe::run(&args),
            Command::Completions(args) => packaging::completions(&args),
            Command::Man(args) => packaging::man(&args, &screen),
        }
    }
}
