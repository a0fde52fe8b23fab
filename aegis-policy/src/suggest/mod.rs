//! Least privilege from what was seen: a policy that permits what passed and nothing that was refused.

mod build;
mod observe;
mod yaml;

pub use observe::Observations;
pub use yaml::Suggestion;
