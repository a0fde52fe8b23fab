//! `status`: the bundle that policies come from.

use serde::{Deserialize, Serialize};

/// The bundle that was taken last, and how it stands with its place.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct BundleStatus {
    /// What it calls itself.
    pub revision: String,
    /// Orders the bundles of one place: a lower one is refused.
    pub serial: u64,
    /// Id of the key that signed it; none where no signature is asked for.
    pub signed_by: Option<String>,
    /// The server's entity tag.
    pub etag: Option<String>,
    /// When it was taken.
    pub taken_at: String,
    /// When the place was asked last, whatever came of it; none where a kept bundle is used that nobody has asked about yet.
    pub checked_at: Option<String>,
    /// It is the one that was kept from an earlier run of the daemon.
    pub from_kept: bool,
}
