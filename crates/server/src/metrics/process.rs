//! What the system says of this process.

/// Bytes of memory that are really there, where the system tells.
pub(super) fn resident_bytes() -> Option<u64> {
    resident(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_what_linux_says() {
        let status = "Name:\tserver\nVmHWM:\t  9000 kB\nVmRSS:\t    1234 kB\nThreads:\t4\n";
        assert_eq!(resident(status), Some(1234 << 10));
        assert_eq!(resident("Name:\tserver\n"), None);
        #[cfg(target_os = "linux")]
        assert!(resident_bytes() > Some(1 << 20));
    }
}
