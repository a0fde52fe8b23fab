//! Environment variables with which unmodified programs trust Aegis' CA, and those of the user.

use std::ffi::{OsStr, OsString};
use std::process::Command;

use super::account::Account;
use super::java::PASSWORD;
use super::trust::Trust;

/// Variables whose file *replaces* the program's store: they get the merged bundle. In order: OpenSSL and what is built
/// on it (Python, httpx, aiohttp, Go, Ruby), requests, curl, git, pip, AWS SDKs, cargo, gRPC.
const MERGED: [&str; 8] = [
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
];

/// Variables whose file is *added* to the program's store: Node (npm too) and Deno.
const ADDED: [&str; 2] = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"];

/// Changes to the environment.
#[derive(Debug, Default)]
pub struct Environment {
    set: Vec<(&'static str, OsString)>,
    removed: Vec<&'static str>,
}

impl Environment {
    /// What an agent's environment needs.
    pub fn for_agent(agent: &str, trust: &Trust, account: Option<&Account>) -> Self {
        let mut environment = Self::default();
        environment.set("AEGIS_AGENT", agent);
        MERGED.iter().for_each(|name| environment.set(name, &trust.bundle));
        ADDED.iter().for_each(|name| environment.set(name, &trust.ca));
        // A preset directory makes curl and others ignore the file.
        environment.removed.push("SSL_CERT_DIR");
        // A token of whoever calls is not the agent's.
        environment.removed.push("AEGIS_TOKEN");
        // The session's sockets are out of the agent's sight.
        environment.removed.extend(["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"]);
        if let Some(store) = &trust.java {
            let before = std::env::var_os("JAVA_TOOL_OPTIONS");
            environment.set("JAVA_TOOL_OPTIONS", java_options(before, store.as_os_str()));
        }
        if let Some(account) = account {
            environment.of_user(account);
        }
        environment
    }

    fn of_user(&mut self, account: &Account) {
        self.set("USER", account.name());
        self.set("LOGNAME", account.name());
        self.set("HOME", account.home());
        self.set("SHELL", account.shell());
        // It would lend the caller's keys to another user.
        self.removed.push("SSH_AUTH_SOCK");
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.set.push((name, value.into()));
    }

    /// Makes the changes to a command.
    pub fn apply(self, command: &mut Command) {
        for name in self.removed {
            command.env_remove(name);
        }
        command.envs(self.set);
    }
}

fn java_options(before: Option<OsString>, store: &OsStr) -> OsString {
    let mut options = before.unwrap_or_default();
    if !options.is_empty() {
        options.push(" ");
    }
    options.push("-Djavax.net.ssl.trustStore=");
    options.push(store);
    options.push(format!(" -Djavax.net.ssl.trustStorePassword={PASSWORD}"));
    options
}
