//! How long files may be.

use super::Findings;
use super::sources::Source;

const LONG: usize = 400;
const TOO_LONG: usize = 600;

/// Warns of long files and refuses very long ones, tests not counted.
pub fn check(sources: &[Source], findings: &mut Findings) {
    for source in sources {
        let lines = source.code().count();
        let text = format!("{}: {lines} lines without tests", source.path.display());
        if lines > TOO_LONG {
            findings.error(format!("{text}; at most {TOO_LONG}"));
        } else if lines > LONG {
            findings.warn(format!("{text}; aim at {LONG}"));
        }
    }
}
