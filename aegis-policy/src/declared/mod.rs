//! What policy files say of the world beside their rules: which tools are where, and in which region hosts keep data.

mod regions;
mod tools;

pub(crate) use regions::Regions;
pub(crate) use tools::{Named, Tool, Tools};

use crate::rule::Rule;
use crate::window::Zone;

/// The declarations of all files together.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    pub(crate) tools: Tools,
    pub(crate) regions: Regions,
    /// The time zones that rules speak of, and UTC.
    pub(crate) zones: Vec<Zone>,
}

impl Declared {
    pub(crate) fn new(tools: Vec<Tool>, regions: Regions, rules: &[Rule]) -> Declared {
        let mut zones = vec![Zone::utc()];
        for window in rules.iter().flat_map(|rule| &rule.when) {
            if !zones.iter().any(|zone| zone.name == window.zone.name) {
                zones.push(window.zone.clone());
            }
        }
        Declared { tools: Tools::new(tools), regions, zones }
    }
}
