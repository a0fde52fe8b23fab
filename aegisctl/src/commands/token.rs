//! `aegisctl token`: agents' tokens.

use std::io::{self, Read};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aegis_api::{TokenRequest, TokenResponse};
use aegis_token::Claims;
use serde_json::json;

use super::agents::agent_name;
use crate::api::Client;
use crate::failure::Failure;
use crate::output::{Screen, duration, row};

pub const EXAMPLES: &str = "\
Examples:
  aegisctl token mint                           inside `aegisctl run`: this agent's own token
  sudo aegisctl token mint --agent finance-agent --ttl 300
  aegisctl token inspect eyJhbGciOi...";

/// Largest token that is read from standard input, in bytes.
const TOKEN_MAX: u64 = 64 << 10;

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Mints a token: the calling process' own agent's, or as administrator any agent's.
    #[command(after_help = "\
Examples:
  aegisctl token mint                                   in an agent's cgroup
  sudo aegisctl token mint --agent finance-agent
  curl -H \"Aegis-Token: $(aegisctl token mint)\" https://api.stripe.com/")]
    Mint {
        /// The agent; without it the one whose cgroup this process is in.
        #[arg(long, value_parser = agent_name)]
        agent: Option<String>,
        /// Lifetime in seconds; the daemon may shorten it.
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
        ttl: Option<u64>,
    },
    /// Shows what a token says. The signature is not checked: that is the daemon's work.
    #[command(after_help = "\
Examples:
  aegisctl token inspect eyJhbGciOi...
  aegisctl token mint | aegisctl token inspect -")]
    Inspect {
        /// The token, or `-` for standard input.
        token: String,
    },
}

/// Runs it.
pub fn run(command: &Command, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    match command {
        Command::Mint { agent, ttl } => mint(agent.clone(), *ttl, client, screen)?,
        Command::Inspect { token } => inspect(token, screen)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn mint(agent: Option<String>, ttl_s: Option<u64>, client: &Client, screen: &Screen) -> Result<(), Failure> {
    let answer: TokenResponse = client.post("/v1/token", &TokenRequest { agent, ttl_s })?;
    if screen.json() {
        return Ok(screen.write_json(&answer)?);
    }
    // Nothing but the token, so that it can stand in "$(...)".
    Ok(screen.line(answer.token)?)
}

fn inspect(token: &str, screen: &Screen) -> Result<(), Failure> {
    let text = match token {
        "-" => {
            let mut text = String::new();
            io::stdin().take(TOKEN_MAX).read_to_string(&mut text)?;
            text
        }
        token => token.to_owned(),
    };
    let (header, claims) =
        aegis_token::inspect(text.trim()).map_err(|error| Failure::No(format!("this is no agent token: {error}")))?;
    if screen.json() {
        return Ok(screen.write_json(&json!({ "header": header, "claims": claims, "verified": false }))?);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    screen.table(&[], rows(&claims, now))?;
    Ok(screen.line("\nThe signature was not checked.")?)
}

fn rows(claims: &Claims, now: u64) -> Vec<Vec<comfy_table::Cell>> {
    let parent = claims.parent_agent_id.as_deref().unwrap_or("none");
    let validity = match claims.exp.checked_sub(now) {
        Some(left) if claims.nbf <= now => format!("{} left", duration(left)),
        Some(_) => "NOT VALID YET".to_owned(),
        None => format!("EXPIRED {} ago", duration(now - claims.exp)),
    };
    vec![
        row([&"agent", &claims.agent_id]),
        row([&"parent", &parent]),
        row([&"org", &claims.org]),
        row([&"tenant", &claims.tenant]),
        row([&"scopes", &claims.scopes.join(" ")]),
        row([&"issuer", &claims.iss]),
        row([&"audience", &claims.aud]),
        row([&"subject", &claims.sub]),
        row([&"id", &claims.jti]),
        row([&"validity", &validity]),
    ]
}
