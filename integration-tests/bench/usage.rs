//! What processes used, from `/proc`: a process with everything that it started.

use std::collections::HashMap;

use anyhow::{Context, Result};

/// Ticks per second in `/proc/<pid>/stat`. Linux shows 100 on every machine, whatever it uses itself.
const TICKS_PER_SECOND: f64 = 100.0;

struct Process {
    parent: u32,
    /// Its own time and that of children that have ended.
    ticks: u32,
}

fn processes() -> Result<HashMap<u32, Process>> {
    let mut found = HashMap::new();
    for entry in std::fs::read_dir("/proc").context("no /proc here")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // It may have ended meanwhile.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        if let Some(process) = read(&stat) {
            found.insert(id, process);
        }
    }
    Ok(found)
}

/// The name is in parentheses and may hold anything; what follows it is plain.
fn read(stat: &str) -> Option<Process> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |at: usize| fields.get(at)?.parse::<u32>().ok();
    // State, parent, …: `utime` is the 14th field of all and so the 12th of these.
    Some(Process {
        parent: number(1)?,
        ticks: number(11)? + number(12)? + number(13)? + number(14)?,
    })
}

/// Seconds of processor time of `root` and everything below it, ended children included.
pub fn cpu_seconds(root: u32) -> Result<f64> {
    let all = processes()?;
    let below = |mut id: u32| {
        while id != root {
            match all.get(&id) {
                Some(process) if process.parent != 0 => id = process.parent,
                Some(_) | None => return false,
            }
        }
        true
    };
    let ticks = all.iter().filter(|(id, _)| below(**id)).map(|(_, it)| f64::from(it.ticks));
    Ok(ticks.sum::<f64>() / TICKS_PER_SECOND)
}

/// The most memory that the process ever had, in MB.
pub fn memory_max_mb(id: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|it| it.split_whitespace().next()).context("no VmHWM in /proc")?;
    Ok(kib.parse::<f64>()? * 1_024.0 / 1_000_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_parentheses_in_its_name_is_read() {
        let stat = "7 (a) b (c)) S 5 7 7 0 -1 4194560 1 2 3 4 10 20 3 4 20 0 1 0 9 8 7";

        let process = read(stat).map(|it| (it.parent, it.ticks));

        assert_eq!(process, Some((5, 37)));
    }
}
