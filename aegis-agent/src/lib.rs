pub mod control;
pub mod kernel;
