//! Debian's cloud kernels, from the package mirrors this machine already uses; each is downloaded once.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::process::{command, run_with_progress};

/// A kernel, unpacked below `target/vm`.
pub struct Kernel {
    /// As in `uname -r`.
    pub release: String,
    /// The image that boots.
    pub image: PathBuf,
    /// The directory of its modules.
    pub modules: PathBuf,
}

impl Kernel {
    /// The kernel of this version (such as `6.12`): the one that was downloaded before, or else apt's newest.
    pub fn obtain(root: &Path, directory: &Path, version: &str) -> Result<Self> {
        let well_formed = version.split('.').count() == 2
            && version.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        ensure!(well_formed, "'{version}' is no version of a kernel; write it as 6.12");
        let unpacked = directory.join("kernels").join(version);
        if !unpacked.is_dir() {
            download(root, directory, version, &unpacked)?;
        }
        Self::unpacked(&unpacked).with_context(|| {
            format!("{} holds no Debian kernel; remove that directory and try again", unpacked.display())
        })
    }

    fn unpacked(directory: &Path) -> Result<Self> {
        let modules = only_entry(&directory.join("lib/modules"))?;
        let release = modules.file_name().context("no release")?.to_string_lossy().into_owned();
        let image = directory.join("boot").join(format!("vmlinuz-{release}"));
        ensure!(image.is_file(), "{} is missing", image.display());
        Ok(Self { release, image, modules })
    }
}

fn only_entry(directory: &Path) -> Result<PathBuf> {
    let mut entries = fs::read_dir(directory)?;
    let entry = entries.next().context("it is empty")??;
    ensure!(entries.next().is_none(), "there are several");
    Ok(entry.path())
}

/// Unpacks beside the place and moves there what is whole, so that what is there is whole.
fn download(root: &Path, directory: &Path, version: &str, unpacked: &Path) -> Result<()> {
    let package = match newest_package(root, version)? {
        Some(package) => package,
        None => {
            run_with_progress("apt-get update", command(root, "apt-get").arg("update"))?;
            newest_package(root, version)?.with_context(|| {
                format!("apt knows no cloud kernel {version}; `apt-cache search linux-image cloud` lists what there is")
            })?
        }
    };
    let loading = directory.join(format!("loading-{version}"));
    let _ = fs::remove_dir_all(&loading);
    fs::create_dir_all(&loading)?;
    if apt_download(root, &loading, &package).is_err() {
        // The lists are older than the mirror: it has a newer package and has this one no more.
        run_with_progress("apt-get update", command(root, "apt-get").arg("update"))?;
        let package = newest_package(root, version)?.unwrap_or_else(|| package.clone());
        apt_download(root, &loading, &package)?;
    }
    let archive = only_entry(&loading)?;
    let tree = loading.join("tree");
    let mut extract = command(root, "dpkg-deb");
    run_with_progress(&format!("unpacking {package}"), extract.arg("-x").arg(&archive).arg(&tree))?;
    fs::create_dir_all(directory.join("kernels"))?;
    fs::rename(&tree, unpacked)?;
    fs::remove_dir_all(&loading)?;
    Ok(())
}

fn apt_download(root: &Path, into: &Path, package: &str) -> Result<()> {
    let mut download = command(root, "apt-get");
    // As root all the way: apt's own user may not write here.
    download.current_dir(into).args(["-o", "APT::Sandbox::User=root", "download", package]);
    run_with_progress(&format!("apt-get download {package}"), &mut download)
}

/// The package that Debian's meta packages name as the newest of this version.
fn newest_package(root: &Path, version: &str) -> Result<Option<String>> {
    // The second is the one of the release's own kernel: 6.1 on Debian 12.
    for meta in [format!("linux-image-{version}-cloud-amd64"), "linux-image-cloud-amd64".to_owned()] {
        let output = command(root, "apt-cache").args(["depends", &meta]).output().context("apt-cache")?;
        if let Some(package) = concrete(&String::from_utf8_lossy(&output.stdout), version) {
            return Ok(Some(package));
        }
    }
    Ok(None)
}

/// What `apt-cache depends` says that a meta package stands for, if that is of this version.
fn concrete(depends: &str, version: &str) -> Option<String> {
    let prefix = format!("linux-image-{version}.");
    depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|package| package.starts_with(&prefix))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meta_package_stands_for_one_kernel_of_one_version() {
        let depends = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
        assert_eq!(concrete(depends, "6.1").as_deref(), Some("linux-image-6.1.0-56-cloud-amd64"));
        assert_eq!(concrete(depends, "6.12"), None);
        let depends = "linux-image-6.12-cloud-amd64\n  Depends: linux-image-6.12.117+deb12-cloud-amd64\n";
        assert_eq!(concrete(depends, "6.12").as_deref(), Some("linux-image-6.12.117+deb12-cloud-amd64"));
        assert_eq!(concrete(depends, "6.1"), None);
    }
}
