//! What a file says of the world beside its policies: tools and regions. Read from all files before any policy.

use std::collections::HashMap;
use std::sync::Arc;

use crate::declared::{Regions, Tool};
use crate::host::HostPattern;
use crate::schema::{rule, words};
use crate::source::cursor::{Cursor, Fields};

/// The declarations of all files, while they are read.
#[derive(Debug, Default)]
pub(super) struct Declarations {
    pub(super) tools: Vec<Tool>,
    pub(super) regions: Regions,
    /// In which file each name stands.
    tool_files: HashMap<Arc<str>, String>,
    region_files: HashMap<Arc<str>, String>,
}

impl Declarations {
    pub(super) fn read(&mut self, root: &Cursor<'_>) {
        let file = root.problems().source().name.clone();
        if let Some(list) = root.child("tools") {
            list.items().iter().for_each(|item| self.tool(item, &file));
        }
        if let Some(map) = root.child("regions") {
            for (name, key, hosts) in map.entries() {
                self.region(name, &key, &hosts, &file);
            }
        }
    }

    /// A name may have several entries in one file; a second file would change what the first one means.
    fn tool(&mut self, item: &Cursor<'_>, file: &str) {
        let fields = item.fields(&["name", "hosts", "methods", "paths"]);
        let name: Option<Arc<str>> =
            fields.require("name").and_then(|at| words::name(at, "a tool's name")).map(Arc::from);
        fields.require("hosts");
        let hosts = fields.list("hosts", host);
        let (methods, paths) = (fields.list("methods", rule::method), fields.list("paths", rule::path));
        let Some(name) = name else { return };
        if self.is_elsewhere(&fields, &name, file) {
            return;
        }
        self.tool_files.insert(name.clone(), file.to_owned());
        self.tools.push(Tool { name, hosts, methods, paths });
    }

    fn is_elsewhere(&self, fields: &Fields<'_>, name: &str, file: &str) -> bool {
        let other = self.tool_files.get(name).filter(|other| *other != file);
        if let (Some(other), Some(at)) = (other, fields.get("name")) {
            at.problem_with(
                format!("tool `{name}` is declared in {other} too"),
                "declared twice",
                "put all entries of a tool into one file",
            );
        }
        other.is_some()
    }

    fn region(&mut self, name: &str, key: &Cursor<'_>, hosts: &Cursor<'_>, file: &str) {
        if words::name(key, "a region's name").is_none() {
            return;
        }
        if let Some(other) = self.region_files.get(name) {
            key.problem_with(
                format!("region `{name}` is declared in {other} too"),
                "declared twice",
                "put all hosts of a region into one file",
            );
            return;
        }
        let region: Arc<str> = name.into();
        self.region_files.insert(region.clone(), file.to_owned());
        for item in hosts.items() {
            let Some(pattern) = host(&item) else { continue };
            if let Some(taken) = self.regions.declare(pattern, &region) {
                item.problem_with(
                    format!("this is in region `{taken}` already"),
                    "in two regions",
                    "a host keeps its data in one region; name a narrower pattern, or take one of the two away",
                );
            }
        }
    }
}

fn host(item: &Cursor<'_>) -> Option<HostPattern> {
    match HostPattern::parse(item.string()?) {
        Ok(pattern) => Some(pattern),
        Err(why) => {
            item.problem(why, "not a host pattern");
            None
        }
    }
}
