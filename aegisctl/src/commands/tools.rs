//! `aegisctl tools`: the definitions of tools that agents know.

use std::process::ExitCode;

use aegis_api::{ResetPins, ResetResponse, ToolPins};

use super::agents::agent_name;
use crate::api::Client;
use crate::failure::Failure;
use crate::output::{Screen, row};

pub const EXAMPLES: &str = "\
Examples:
  sudo aegisctl tools pins coder
  sudo aegisctl tools reset coder --server mcp.example.com:443 --tool search";

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Pins(PinsArgs),
    Reset(ResetArgs),
}

/// Lists the definitions that an agent first got from each MCP server: what later ones are compared with.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo aegisctl tools pins coder
  sudo aegisctl tools pins coder --output json | jq -r '.pins[] | \"\\(.tool): sha256:\\(.sha256)\"'

The hash is what a rule's `tool_pins` takes: tool_pins: {search: \"sha256:HEX\"}. docs/tools.md tells the rest.")]
pub struct PinsArgs {
    /// Whose.
    #[arg(value_name = "AGENT", value_parser = agent_name)]
    agent: String,
}

/// Makes an agent forget definitions: the next one that it gets is taken for the one that is known. Recorded in the audit log.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo aegisctl tools reset coder --server mcp.example.com:443 --tool search     after its new definition was looked at
  sudo aegisctl tools reset coder --server mcp.example.com:443                   the server was replaced
  sudo aegisctl tools reset coder --all

Ends with 1 when there was nothing to forget. Until the next list of the server nothing is known of the tool.")]
pub struct ResetArgs {
    /// Whose.
    #[arg(value_name = "AGENT", value_parser = agent_name)]
    agent: String,
    /// Of this server, as `tools pins` lists it.
    #[arg(long, value_name = "SERVER", required_unless_present_any = ["tool", "all"])]
    server: Option<String>,
    /// Of this tool.
    #[arg(long, value_name = "TOOL")]
    tool: Option<String>,
    /// All of the agent's.
    #[arg(long, conflicts_with_all = ["server", "tool"])]
    all: bool,
}

/// Runs it.
pub fn run(command: &Command, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    match command {
        Command::Pins(args) => pins(args, client, screen),
        Command::Reset(args) => reset(args, client, screen),
    }
}

fn pins(args: &PinsArgs, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    // A name of an agent has no character that a query would escape.
    let pins: ToolPins = client.get(&format!("/v1/tools/pins?agent={}", args.agent))?;
    if screen.json() {
        screen.write_json(&pins)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = pins.pins.iter().map(|pin| row([&pin.server, &pin.tool, &pin.sha256]));
    screen.table(&["SERVER", "TOOL", "SHA-256 OF THE DEFINITION"], rows.collect())?;
    screen.line(format!("\n{} of {} definitions", pins.pins.len(), pins.total))?;
    Ok(ExitCode::SUCCESS)
}

fn reset(args: &ResetArgs, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let ResetArgs { agent, server, tool, .. } = args;
    let request = ResetPins { agent: agent.clone(), server: server.clone(), tool: tool.clone() };
    let answer: ResetResponse = client.post("/v1/tools/pins/reset", &request)?;
    if screen.json() {
        screen.write_json(&answer)?;
    } else {
        screen.line(format!("{} definitions forgotten", answer.forgotten))?;
    }
    Ok(if answer.forgotten > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
