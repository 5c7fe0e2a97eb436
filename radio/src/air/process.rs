//! Whether the process of a port is alive.

/// A process: its number and its start time, since numbers are reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u64,
    /// Start time in clock ticks since boot; 0 if unknown.
    pub(super) born: u64,
}

impl Process {
    /// Returns this process.
    pub(super) fn this() -> Self {
        let pid = u64::from(std::process::id());
        Self { pid, born: status(pid).map_or(0, |(_, born)| born) }
    }

    /// Whether it runs. If the system cannot tell, it counts as running.
    pub(super) fn is_alive(self) -> bool {
        if self.born == 0 {
            return true;
        }
        // A zombie has ended and waits for its parent.
        status(self.pid).is_some_and(|(state, born)| born == self.born && !matches!(state, 'Z' | 'X'))
    }
}

/// Reads state and start time of a process from `/proc/PID/stat` (proc(5)): fields 3 and 22; field 2 is a name in
/// parentheses that may hold anything.
fn status(pid: u64) -> Option<(char, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_living_and_the_dead() {
        let this = Process::this();
        assert!(this.born > 0 && this.is_alive());
        assert!(!Process { born: this.born + 1, ..this }.is_alive());
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = u64::from(child.id());
        let child_process = Process { pid, born: status(pid).unwrap().1 };
        assert!(child_process.is_alive());
        child.kill().unwrap();
        while child_process.is_alive() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!child_process.is_alive());
    }
}
