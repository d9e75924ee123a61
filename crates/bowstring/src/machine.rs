//! What does this machine have to give?

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The totals of the resources that steps may ask for: `cpu`, in cores, and `memory`, in bytes, where
/// the system tells. Limits of the process's control group and of those above it (cgroup v2) are
/// heeded.
pub fn resources() -> BTreeMap<String, u64> {
    // The standard library heeds the quota and the affinity mask.
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let mut totals = BTreeMap::from([("cpu".to_owned(), cores)]);
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total(&text));
    let group = fs::read_to_string("/proc/self/cgroup").ok();
    let group = group_limit(Path::new("/sys/fs/cgroup"), group.as_deref().unwrap_or_default());
    if let Some(memory) = [group, machine].into_iter().flatten().min() {
        totals.insert("memory".to_owned(), memory);
    }
    totals
}

/// The least limit of the group that `membership` names below `root`, and of those that it lies in.
fn group_limit(root: &Path, membership: &str) -> Option<u64> {
    let own = membership.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder: PathBuf = root.join(own);
    let limits = folder.ancestors().take_while(|folder| folder.starts_with(root));
    limits.filter_map(|folder| limit(&fs::read_to_string(folder.join("memory.max")).ok()?)).min()
}

/// The bytes of a `memory.max`, which says `max` where there is no limit.
fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The bytes of `MemTotal` in `/proc/meminfo`, which counts in KiB.
fn total(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_the_kernel_writes_them() {
        assert_eq!(limit("536870912\n"), Some(536_870_912));
        assert_eq!(limit("max\n"), None);
        assert_eq!(total("MemFree: 1 kB\nMemTotal:       16303428 kB\n"), Some(16_694_710_272));
        assert_eq!(total("MemTotal: many\n"), None);
        assert!(resources().get("cpu").is_some_and(|cores| *cores > 0));
    }

    #[test]
    fn the_least_limit_of_nested_groups_counts() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("outer/inner");
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("memory.max"), "max\n").unwrap();
        fs::write(root.path().join("outer/memory.max"), "4096\n").unwrap();
        assert_eq!(group_limit(root.path(), "1:cpu:/x\n0::/outer/inner\n"), Some(4096));
        assert_eq!(group_limit(root.path(), "0::/\n"), None);
        assert_eq!(group_limit(root.path(), ""), None);
    }
}
