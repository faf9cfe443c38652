//! Where and when it was measured.

use std::fs;

use kaa_rpc_runtime::Timestamp;

/// One line on processor, kernel, compiler, versions and day.
pub fn describe() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut models = processors
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map(|(_, model)| model);
    let count = models.clone().count();
    let kernel = rustix::system::uname();
    format!(
        "{}; {count} × {}; {} {}; {}; {}",
        Timestamp::now().to_string().split_at(10).0,
        models.next().unwrap_or("an unknown processor"),
        kernel.sysname().to_string_lossy(),
        kernel.release().to_string_lossy(),
        env!("RUSTC_VERSION"),
        versions(),
    )
}

/// Those of tokio and of the other systems that were built.
fn versions() -> String {
    const CRATES: &[(&str, bool)] = &[
        ("tokio", true),
        ("tarpc", cfg!(feature = "tarpc")),
        ("capnp-rpc", cfg!(feature = "capnp")),
        ("zbus", cfg!(feature = "zbus")),
        ("tonic", cfg!(feature = "tonic")),
    ];
    let built = CRATES.iter().filter(|(_, built)| *built);
    let versions = built.map(|(name, _)| format!("{name} {}", locked(name)));
    versions.collect::<Vec<_>>().join(", ")
}

fn locked(name: &str) -> &'static str {
    let locked =
        include_str!("../Cargo.lock").split_once(&format!("name = \"{name}\"\nversion = \""));
    let version = locked.and_then(|(_, after)| after.split_once('"'));
    version.map_or("?", |(version, _)| version)
}

/// How many programs wanted to run in the last minute, on average, with those that measure.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("?").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_versions_are_known() {
        let versions = versions();
        assert!(versions.starts_with("tokio 1."), "{versions}");
        assert!(!versions.contains('?'), "{versions}");
    }
}
