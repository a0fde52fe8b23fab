//! Who may depend on whom: the absences that the architecture promises.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

use super::Findings;
use super::sources::Source;

/// The crates of the workspace that each crate may use.
const ALLOWED: &[(&str, &[&str])] = &[
    ("aegis-common", &[]),
    ("aegis-token", &[]),
    ("aegis-dlp", &[]),
    ("aegis-policy", &["aegis-dlp", "aegis-token"]),
    ("aegis-audit", &[]),
    ("aegis-tools", &[]),
    ("aegis-api", &[]),
    (
        "aegis-agent",
        &["aegis-common", "aegis-token", "aegis-dlp", "aegis-policy", "aegis-audit", "aegis-tools", "aegis-api"],
    ),
    ("aegisctl", &["aegis-token", "aegis-dlp", "aegis-policy", "aegis-audit", "aegis-api"]),
    (
        "aegis-tests",
        &["aegis-common", "aegis-token", "aegis-dlp", "aegis-policy", "aegis-audit", "aegis-tools", "aegis-api"],
    ),
    ("xtask", &[]),
];

/// Crates that decide with bytes and values alone, and what they must not reach, directly or not.
const PURE: &[&str] = &["aegis-token", "aegis-dlp", "aegis-policy", "aegis-audit", "aegis-tools"];
const IMPURE_CRATES: &[&str] = &["tokio", "aya", "hyper", "nix"];
const IMPURE_CODE: &[&str] =
    &["std::fs", "SystemTime::now", "Instant::now", "now_utc()", "TcpStream", "UdpSocket", "std::process::Command"];

/// Checks the dependency graph and the sources.
pub fn check(root: &Path, sources: &[Source], findings: &mut Findings) -> Result<()> {
    let metadata = MetadataCommand::new().current_dir(root).other_options(vec!["--offline".to_owned()]).exec();
    let metadata = match metadata {
        Ok(metadata) => metadata,
        // Nothing downloaded yet.
        Err(_) => MetadataCommand::new().current_dir(root).exec().context("cargo metadata")?,
    };
    check_workspace(&metadata, findings);
    check_pure(&metadata, findings)?;
    check_sources(sources, findings);
    Ok(())
}

fn check_workspace(metadata: &Metadata, findings: &mut Findings) {
    let members: BTreeSet<&str> = metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    for package in metadata.workspace_packages() {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package.name.as_str()) else {
            findings.error(format!(
                "{} is not in the table of crate directions (xtask/src/tidy/direction.rs)",
                package.name
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            if members.contains(name) && !allowed.contains(&name) && dependency.kind != DependencyKind::Development {
                findings.error(format!("{} must not depend on {name}", package.name));
            }
        }
    }
}

fn check_pure(metadata: &Metadata, findings: &mut Findings) -> Result<()> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata without a resolution")?;
    let mut uses: BTreeMap<&PackageId, Vec<&PackageId>> = BTreeMap::new();
    for node in &resolve.nodes {
        let normal =
            node.deps.iter().filter(|dep| dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal));
        uses.insert(&node.id, normal.map(|dep| &dep.pkg).collect());
    }
    for package in metadata.workspace_packages().into_iter().filter(|package| PURE.contains(&package.name.as_str())) {
        let mut reached = BTreeSet::new();
        let mut next = vec![&package.id];
        while let Some(id) = next.pop() {
            if reached.insert(id) {
                next.extend(uses.get(id).into_iter().flatten());
            }
        }
        let names: BTreeSet<&str> = reached.into_iter().map(|id| metadata[id].name.as_str()).collect();
        for impure in IMPURE_CRATES.iter().filter(|name| names.contains(*name)) {
            findings.error(format!("{} is pure and must not reach {impure}", package.name));
        }
    }
    Ok(())
}

fn check_sources(sources: &[Source], findings: &mut Findings) {
    for source in sources {
        let kernel_room = source.path.starts_with("aegis-agent/src/kernel") || source.path.starts_with("aegis-ebpf");
        let pure = PURE.iter().any(|name| source.path.starts_with(Path::new(name).join("src")));
        for (number, line) in source.statements() {
            let at = format!("{}:{number}", source.path.display());
            if !kernel_room && !source.path.starts_with("aegis-common") && names_aya(line) {
                findings.error(format!("{at}: only aegis-agent/src/kernel may use aya"));
            }
            if let Some(found) = IMPURE_CODE.iter().find(|code| pure && line.contains(*code)) {
                findings.error(format!("{at}: a pure crate uses {found}; pass the value in"));
            }
            if !source.path.starts_with("aegis-policy")
                && !source.path.starts_with("xtask")
                && line.contains("regorus::")
            {
                findings.error(format!("{at}: only aegis-policy may use regorus"));
            }
        }
    }
}

fn names_aya(line: &str) -> bool {
    let line = line.trim_start();
    let start = ["use aya", "pub use aya", "extern crate aya"].iter().any(|start| line.starts_with(start));
    let path = line
        .match_indices("aya::")
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"'));
    start || path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aya_is_found_where_it_is_used_and_not_where_it_is_only_a_part_of_a_word() {
        for (line, uses) in [
            ("use aya::Ebpf;", true),
            ("    let x = aya::include_bytes!();", true),
            ("use maya::x;", false),
            ("let layaya = 1;", false),
        ] {
            assert_eq!(names_aya(line), uses, "{line}");
        }
    }
}
