//! What comparisons of runs have in common: earlier runs, runs that differ by their seeds alone, and their figures.

use crate::config::ConfigError;
use crate::inspect::plot::Panel;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Reads the costs that an earlier run wrote with `-F json:FILE`, a line each.
///
/// # Errors
/// The file cannot be read or holds something else; `remedy` says what to do.
pub(super) fn read<T: DeserializeOwned>(path: &Path, remedy: &str) -> Result<Vec<T>, ConfigError> {
    let failed = |what: String| ConfigError::new(what, path.display().to_string(), remedy);
    let text = std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
    let line = |(i, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|e| failed(format!("line {} holds no costs: {e}", i + 1)))
    };
    text.lines().enumerate().map(line).collect()
}

/// Returns the runs of each configuration, in the order in which the configurations come.
pub(super) fn by_configuration<T>(all: &[T], same: impl Fn(&T, &T) -> bool) -> Vec<Vec<&T>> {
    let mut groups: Vec<Vec<&T>> = Vec::new();
    for costs in all {
        match groups.iter_mut().find(|group| same(group[0], costs)) {
            Some(group) => group.push(costs),
            None => groups.push(vec![costs]),
        }
    }
    groups
}

/// Returns the mean; `None` without values.
pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Returns the smallest value that at least this share of the sorted values does not exceed.
pub(super) fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// Formats whole numbers without a decimal point.
pub(super) fn short(v: f64) -> String {
    if v.fract() == 0.0 { format!("{v:.0}") } else { format!("{v:.1}") }
}

/// Formats milliseconds; `-` for none.
pub(super) fn whole(v: Option<f64>) -> String {
    v.map_or("-".to_owned(), |v| format!("{v:.0}"))
}

/// Returns a panel with a bar for each configuration that has a value; `None` without bars.
pub(super) fn bars(
    (title, unit): (&str, &str),
    values: impl Iterator<Item = (String, Option<f64>)>,
) -> Option<Panel<'static>> {
    let rounded = |v: f64| (v * 10.0).round() / 10.0;
    let bars: Vec<_> = values.filter_map(|(label, value)| Some((label, rounded(value?)))).collect();
    (!bars.is_empty()).then(|| Panel::Bars { title: title.to_owned(), unit: unit.to_owned(), bars })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(percentile(&values, 0.5), Some(10.0));
        assert_eq!(percentile(&values, 0.95), Some(19.0));
        assert_eq!(percentile(&[7.0], 0.95), Some(7.0));
        assert_eq!(percentile(&[], 0.5), None);
    }
}
