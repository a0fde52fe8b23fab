//! What outlives the daemon: the pinned links (enforcement) and maps (who is who).

use std::{
    fs::{self, DirBuilder},
    io,
    os::{fd::AsFd, unix::fs::DirBuilderExt},
    path::{Path, PathBuf},
};

use aegis_common::{ABI_VERSION, Meta, map_name};
use aya::maps::{Array, Map, MapData};

use super::{KernelError, cgroup::Cgroup, syscall};

/// The pin directory: `maps-ABI/`, `links/` (to the enforced cgroup), `guards/` (to hooks of the whole kernel) and
/// `host-links/` (to interfaces, by their number), a file each. The links are the same for every version: they get the
/// programs of the next one, which use the maps of its own version, and then the older maps are let go.
pub(super) struct Pins {
    dir: PathBuf,
}

impl Pins {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.maps().join(name)
    }

    pub(super) fn link(&self, program: &str) -> PathBuf {
        self.links().join(program)
    }

    pub(super) fn guard(&self, program: &str) -> PathBuf {
        self.guards().join(program)
    }

    pub(super) fn host_link(&self, ifindex: u32) -> PathBuf {
        self.interfaces().join(ifindex.to_string())
    }

    pub(super) fn host_links(&self) -> Result<Vec<PathBuf>, KernelError> {
        files(&self.interfaces())
    }

    fn maps(&self) -> PathBuf {
        self.dir.join(format!("maps-{ABI_VERSION}"))
    }

    fn links(&self) -> PathBuf {
        self.dir.join("links")
    }

    fn guards(&self) -> PathBuf {
        self.dir.join("guards")
    }

    fn interfaces(&self) -> PathBuf {
        self.dir.join("host-links")
    }

    /// Makes the directories, for root only.
    pub(super) fn make_dirs(&self) -> Result<(), KernelError> {
        for dir in [self.dir.clone(), self.maps(), self.links(), self.guards(), self.interfaces()] {
            DirBuilder::new()
                .mode(0o700)
                .recursive(true)
                .create(&dir)
                .map_err(KernelError::io(format!("make {}", dir.display())))?;
        }
        Ok(())
    }

    /// Fails when what is pinned cannot be taken over: links of another cgroup, or maps of this version that are not
    /// whole. Touches nothing.
    pub(super) fn check(&self, root: &Cgroup) -> Result<(), KernelError> {
        for link in files(&self.links())? {
            let link = syscall::obj_get(&link).map_err(KernelError::io(format!("open {}", link.display())))?;
            let info = syscall::link_info(link.as_fd()).map_err(KernelError::io("look at a pinned link"))?;
            if info.cgroup_id != root.id {
                let (dir, cgroup_root) = (self.dir.clone(), root.path.clone());
                return Err(KernelError::ForeignRoot { dir, cgroup_root });
            }
        }
        let present = |name: &str| self.map(name).exists();
        if !map_name::ALL.into_iter().any(present) {
            return Ok(());
        }
        let foreign = |found: String| KernelError::ForeignPins { dir: self.maps(), found };
        // Without META the first start was cut short; what the other maps are is unknown.
        let meta = self.meta().map_err(|_| foreign("unknown".to_owned()))?;
        if meta.abi_version != ABI_VERSION || !map_name::ALL.into_iter().all(present) {
            return Err(foreign(meta.abi_version.to_string()));
        }
        Ok(())
    }

    fn meta(&self) -> Result<Meta, aya::maps::MapError> {
        let map = Map::from_map_data(MapData::from_pin(self.map(map_name::META))?)?;
        Array::<_, Meta>::try_from(map)?.get(&0, 0)
    }

    /// Lets go of the maps of other versions. Only once every link has a program that does not use them.
    pub(super) fn keep_own_maps(&self) -> Result<(), KernelError> {
        for dir in self.map_dirs()?.into_iter().filter(|dir| *dir != self.maps()) {
            files(&dir)?.iter().try_for_each(|file| unpin(file))?;
            remove_dir(&dir)?;
        }
        Ok(())
    }

    /// `maps` was version 1's.
    fn map_dirs(&self) -> Result<Vec<PathBuf>, KernelError> {
        let is_maps = |path: &PathBuf| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name == "maps" || name.starts_with("maps-"))
        };
        Ok(files(&self.dir)?.into_iter().filter(is_maps).collect())
    }

    /// Removes the links of programs that this version no longer has.
    pub(super) fn keep_links(&self, wanted: impl Fn(&str) -> bool) -> Result<(), KernelError> {
        keep(&self.links(), wanted)
    }

    /// The same of the whole kernel's hooks.
    pub(super) fn keep_guards(&self, wanted: impl Fn(&str) -> bool) -> Result<(), KernelError> {
        keep(&self.guards(), wanted)
    }

    /// Removes everything: links first, since a link without its maps' pins still enforces, and
    /// maps without links only hold memory.
    pub(super) fn remove(&self) -> Result<(), KernelError> {
        for dir in [vec![self.links(), self.guards(), self.interfaces()], self.map_dirs()?].concat() {
            files(&dir)?.iter().try_for_each(|file| unpin(file))?;
            remove_dir(&dir)?;
        }
        remove_dir(&self.dir)
    }
}

/// What is in a directory; nothing when it does not exist.
fn files(dir: &Path) -> Result<Vec<PathBuf>, KernelError> {
    let paths = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect()),
    };
    paths.map_err(KernelError::io(format!("read {}", dir.display())))
}

fn keep(dir: &Path, wanted: impl Fn(&str) -> bool) -> Result<(), KernelError> {
    let unwanted = |file: &&PathBuf| !file.file_name().and_then(|name| name.to_str()).is_some_and(&wanted);
    files(dir)?.iter().filter(unwanted).try_for_each(|file| unpin(file))
}

fn unpin(path: &Path) -> Result<(), KernelError> {
    fs::remove_file(path).map_err(KernelError::io(format!("unpin {}", path.display())))
}

fn remove_dir(dir: &Path) -> Result<(), KernelError> {
    match fs::remove_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(KernelError::io(format!("remove {}", dir.display()))(error))
        }
        _ => Ok(()),
    }
}
