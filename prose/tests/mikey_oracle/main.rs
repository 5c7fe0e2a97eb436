//! A second program, `../shared/vectors/oracle_mikey.py`, was written from the RFCs alone. What we make it opens, what it makes
//! we open; where nothing is drawn, both are the same octets. MIKEY-TICKET: all six messages of a run, the server's by it.
//!
//! Skipped, loudly, where there is no Python, or no `../shared` beside the checkout. `SIDELINK_PYTHON` names the interpreter;
//! what is named must work.
#![allow(clippy::disallowed_methods)] // another program is run

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use sidelink_security::counter::UtcTime;
use sidelink_wire::hex;

mod identities;
mod on_file;
mod psk;
mod tickets;

/// Cases of messages that are fast for the other program.
const CASES: usize = 1000;
/// Cases of messages with SAKKE, of which it makes and opens a few a second.
const SLOW_CASES: usize = 6;

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    if !folder.join("oracle_mikey.py").exists() {
        eprintln!("SKIPPED: no oracle_mikey.py (it is looked for in ../shared beside the checkout)");
        return None;
    }
    Some(folder)
}

fn python() -> Option<String> {
    let named = std::env::var("SIDELINK_PYTHON").ok();
    let program = named.clone().unwrap_or_else(|| "python3".to_owned());
    if Command::new(&program).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Some(program);
    }
    assert!(named.is_none(), "SIDELINK_PYTHON={program} does not work");
    eprintln!("SKIPPED: no python3 here (set SIDELINK_PYTHON)");
    None
}

/// Asks all questions of one process.
fn ask(questions: &[Value]) -> Option<Vec<Value>> {
    let (folder, python) = (folder()?, python()?);
    let mut child = Command::new(python)
        .args(["-c", include_str!("oracle.py")])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines: Vec<String> = questions.iter().map(Value::to_string).collect();
    let writer = std::thread::spawn(move || {
        // A program that has failed is noticed by what it lacks.
        lines.iter().all(|line| writeln!(stdin, "{line}").is_ok())
    });
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let answers: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert!(writer.join().unwrap() && child.wait().unwrap().success());
    assert_eq!(answers.len(), questions.len());
    Some(answers)
}

fn octets(value: &Value) -> Vec<u8> {
    hex::bytes(value.as_str().unwrap_or_else(|| panic!("no octets: {value}"))).unwrap()
}

fn text(octets: &[u8]) -> String {
    hex::of_bytes(octets)
}

/// Octets that look random and are the same each time.
struct Draws(u64);

impl Draws {
    fn octet(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u8
    }

    fn octets<const N: usize>(&mut self) -> [u8; N] {
        [(); N].map(|()| self.octet())
    }

    fn some(&mut self, least: usize, most: usize) -> Vec<u8> {
        let len = least + usize::from(self.octet()) % (most - least + 1);
        (0..len).map(|_| self.octet()).collect()
    }

    fn number(&mut self) -> u32 {
        u32::from_be_bytes(self.octets())
    }

    fn coin(&mut self) -> bool {
        self.octet() & 1 == 1
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[usize::from(self.octet()) % values.len()]
    }

    fn uri(&mut self) -> String {
        let number = self.number();
        format!("sip:{number:0width$x}@example.org", width = 1 + usize::from(self.octet() % 20))
    }

    /// A time from 1970 to 2036.
    fn time(&mut self) -> UtcTime {
        UtcTime::from_millis(u64::from(self.number() >> 1) % 2_085_000_000 * 1000)
    }
}

fn file(name: &str) -> Option<Value> {
    Some(serde_json::from_str(&std::fs::read_to_string(folder()?.join(name)).unwrap()).unwrap())
}
