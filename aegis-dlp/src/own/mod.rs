//! A tenant's own detectors.

mod name;

pub use name::{OwnName, OwnNameError};
