//! The policy of this host: where it comes from, which versions there were, which one is in force for whom.

mod bundles;
mod change;
mod choice;
mod error;
mod files;
mod kept;
mod load;
mod mask_key;
mod origin;
mod poller;
mod rollout;
mod stage;
mod store;
mod tally;
mod trial;
mod versions;

pub use bundles::Taken;
pub use change::{Prepared, Pushed};
pub use choice::Choice;
pub use error::ChangeError;
pub use load::{Kind, Loaded, PolicyError, load};
pub use mask_key::read as mask_key;
pub use origin::{Origin, Seen};
pub use poller::poll;
pub use rollout::{Percent, Phase, Plan};
pub use store::Store;
pub use tally::{Differing, Found, Side, Way};
pub use trial::{Answer, Question, Said, Trial, Wanted};
pub use versions::{Index, Version, Who};
