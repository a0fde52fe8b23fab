//! One file a command: its arguments, its help, what it does.

pub mod agents;
pub mod audit;
pub mod dlp;
pub mod doctor;
pub mod keys;
pub mod packaging;
pub mod policy;
mod revocation;
pub mod status;
pub mod token;
pub mod tools;
pub mod verify;
