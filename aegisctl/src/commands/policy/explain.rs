//! `aegisctl policy explain`: what would be decided, and why.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use aegis_api::{ExplainRequest, ExplainResponse};
use aegis_policy::Agent;

use super::{files, offline, validate};
use crate::api::Client;
use crate::commands::agents::agent_name;
use crate::failure::Failure;
use crate::output::Screen;

/// Explains what would be decided for a request, rule by rule, without sending it.
///
/// With --policy the files are asked, and no daemon is needed; without it the policy in force on this host. Ends with 0
/// when the request would pass (allow, sanitize), with 1 when it would not.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aegisctl policy explain --policy policies/ --agent finance-agent --url https://example.com/
  sudo aegisctl policy explain --agent finance-agent --method POST --url https://api.stripe.com/v1/charges \\
      --header 'content-type: application/json' --body '{\"amount\": 9000}'
  aegisctl policy explain --policy p.yaml --agent a --method PUT --url https://files.example/x --body @upload.json")]
pub struct Args {
    /// Policy file or directory; may be repeated. Without it the daemon's policy.
    #[arg(long = "policy", value_name = "PATH")]
    policies: Vec<PathBuf>,
    /// The agent that would send it.
    #[arg(long, value_parser = agent_name)]
    agent: String,
    /// The agent's organisation (with --policy; the daemon knows its own agents).
    #[arg(long, default_value = "", requires = "policies")]
    org: String,
    /// The agent's tenant (with --policy).
    #[arg(long, default_value = "", requires = "policies")]
    tenant: String,
    /// A label of the agent (with --policy); may be repeated.
    #[arg(long = "label", value_name = "KEY=VALUE", requires = "policies", value_parser = pair('='))]
    labels: Vec<(String, String)>,
    /// HTTP method.
    #[arg(long, default_value = "GET")]
    method: String,
    /// Absolute URL.
    #[arg(long)]
    url: String,
    /// A header; may be repeated.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = pair(':'))]
    headers: Vec<(String, String)>,
    /// The body, or @FILE.
    #[arg(long, value_name = "TEXT|@FILE")]
    body: Option<String>,
}

fn pair(separator: char) -> impl Fn(&str) -> Result<(String, String), String> + Clone {
    move |text| match text.split_once(separator) {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err(format!("write NAME{separator}VALUE")),
    }
}

/// Runs it.
pub fn run(args: &Args, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let request = request(args)?;
    let answer: ExplainResponse = if args.policies.is_empty() {
        client.post("/v1/policy/explain", &request)?
    } else {
        from_files(args, &request)?
    };
    if screen.json() {
        screen.write_json(&answer)?;
    } else {
        screen.line(answer.text.trim_end())?;
    }
    let passes = matches!(answer.decision.as_str(), "allow" | "sanitize");
    Ok(if passes { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn request(args: &Args) -> Result<ExplainRequest, Failure> {
    let body = match args.body.as_deref().map(|body| (body, body.strip_prefix('@'))) {
        Some((_, Some(file))) => {
            Some(fs::read_to_string(file).map_err(|error| Failure::No(format!("cannot read {file}: {error}")))?)
        }
        Some((text, None)) => Some(text.to_owned()),
        None => None,
    };
    Ok(ExplainRequest {
        agent: args.agent.clone(),
        method: args.method.clone(),
        url: args.url.clone(),
        headers: args.headers.iter().cloned().collect::<BTreeMap<_, _>>(),
        body,
    })
}

fn from_files(args: &Args, request: &ExplainRequest) -> Result<ExplainResponse, Failure> {
    let sources = files::read(&args.policies)?;
    let snapshot = aegis_policy::compile(&sources).map_err(|diagnostics| {
        let text: String = diagnostics.problems().iter().map(|problem| validate::render(problem)).collect();
        Failure::No(format!("the policy does not compile\n{text}"))
    })?;
    let agent = Agent {
        name: args.agent.clone(),
        org: args.org.clone(),
        tenant: args.tenant.clone(),
        labels: args.labels.iter().cloned().collect(),
        ..Agent::default()
    };
    Ok(offline::explain(&snapshot, &agent, request)?)
}
