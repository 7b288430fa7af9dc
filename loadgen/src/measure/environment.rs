//! On what a run takes place, read from `/proc` and `/sys`.

use std::fs;
use std::path::Path;

use crate::outcome::Environment;

impl Environment {
    /// Of this machine, with the cores that the run uses.
    pub fn of_this_machine(system_cores: &[usize], engine_cores: &[usize]) -> Self {
        Self::below(Path::new("/"), system_cores, engine_cores)
    }

    fn below(root: &Path, system_cores: &[usize], engine_cores: &[usize]) -> Self {
        let read = |path: &str| fs::read_to_string(root.join(path)).ok().map(|text| text.trim().to_owned());
        let cpuinfo = read("proc/cpuinfo").unwrap_or_default();
        Self {
            kernel: read("proc/sys/kernel/osrelease").unwrap_or_default(),
            processor: processor(&cpuinfo),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            system_cores: system_cores.to_vec(),
            engine_cores: engine_cores.to_vec(),
            governor: read("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            smt: read("sys/devices/system/cpu/smt/active").map(|active| active == "1"),
            mitigations: mitigations(&root.join("sys/devices/system/cpu/vulnerabilities")),
            control_group: control_group(root, &read("proc/self/cgroup").unwrap_or_default()),
            memory_bytes: memory(&read("proc/meminfo").unwrap_or_default()),
        }
    }
}

/// Model name; on machines that have none, what the kernel says of the part.
fn processor(cpuinfo: &str) -> String {
    let value = |key: &str| {
        let mut fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
    };
    let part = || Some(format!("implementer {} part {}", value("CPU implementer")?, value("CPU part")?));
    value("model name").or_else(part).unwrap_or_else(|| "unknown".to_owned())
}

/// `name: state` of each vulnerability, in order of their names.
fn mitigations(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let line = |entry: fs::DirEntry| {
        let state = fs::read_to_string(entry.path()).ok()?;
        Some(format!("{}: {}", entry.file_name().to_string_lossy(), state.trim()))
    };
    let mut lines: Vec<String> = entries.flatten().filter_map(line).collect();
    lines.sort();
    lines
}

/// Limits of the control group (version 2) of this process and of all above it: `path: cpu.max 150000 100000`.
fn control_group(root: &Path, own: &str) -> Vec<String> {
    let Some(path) = own.lines().find_map(|line| line.strip_prefix("0::")) else { return Vec::new() };
    let mut limits = Vec::new();
    for group in Path::new(path).ancestors() {
        let folder = root.join("sys/fs/cgroup").join(group.strip_prefix("/").unwrap_or(group));
        for name in ["cpu.max", "cpuset.cpus", "memory.max"] {
            let Ok(limit) = fs::read_to_string(folder.join(name)) else { continue };
            let limit = limit.trim();
            if !limit.is_empty() && !limit.starts_with("max") {
                limits.push(format!("{}: {name} {limit}", group.display()));
            }
        }
    }
    limits
}

fn memory(meminfo: &str) -> u64 {
    let kilobytes = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
    kilobytes.and_then(|number| number.trim().parse::<u64>().ok()).unwrap_or_default() * 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_kernel_a_processor_and_memory() {
        let environment = Environment::of_this_machine(&[0], &[1]);
        assert!(environment.kernel.contains('.') && !environment.processor.is_empty(), "{environment:?}");
        assert!(environment.memory_bytes > 1 << 20 && environment.cores >= 1, "{environment:?}");
    }

    #[test]
    fn everything_is_found_where_the_kernel_puts_it() {
        let root = std::env::temp_dir().join(format!("loadgen-environment-{}", std::process::id()));
        for (path, text) in [
            ("proc/sys/kernel/osrelease", "6.18.0\n"),
            ("proc/cpuinfo", "processor\t: 0\nmodel name\t: Example 9000 @ 3 GHz\n\nprocessor\t: 1\n"),
            ("proc/meminfo", "MemTotal:        8000 kB\nMemFree: 1 kB\n"),
            ("proc/self/cgroup", "0::/system.slice/run.scope\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
            ("sys/devices/system/cpu/smt/active", "1\n"),
            ("sys/devices/system/cpu/vulnerabilities/spectre_v2", "Mitigation: Retpolines\n"),
            ("sys/devices/system/cpu/vulnerabilities/meltdown", "Not affected\n"),
            ("sys/fs/cgroup/system.slice/run.scope/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/system.slice/run.scope/memory.max", "max\n"),
            ("sys/fs/cgroup/system.slice/memory.max", "1000000\n"),
        ] {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let environment = Environment::below(&root, &[0], &[1]);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!((environment.kernel.as_str(), environment.memory_bytes), ("6.18.0", 8_192_000));
        assert_eq!(environment.processor, "Example 9000 @ 3 GHz");
        assert_eq!((environment.governor.as_deref(), environment.smt), (Some("performance"), Some(true)));
        assert_eq!(environment.mitigations, ["meltdown: Not affected", "spectre_v2: Mitigation: Retpolines"]);
        let limits = ["/system.slice/run.scope: cpu.max 150000 100000", "/system.slice: memory.max 1000000"];
        assert_eq!(environment.control_group, limits);
    }

    #[test]
    fn processor_without_a_model_name_is_named_by_its_part() {
        let cpuinfo = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n";
        assert_eq!(processor(cpuinfo), "implementer 0x41 part 0xd0c");
        assert_eq!(processor(""), "unknown");
    }
}
