//! What only the start needed goes back to the machine: a daemon stands on every host, and the kernel's type information alone is read in
//! through fifteen megabytes.

// malloc_trim(3) has no wrapper in nix.
#![allow(unsafe_code)]

/// Gives freed memory back that the allocator keeps for later.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: a number only; the allocator takes its own locks. What it returns tells whether there was anything.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(all(test, target_env = "gnu"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// KiB of memory that is no file's.
    fn resident() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn what_was_freed_below_what_is_held_goes_back() {
        let freed: Vec<Vec<u8>> = (0..65_536).map(|_| vec![1; 1000]).collect();
        let held = vec![1_u8; 1000];
        drop(freed);
        let before = resident();
        give_back();
        assert!(resident() + 32_768 < before, "{before} KiB before, {} after", resident());
        drop(held);
    }
}
