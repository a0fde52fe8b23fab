//! The guest's root file system: the tests, the few programs of the host that they start, and the kernel's modules.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use cpio::newc::{Builder, ModeFileType, trailer};

use super::{
    kernels::Kernel,
    modules,
    plan::{Extent, Plan},
};
use crate::process::{command, find_program};

/// Debian's own, whose library is where it says; what the search path has may be another.
const PYTHON: &str = "/usr/bin/python3";
/// What of Python's library no test imports, and is large.
const NOT_NEEDED: &[&str] = &["config-", "test", "lib2to3", "pydoc_data", "distutils", "idlelib", "ensurepip"];
const ACCOUNTS: &str = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n";
const GROUPS: &str = "root:x:0:\nnogroup:x:65534:\n";
const INIT: &str = include_str!("init.sh");

/// Writes the initramfs for one kernel and returns its path.
pub fn build(root: &Path, directory: &Path, kernel: &Kernel, plan: &Plan) -> Result<PathBuf> {
    let path = directory.join(format!("initramfs-{}.cpio", kernel.release));
    // Renamed when it is whole: a machine of another run may be about to load the one that is there.
    let unfinished = path.with_extension(std::process::id().to_string());
    let mut archive = Archive::create(&unfinished)?;
    archive.file("/init", INIT.as_bytes(), 0o755)?;
    for (name, extent) in [("full", Extent::Full), ("core", Extent::Core)] {
        let lines: String = plan.tests(extent).iter().map(|line| format!("{line}\n")).collect();
        archive.file(&format!("/tests/plan-{name}"), lines.as_bytes(), 0o644)?;
    }
    archive.file("/etc/passwd", ACCOUNTS.as_bytes(), 0o644)?;
    archive.file("/etc/group", GROUPS.as_bytes(), 0o644)?;
    archive.file("/etc/resolv.conf", b"", 0o644)?;
    archive.file("/etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n", 0o644)?;
    add_programs(root, &mut archive, plan)?;
    for (place, module) in modules::collect(root, kernel)?.iter().enumerate() {
        archive.file(&format!("/modules/{place:03}-{}.ko", module.name), &module.object, 0o644)?;
    }
    archive.finish()?;
    fs::rename(&unfinished, &path)?;
    Ok(path)
}

fn add_programs(root: &Path, archive: &mut Archive, plan: &Plan) -> Result<()> {
    let mut linked = Vec::new();
    for program in &plan.programs {
        archive.copy(&program.path, &format!("/tests/{}", program.name))?;
        linked.push(program.path.clone());
    }
    let find = |name| find_program(root, name).with_context(|| format!("{name} is not installed"));
    let host = [
        (PathBuf::from(PYTHON), "/usr/bin/python3"),
        (find("ip")?, "/usr/bin/ip"),
        (find("curl")?, "/usr/bin/curl"),
        (find("busybox")?, "/bin/busybox"),
    ];
    for (program, place) in host {
        archive.copy(&program, place)?;
        linked.push(program);
    }
    let library = python_library(root)?;
    archive.tree(&library, &|name| !NOT_NEEDED.iter().any(|prefix| name.starts_with(prefix)))?;
    for entry in fs::read_dir(library.join("lib-dynload"))? {
        linked.push(entry?.path());
    }
    for library in shared_libraries(root, &linked)? {
        archive.copy(&library, &library.to_string_lossy())?;
    }
    Ok(())
}

fn python_library(root: &Path) -> Result<PathBuf> {
    let output = command(root, PYTHON).args(["-c", "import os; print(os.path.dirname(os.__file__))"]).output()?;
    ensure!(output.status.success(), "{PYTHON} does not say where its library is");
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// Everything that the dynamic linker loads for these files, and itself.
fn shared_libraries(root: &Path, files: &[PathBuf]) -> Result<BTreeSet<PathBuf>> {
    let output = command(root, "ldd").args(files).output().context("ldd")?;
    let listed = String::from_utf8(output.stdout)?;
    ensure!(!listed.contains("not found"), "a shared library is missing on this host:\n{listed}");
    let paths = listed.lines().filter(|line| line.starts_with(char::is_whitespace)).flat_map(str::split_whitespace);
    Ok(paths.filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
}

/// A cpio archive as the kernel unpacks it, with the directories of each file.
struct Archive {
    out: BufWriter<File>,
    directories: BTreeSet<PathBuf>,
    entries: u32,
}

impl Archive {
    fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| path.display().to_string())?;
        Ok(Self { out: BufWriter::new(file), directories: BTreeSet::new(), entries: 0 })
    }

    fn file(&mut self, path: &str, content: &[u8], mode: u32) -> Result<()> {
        self.parents(path)?;
        self.entry(Path::new(path), ModeFileType::Regular, mode, 0, content)
    }

    fn parents(&mut self, path: &str) -> Result<()> {
        Path::new(path).parent().map_or(Ok(()), |parent| self.directory(parent))
    }

    fn copy(&mut self, from: &Path, to: &str) -> Result<()> {
        let content = fs::read(from).with_context(|| from.display().to_string())?;
        self.parents(to)?;
        // Python trusts what it compiled before only as long as the source has the time that it had then.
        let modified = u32::try_from(fs::metadata(from)?.mtime())?;
        self.entry(Path::new(to), ModeFileType::Regular, 0o755, modified, &content)
    }

    /// Copies a directory to the same place in the guest, but for entries whose name is not wanted.
    fn tree(&mut self, directory: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<()> {
        for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
            let entry = entry?;
            let path = entry.path();
            if !wanted(&entry.file_name().to_string_lossy()) {
                continue;
            }
            if path.is_dir() {
                self.tree(&path, &|_| true)?;
            } else if path.is_file() {
                self.copy(&path, &path.to_string_lossy())?;
            }
        }
        Ok(())
    }

    fn directory(&mut self, path: &Path) -> Result<()> {
        let Some(parent) = path.parent() else { return Ok(()) };
        if self.directories.insert(path.to_owned()) {
            self.directory(parent)?;
            self.entry(path, ModeFileType::Directory, 0o755, 0, &[])?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, kind: ModeFileType, mode: u32, modified: u32, content: &[u8]) -> Result<()> {
        let name = path.strip_prefix("/")?.to_str().context("a path that is not UTF-8")?;
        self.entries += 1;
        let builder = Builder::new(name).ino(self.entries).mode(mode).mtime(modified).set_mode_file_type(kind);
        let mut writer = builder.write(&mut self.out, u32::try_from(content.len())?);
        writer.write_all(content)?;
        writer.finish()?;
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        trailer(&mut self.out)?;
        self.out.flush()?;
        Ok(())
    }
}
