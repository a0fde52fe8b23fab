//! The maps and the settings. Names, types and sizes are part of the ABI version.
//!
//! Concurrency: a socket's state is written only by calls on that socket and read by its packets;
//! `FLOWS` and `DNS_CLIENTS` entries are written once per socket and removed by the socket's end
//! or by the daemon; `USAGE` entries are made by the daemon and changed here atomically; the other
//! maps are written by the daemon only.

use core::ptr;

use aegis_common::{
    DirectKey, DnsKey, Event, Flow, FlowKey, Membership, Meta, Settings, SocketState, Usage, UsageKey, counter,
};
use aya_ebpf::{
    Global,
    bindings::{
        BPF_F_CLONE, BPF_F_NO_PREALLOC,
        bpf_map_type::{BPF_MAP_TYPE_SK_STORAGE, BPF_MAP_TYPE_TASK_STORAGE},
    },
    btf_maps::{Array, HashMap, LpmTrie, PerCpuArray, RingBuf},
    helpers::generated::bpf_sk_storage_get,
    macros::btf_map,
};

const NO_PREALLOC: usize = BPF_F_NO_PREALLOC as usize;

/// cgroup id -> agent index; 0 marks a subtree in which whoever is not enrolled is denied.
#[btf_map]
pub static AGENT_CGROUPS: HashMap<u64, u32, 16384> = HashMap::new();

/// A socket accepted from a listening one starts with a copy of its state (`BPF_F_CLONE`, which aya's `SkStorage` cannot
/// ask for); the copy still has the listener's cookie, which tells it from a socket that connected.
#[btf_map]
pub static SOCKETS: LocalStorage<
    SocketState,
    { BPF_MAP_TYPE_SK_STORAGE as usize },
    { (BPF_F_NO_PREALLOC | BPF_F_CLONE) as usize },
> = LocalStorage::new();

/// Where a task is, see `departure.rs`.
#[btf_map]
pub static MEMBERS: LocalStorage<Membership, { BPF_MAP_TYPE_TASK_STORAGE as usize }, { BPF_F_NO_PREALLOC as usize }> =
    LocalStorage::new();

/// What lies with a kernel object and goes with it. Read by the loader only, as the description of a map.
#[repr(C)]
pub struct LocalStorage<V, const KIND: usize, const FLAGS: usize> {
    r#type: *const [i32; KIND],
    key: *const i32,
    value: *const V,
    max_entries: *const [i32; 0],
    map_flags: *const [i32; FLAGS],
}

// SAFETY: null pointers that stand for types; nobody follows them.
unsafe impl<V, const KIND: usize, const FLAGS: usize> Sync for LocalStorage<V, KIND, FLAGS> {}

impl<V, const KIND: usize, const FLAGS: usize> LocalStorage<V, KIND, FLAGS> {
    const fn new() -> Self {
        Self {
            r#type: ptr::null(),
            key: ptr::null(),
            value: ptr::null(),
            max_entries: ptr::null(),
            map_flags: ptr::null(),
        }
    }
}

/// Holds a connection between its SYN and its accept, so the listener's backlog bounds it. Not
/// preallocated: it is nearly empty nearly always.
#[btf_map]
pub static FLOWS: HashMap<FlowKey, Flow, 65536, NO_PREALLOC> = HashMap::new();

/// One entry for each UDP socket that asks the resolver.
#[btf_map]
pub static DNS_CLIENTS: HashMap<DnsKey, Flow, 65536, NO_PREALLOC> = HashMap::new();

#[btf_map]
pub static DIRECT: LpmTrie<DirectKey, u32, 16384> = LpmTrie::new();

/// 1 MiB: some 13,000 events.
#[btf_map]
pub static EVENTS: RingBuf<Event, 1_048_576> = RingBuf::new();

#[btf_map]
pub static COUNTERS: PerCpuArray<u64, { counter::COUNT as usize }> = PerCpuArray::new();

#[btf_map]
pub static AGENT_FLAGS: HashMap<u32, u32, 16384, NO_PREALLOC> = HashMap::new();

#[btf_map]
pub static USAGE: HashMap<UsageKey, Usage, 32768, NO_PREALLOC> = HashMap::new();

/// The network namespaces in which the proxy listens.
#[btf_map]
pub static NAMESPACES: HashMap<u64, u32, 4096, NO_PREALLOC> = HashMap::new();

#[btf_map]
pub static LEASE: Array<u64, 1> = Array::new();

#[btf_map]
pub static META: Array<Meta, 1> = Array::new();

/// Set by the daemon at load time, constant from then on.
#[unsafe(no_mangle)]
static SETTINGS: Global<Settings> = Global::new(Settings::EMPTY);

#[inline(always)]
pub fn settings() -> Settings {
    SETTINGS.load()
}

/// Adds one to a counter of [`aegis_common::counter`].
#[inline(always)]
pub fn count(index: u32) {
    if let Some(value) = COUNTERS.get_ptr_mut(index) {
        // SAFETY: a live per-CPU slot; programs of these types are not preempted by each other on
        // one CPU except rarely, which can lose a count but nothing else.
        unsafe { *value = (*value).wrapping_add(1) };
    }
}

/// Adds to a map's value, wrapping, atomically.
///
/// # Safety
/// `value` must point to a live, aligned map value.
#[inline(always)]
pub unsafe fn atomic_add(value: *mut u64, delta: u64) {
    // `core` has no atomic arithmetic for this target, which has no compare-and-swap in its
    // baseline; the plain addition has been there since the beginning.
    // SAFETY: by the caller.
    unsafe { core::arch::asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) value, in(reg) delta) };
}

/// The state of a socket, or none.
///
/// # Safety
/// `sk` must be a socket pointer of the context (or the context itself for cgroup/sock programs).
#[inline(always)]
pub unsafe fn state_of<'a, S>(sk: *mut S) -> Option<&'a mut SocketState> {
    // SAFETY: by the caller; a null answer means there is none.
    unsafe { storage(sk, ptr::null_mut(), 0).as_mut() }
}

/// Gives a socket its first state.
///
/// # Safety
/// As for [`state_of`].
#[inline(always)]
pub unsafe fn make_state<S>(sk: *mut S, first: &mut SocketState) -> bool {
    const CREATE: u64 = aya_ebpf::bindings::BPF_SK_STORAGE_GET_F_CREATE as u64;
    // SAFETY: by the caller; the kernel copies `first`.
    unsafe { !storage(sk, first, CREATE).is_null() }
}

/// aya's `SkStorage` takes sock_addr contexts only; here every hook has its own kind of pointer.
#[inline(always)]
unsafe fn storage<S>(sk: *mut S, first: *mut SocketState, flags: u64) -> *mut SocketState {
    let map = ptr::from_ref(&SOCKETS).cast_mut().cast();
    // SAFETY: `map` is relocated to the map by the loader, `sk` is by the caller.
    unsafe { bpf_sk_storage_get(map, sk.cast(), first.cast(), flags).cast() }
}
