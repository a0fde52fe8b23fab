//! `aegisctl token revoke` and `list-revoked`.

use std::io::{self, Read};
use std::process::ExitCode;

use aegis_api::{RevokeRequest, RevokeResponse, RevokedTokens};

use crate::api::Client;
use crate::failure::Failure;
use crate::output::{Screen, row};

/// Largest token that is read from standard input, in bytes.
const TOKEN_MAX: u64 = 64 << 10;

/// Takes a token's worth away: at once on this host, within two seconds on every other that shares the state store.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sudo aegisctl token revoke 0b9cf3a8-31d4-4c6e-8a54-6f2f5f0f7c11     by its jti, as the audit log shows it
  sudo aegisctl token revoke --issuer https://login.example.com/ 8f14e45f
  aegisctl token revoke --stdin < token.jwt                           in an agent's cgroup: its own

Ends with 1 while the revocation holds on this host only, because the state store does not answer.")]
pub struct RevokeArgs {
    /// The token, or its jti (administrators only).
    #[arg(required_unless_present = "stdin", conflicts_with = "stdin")]
    token: Option<String>,
    /// Reads the token from standard input: arguments can be seen by others.
    #[arg(long)]
    stdin: bool,
    /// Who issued the jti, where it was not this daemon.
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
}

/// Runs `revoke`.
pub fn revoke(args: &RevokeArgs, client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let text = match &args.token {
        Some(token) => token.clone(),
        None => {
            let mut text = String::new();
            io::stdin().take(TOKEN_MAX).read_to_string(&mut text)?;
            text
        }
    };
    let answer: RevokeResponse = client.post("/v1/tokens/revoke", &request(text.trim(), args.issuer.clone()))?;
    if screen.json() {
        screen.write_json(&answer)?;
    } else {
        let RevokeResponse { jti, issuer, .. } = &answer;
        match &answer.error {
            None => screen.line(format!("{jti} of {issuer} is revoked"))?,
            Some(why) => screen.line(format!(
                "{jti} of {issuer} is revoked on this host ONLY, and everywhere once the state store answers: {why}"
            ))?,
        }
    }
    Ok(if answer.stored { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What has the form of a token is one; all else is a jti.
fn request(text: &str, issuer: Option<String>) -> RevokeRequest {
    if text.split('.').count() == 3 && text.starts_with("ey") {
        RevokeRequest { token: Some(text.to_owned()), ..RevokeRequest::default() }
    } else {
        RevokeRequest { jti: Some(text.to_owned()), issuer, token: None }
    }
}

/// Runs `list-revoked`.
pub fn list(client: &Client, screen: &Screen) -> Result<ExitCode, Failure> {
    let revoked: RevokedTokens = client.get("/v1/tokens/revoked")?;
    if screen.json() {
        screen.write_json(&revoked)?;
        return Ok(ExitCode::SUCCESS);
    }
    if revoked.total == 0 {
        screen.line("no token is revoked")?;
        return Ok(ExitCode::SUCCESS);
    }
    let until = |seconds: u64| {
        let time =
            i64::try_from(seconds).ok().and_then(|seconds| time::OffsetDateTime::from_unix_timestamp(seconds).ok());
        let format = &time::format_description::well_known::Rfc3339;
        time.and_then(|time| time.format(format).ok()).unwrap_or_else(|| seconds.to_string())
    };
    let rows = revoked.tokens.iter().map(|token| row([&token.id, &until(token.kept_until)]));
    screen.table(&["ISSUER/JTI", "KEPT UNTIL"], rows.collect())?;
    let shown = u64::try_from(revoked.tokens.len()).unwrap_or(u64::MAX);
    if shown < revoked.total {
        screen.line(format!("{} more", revoked.total - shown))?;
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_told_from_a_jti() {
        assert_eq!(request("eyJhbGciOi.eyJ.sig", None).token.as_deref(), Some("eyJhbGciOi.eyJ.sig"));
        for jti in ["0b9cf3a8-31d4-4c6e-8a54-6f2f5f0f7c11", "a.b.c", "ey"] {
            let request = request(jti, Some("i".to_owned()));
            assert_eq!(
                (request.jti.as_deref(), request.issuer.as_deref(), request.token),
                (Some(jti), Some("i"), None)
            );
        }
    }
}
