//! `aegisctl token`: agents' tokens.

use std::io::{self, Read};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aegis_api::{InspectRequest, Inspection, TokenRequest, TokenResponse};
use serde_json::{Map, Value, json};

use super::agents::agent_name;
use super::revocation;
use crate::api::Client;
use crate::failure::Failure;
use crate::output::{Screen, cell, duration, good_or_bad, row};

pub const EXAMPLES: &str = "\
Examples:
  aegisctl token mint                           inside `aegisctl run`: this agent's own token
  sudo aegisctl token mint --agent finance-agent --ttl 300
  aegisctl token mint --child reader --scopes invoices:read
  aegisctl token inspect eyJhbGciOi...
  sudo aegisctl token revoke 0b9cf3a8-31d4-4c6e-8a54-6f2f5f0f7c11";

/// Largest token that is read from standard input, in bytes.
const TOKEN_MAX: u64 = 64 << 10;

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Mints a token: the calling process' own agent's, a sub-agent's of it, or as administrator any agent's.
    #[command(after_help = "\
Examples:
  aegisctl token mint                                   in an agent's cgroup
  sudo aegisctl token mint --agent finance-agent
  aegisctl token mint --scopes invoices:read,invoices:list      less than the agent may
  aegisctl token mint --child reader --scopes invoices:read     for a sub-agent: finance-agent/reader
  aegisctl token mint --child clerk --parent-token \"$AEGIS_TOKEN\"   a sub-agent's own sub-agent
  curl -H \"Aegis-Token: $(aegisctl token mint)\" https://api.stripe.com/")]
    Mint(Mint),
    /// Shows what a token says, and whether it holds by the daemon's keys and clock.
    ///
    /// Ends with 0 only when it holds: with 1 when it does not, or when the daemon refuses to say; with 3 when no daemon
    /// answers. What the token says is shown all the same, unchecked.
    #[command(after_help = "\
Examples:
  sudo aegisctl token inspect eyJhbGciOi...
  aegisctl token mint | sudo aegisctl token inspect -")]
    Inspect {
        /// The token, or `-` for standard input.
        token: String,
    },
    Revoke(revocation::RevokeArgs),
    /// Lists revoked tokens, those that end last first.
    #[command(after_help = "\
Examples:
  sudo aegisctl token list-revoked
  sudo aegisctl --output json token list-revoked")]
    ListRevoked,
}

/// Arguments of `mint`.
#[derive(Debug, clap::Args)]
pub struct Mint {
    /// The agent; without it the one whose cgroup this process is in.
    #[arg(long, value_parser = agent_name)]
    agent: Option<String>,
    /// Lifetime in seconds, at most the daemon's `tokens.max_ttl_s`. A sub-agent's token never outlives its parent's.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    ttl: Option<u64>,
    /// Only these scopes, separated by commas or given repeatedly; `--scopes ''` for none. Each must be the agent's own.
    #[arg(long, value_name = "SCOPE,...", value_delimiter = ',')]
    scopes: Option<Vec<String>>,
    /// Name of a sub-agent that the token is for: it becomes AGENT/NAME.
    #[arg(long, value_name = "NAME", value_parser = agent_name)]
    child: Option<String>,
    /// The token of the sub-agent that makes the new one, where it is not the agent itself; `-` reads standard input.
    #[arg(long, value_name = "TOKEN", requires = "child")]
    parent_token: Option<String>,
}

/// Runs it.
pub fn run(command: &Command, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    match command {
        Command::Mint(args) => mint(args, client, screen),
        Command::Inspect { token } => inspect(token, client, screen),
        Command::Revoke(args) => revocation::revoke(args, client, screen),
        Command::ListRevoked => revocation::list(client, screen),
    }
}

fn mint(args: &Mint, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let scopes = args.scopes.as_ref().map(|scopes| scopes.iter().filter(|scope| !scope.is_empty()).cloned().collect());
    let parent_token = args.parent_token.as_deref().map(given).transpose()?;
    let request =
        TokenRequest { agent: args.agent.clone(), ttl_s: args.ttl, scopes, child: args.child.clone(), parent_token };
    let answer: TokenResponse = client.post("/v1/token", &request)?;
    if screen.json() {
        screen.write_json(&answer)?;
    } else {
        // Nothing but the token, so that it can stand in "$(...)".
        screen.line(answer.token)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The token, or what standard input holds where it is `-`.
fn given(token: &str) -> Result<String, Failure> {
    let mut text = token.to_owned();
    if token == "-" {
        text.clear();
        io::stdin().take(TOKEN_MAX).read_to_string(&mut text)?;
    }
    Ok(text.trim().to_owned())
}

/// What the daemon says of a token.
enum Checked {
    Answer(Inspection),
    /// There is none, or it does not answer this caller: why, and the exit code.
    Not(String, u8),
}

fn inspect(token: &str, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let token = given(token)?;
    let (header, claims) =
        aegis_token::peek(&token).map_err(|error| Failure::No(format!("this is no agent token: {error}")))?;
    let checked = match client.post::<_, Inspection>("/v1/token/inspect", &InspectRequest { token }) {
        Ok(inspection) => Checked::Answer(inspection),
        Err(failure @ Failure::Unreachable(_)) => Checked::Not("no daemon answers".to_owned(), failure.code()),
        Err(Failure::Refused(problem)) => Checked::Not(problem.detail.clone(), Failure::Refused(problem).code()),
        Err(other) => return Err(other),
    };
    let (verified, reason) = match &checked {
        Checked::Answer(Inspection { verified, reason }) => (Some(*verified), reason.as_deref()),
        Checked::Not(why, _) => (None, Some(why.as_str())),
    };
    if screen.json() {
        screen.write_json(&json!({"header": header, "claims": claims, "verified": verified, "reason": reason}))?;
    } else {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let mut rows = rows(&claims, now);
        rows.push(row([&"signed with", &format!("{} {}", header.alg, header.kid.as_deref().unwrap_or("(no kid)"))]));
        rows.push(vec![cell("verdict"), verdict(&checked)]);
        screen.table(&[], rows)?;
    }
    Ok(match checked {
        Checked::Answer(Inspection { verified: true, .. }) => ExitCode::SUCCESS,
        Checked::Answer(_) => ExitCode::FAILURE,
        Checked::Not(_, code) => ExitCode::from(code),
    })
}

fn verdict(checked: &Checked) -> comfy_table::Cell {
    match checked {
        Checked::Answer(Inspection { verified: true, reason: None }) => {
            good_or_bad(true, "holds, by the daemon's keys and clock")
        }
        Checked::Answer(Inspection { verified: true, reason: Some(but) }) => {
            good_or_bad(true, format!("holds, by the daemon's keys and clock; {but}"))
        }
        Checked::Answer(Inspection { reason, .. }) => {
            good_or_bad(false, format!("DOES NOT HOLD: {}", reason.as_deref().unwrap_or("the daemon does not say why")))
        }
        Checked::Not(why, _) => good_or_bad(false, format!("not checked: {why}")),
    }
}

fn rows(claims: &Map<String, Value>, now: u64) -> Vec<Vec<comfy_table::Cell>> {
    let names = [
        ("agent", "sub"),
        ("acts as", "agent_id"),
        ("parent", "parent_agent_id"),
        ("org", "org"),
        ("tenant", "tenant"),
        ("scopes", "scopes"),
        ("scopes", "scope"),
        ("scopes", "scp"),
        ("issuer", "iss"),
        ("audience", "aud"),
        ("id", "jti"),
    ];
    let known = names.iter().filter_map(|(label, name)| Some((*label, text(claims.get(*name)?))));
    let mut rows: Vec<_> = known.map(|(label, value)| row([&label, &value])).collect();
    if claims.get("act").is_some_and(|act| !act.is_null()) {
        rows.insert(2.min(rows.len()), row([&"chain", &chain(claims)]));
    }
    rows.push(row([&"validity", &validity(claims, now)]));
    rows
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// The actors, the agent first.
fn chain(claims: &Map<String, Value>) -> String {
    let mut actors = Vec::new();
    let mut next = claims.get("act");
    while let Some(actor) = next {
        actors.push(actor.get("sub").map_or_else(|| "?".to_owned(), text));
        next = actor.get("act");
    }
    actors.push(claims.get("sub").map_or_else(|| "?".to_owned(), text));
    actors.reverse();
    actors.join(" > ")
}

fn validity(claims: &Map<String, Value>, now: u64) -> String {
    let time =
        |name: &str| claims.get(name).and_then(|value| value.as_u64().or(value.as_f64().map(|time| time as u64)));
    match (time("exp"), time("nbf")) {
        (None, _) => "WITHOUT END".to_owned(),
        (Some(exp), _) if exp <= now => format!("EXPIRED {} ago", duration(now - exp)),
        (Some(_), Some(nbf)) if nbf > now => "NOT VALID YET".to_owned(),
        (Some(exp), _) => format!("{} left", duration(exp - now)),
    }
}
