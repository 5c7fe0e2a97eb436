//! Cost of protection: answers to the editor's notes of TR 33.833, measured on one core.
//!
//! ```text
//! cipher.rs      ns a PDU of EEA0..3 and EIA0..3
//! direct.rs      CPU of a direct link, step by step
//! signature.rs   signed discovery: sign, verify, octets, fragments
//! discovery.rs   bits spent, chances of collision, tables and matching at scale, verification
//! frame.rs       application to transport block
//! identity.rs    signatures and key encapsulation for identities
//! plot.rs        the same as a picture
//! ```

mod cipher;
mod direct;
mod discovery;
mod frame;
mod identity;
mod plot;
mod signature;

pub use plot::draw;

use serde_json::Value;
use std::time::{Duration, Instant};

/// One line of the result.
#[derive(Clone, Debug)]
pub struct Row {
    /// Group of the line.
    pub about: &'static str,
    /// The measured or computed item.
    pub name: String,
    /// Its figures with their names, which carry the unit.
    pub figures: Vec<(&'static str, Value)>,
}

impl Row {
    fn new(about: &'static str, name: impl Into<String>, figures: &[(&'static str, Value)]) -> Self {
        Self { about, name: name.into(), figures: figures.to_vec() }
    }

    /// Returns a figure by its name.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(known, _)| *known == name)?.1.as_f64()
    }
}

/// Measures everything whose group or name contains `only`, `budget` a line, with up to `keys` followed identities.
pub fn run(budget: Duration, only: &str, keys: usize, done: &mut dyn FnMut(&Row)) {
    let mut done = |row: Row| {
        if row.about.contains(only) || row.name.contains(only) {
            done(&row);
        }
    };
    let wanted =
        |about: &str, names: &[&str]| about.contains(only) || names.iter().any(|name| name.contains(only));
    if wanted("cipher", &cipher::NAMES) {
        cipher::run(budget, &mut done);
    }
    discovery::protections(&mut done);
    discovery::collisions(&mut done);
    if wanted("verification", &discovery::NAMES) {
        discovery::verification(budget, &mut done);
    }
    if wanted("matching", &[]) {
        discovery::matching(budget, keys, &mut done);
    }
    if wanted("direct", &direct::NAMES) {
        direct::run(budget, &mut done);
    }
    if wanted("frame", &[]) {
        frame::run(budget, &mut done);
    }
    if wanted("signature", &signature::NAMES) {
        signature::run(budget, &mut done);
    }
    if wanted("identity", &identity::NAMES) {
        identity::run(budget, &mut done);
    }
}

/// Calls that are timed together: the clock costs some 25 ns.
const BATCH: u32 = 64;

/// Returns the median time of a call in ns, over batches of calls.
fn nanos(budget: Duration, mut f: impl FnMut()) -> f64 {
    let mut times = Vec::with_capacity(1024);
    let start = Instant::now();
    while times.len() < 20 || (start.elapsed() < budget && times.len() < 1_000_000) {
        let before = Instant::now();
        for _ in 0..BATCH {
            f();
        }
        times.push(before.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH));
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Rounds a figure, to keep the line short.
fn figure(v: f64) -> Value {
    let digits = if v.abs() < 100.0 { 100.0 } else { 1.0 };
    ((v * digits).round() / digits).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_its_lines() {
        let mut about = std::collections::BTreeMap::new();
        run(Duration::ZERO, "", 1000, &mut |row| {
            assert!(!row.figures.is_empty(), "{}", row.name);
            *about.entry(row.about).or_insert(0) += 1;
        });
        let backends = sidelink_security::identity::sakke::Backend::ALL;
        let identity = 4 + 4 * backends.into_iter().filter(|backend| backend.is_available()).count();
        let backends = sidelink_security::discovery::book::Backend::ALL;
        let tables = backends.into_iter().filter(|backend| backend.is_available()).count();
        let expected = [
            ("cipher", 40),
            ("collision", 20),
            ("direct", 27),
            ("frame", 5),
            ("identity", identity),
            ("matching", tables),
            ("matching codes", 1),
            ("protection", 7),
            ("signature", 5),
            ("verification", 5),
        ];
        assert_eq!(about.into_iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_name_picks_its_lines() {
        let mut names = Vec::new();
        run(Duration::ZERO, "EEA2", 1000, &mut |row| names.push(row.name.clone()));
        assert_eq!(names.len(), 5);
    }
}
