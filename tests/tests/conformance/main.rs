//! What the testbed does of each clause of the LTE ProSe texts.
//!
//! `register/*.toml` lists the requirements that were read in each text. Comments in the code and in the tests mark where one
//! is met and what would notice if it were not:
//!
//! ```text
//! // TS 36.213 §14.1.1.6 step 5 (1); TS 36.321 §5.14.1.1 (3)
//! ```
//!
//! `docs/conformance.md` and `docs/conformance/` are made of both. `CONFORMANCE_ACCEPT=1` writes them.

#![allow(clippy::disallowed_methods)]

mod markers;
mod page;
mod register;

use markers::Markers;
use register::{Register, Status};
use sidelink_tests::project::root;
use std::fs;

#[test]
fn every_requirement_is_decided() {
    let markers = Markers::of(&root());
    let mut wrong = Vec::new();
    for requirement in Register::all().iter().flat_map(|register| &register.requirement) {
        let clause = &requirement.clause;
        let places = markers.of_clause(clause);
        let met = requirement.status == Status::Met;
        if met && !places.iter().any(|place| !place.is_test) {
            wrong.push(format!("{clause}: met, and no code is marked with it"));
        }
        if met == requirement.why.is_some() {
            wrong.push(format!("{clause}: what is not met has a reason, and nothing else has one"));
        }
        if requirement.status == Status::NotApplicable && !places.is_empty() {
            wrong.push(format!("{clause}: not applicable, and {} is marked with it", places[0].path));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_marker_names_a_requirement() {
    let known: Vec<String> = Register::all()
        .into_iter()
        .flat_map(|r| r.requirement)
        .map(|requirement| requirement.clause)
        .collect();
    let markers = Markers::of(&root());
    let lost: Vec<_> = markers.all().filter(|(clause, _)| !known.contains(clause)).collect();
    assert!(lost.is_empty(), "{lost:#?}");
    assert!(markers.all().count() > 400);
}

#[test]
fn the_documents_say_what_registers_and_markers_say() {
    let markers = Markers::of(&root());
    let registers = Register::all();
    let mut pages = vec![("docs/conformance.md".to_owned(), page::summary(&registers, &markers))];
    pages.extend(registers.iter().map(|register| (register.page(), page::of(register, &markers))));
    let accept = std::env::var_os("CONFORMANCE_ACCEPT").is_some();
    let mut stale = Vec::new();
    for (path, text) in pages {
        if accept {
            fs::create_dir_all(root().join(&path).parent().unwrap()).unwrap();
            fs::write(root().join(&path), &text).unwrap();
        } else if fs::read_to_string(root().join(&path)).ok().as_ref() != Some(&text) {
            stale.push(path);
        }
    }
    assert!(
        stale.is_empty(),
        "CONFORMANCE_ACCEPT=1 cargo test -p sidelink-tests --test conformance: {stale:?}"
    );
}
