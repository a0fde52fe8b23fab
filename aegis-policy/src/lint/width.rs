//! Rules that let more through than anybody means: hosts, networks, methods, traffic that is not read.

use ipnet::IpNet;

use crate::Decision;
use crate::host::HostPattern;
use crate::lint::{Look, Said, Severity};
use crate::rule::{Rule, Transport};

/// Second-level labels below which registries sell names, as in `co.uk`.
const REGISTRY_LABELS: [&str; 9] = ["ac", "co", "com", "edu", "gob", "gov", "ne", "net", "org"];

/// Domains below which anybody can have a name: whoever rents one there gets what is sent to it.
const SHARED: [&str; 44] = [
    "amazonaws.com",
    "amplifyapp.com",
    "appspot.com",
    "azure-api.net",
    "azureedge.net",
    "azurefd.net",
    "azurewebsites.net",
    "blob.core.windows.net",
    "blogspot.com",
    "cloudapp.azure.com",
    "cloudflarestorage.com",
    "cloudfront.net",
    "cloudfunctions.net",
    "cloudworkstations.dev",
    "core.windows.net",
    "deno.dev",
    "digitaloceanspaces.com",
    "duckdns.org",
    "edgekey.net",
    "elasticbeanstalk.com",
    "fastly.net",
    "firebaseapp.com",
    "firebaseio.com",
    "fly.dev",
    "github.dev",
    "github.io",
    "gitlab.io",
    "googleapis.com",
    "googleusercontent.com",
    "herokuapp.com",
    "hf.space",
    "netlify.app",
    "ngrok-free.app",
    "ngrok.io",
    "on.aws",
    "onrender.com",
    "pages.dev",
    "r2.dev",
    "railway.app",
    "run.app",
    "supabase.co",
    "vercel.app",
    "web.app",
    "workers.dev",
];

pub(super) fn look(look: &mut Look<'_>) {
    for rule in look.rules.clone() {
        if rule.decision == Decision::Deny {
            continue;
        }
        for host in &rule.hosts {
            hosts(look, rule, host);
        }
        unread(look, rule);
        if rule.decision.permits() && rule.transport == Transport::Http && rule.methods.is_empty() {
            let said = Said {
                code: "AEG020",
                severity: Severity::Warning,
                message: "all methods pass, writing ones too: what is read only can be written to as well".to_owned(),
                fix: "name them: `methods: [GET, HEAD]` for what is only read",
            };
            look.note(rule, "decision", said);
        }
    }
}

fn hosts(look: &mut Look<'_>, rule: &Rule, host: &HostPattern) {
    let (code, severity, message) = match host {
        HostPattern::Any => {
            ("AEG010", Severity::Warning, "`*` is every name there is, those of attackers too".to_owned())
        }
        HostPattern::Below(domain) if is_registry(domain) => (
            "AEG011",
            Severity::Warning,
            format!("`{host}` is everybody who has bought a name below `{}`", bare(domain)),
        ),
        HostPattern::Below(domain) if SHARED.iter().any(|shared| ends_in(bare(domain), shared)) => (
            "AEG012",
            Severity::Warning,
            format!(
                "`{host}` is shared: anybody can rent a name below `{}` and receive what is sent there",
                bare(domain)
            ),
        ),
        HostPattern::Net(net) if is_wide(net) => {
            ("AEG013", Severity::Warning, format!("{net} is {} addresses and more owners than one", size(net)))
        }
        _ => return,
    };
    look.note(rule, "hosts", Said { code, severity, message, fix: "name the hosts that are meant" });
}

fn unread(look: &mut Look<'_>, rule: &Rule) {
    let mut say = |code, key, message: &str, fix| {
        look.note(rule, key, Said { code, severity: Severity::Note, message: message.to_owned(), fix });
    };
    match rule.transport {
        Transport::Passthrough => say(
            "AEG022",
            "tls",
            "passthrough: nobody sees what is sent, and no dlp looks for anything in it",
            "let Aegis inspect it unless the client pins its certificates",
        ),
        Transport::Tcp => say(
            "AEG023",
            "tcp",
            "raw TCP: nobody sees what is sent, and no dlp looks for anything in it",
            "keep `hosts` and `ports` as narrow as they can be",
        ),
        Transport::Http => {}
    }
    // A network of private addresses has to say so; a name need not lead to any.
    if rule.private && rule.hosts.iter().any(|host| !matches!(host, HostPattern::Net(_))) {
        say(
            "AEG024",
            "private",
            "private: whoever answers for the name in DNS can point it at machines of your own network",
            "name the network that is meant under `hosts`, or a name in a zone of your own",
        );
    }
}

/// A domain pattern's domain, without its dot in front.
fn bare(domain: &str) -> &str {
    domain.trim_start_matches('.')
}

/// `com`, `co.uk`: what registries sell names below.
fn is_registry(domain: &str) -> bool {
    match bare(domain).split('.').collect::<Vec<_>>().as_slice() {
        [_] => true,
        [second, top] => top.len() == 2 && REGISTRY_LABELS.contains(second),
        _ => false,
    }
}

/// The shared domain itself, or a level of its own below it (`s3.amazonaws.com`, `eu-west-1.amazonaws.com`).
fn ends_in(domain: &str, shared: &str) -> bool {
    domain == shared || domain.strip_suffix(shared).is_some_and(|rest| rest.ends_with('.'))
}

fn is_wide(net: &IpNet) -> bool {
    match net {
        IpNet::V4(v4) => v4.prefix_len() < 16,
        IpNet::V6(v6) => v6.prefix_len() < 48,
    }
}

fn size(net: &IpNet) -> String {
    format!("2^{}", net.max_prefix_len().saturating_sub(net.prefix_len()))
}
