//! The figures as a picture.

use super::Row;
use crate::inspect::plot::{self, Panel};
use crate::outputs::Place;
use sidelink_security::discovery::book::Backend;
use std::collections::BTreeMap;

/// Draws the figures of `rows`: the cost of each protection, of each cipher, and the probability of colliding codes.
///
/// # Errors
/// There are no such rows, or the file cannot be written.
pub fn draw(place: &Place, rows: &[Row]) -> anyhow::Result<()> {
    let panels = panels(rows);
    if panels.is_empty() {
        anyhow::bail!("{place}: there is nothing to draw; leave out --case");
    }
    plot::draw(place, "What protection costs: measured on one core of this machine", &panels)
}

fn panels(rows: &[Row]) -> Vec<Panel<'static>> {
    let bars = |about: &str, figure: &str, title: &str, unit: &str| {
        let bars: Vec<(String, f64)> = rows
            .iter()
            .filter(|row| row.about == about)
            .filter_map(|row| Some((row.name.clone(), row.figure(figure)?)))
            .collect();
        (!bars.is_empty()).then(|| Panel::Bars { title: title.to_owned(), unit: unit.to_owned(), bars })
    };
    let curves = |title: &str, x: &str, y: &str, curves: BTreeMap<String, Vec<(f64, f64)>>| {
        let (title, x, y) = (title.to_owned(), x.to_owned(), y.to_owned());
        (!curves.is_empty()).then(|| Panel::Curves {
            title,
            x,
            y,
            least_span: 0.0,
            curves: curves.into_iter().collect(),
        })
    };
    let ciphers = |family: &str| {
        let mut found: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        let wanted =
            |row: &&Row| row.about == "cipher" && row.name.starts_with(family) && !row.name.ends_with('0');
        for row in rows.iter().filter(wanted) {
            if let (Some(octets), Some(ns)) = (row.figure("octets"), row.figure("ns")) {
                found.entry(row.name.clone()).or_default().push((octets, ns / 1e3));
            }
        }
        found
    };
    let mut collisions: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.about == "collision") {
        if let (Some(bits), Some(devices), Some(p)) =
            (row.figure("bits"), row.figure("devices"), row.figure("probability"))
        {
            let curve = collisions.entry(format!("{bits:>3} bits")).or_default();
            curve.push((devices.log10(), p.max(f64::MIN_POSITIVE).log10()));
        }
    }
    let all = [
        bars("protection", "bits_spent", "Bits that protection takes of the 232", "bits"),
        bars("verification", "ns", "Time to judge one message", "ns"),
        curves("Ciphering", "octets of the PDU", "time in µs", ciphers("EEA")),
        curves("Integrity", "octets of the PDU", "time in µs", ciphers("EIA")),
        curves("Two of N devices have one code", "log10 of N", "log10 of the probability", collisions),
        bars("frame", "median_us", "Application to transport block, 50 PRBs", "µs"),
        curves("Matching a frame", "log10 of the identities that are followed", "time in ns", matching(rows)),
    ];
    all.into_iter().flatten().collect()
}

/// Returns the curves of the time to match a frame, with the fastest backend.
fn matching(rows: &[Row]) -> BTreeMap<String, Vec<(f64, f64)>> {
    let mut curves: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    let fastest = Backend::detect().name();
    for row in rows.iter().filter(|row| row.about == "matching" && row.name.ends_with(fastest)) {
        // The name begins with the number.
        let Some(followed) = row.name.split(' ').next().and_then(|n| n.parse::<f64>().ok()) else { continue };
        for (name, figure) in [("a frame of one of them", "hit_ns"), ("a frame of nobody known", "miss_ns")] {
            if let Some(ns) = row.figure(figure) {
                curves.entry(name.to_owned()).or_default().push((followed.log10(), ns));
            }
        }
    }
    curves
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn everything_that_is_measured_is_drawn() {
        let mut rows = Vec::new();
        super::super::run(Duration::ZERO, "", 1000, &mut |row| rows.push(row.clone()));
        let panels = panels(&rows);
        assert_eq!(panels.len(), 7);
        let values: usize = panels
            .iter()
            .map(|panel| match panel {
                Panel::Bars { bars, .. } => bars.len(),
                Panel::Curves { curves, .. } => curves.iter().map(|curve| curve.1.len()).sum(),
                _ => 0,
            })
            .sum();
        // EEA0 and EIA0 are left out: they take no time.
        assert_eq!(values, 7 + 5 + 30 + 20 + 5 + 2);
        for name in ["x.svg", "x.png"] {
            let path = std::env::temp_dir().join(format!("sidelink-security-{}-{name}", std::process::id()));
            draw(&Place::File(path.clone()), &rows).unwrap();
            assert!(std::fs::metadata(&path).unwrap().len() > 10_000);
            std::fs::remove_file(path).unwrap();
        }
        assert!(draw(&Place::File("x.svg".into()), &[]).is_err());
    }
}
