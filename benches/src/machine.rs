//! Where and when it was measured.

use std::fs;

use kaa_rpc_runtime::Timestamp;

/// One line on processor, kernel, compiler and day.
pub fn describe() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut models = processors
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map(|(_, model)| model);
    let count = models.clone().count();
    let kernel = rustix::system::uname();
    format!(
        "{}; {count} × {}; {} {}; {}",
        Timestamp::now().to_string().split_at(10).0,
        models.next().unwrap_or("an unknown processor"),
        kernel.sysname().to_string_lossy(),
        kernel.release().to_string_lossy(),
        env!("RUSTC_VERSION"),
    )
}

/// How many programs wanted to run in the last minute, on average, with those that measure.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("?").to_owned()
}
