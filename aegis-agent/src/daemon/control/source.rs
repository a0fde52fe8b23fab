//! How it stands with the place that policies come from, for `status`.

use aegis_api::BundleStatus;

use super::status::rfc3339;
use crate::policy::Seen;

/// The bundle that was taken last; none where policies come from no bundle.
pub fn bundle(seen: &Seen) -> Option<BundleStatus> {
    let taken = seen.taken.as_ref()?;
    Some(BundleStatus {
        revision: taken.revision.clone(),
        serial: taken.serial,
        signed_by: taken.signed_by.clone(),
        etag: taken.etag.clone(),
        taken_at: rfc3339(taken.at),
        checked_at: seen.checked_at.map(rfc3339),
        from_kept: taken.from_kept,
    })
}
