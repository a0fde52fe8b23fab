use crate::assert_layout;

/// The name of the global that carries [`KernelLayout`] into the programs.
pub const LAYOUT: &str = "LAYOUT";
/// The name of the global (a `u64`) with the place of the thread group's leader in a task. By itself: the verifier has to
/// see one constant.
pub const GROUP_LEADER: &str = "GROUP_LEADER";
/// The name of the global (a `u32`) that says whether who leaves the enforced subtree is killed.
pub const KILL_DEPARTED: &str = "KILL_DEPARTED";

/// Where the running kernel keeps what the programs read in its own structures: offsets in bytes, taken from its BTF at
/// load time. They are used with checked reads only: a wrong one gives a wrong number, never a fault.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KernelLayout {
    /// `file.f_mode`, 32 bits.
    pub file_mode: u32,
    /// `file.f_path.dentry`.
    pub file_dentry: u32,
    pub dentry_parent: u32,
    /// `dentry.d_name.name`.
    pub dentry_name: u32,
    pub dentry_inode: u32,
    /// `inode.i_ino`; in the cgroup file system the number of a directory is the id of its cgroup.
    pub inode_number: u32,
    pub inode_super: u32,
    /// `super_block.s_magic`.
    pub super_magic: u32,
    pub task_tgid: u32,
    pub task_comm: u32,
    /// `task_struct.cgroups`.
    pub task_css_set: u32,
    /// `css_set.dfl_cgrp`: the cgroup of the version 2 hierarchy.
    pub css_set_cgroup: u32,
    /// `cgroup.self`.
    pub cgroup_self: u32,
    /// `cgroup.kn`.
    pub cgroup_node: u32,
    /// `cgroup_subsys_state.parent`.
    pub css_parent: u32,
    /// `kernfs_node.id`.
    pub node_id: u32,
}

assert_layout!(KernelLayout, size 64, align 4);

impl KernelLayout {
    /// What an object is built with; the daemon overrides it.
    pub const EMPTY: Self = Self {
        file_mode: 0,
        file_dentry: 0,
        dentry_parent: 0,
        dentry_name: 0,
        dentry_inode: 0,
        inode_number: 0,
        inode_super: 0,
        super_magic: 0,
        task_tgid: 0,
        task_comm: 0,
        task_css_set: 0,
        css_set_cgroup: 0,
        cgroup_self: 0,
        cgroup_node: 0,
        css_parent: 0,
        node_id: 0,
    };
}

/// Value of the task storage `MEMBERS`: where a process that lives below the enforced root was last seen. It tells that one
/// has left, when its place itself no longer does.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Membership {
    /// The agent's cgroup; the process' own where it was no agent's.
    pub cgroup_id: u64,
    /// One of [`membership`].
    pub stage: u32,
    pub padding: u32,
}

assert_layout!(Membership, size 16, align 8);

/// Values of [`Membership::stage`].
pub mod membership {
    /// Of no interest (any more).
    pub const NONE: u32 = 0;
    /// Below the enforced root.
    pub const INSIDE: u32 = 1;
    /// Has left, and has been told of.
    pub const GONE: u32 = 2;
}
