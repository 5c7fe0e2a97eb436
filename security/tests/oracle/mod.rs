//! Programs in `tests/python` that were written from the text of a layout alone.
//!
//! Skipped, with a message, where there is no Python. `SIDELINK_PYTHON` sets the interpreter; if it is set, the
//! interpreter must work.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

pub(crate) fn python() -> Option<String> {
    let named = std::env::var("SIDELINK_PYTHON").ok();
    let program = named.clone().unwrap_or_else(|| "python3".to_owned());
    if Command::new(&program).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Some(program);
    }
    assert!(named.is_none(), "SIDELINK_PYTHON={program} does not work");
    eprintln!("SKIPPED: no python3 here (set SIDELINK_PYTHON)");
    None
}

/// Returns the answers of the other program.
pub(crate) fn ask(python: &str, script: &str, questions: &[Value]) -> Vec<Vec<u8>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python").join(script);
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the interpreter starts");
    let text: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "the script failed");
    let lines = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<_> = lines
        .lines()
        .map(|line| unhex(serde_json::from_str::<Value>(line).unwrap()["out"].as_str().unwrap()))
        .collect();
    assert_eq!(answers.len(), questions.len());
    answers
}
