//! The pages of the documents.

use super::markers::{Markers, Place};
use super::register::{Register, Requirement, Status};
use std::fmt::Write;

const MADE: &str = "<!-- made by `CONFORMANCE_ACCEPT=1 cargo test -p sidelink-tests --test conformance` -->";

/// Counts of all texts.
pub(crate) fn summary(registers: &[Register], markers: &Markers) -> String {
    let mut page = format!(
        "# Conformance\n\n{MADE}\n\nRequirements of the LTE ProSe texts that concern a UE of this testbed, as they were read clause by \
         clause: what is met and where,\nwhat is not and why. Comments in the code and in the tests carry the clauses \
         (`// TS 36.213 §14.1.1.6 step 5`); a test makes these\npages of them and fails when they are stale. \"Tested\" counts what \
         is met and marked in a test as well: the rest is met by reading.\n\n\
         | text | met | of them tested | not met | not applicable |\n|---|---|---|---|---|\n"
    );
    for register in registers {
        let link = register.page().trim_start_matches("docs/").to_owned();
        let [met, not_met, other] = Status::ALL.map(|status| count(&register.requirement, status));
        let tested = register.requirement.iter().filter(|r| is_tested(r, markers)).count();
        let _ = writeln!(page, "| [{}]({link}) | {met} | {tested} | {not_met} | {other} |", register.text);
    }
    for register in registers {
        let _ = write!(page, "\n## {}\n\n{}\n\n", register.text, register.read);
        page += "| clause | met | not met | not applicable |\n|---|---|---|---|\n";
        for (clause, requirements) in by_clause(register) {
            let [met, not_met, other] =
                Status::ALL.map(|status| requirements.iter().filter(|r| r.status == status).count());
            let _ = writeln!(page, "| {clause} | {met} | {not_met} | {other} |");
        }
    }
    page
}

/// All requirements of a text.
pub(crate) fn of(register: &Register, markers: &Markers) -> String {
    let mut page = format!("# {}\n\n{MADE}\n\n{}\n\n", register.text, register.read);
    page += "| clause | requirement | | where, or why not | tests |\n|---|---|---|---|---|\n";
    for requirement in &register.requirement {
        let places = markers.of_clause(&requirement.clause);
        let code = shown(places.iter().filter(|place| !place.is_test));
        let tests = shown(places.iter().filter(|place| place.is_test));
        let place = requirement.why.as_deref().map_or(code, |why| why.replace('|', "\\|"));
        let (says, status) = (requirement.says.replace('|', "\\|"), requirement.status.words());
        let _ = writeln!(page, "| {} | {says} | {status} | {place} | {tests} |", requirement.clause);
    }
    page
}

fn shown<'a>(places: impl Iterator<Item = &'a Place>) -> String {
    let places: Vec<String> = places.map(|place| format!("`{}` {}", place.path, place.item)).collect();
    places.join(", ")
}

fn count(requirements: &[Requirement], status: Status) -> usize {
    requirements.iter().filter(|requirement| requirement.status == status).count()
}

fn is_tested(requirement: &Requirement, markers: &Markers) -> bool {
    let places = markers.of_clause(&requirement.clause);
    requirement.status == Status::Met && places.iter().any(|place| place.is_test)
}

/// Requirements by text and clause, in the order of the register.
fn by_clause(register: &Register) -> Vec<(String, Vec<&Requirement>)> {
    let mut clauses: Vec<(String, Vec<&Requirement>)> = Vec::new();
    for requirement in &register.requirement {
        let clause: Vec<&str> = requirement.clause.split(' ').take(3).collect();
        let clause = clause.join(" ");
        match clauses.iter_mut().find(|(known, _)| *known == clause) {
            Some((_, requirements)) => requirements.push(requirement),
            None => clauses.push((clause, vec![requirement])),
        }
    }
    clauses
}
