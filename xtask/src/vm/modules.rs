//! The kernel's modules that the tests need, in the order in which they can be loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::kernels::Kernel;
use crate::process::command;

/// Cables and file systems for the laboratory, and each protocol that an agent might try to get out by.
const WANTED: &[&str] = &[
    "veth",
    "dummy",
    "tun",
    "bridge",
    "overlay",
    "sch_ingress",
    "cls_bpf",
    "inet_diag",
    "tcp_diag",
    "udp_diag",
    "raw_diag",
    "unix_diag",
    "netlink_diag",
    "udp_tunnel",
    "sctp",
    "dccp",
    "dccp_ipv4",
    "dccp_ipv6",
    "vsock",
    "vsock_loopback",
    "tipc",
    "rds",
    "smc",
    "kcm",
    "af_key",
    "l2tp_ip",
    "l2tp_ip6",
];

/// A module, decompressed.
pub struct Module {
    /// Its name, as `lsmod` shows it.
    pub name: String,
    /// What `insmod` takes.
    pub object: Vec<u8>,
}

/// The wanted modules of `kernel` with all that they depend on, dependencies first. What this kernel does not have as
/// a module is left out: it is built in, or gone as DCCP is.
pub fn collect(root: &Path, kernel: &Kernel) -> Result<Vec<Module>> {
    let mut found = BTreeMap::new();
    index(&kernel.modules.join("kernel"), &mut found)?;
    let mut collection = Collection { root, found, taken: BTreeSet::new(), modules: Vec::new() };
    for name in WANTED {
        if collection.found.contains_key(*name) {
            collection.take(name)?;
        }
    }
    Ok(collection.modules)
}

struct Collection<'a> {
    root: &'a Path,
    found: BTreeMap<String, PathBuf>,
    taken: BTreeSet<String>,
    modules: Vec<Module>,
}

impl Collection<'_> {
    fn take(&mut self, name: &str) -> Result<()> {
        if !self.taken.insert(name.to_owned()) {
            return Ok(());
        }
        let path = self.found.get(name).with_context(|| format!("the kernel package lacks the module {name}"))?;
        let object = read(self.root, path)?;
        for dependency in dependencies(&object) {
            self.take(&dependency)?;
        }
        self.modules.push(Module { name: name.to_owned(), object });
        Ok(())
    }
}

/// File names have dashes where the modules' names have underscores.
fn index(directory: &Path, found: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            index(&entry.path(), found)?;
        } else if let Some((name, _)) = entry.file_name().to_string_lossy().split_once(".ko") {
            found.insert(name.replace('-', "_"), entry.path());
        }
    }
    Ok(())
}

fn read(root: &Path, path: &Path) -> Result<Vec<u8>> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("ko") => Ok(fs::read(path)?),
        Some("xz") => {
            let output = command(root, "xz").arg("-dc").arg(path).output().context("xz")?;
            ensure!(output.status.success(), "xz cannot read {}", path.display());
            Ok(output.stdout)
        }
        _ => bail!("{}: only .ko and .ko.xz are known", path.display()),
    }
}

/// The names in the `depends=` entry of a module's information, which is a list of strings that end with NUL.
fn dependencies(object: &[u8]) -> Vec<String> {
    const ENTRY: &[u8] = b"\0depends=";
    let Some(start) = object.windows(ENTRY.len()).position(|bytes| bytes == ENTRY) else {
        return Vec::new();
    };
    let list = object[start + ENTRY.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(list)
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read_from_the_modules_information() {
        let object = b"\x7fELF\0license=GPL\0depends=udp_tunnel,ip6-udp-tunnel,libcrc32c\0name=sctp\0";
        assert_eq!(dependencies(object), ["udp_tunnel", "ip6_udp_tunnel", "libcrc32c"]);
        assert!(dependencies(b"\0depends=\0name=veth\0").is_empty());
        assert!(dependencies(b"nothing").is_empty());
    }
}
