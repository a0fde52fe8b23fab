//! Departure: a process is put out of the enforced subtree, or out of its agent, by whatever means. Afterwards nothing in
//! its task tells where it was, so that is noted while it is inside. Its sockets are not its any more (the caller is
//! another); so that it makes no new ones, it is told of and killed: here where it acts itself, by the daemon otherwise.

use core::{ffi::c_void, ptr};

use aegis_common::{Membership, Process, counter, event_kind, membership};
use aya_ebpf::{
    Global,
    bindings::BPF_LOCAL_STORAGE_GET_F_CREATE,
    helpers::generated::{bpf_get_current_pid_tgid, bpf_send_signal, bpf_task_storage_get},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};

use crate::{
    maps::{AGENT_CGROUPS, MEMBERS, count},
    place::{self, Place, enforced, layout, read},
    usage,
    verdict::{Incident, tell},
};

const SIGKILL: u32 = 9;

/// Set by the daemon at load time, constant from then on.
#[unsafe(no_mangle)]
static GROUP_LEADER: Global<u64> = Global::new(0);
/// 1: who leaves is killed.
#[unsafe(no_mangle)]
static KILL_DEPARTED: Global<u32> = Global::new(0);

/// A process has been moved. (Single threads can be moved too, but only within one domain, which the enforced root is.)
#[btf_tracepoint(function = "cgroup_attach_task")]
pub fn departure_move(ctx: BtfTracePointContext) -> i32 {
    let (to, task): (*const c_void, *mut c_void) = (ctx.arg(0), ctx.arg(2));
    // SAFETY: the hook's own argument.
    let task = unsafe { leader(task) };
    let after = place::of_cgroup(to as u64);
    // SAFETY: a task from `leader`.
    match unsafe { note(task, None) } {
        // Wherever it goes next: only back home it is what it was.
        Some(note) if note.stage == membership::GONE && !is_home(note, after) => return 0,
        Some(note) if note.stage == membership::INSIDE && departs(note, after) => {
            let process = process(task as u64);
            gone(note, process);
            // SAFETY: plain helper.
            if process.pid == (unsafe { bpf_get_current_pid_tgid() } >> 32) as u32 {
                kill_caller();
            }
        }
        // SAFETY: as above.
        _ => unsafe { settle(task, after) },
    }
    0
}

/// A child begins where its parent is, or elsewhere at once (CLONE_INTO_CGROUP); a thread with its process.
#[btf_tracepoint(function = "sched_process_fork")]
pub fn departure_fork(ctx: BtfTracePointContext) -> i32 {
    let (parent, child): (*mut c_void, *mut c_void) = (ctx.arg(0), ctx.arg(1));
    let after = place::cgroup_of(child as u64).and_then(place::of_cgroup);
    // SAFETY: the hook's own arguments.
    let (parent, first) = unsafe { (leader(parent), leader(child)) };
    // SAFETY: a task from `leader`.
    let before = unsafe { note(parent, None) };
    let (stage, cgroup_id) = before.as_ref().map_or((membership::NONE, 0), |note| (note.stage, note.cgroup_id));
    if first != child && stage != membership::NONE {
        let mut copy = Membership { cgroup_id, stage, padding: 0 };
        // SAFETY: the hook's own argument.
        let _ = unsafe { note(child, Some(&mut copy)) };
        return 0;
    }
    let follows = stage == membership::GONE && KILL_DEPARTED.load() != 0;
    let departs = stage == membership::INSIDE && before.is_some_and(|note| departs(note, after));
    if !follows && !departs {
        // SAFETY: the hook's own argument.
        unsafe { settle(child, after) };
        return 0;
    }
    let mut fresh = Membership { cgroup_id, stage: membership::INSIDE, padding: 0 };
    // SAFETY: as above.
    if let Some(note) = unsafe { note(child, Some(&mut fresh)) } {
        gone(note, process(child as u64));
    }
    if follows || !enforced() {
        kill_caller();
    }
    0
}

/// A thread that begins another program becomes the first of its process; the first one's note goes with that one.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn departure_exec(ctx: BtfTracePointContext) -> i32 {
    let task: *mut c_void = ctx.arg(0);
    // SAFETY: the hook's own argument.
    match unsafe { note(task, None) } {
        Some(note) if note.stage == membership::GONE => kill_caller(),
        Some(note) if note.stage == membership::INSIDE && !enforced() => {
            gone(note, process(task as u64));
            kill_caller();
        }
        _ if enforced() => {
            let after = place::cgroup_of(task as u64).and_then(place::of_cgroup);
            // SAFETY: as above.
            unsafe { settle(task, after) };
        }
        _ => {}
    }
    0
}

/// Whether a process that has left is back with its agent.
#[inline(always)]
fn is_home(note: &Membership, after: Option<Place>) -> bool {
    matches!(after, Some(after) if after.cgroup_id == note.cgroup_id)
}

/// Whether a move leads out. Out of nobody's cgroup, and from agent to agent, it does when somebody makes it who is
/// enforced himself; others are the host's administration.
#[inline(always)]
fn departs(before: &Membership, after: Option<Place>) -> bool {
    let agent = agent_of(before.cgroup_id);
    match after {
        Some(after) if after.agent == agent => false,
        Some(after) if after.agent != 0 => agent != 0 && enforced(),
        Some(_) => true,
        None => agent != 0 || enforced(),
    }
}

/// Whose cgroup it is now; 0: nobody's.
#[inline(always)]
fn agent_of(cgroup_id: u64) -> u32 {
    // SAFETY: preallocated and written by the daemon only; the value is copied at once.
    unsafe { AGENT_CGROUPS.get(cgroup_id) }.copied().unwrap_or(0)
}

/// Notes where a task is.
///
/// # Safety
/// As for [`note`].
#[inline(always)]
unsafe fn settle(task: *mut c_void, place: Option<Place>) {
    let (cgroup_id, stage) = match place {
        Some(place) => (place.cgroup_id, membership::INSIDE),
        None => (0, membership::NONE),
    };
    let mut fresh = Membership { cgroup_id, stage, padding: 0 };
    let first = if stage == membership::NONE { None } else { Some(&mut fresh) };
    // SAFETY: by the caller.
    if let Some(note) = unsafe { note(task, first) } {
        note.cgroup_id = cgroup_id;
        note.stage = stage;
    }
}

/// Counts and tells of a process that has left.
#[inline(always)]
fn gone(note: &mut Membership, process: Process) {
    note.stage = membership::GONE;
    let agent = agent_of(note.cgroup_id);
    count(counter::DEPARTED);
    usage::denied(agent);
    let about = Incident { agent, cgroup_id: note.cgroup_id, process, ..Incident::EMPTY };
    // What could not be told is counted.
    let _ = tell(event_kind::DEPARTED, &about);
}

/// Ends the calling process where that is wanted.
#[inline(always)]
fn kill_caller() {
    if KILL_DEPARTED.load() != 0 {
        // SAFETY: plain helper. Should it fail, the daemon kills what it reads of.
        unsafe { bpf_send_signal(SIGKILL) };
    }
}

/// Of a task that need not be the caller. Its user is not read: who left is known by its number.
#[inline(always)]
fn process(task: u64) -> Process {
    let layout = layout();
    Process {
        pid: read(task, layout.task_tgid).unwrap_or(0),
        uid: 0,
        comm: read(task, layout.task_comm).unwrap_or([0; 16]),
    }
}

/// The first thread of a task's process.
///
/// # Safety
/// `task` must be a task that the hook was given.
#[inline(always)]
unsafe fn leader(task: *mut c_void) -> *mut c_void {
    // SAFETY: a load that the verifier checks by type.
    unsafe { task.byte_add(GROUP_LEADER.load() as usize).cast::<*mut c_void>().read_volatile() }
}

/// The note that lies with a task (the one that counts with the first thread; others have copies, for the day when one of
/// them becomes the first, by exec), made from `first` where there is none.
///
/// # Safety
/// `task` must be a task that the hook was given or come from [`leader`].
#[inline(always)]
unsafe fn note<'a>(task: *mut c_void, first: Option<&mut Membership>) -> Option<&'a mut Membership> {
    if task.is_null() {
        return None;
    }
    let map = ptr::from_ref(&MEMBERS).cast_mut().cast();
    let (first, flags) = match first {
        Some(first) => (ptr::from_mut(first), u64::from(BPF_LOCAL_STORAGE_GET_F_CREATE)),
        None => (ptr::null_mut(), 0),
    };
    // SAFETY: `map` is relocated to the map by the loader, `task` is by the caller.
    unsafe { bpf_task_storage_get(map, task.cast(), first.cast(), flags).cast::<Membership>().as_mut() }
}
