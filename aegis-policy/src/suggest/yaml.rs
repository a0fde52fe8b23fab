//! The suggestion as a policy file.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Write};
use std::time::SystemTime;

use super::build::{self, Kind, Rule};
use super::observe::Observations;

/// A policy that permits what was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// The policy file, with counts as comments.
    pub yaml: String,
    /// How many rules it has.
    pub rules: usize,
    /// Requests and connections that passed and are not in it, each reason a comment in the file.
    pub left_out: u64,
}

impl Observations {
    /// The least that permits what passed, and nothing that was refused. Conditions on content are not invented.
    pub fn suggest(&self, version: &str) -> Suggestion {
        let mut suggestion = Suggestion { yaml: String::new(), rules: 0, left_out: 0 };
        // Writing into a String cannot fail.
        let _ = self.write(&mut suggestion, version);
        suggestion
    }

    fn write(&self, to: &mut Suggestion, version: &str) -> fmt::Result {
        let out = &mut to.yaml;
        let span = self.span.map(|(first, last)| format!(", {} to {}", shown(first), shown(last))).unwrap_or_default();
        writeln!(out, "# Suggested by `aegisctl policy suggest` from {} decisions{span}.", self.decisions)?;
        writeln!(out, "# To be reviewed: it permits what was seen, which need not be what should be.")?;
        if !self.strangers.is_empty() {
            let names: Vec<String> = self.strangers.iter().map(|name| comment(name)).collect();
            writeln!(
                out,
                "# Detectors of your own found something, too, and are in no rule here: {}.",
                names.join(", ")
            )?;
            writeln!(out, "# Declare them beside this file and add them to `dlp`.")?;
        }
        writeln!(out, "version: {}", quoted(version))?;
        writeln!(out, "policies:")?;
        for (agent, traffic) in &self.agents {
            let (rules, left_out) = build::rules(traffic);
            if !left_out.is_empty() {
                writeln!(out, "  # Agent {}: not in this policy, though it passed:", comment(agent))?;
            }
            for (why, count) in &left_out {
                writeln!(out, "  #   {count} time(s): {}", comment(why))?;
                to.left_out += count;
            }
            if rules.is_empty() {
                continue;
            }
            writeln!(out, "  - name: {}", quoted(&format!("suggested-{agent}")))?;
            writeln!(out, "    agents: [{}]", quoted(agent))?;
            writeln!(out, "    rules:")?;
            for (number, rule) in rules.iter().enumerate() {
                write_rule(out, number + 1, rule)?;
            }
            to.rules += rules.len();
        }
        Ok(())
    }
}

fn write_rule(out: &mut String, number: usize, rule: &Rule) -> fmt::Result {
    let shape = &rule.shape;
    writeln!(out, "      # {} passed", rule.passed)?;
    if rule.refused_for_data > 0 {
        writeln!(out, "      # {} were refused for the data in them: review `dlp`", rule.refused_for_data)?;
    } else if !shape.data.redact.is_empty() {
        writeln!(out, "      # sensitive data was seen in some: review `dlp`, `deny` may be right")?;
    }
    match &shape.kind {
        Kind::Requests { .. } => {}
        Kind::Passthrough => writeln!(out, "      # relayed unread: review whether it can be inspected")?,
        Kind::Tcp => writeln!(out, "      # neither TLS nor HTTP, relayed unread to an address: review")?,
    }
    let host = rule.hosts.first().map(String::as_str).unwrap_or_default();
    writeln!(out, "      - name: {}", quoted(&format!("{}-{number}", host.replace('/', "-"))))?;
    writeln!(out, "        hosts: {}", list(rule.hosts.iter().map(|host| quoted(host))))?;
    writeln!(out, "        ports: {}", list(shape.ports.iter()))?;
    match &shape.kind {
        Kind::Requests { methods, paths } => {
            writeln!(out, "        methods: {}", list(methods.iter()))?;
            write_paths(out, paths)?;
        }
        Kind::Passthrough => writeln!(out, "        tls: passthrough")?,
        Kind::Tcp => writeln!(out, "        tcp: true")?,
    }
    if shape.private {
        writeln!(out, "        private: true")?;
    }
    let dlp = [("deny", &shape.data.deny), ("approve", &shape.data.approve), ("redact", &shape.data.redact)];
    let dlp: Vec<String> = dlp
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(key, names)| format!("{key}: {}", list(names.iter())))
        .collect();
    if !dlp.is_empty() {
        writeln!(out, "        dlp: {{{}}}", dlp.join(", "))?;
    }
    writeln!(out, "        decision: allow")
}

fn write_paths(out: &mut String, paths: &BTreeSet<String>) -> fmt::Result {
    if paths.len() <= 3 {
        return writeln!(out, "        paths: {}", list(paths.iter().map(|path| quoted(path))));
    }
    writeln!(out, "        paths:")?;
    paths.iter().try_for_each(|path| writeln!(out, "          - {}", quoted(path)))
}

fn list<T: Display>(items: impl Iterator<Item = T>) -> String {
    let items: Vec<String> = items.map(|item| item.to_string()).collect();
    format!("[{}]", items.join(", "))
}

/// A JSON string, which is a YAML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// One line, whatever the log holds.
fn comment(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() || letter == '\u{2028}' || letter == '\u{2029}' { ' ' } else { letter })
        .collect()
}

fn shown(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at).map(|at| format!("{at:.0}")).unwrap_or_default()
}
