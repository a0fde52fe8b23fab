pub mod config;
pub mod control;
pub mod kernel;
