//! Which memory is so large that it should come in few pages?
//!
//! Each page of memory that is touched for the first time is an interrupt, and places all over many pages
//! cost a walk through tables to find each. Linux has pages of 2 MiB for memory that asks for them.

/// Memory smaller than this stays as it is.
#[cfg(target_os = "linux")]
const LEAST: usize = 2 << 20;

/// Asks that `memory`, which should not have been touched so far, comes in large pages, if it has 2 MiB or more.
/// A hint: where the system has none, nothing happens.
pub fn large_pages<T>(memory: &[T]) {
    #[cfg(target_os = "linux")]
    if size_of_val(memory) >= LEAST {
        // Pages of 4 KiB are asked for as a whole; it does no harm to what else stands in the first and last.
        let start = memory.as_ptr().map_addr(|start| start & !4095);
        let size = memory.as_ptr().addr() - start.addr() + size_of_val(memory);
        #[expect(unsafe_code, reason = "the system is asked")]
        // SAFETY: how memory is backed changes none of its contents.
        unsafe {
            libc::madvise(start.cast_mut().cast(), size, libc::MADV_HUGEPAGE);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_stays_what_it_is() {
        for len in [0, 1, 1000, LEAST, 10_000_000] {
            let mut memory: Vec<u8> = Vec::with_capacity(len);
            large_pages(memory.spare_capacity_mut());
            memory.resize(len, 7);
            large_pages(&memory);
            assert!(memory.iter().all(|&byte| byte == 7));
        }
    }

    /// Of memory that may come in large pages the system says `hg`, if it has such pages at all.
    #[test]
    #[cfg(target_os = "linux")]
    fn the_system_is_asked() {
        let has_any = std::path::Path::new("/sys/kernel/mm/transparent_hugepage/enabled").exists();
        let memory: Vec<u64> = vec![0; 1 << 20];
        large_pages(&memory);
        let middle = (&raw const memory[1 << 19]).addr();
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        let flags = maps.lines().find(|line| {
            if let Some((range, _)) = line.split_once(' ')
                && let Some((start, end)) = range.split_once('-')
            {
                let number = |text: &str| usize::from_str_radix(text, 16).unwrap();
                inside = (number(start)..number(end)).contains(&middle);
            }
            inside && line.starts_with("VmFlags:")
        });
        let flags = flags.expect("flags of the memory");
        assert_eq!(flags.split(' ').any(|flag| flag == "hg"), has_any, "{flags}");
    }
}
