//! `aegisctl policy dry-run`: a request as somebody has it at hand, decided and not sent.

use std::process::ExitCode;

use aegis_api::{ExplainRequest, ExplainResponse};
use serde_json::Value;

use super::curl;
use super::explain::passes;
use super::request::{Asker, Flags, single, text_or_file};
use crate::api::Client;
use crate::failure::Failure;
use crate::output::Screen;

/// Shows what would become of a request: the decision, what was found in it, and what would be sent.
///
/// The request is given by flags, as JSON, or as the curl command that would send it. With --policy the files are asked,
/// and no daemon is needed; without it the policy in force on this host. Ends with 0 when the request would pass (allow,
/// sanitize), with 1 when it would not. Tokens that `token` masks show with --policy are made with a key of this run: the
/// daemon's have the same form and other letters.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  aegisctl policy dry-run --policy policies/ --agent finance-agent -- \\
      curl -X POST https://api.stripe.com/v1/charges -H 'x-env: prod' --json '{\"amount\": 9000}'
  sudo aegisctl policy dry-run --agent coder --curl \"curl -sSL https://pypi.org/simple/requests/\"
  sudo aegisctl policy dry-run --agent coder --explain --method POST --url https://api.example.com/ --body @prompt.json
  aegisctl policy dry-run --policy p.yaml --agent a --json '{\"url\": \"https://api.example.com/\", \"now\": \"2026-11-23T22:00:00Z\"}'

JSON: {\"method\", \"url\", \"headers\": {}, \"body\", \"tool\", \"now\", \"usage\": {\"hour\": {\"requests\": 1}}}; flags go over it.")]
pub struct Args {
    #[command(flatten)]
    asker: Asker,
    /// The request as JSON, or @FILE (`@-` is standard input).
    #[arg(long, value_name = "JSON|@FILE", conflicts_with_all = ["curl", "command"])]
    json: Option<String>,
    /// The request as one string with a curl command line.
    #[arg(long, value_name = "COMMAND", conflicts_with = "command")]
    curl: Option<String>,
    /// Shows each rule that was looked at, with its conditions.
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    flags: Flags,
    /// The request as a curl command line.
    #[arg(last = true, value_name = "curl ARGS")]
    command: Vec<String>,
}

/// Runs it.
pub fn run(args: &Args, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let request = request(args)?;
    let answer = args.asker.ask(&request, client)?;
    if screen.json() {
        screen.write_json(&answer)?;
    } else {
        show(args, &request, &answer, screen)?;
    }
    Ok(if passes(&answer.decision) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn request(args: &Args) -> Result<ExplainRequest, Failure> {
    let asked = args.asker.request()?;
    let words = match &args.curl {
        Some(line) => shell_words::split(line).map_err(|error| Failure::Usage(format!("--curl: {error}")))?,
        None => args.command.clone(),
    };
    let given = if let Some(json) = &args.json {
        from_json(&text_or_file(json)?, asked)?
    } else if words.is_empty() {
        asked
    } else {
        let curl = curl::parse(&words).map_err(Failure::Usage)?;
        let headers = single(&curl.headers)?;
        ExplainRequest { method: curl.method, url: curl.url, headers, body: curl.body, ..asked }
    };
    let request = args.flags.over(given)?;
    if request.url.is_empty() {
        let how = "give the request: --url URL, --json JSON, --curl COMMAND, or -- curl ARGS";
        return Err(Failure::Usage(how.to_owned()));
    }
    Ok(request)
}

fn from_json(text: &str, asked: ExplainRequest) -> Result<ExplainRequest, Failure> {
    let wrong = |why: &dyn std::fmt::Display| Failure::Usage(format!("--json: {why}"));
    let mut value: Value = serde_json::from_str(text).map_err(|error| wrong(&error))?;
    let fields = value.as_object_mut().ok_or_else(|| wrong(&"it is no object"))?;
    let agent = fields.entry("agent").or_insert_with(|| asked.agent.clone().into());
    if *agent != asked.agent.as_str() {
        return Err(wrong(&format_args!("it is of the agent {agent}, not of {}", asked.agent)));
    }
    fields.entry("method").or_insert_with(|| asked.method.clone().into());
    // What is no text is meant as a JSON body.
    if let Some(body) = fields.get_mut("body").filter(|body| body.is_object() || body.is_array()) {
        *body = body.to_string().into();
    }
    serde_json::from_value(value).map_err(|error| wrong(&error))
}

fn show(args: &Args, request: &ExplainRequest, answer: &ExplainResponse, screen: &Screen) -> Result<(), Failure> {
    if args.explain {
        screen.line(answer.text.trim_end())?;
    } else {
        brief(answer, screen)?;
    }
    let Some(sent) = &answer.sent else {
        return Ok(screen.line("\nnothing would be sent")?);
    };
    screen.line(format!("\nwould be sent:\n  {} {}", request.method, sent.target))?;
    for (name, value) in &sent.headers {
        screen.line(format!("  {name}: {value}"))?;
    }
    if !sent.body.is_empty() {
        let body: Vec<String> = sent.body.lines().map(|line| format!("  {line}")).collect();
        screen.line(format!("\n{}", body.join("\n")))?;
    }
    Ok(())
}

/// The decision without the conditions that led to it.
fn brief(answer: &ExplainResponse, screen: &Screen) -> Result<(), Failure> {
    let text = |key: &str| answer.explanation.get(key).and_then(Value::as_str).unwrap_or_default();
    screen.line(format!("{} ({}): {}", answer.decision, text("mode"), text("reason")))?;
    let rule = if text("rule").is_empty() { "none: default deny" } else { text("rule") };
    screen.line(format!("  rule {rule}, policy version {}", text("policy_version")))?;
    for found in &answer.findings {
        screen.line(format!("  found {} in {}, {} time(s): {}", found.what, found.place, found.count, found.action))?;
    }
    for step in answer.explanation.get("next_steps").and_then(Value::as_array).into_iter().flatten() {
        screen.line(format!("  next: {}", step.as_str().unwrap_or_default()))?;
    }
    Ok(())
}
