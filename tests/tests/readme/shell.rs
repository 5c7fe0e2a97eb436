//! Commands of a block, run as a reader would: by bash, in a folder of their own, with the program on the path.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long a block may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Head start of the terminals above another one.
const HEAD_START: Duration = Duration::from_millis(700);

/// The line between the commands of two terminals begins so.
pub(crate) const TERMINAL: &str = "# another terminal";

/// An empty folder, a home, and an air of its own; gone at the end.
pub(crate) struct Folder {
    path: PathBuf,
    medium: String,
}

impl Folder {
    pub(crate) fn new(name: &str) -> io::Result<Self> {
        let name: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
        let medium = format!("test-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(&medium);
        for folder in ["bin", "home", "empty"] {
            std::fs::create_dir_all(path.join(folder))?;
        }
        std::os::unix::fs::symlink(std::env::current_exe()?, path.join("bin/sidelink"))?;
        Ok(Self { path, medium })
    }

    /// Where the commands run.
    pub(crate) fn work(&self) -> PathBuf {
        self.path.join("empty")
    }

    /// A shell in the folder; it and all that it starts are one process group.
    pub(crate) fn shell(&self, folder: &Path, script: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        command.args(["-e", "-o", "pipefail", "-c", script]);
        command.current_dir(folder).stdin(Stdio::null()).process_group(0);
        command.env("PATH", format!("{}:{path}", self.path.join("bin").display()));
        command.env("HOME", self.path.join("home")).env("SIDELINK_MEDIUM", &self.medium);
        command.env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
        command.env("NO_COLOR", "1").env("COLUMNS", "120").env("LC_ALL", "C.UTF-8");
        command
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// A running shell and what it prints.
pub(crate) struct Terminal {
    child: Child,
    printed: Receiver<String>,
}

impl Terminal {
    /// Starts `script` in `folder`.
    pub(crate) fn open(home: &Folder, folder: &Path, script: &str) -> io::Result<Self> {
        let (mut reader, writer) = io::pipe()?;
        let mut command = home.shell(folder, script);
        command.stdout(writer.try_clone()?).stderr(writer);
        let child = command.spawn()?;
        // the writing ends of the pipe are the command's
        drop(command);
        let (send, printed) = channel();
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = reader.read_to_end(&mut text);
            let _ = send.send(String::from_utf8_lossy(&text).into_owned());
        });
        Ok(Self { child, printed })
    }

    /// Waits until the shell ends; what it started in the background is ended then, as by closing a terminal.
    pub(crate) fn wait(mut self) -> Result<String, String> {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break Some(status),
                Ok(None) if Instant::now() > deadline => break None,
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Err(e) => return Err(e.to_string()),
            }
        };
        let text = self.end();
        match status {
            Some(status) if status.success() => Ok(text),
            Some(status) => Err(format!("{status}; it printed:\n{text}")),
            None => Err(format!("it did not end in {PATIENCE:?}; it printed:\n{text}")),
        }
    }

    /// Ends everything in it, and returns what was printed.
    pub(crate) fn end(&mut self) -> String {
        for (signal, patience) in [("-TERM", 5), ("-KILL", 2)] {
            let _ = Command::new("kill")
                .args([signal, "--", &format!("-{}", self.child.id())])
                .stderr(Stdio::null())
                .status();
            if let Ok(text) = self.printed.recv_timeout(Duration::from_secs(patience)) {
                let _ = self.child.wait();
                return text;
            }
        }
        "nothing: its output could not be read to the end".to_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-KILL", "--", &format!("-{}", self.child.id())])
            .stderr(Stdio::null())
            .status();
    }
}

/// Runs a block, and returns what its terminals printed, one after the other.
pub(crate) fn run(folder: &Folder, block: &str) -> Result<String, String> {
    let mut scripts = vec![String::new()];
    for line in block.lines() {
        if line.starts_with(TERMINAL) {
            scripts.push(String::new());
        } else if let Some(script) = scripts.last_mut() {
            script.push_str(line);
            script.push('\n');
        }
    }
    let last = scripts.pop().unwrap_or_default();
    let work = folder.work();
    let open = |script: &str| Terminal::open(folder, &work, script).map_err(|e| format!("bash: {e}"));
    let mut above = Vec::new();
    for script in &scripts {
        above.push(open(script)?);
        std::thread::sleep(HEAD_START);
    }
    let result = open(&last)?.wait();
    let mut printed: String = above.iter_mut().map(Terminal::end).collect();
    match result {
        Ok(text) => Ok(printed + &text),
        Err(problem) => {
            printed.insert_str(0, "\nthe terminals above printed:\n");
            Err(problem + &printed)
        }
    }
}
