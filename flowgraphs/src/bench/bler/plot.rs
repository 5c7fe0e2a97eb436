//! Block error rates as pictures: a panel a channel model, the receiver and perfect knowledge in each.

use super::plan::Job;
use super::{Crossing, Knowledge, Point};
use crate::inspect::plot::{self, Panel};
use crate::outputs::Place;
use std::collections::BTreeMap;

/// Draws curves over Es/N0, a panel for each case and channel model.
///
/// # Errors
/// There are no curves, or the file cannot be written.
pub fn draw(place: &Place, title: &str, curves: &[(Job, Crossing)]) -> anyhow::Result<()> {
    let panels = panels(curves);
    if panels.is_empty() {
        anyhow::bail!("{place}: there is nothing to draw; slss and false-sci have no curves");
    }
    plot::draw(place, title, &panels)
}

/// A curve with its name.
type Curve = (String, Vec<(f64, f64)>);

fn panels(curves: &[(Job, Crossing)]) -> Vec<Panel<'static>> {
    // in the order in which they were measured
    let mut order: Vec<String> = Vec::new();
    let mut found: BTreeMap<String, Vec<Curve>> = BTreeMap::new();
    for (job, curve) in curves {
        let title = format!("{}, {}", job.case.name, job.air.channel);
        if !order.contains(&title) {
            order.push(title.clone());
        }
        let name = match job.knowledge {
            Knowledge::Estimated => "receiver",
            Knowledge::Perfect => "perfect knowledge",
        };
        let points = curve.points.iter().map(|point| (point.es_n0.0, height(point))).collect();
        found.entry(title).or_default().push((name.to_owned(), points));
    }
    let panel = |title: String| {
        let curves = found.remove(&title)?;
        let (x, y) = ("Es/N0 in dB".to_owned(), "log10 of the block error rate".to_owned());
        Some(Panel::Curves { title, x, y, least_span: 1.0, curves })
    };
    order.into_iter().filter_map(panel).collect()
}

/// Returns the logarithm of the rate; a point without errors stands at half an error.
fn height(point: &Point) -> f64 {
    (f64::from(point.errors).max(0.5) / f64::from(point.trials.max(1))).log10()
}

#[cfg(test)]
mod tests {
    use super::super::{AirConfig, CASES};
    use super::*;
    use sidelink_phy::units::{Antennas, Decibel, Hertz};

    #[test]
    fn both_curves_of_a_channel_stand_in_one_panel() {
        let point = |es_n0, errors| Point { es_n0: Decibel(es_n0), trials: 100, errors };
        let curve = |points: Vec<Point>| Crossing { es_n0: None, interval: None, points, floor: None };
        let mut curves = Vec::new();
        for channel in ["eva70", "awgn"] {
            for knowledge in [Knowledge::Estimated, Knowledge::Perfect] {
                let air = AirConfig {
                    channel: channel.parse().unwrap(),
                    cfo: Hertz(0.0),
                    antennas: Antennas::ONE,
                    seed: 1,
                };
                let job = Job { case: &CASES[0], air, knowledge };
                curves.push((job, curve(vec![point(0.0, 90), point(2.0, 9), point(4.0, 0)])));
            }
        }
        let panels = panels(&curves);
        let shape = |panel: &Panel<'_>| match panel {
            Panel::Curves { title, curves, .. } => (title.clone(), curves.clone()),
            _ => panic!("no curves"),
        };
        let (title, first) = shape(&panels[0]);
        assert_eq!((panels.len(), title.as_str()), (2, "psbch-tm2, eva70"));
        assert_eq!(first.len(), 2);
        assert_eq!(first[1].0, "perfect knowledge");
        assert!((first[0].1[2].1 - (0.005_f64).log10()).abs() < 1e-9, "{first:?}");
        let path = std::env::temp_dir().join(format!("sidelink-bler-{}.svg", std::process::id()));
        draw(&Place::File(path.clone()), "title", &curves).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() > 4_000);
        std::fs::remove_file(path).unwrap();
        assert!(draw(&Place::File("x.svg".into()), "title", &[]).is_err());
    }
}
