//! Which quantities have a type.

use super::{report, shipped, sources};

#[test]
fn hertz_and_decibels_are_types() {
    let mut broken = Vec::new();
    for room in ["phy/src", "ue/src", "flowgraphs/src"] {
        for (path, text) in sources(room) {
            broken.extend(bare(&shipped(&path, &text)).map(|(line, name)| format!("{path}:{line} {name}")));
        }
    }
    report("hertz and decibels are types, not endings of names", broken);
}

/// The names in public declarations that end with a unit, with their lines from 1 on.
fn bare(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let public = code.lines().zip(1..).filter(|(line, _)| line.trim_start().starts_with("pub "));
    let names = public.flat_map(|(line, number)| {
        line.split(|c: char| !c.is_alphanumeric() && c != '_').map(move |name| (number, name))
    });
    names.filter(|(_, name)| name.ends_with("_hz") || name.ends_with("_db"))
}

#[test]
fn bare_quantities_are_found() {
    let code = "struct A {\n    pub cfo_hz: f32,\n    gain_db: f32,\n}\npub fn snr(es_n0_db: f64) -> f64 {\n    es_n0_db\n}\n";
    assert_eq!(bare(code).collect::<Vec<_>>(), [(2, "cfo_hz"), (5, "es_n0_db")]);
}
