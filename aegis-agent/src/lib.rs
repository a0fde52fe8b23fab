pub mod config;
pub mod control;
pub mod kernel;
pub mod state;
pub mod telemetry;
