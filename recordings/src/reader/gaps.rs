//! Missing samples, by the metadata: captures that are not contiguous.

use crate::UtcMicros;
use crate::sigmf::{Capture, Metadata};

/// A place at which a recording is not contiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first sample after it.
    pub sample: u64,
    /// Number of samples that are missing before it.
    pub size: GapSize,
}

/// Number of missing samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapSize {
    /// This number, by `core:global_index`.
    Exact(u64),
    /// About this number, by `core:datetime`.
    About(u64),
    /// Unknown: a new capture begins without either, at another frequency, or with numbers that decrease.
    Unknown,
}

/// Largest difference between the times of captures and the count of samples that is not evidence of a gap: SigMF's
/// clocks are often those of a computer, to the millisecond.
const SAME_TIME_SECONDS: f64 = 2e-3;

/// Returns the gaps between the captures, within the first `length` samples.
pub(super) fn of_metadata(metadata: &Metadata, rate: Option<f64>, length: u64) -> Vec<Gap> {
    let origin = metadata.global.offset.unwrap_or(0);
    let pairs = metadata.captures.windows(2);
    let gaps = pairs.filter_map(|pair| {
        let [before, after] = pair else { return None };
        let sample = after.sample_start.saturating_sub(origin);
        let between = after.sample_start.saturating_sub(before.sample_start);
        if between == 0 || sample >= length {
            return None;
        }
        size(before, after, between, rate).map(|size| Gap { sample, size })
    });
    gaps.collect()
}

/// Returns the size of the gap between two captures that begin `between` samples apart in the file.
fn size(before: &Capture, after: &Capture, between: u64, rate: Option<f64>) -> Option<GapSize> {
    if let (Some(from), Some(to)) = (before.global_index, after.global_index) {
        return match to.checked_sub(from).and_then(|apart| apart.checked_sub(between)) {
            Some(0) => None,
            Some(missing) => Some(GapSize::Exact(missing)),
            None => Some(GapSize::Unknown),
        };
    }
    let time =
        |capture: &Capture| capture.datetime.as_deref().and_then(|text| text.parse::<UtcMicros>().ok());
    if let (Some(from), Some(to), Some(rate)) = (time(before), time(after), rate) {
        let missing = (to.0 as f64 - from.0 as f64) / 1e6 - between as f64 / rate;
        return match missing {
            _ if missing.abs() < SAME_TIME_SECONDS => None,
            _ if missing > 0.0 => Some(GapSize::About((missing * rate).round() as u64)),
            _ => Some(GapSize::Unknown),
        };
    }
    Some(GapSize::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(captures: &[(u64, Option<u64>, Option<&str>)]) -> Vec<Gap> {
        let captures = captures.iter().map(|(sample_start, global_index, time)| Capture {
            sample_start: *sample_start,
            global_index: *global_index,
            datetime: time.map(str::to_owned),
            ..Capture::default()
        });
        let metadata = Metadata { captures: captures.collect(), ..Metadata::default() };
        of_metadata(&metadata, Some(1e6), 1000)
    }

    #[test]
    fn numbers_tell_exactly_and_times_about() {
        let gap = |sample, size| vec![Gap { sample, size }];
        assert_eq!(gaps(&[(0, Some(50), None), (100, Some(150), None)]), []);
        assert_eq!(gaps(&[(0, Some(50), None), (100, Some(157), None)]), gap(100, GapSize::Exact(7)));
        assert_eq!(gaps(&[(0, Some(50), None), (100, Some(149), None)]), gap(100, GapSize::Unknown));
        let (first, same, later) =
            ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.001Z", "2026-01-01T00:00:00.5001Z");
        assert_eq!(gaps(&[(0, None, Some(first)), (100, None, Some(same))]), []);
        assert_eq!(
            gaps(&[(0, None, Some(first)), (100, None, Some(later))]),
            gap(100, GapSize::About(500_000))
        );
        assert_eq!(gaps(&[(0, None, Some(later)), (100, None, Some(first))]), gap(100, GapSize::Unknown));
        assert_eq!(gaps(&[(0, None, None), (100, None, None)]), gap(100, GapSize::Unknown));
        assert_eq!(gaps(&[(0, Some(0), None), (1000, Some(5000), None)]), [], "beyond the end");
        assert_eq!(gaps(&[(0, Some(0), None)]), []);
    }
}
