//! Where the running kernel keeps what the programs read in its structures.

use std::fs;

use aegis_common::KernelLayout;

use super::btf::{self, Btf};

/// What the programs are told before they are loaded.
#[derive(Default)]
pub(super) struct Layout {
    pub(super) kernel: KernelLayout,
    /// `task_struct.group_leader`.
    pub(super) group_leader: u64,
}

impl Layout {
    /// Reads the kernel's BTF. `Err` says what it lacks.
    pub(super) fn read() -> Result<Self, String> {
        let bytes = fs::read(btf::VMLINUX).map_err(|error| format!("cannot read {}: {error}", btf::VMLINUX))?;
        let btf = Btf::parse(bytes).ok_or_else(|| format!("{} is not as its format has it", btf::VMLINUX))?;
        let offset = |structure: &str, member: &str| {
            btf.offset(structure, member).ok_or_else(|| format!("this kernel has no {structure}.{member}"))
        };
        Ok(Self {
            kernel: KernelLayout {
                file_mode: offset("file", "f_mode")?,
                file_dentry: offset("file", "f_path.dentry")?,
                dentry_parent: offset("dentry", "d_parent")?,
                dentry_name: offset("dentry", "d_name.name")?,
                dentry_inode: offset("dentry", "d_inode")?,
                inode_number: offset("inode", "i_ino")?,
                inode_super: offset("inode", "i_sb")?,
                super_magic: offset("super_block", "s_magic")?,
                task_tgid: offset("task_struct", "tgid")?,
                task_comm: offset("task_struct", "comm")?,
                task_css_set: offset("task_struct", "cgroups")?,
                css_set_cgroup: offset("css_set", "dfl_cgrp")?,
                cgroup_self: offset("cgroup", "self")?,
                cgroup_node: offset("cgroup", "kn")?,
                css_parent: offset("cgroup_subsys_state", "parent")?,
                node_id: offset("kernfs_node", "id")?,
            },
            group_leader: offset("task_struct", "group_leader")?.into(),
        })
    }
}
