//! What is looked for, and what becomes of it: all detectors, some of them, a rule of a policy, or what stands on the command line.

use std::path::PathBuf;

use aegis_dlp::{DetectorSet, Profile};
use aegis_policy::{Snapshot, Source};

use super::mask_key;
use crate::commands::policy;
use crate::failure::Failure;

/// The rule that stands for `--profile`.
const GIVEN: &str = "dlp-scan/given";

/// What is looked for.
#[derive(Debug, clap::Args)]
pub struct Choice {
    /// Policy files, or directories of them: their own detectors are known then, and --rule may name one of their rules.
    #[arg(long = "policy", value_name = "PATH")]
    policies: Vec<PathBuf>,
    /// Looks for what this rule of the policies looks for, and does what it does (POLICY/RULE).
    #[arg(long, value_name = "POLICY/RULE", requires = "policies", conflicts_with_all = ["profile", "detectors"])]
    rule: Option<String>,
    /// What a rule's `dlp` says, as YAML: '{deny: [secrets], redact: [pii], masks: {ssn: token}}'.
    #[arg(long, value_name = "YAML", conflicts_with = "detectors")]
    profile: Option<String>,
    /// Detectors and groups to look for [default: all, and own where a policy declares some].
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    detectors: Vec<String>,
    /// The daemon's mask key (`state_dir/mask.key`): `token` masks are those that the daemon writes. Without it they are typed.
    #[arg(long, value_name = "FILE")]
    mask_key: Option<PathBuf>,
    /// The tenant whose tokens these are.
    #[arg(long, value_name = "TENANT", default_value = "", requires = "mask_key")]
    tenant: String,
}

/// A profile, and all that may be known of a text: names in places are shown without it.
pub struct Chosen {
    pub profile: Profile,
    pub everything: Profile,
}

impl Choice {
    /// The profile. `changes`: matches are redacted where nothing else is said of them.
    pub fn profile(&self, changes: bool) -> Result<Chosen, Failure> {
        let snapshot = compiled(&self.policies, self.profile.as_deref())?;
        let everything = snapshot.everything().clone();
        let named = match (&self.rule, &self.profile) {
            (Some(rule), _) => Some(rule.as_str()),
            (None, Some(_)) => Some(GIVEN),
            (None, None) => None,
        };
        let profile = match named {
            Some(rule) => snapshot.rule_profile(rule).cloned().ok_or_else(|| unknown_rule(rule, &snapshot))?,
            None => {
                let all = Profile { redact: self.set(&everything)?, ..everything.clone() };
                if changes { all } else { all.report_only() }
            }
        };
        let secret = self.mask_key.as_deref().map(mask_key::read).transpose()?;
        let profile = profile.keyed(|| secret.map(|secret| secret.key_of(&self.tenant)));
        Ok(Chosen { profile, everything })
    }

    fn set(&self, everything: &Profile) -> Result<DetectorSet, Failure> {
        if self.detectors.is_empty() {
            return Ok(everything.detectors());
        }
        named(&self.detectors, everything)
    }
}

/// The detectors of these names and groups; `own` are those that the policies declare.
pub fn named(names: &[String], everything: &Profile) -> Result<DetectorSet, Failure> {
    let mut set = DetectorSet::EMPTY;
    for name in names {
        let more = match name.as_str() {
            "own" => everything.own().names(),
            name => DetectorSet::parse(name).map_err(|error| {
                let fix = "`aegisctl dlp detectors` lists them; those of a policy are known with --policy";
                Failure::Usage(format!("there is no detector or group `{}`; {fix}", error.name))
            })?,
        };
        set = set.union(more);
    }
    Ok(set)
}

/// The policies with their own detectors, and with a rule for what stands on the command line.
pub fn compiled(policies: &[PathBuf], given: Option<&str>) -> Result<Snapshot, Failure> {
    let mut sources = if policies.is_empty() { Vec::new() } else { policy::read(policies)? };
    if let Some(given) = given {
        let text = format!(
            "policies:\n  - name: dlp-scan\n    agents: [dlp-scan]\n    rules:\n      - name: given\n        hosts: [dlp-scan.invalid]\n        decision: allow\n        dlp: {}\n",
            given.replace('\n', " ")
        );
        sources.push(Source { name: "--profile".to_owned(), text });
    }
    if sources.is_empty() {
        sources.push(Source { name: "starter.yaml".to_owned(), text: aegis_policy::STARTER.to_owned() });
    }
    policy::compiled(&sources)
}

fn unknown_rule(rule: &str, snapshot: &Snapshot) -> Failure {
    let known: Vec<&str> = snapshot.rule_names().take(20).collect();
    Failure::Usage(format!("the policies have no rule `{rule}`; they have {}", known.join(", ")))
}
