//! One file a command: its arguments, its help, what it does.

pub mod agents;
pub mod audit;
pub mod doctor;
pub mod packaging;
pub mod policy;
pub mod status;
pub mod token;
pub mod verify;
