//! The zone in which times of the old server are read: the local one of this process.

use std::{env, path::Path};

use chat_core::{Clock, SystemClock};
use chrono::Local;

/// Where systems keep their zones.
const FOLDERS: [&str; 4] = [
    "/usr/share/zoneinfo",
    "/share/zoneinfo",
    "/etc/zoneinfo",
    "/usr/share/lib/zoneinfo",
];

/// The zone that `TZ` names, if this machine does not know it; it would be read as UTC.
pub(super) fn unknown() -> Option<String> {
    let name = env::var("TZ").ok()?;
    let known = FOLDERS.map(Path::new);
    is_unknown(&name, &known).then_some(name)
}

fn is_unknown(name: &str, folders: &[&Path]) -> bool {
    let file = name.strip_prefix(':').unwrap_or(name);
    // A rule has an offset in its first part; `Etc/GMT+5` is a name.
    let rule = file.split(',').next().unwrap_or_default();
    let is_rule = !rule.contains('/') && rule.contains(|c: char| c.is_ascii_digit());
    let is_utc = matches!(file, "" | "UTC" | "Etc/UTC");
    let is_known = || folders.iter().any(|folder| folder.join(file).is_file());
    cfg!(unix) && file != "localtime" && !is_utc && !is_rule && !is_known()
}

/// Where the times are read, for people.
pub(super) fn shown() -> String {
    // In winter and summer it may differ.
    let today = SystemClock::default()
        .now()
        .with_timezone(&Local)
        .offset()
        .to_string();
    let name = env::var("TZ").map_or_else(
        |_| "this machine's zone".to_owned(),
        |it| format!("TZ={it}"),
    );
    format!(
        "times are read in {}, today UTC{today}",
        name.escape_debug()
    )
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_rule_or_a_file_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("Asia")).unwrap();
        std::fs::write(folder.path().join("Asia/Kolkata"), "").unwrap();
        let unknown = |name| is_unknown(name, &[folder.path()]);
        for name in [
            "IST-5:30",
            "<+0530>-5:30",
            "CET-1CEST,M3.5.0/2,M10.5.0/3",
            "UTC",
            "",
            "Asia/Kolkata",
            ":Asia/Kolkata",
        ] {
            assert!(!unknown(name), "{name}");
        }
        for name in [
            "Asia/Nowhere",
            ":Asia/Nowhere",
            "Asia",
            "Etc/GMT+5",
            "Nowhere",
        ] {
            assert!(unknown(name), "{name}");
        }
    }
}
