//! `aegisctl keys`: the keys that tokens are signed and verified with.

use std::process::ExitCode;

use aegis_api::{KeyState, Keys};

use crate::api::Client;
use crate::failure::Failure;
use crate::output::{Screen, cell, good_or_bad, row};

pub const EXAMPLES: &str = "\
Examples:
  aegisctl keys list
  aegisctl keys rotate           sign with the next key from now on; no token is refused for it";

/// The commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Lists the keys that tokens hold by: the one that signs, the next one, those that only verify, and outside issuers'.
    #[command(after_help = "Examples:\n  aegisctl keys list\n  aegisctl keys list --output json | jq -r '.keys[].kid'")]
    List,
    /// Begins to sign with the next key. Tokens of the key so far hold until they expire.
    #[command(after_help = "\
Examples:
  aegisctl keys rotate

The next key has been published since the rotation before, so verifiers know it already. After a theft of keys rotate
twice: whoever read the directory has the next one as well. Retired keys verify until their last token has expired; to end
that at once, stop the daemon and move state_dir/keys away.")]
    Rotate,
}

/// Runs it.
pub fn run(command: &Command, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let keys: Keys = match command {
        Command::List => client.get("/v1/keys")?,
        Command::Rotate => client.post("/v1/keys/rotate", &serde_json::json!({}))?,
    };
    if screen.json() {
        screen.write_json(&keys)?;
    } else {
        show(&keys, screen)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn show(keys: &Keys, screen: &Screen) -> std::io::Result<()> {
    let rows = keys.keys.iter().map(|key| {
        let state = match (key.state, &key.retires) {
            (KeyState::Current, _) => "signs".to_owned(),
            (KeyState::Next, _) => "next".to_owned(),
            (KeyState::Retired, Some(until)) => format!("verifies until {until}"),
            (KeyState::Retired, None) => "verifies".to_owned(),
        };
        row([&key.kid, &key.alg, &state, &key.created])
    });
    screen.table(&["KEY", "ALGORITHM", "STATE", "CREATED"], rows.collect())?;
    let rotates = keys.rotates.as_deref().unwrap_or("only by `aegisctl keys rotate`, or by who writes the key file");
    screen.line(format!("\nissuer {}, keys in {}, next rotation: {rotates}", keys.issuer, keys.place))?;
    if keys.trusted.is_empty() {
        return Ok(());
    }
    screen.line("")?;
    let rows = keys.trusted.iter().map(|outside| {
        let state = outside.error.as_deref().unwrap_or("ok");
        let confirmed = outside.confirmed.as_deref().unwrap_or("never");
        let mut cells = row([&outside.issuer, &outside.keys, &outside.skipped, &confirmed]);
        cells.push(good_or_bad(outside.error.is_none(), state));
        cells.push(cell(&outside.jwks));
        cells
    });
    screen.table(&["TRUSTED ISSUER", "KEYS", "LEFT OUT", "CONFIRMED", "STATE", "FROM"], rows.collect())
}
