//! Other programs that tests need.

use std::process::Command;

/// Returns the program that `variable` names, or else `usual` where `works` says that it can be used; without one the test
/// is skipped, and says for want of `what`.
///
/// # Panics
/// A named program that does not work.
pub fn program(variable: &str, [what, usual]: [&str; 2], works: &[&str]) -> Option<String> {
    let named = std::env::var(variable).ok();
    let program = named.clone().unwrap_or_else(|| usual.to_owned());
    let answer = Command::new(&program).args(works).output();
    if answer.is_ok_and(|output| output.status.success()) {
        return Some(program);
    }
    assert!(named.is_none(), "{variable}={program} does not work: {works:?}");
    eprintln!("SKIPPED: no {what} ({usual} {works:?} does not work here: set {variable} to one that does)");
    None
}
