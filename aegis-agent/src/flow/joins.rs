//! What is divided over the messages of a WebSocket, or over events: each has been looked through by itself, and then what it goes on
//! with is looked at together with what those before it ended with.

use aegis_dlp::Seam;

use super::look::{self, Rules};
use super::stop::Stop;
use super::tally::Tally;

/// The messages of one direction.
pub struct Joins {
    seam: Seam,
    rules: Rules,
}

impl Joins {
    #[must_use]
    pub fn new(rules: &Rules) -> Self {
        Self { seam: Seam::new(&rules.profile), rules: rules.clone() }
    }

    /// The message, as it goes on; `prefix` names it in what is found.
    ///
    /// # Errors
    /// With what came before it it is what must not go on.
    pub fn message(&mut self, message: Vec<u8>, prefix: &str, tally: &Tally) -> Result<Vec<u8>, Stop> {
        let joined = self.seam.message(&message);
        let found: Vec<_> = joined.findings.iter().map(|finding| look::within(finding, prefix)).collect();
        tally.found(found.iter().cloned());
        match joined.stopped {
            Some(why) => Err(Stop::content(why, &found, self.rules.direction)),
            None => Ok(joined.changed.unwrap_or(message)),
        }
    }
}
