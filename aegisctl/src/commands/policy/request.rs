//! The request that `explain` and `dry-run` ask about, and who would send it: one set of flags for both.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;

use aegis_api::{ExplainRequest, ExplainResponse};
use aegis_dlp::MaskSecret;
use aegis_policy::{Agent, Mode, Snapshot};

use super::{files, offline, validate};
use crate::api::Client;
use crate::commands::agents::agent_name;
use crate::failure::Failure;

/// The largest body that is read, in bytes.
const BODY_MAX: u64 = 64 << 20;

/// Who would send it, and to which policy.
#[derive(Debug, clap::Args)]
pub struct Asker {
    /// Policy file or directory; may be repeated. Without it the daemon's policy.
    #[arg(long = "policy", value_name = "PATH")]
    policies: Vec<PathBuf>,
    /// The agent that would send it.
    #[arg(long, value_parser = agent_name)]
    agent: Option<String>,
    /// The agent's organisation (with --policy; the daemon knows its own agents).
    #[arg(long, default_value = "", requires = "policies")]
    org: String,
    /// The agent's tenant (with --policy).
    #[arg(long, default_value = "", requires = "policies")]
    tenant: String,
    /// A label of the agent (with --policy); may be repeated.
    #[arg(long = "label", value_name = "KEY=VALUE", requires = "policies", value_parser = pair('='))]
    labels: Vec<(String, String)>,
    /// A scope of the agent's token (with --policy); may be repeated.
    #[arg(long = "scope", value_name = "SCOPE", requires = "policies")]
    scopes: Vec<String>,
    /// The sub-agent that its token names (with --policy).
    #[arg(long, value_name = "AGENT/CHILD", requires = "policies")]
    actor: Option<String>,
    /// The agent is in shadow (with --policy).
    #[arg(long, requires = "policies")]
    shadow: bool,
}

/// What would be sent, by flags.
#[derive(Debug, Default, clap::Args)]
pub struct Flags {
    /// HTTP method [default: GET].
    #[arg(long)]
    method: Option<String>,
    /// Absolute URL.
    #[arg(long)]
    url: Option<String>,
    /// A header; may be repeated.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = pair(':'))]
    headers: Vec<(String, String)>,
    /// The body, or @FILE.
    #[arg(long, value_name = "TEXT|@FILE")]
    body: Option<String>,
    /// The tool's name as a protocol in the request gives it.
    #[arg(long)]
    tool: Option<String>,
    /// When it is sent (RFC 3339) [default: now].
    #[arg(long, value_name = "TIME")]
    now: Option<String>,
    /// What the agent has used before, as JSON: '{"hour": {"requests": 100}}' [default: the daemon's count; with --policy nothing].
    #[arg(long, value_name = "JSON", value_parser = json)]
    usage: Option<serde_json::Value>,
}

/// `NAME<separator>VALUE`.
pub fn pair(separator: char) -> impl Fn(&str) -> Result<(String, String), String> + Clone {
    move |text| match text.split_once(separator) {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_owned(), value.trim().to_owned())),
        _ => Err(format!("write NAME{separator}VALUE")),
    }
}

fn json(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The text, or what is in the file of an `@FILE`; `-` is standard input.
pub fn text_or_file(text: &str) -> Result<String, Failure> {
    let Some(file) = text.strip_prefix('@') else { return Ok(text.to_owned()) };
    let failed = |error: std::io::Error| Failure::No(format!("cannot read {file}: {error}"));
    let source: Box<dyn Read> = match file {
        "-" => Box::new(std::io::stdin()),
        _ => Box::new(fs::File::open(file).map_err(failed)?),
    };
    let mut read = String::new();
    source.take(BODY_MAX).read_to_string(&mut read).map_err(failed)?;
    Ok(read)
}

impl Flags {
    /// Whether they name a request.
    pub fn name_one(&self) -> bool {
        self.url.is_some()
    }

    /// `request` with what the flags say over it.
    pub fn over(&self, request: ExplainRequest) -> Result<ExplainRequest, Failure> {
        let mut headers = request.headers;
        headers.extend(single(&self.headers)?);
        let or = |flag: &Option<String>, old: Option<String>| flag.clone().or(old);
        Ok(ExplainRequest {
            agent: request.agent,
            method: self.method.clone().unwrap_or(request.method),
            url: self.url.clone().unwrap_or(request.url),
            headers,
            body: match &self.body {
                Some(body) => Some(text_or_file(body)?),
                None => request.body,
            },
            tool: or(&self.tool, request.tool),
            now: or(&self.now, request.now),
            usage: self.usage.clone().or(request.usage),
        })
    }
}

/// Header fields by name. A field that stands twice would be explained as another request than the one that is meant.
pub fn single(fields: &[(String, String)]) -> Result<BTreeMap<String, String>, Failure> {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in fields {
        if headers.insert(name.to_ascii_lowercase(), value.clone()).is_some() {
            return Err(Failure::Usage(format!("the header {name} is given twice; give each once")));
        }
    }
    Ok(headers)
}

impl Asker {
    /// A request of this agent without anything in it.
    ///
    /// # Errors
    /// Usage, where no agent is named.
    pub fn request(&self) -> Result<ExplainRequest, Failure> {
        let unnamed = || Failure::Usage("name the agent that would send it: --agent NAME".to_owned());
        let agent = self.agent.clone().ok_or_else(unnamed)?;
        Ok(ExplainRequest { agent, method: "GET".to_owned(), ..ExplainRequest::default() })
    }

    /// The policies that are named by files.
    pub fn policies(&self) -> Result<Option<Snapshot>, Failure> {
        if self.policies.is_empty() { Ok(None) } else { compiled(&files::read(&self.policies)?).map(Some) }
    }

    /// What the policy says of `request`: that of the files, or the daemon's.
    pub fn ask(&self, request: &ExplainRequest, client: &Client) -> Result<ExplainResponse, Failure> {
        let Some(snapshot) = self.policies()? else { return client.post("/v1/policy/explain", request) };
        let agent = Agent {
            name: request.agent.clone(),
            org: self.org.clone(),
            tenant: self.tenant.clone(),
            labels: self.labels.iter().cloned().collect(),
            scopes: self.scopes.clone(),
            actor: self.actor.clone(),
            mode: if self.shadow { Mode::Shadow } else { Mode::Enforce },
            ..Agent::default()
        };
        let snapshot = snapshot.with_mask_secret(masks_of_this_run()?);
        Ok(offline::explain(&snapshot, &agent, request)?)
    }
}

/// Tokens look as the daemon's do, and tell nobody anything: the next run has others.
fn masks_of_this_run() -> Result<MaskSecret, Failure> {
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| Failure::No("the system gives no random bytes".to_owned()))?;
    Ok(MaskSecret::new(key))
}

/// The policies in `sources`; every problem of them, where they are not right.
pub fn compiled(sources: &[aegis_policy::Source]) -> Result<Snapshot, Failure> {
    aegis_policy::compile(sources).map_err(|diagnostics| {
        let text: String = diagnostics.problems().iter().map(|problem| validate::render(problem)).collect();
        Failure::No(format!("the policy does not compile\n{text}"))
    })
}
