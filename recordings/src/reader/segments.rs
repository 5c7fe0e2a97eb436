//! Places of the samples in the data.

use std::path::Path;

use crate::raw::Layout;
use crate::sigmf::{FieldError, Metadata};
use crate::{Error, Warning};

use super::locate::{Annotated, DataRange};
use super::source::ENDLESS;

/// Contiguous samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// The first sample.
    pub(super) first: u64,
    /// Number of samples.
    pub(super) count: u64,
    /// Offset of the first one in the file, bytes.
    pub(super) offset: u64,
}

/// A raw file is one segment. If it ends within a sample (of all channels), that is an error, or a warning when the operator `vouched`
/// for the format.
pub(super) fn of_raw(
    path: &Path,
    range: DataRange,
    layout: Layout,
    vouched: bool,
    warnings: &mut Vec<Warning>,
) -> Result<(Vec<Segment>, u64), Error> {
    let size = layout.bytes() as u64;
    let (count, left_over) = (range.length / size, range.length % size);
    // Of a stream the end is not known yet.
    if left_over != 0 && range.offset + range.length != ENDLESS {
        if !vouched {
            let Layout { format, channels } = layout;
            return Err(Error::PartialSample {
                path: path.to_owned(),
                bytes: range.length,
                format,
                channels,
            });
        }
        warnings.push(Warning::PartialSample { bytes: left_over, channels: layout.channels });
    }
    Ok((vec![Segment { first: 0, count, offset: range.offset }], count))
}

/// Returns the segments of a SigMF recording: a capture with `core:header_bytes` begins a new one.
///
/// The sample numbers of the metadata count from `core:offset`, those of the segments from 0.
pub(super) fn of_metadata(
    metadata: &Metadata,
    annotated: &Annotated,
    range: DataRange,
    layout: Layout,
    warnings: &mut Vec<Warning>,
) -> Result<(Vec<Segment>, u64), FieldError> {
    let size = layout.bytes() as u64;
    let origin = metadata.global.offset.unwrap_or(0);
    let end = (range.offset + range.length).saturating_sub(metadata.global.trailing_bytes.unwrap_or(0));
    // Samples before `next` lie before `at`.
    let (mut next, mut at) = (0_u64, range.offset.min(end));
    let mut segments = Vec::new();
    let mut last_start = 0;
    for (n, capture) in metadata.captures.iter().enumerate() {
        let start = relative(capture.sample_start, origin, || format!("captures[{n}].core:sample_start"))?;
        if start < last_start {
            let place = format!("captures[{n}].core:sample_start");
            return Err(FieldError {
                place,
                problem: format!("{start} comes before the capture above it ({last_start})"),
            });
        }
        last_start = start;
        let Some(header) = capture.header_bytes.filter(|bytes| *bytes > 0) else { continue };
        let count = (start - next).min((end - at) / size);
        segments.push(Segment { first: next, count, offset: at });
        next += count;
        let here = at + count * size;
        if next == start && header > end - here {
            return Err(FieldError {
                place: format!("captures[{n}].core:header_bytes"),
                problem: format!("{header} bytes of header, and only {} are left in the data", end - here),
            });
        }
        at = if next < start { end } else { (at + count * size).saturating_add(header).min(end) };
    }
    segments.push(Segment { first: next, count: (end - at) / size, offset: at });
    segments.retain(|segment| segment.count > 0);
    let length = next + (end - at) / size;
    let left_over = (end - at) % size;
    if left_over != 0 {
        warnings.push(Warning::PartialSample { bytes: left_over, channels: layout.channels });
    }
    warn(metadata, annotated, length, warnings);
    Ok((segments, length))
}

/// Warns of metadata that do not fit the data, or that were skipped.
fn warn(metadata: &Metadata, annotated: &Annotated, length: u64, warnings: &mut Vec<Warning>) {
    let origin = metadata.global.offset.unwrap_or(0);
    let mut farthest: Option<(String, u64)> = None;
    let mut note = |needs: u64, place: String| {
        if needs > length && farthest.as_ref().is_none_or(|(_, most)| needs > *most) {
            farthest = Some((place, needs));
        }
    };
    for (n, capture) in metadata.captures.iter().enumerate() {
        note(capture.sample_start.saturating_sub(origin).saturating_add(1), format!("captures[{n}]"));
    }
    if let Some((n, end)) = annotated.farthest {
        note(end.saturating_sub(origin), format!("annotations[{n}]"));
    }
    if let Some((place, needs)) = farthest {
        warnings.push(Warning::ShorterThanMetadata { place, needs, has: length });
    }
    warnings.extend(metadata.notes.iter().cloned().map(Warning::PassedOver));
    if let Some(first) = &annotated.first_wrong {
        warnings.push(Warning::WrongAnnotations { count: annotated.wrong, first: first.clone() });
    }
    let mut frequencies = metadata.captures.iter().filter_map(|capture| capture.frequency);
    if let Some(first) = frequencies.next()
        && let Some(other) = frequencies.find(|other| *other != first)
    {
        warnings.push(Warning::SeveralFrequencies { first, other });
    }
    for extension in
        metadata.global.extensions.iter().filter(|e| !e.optional && e.name != crate::sigmf::EXTENSION_NAME)
    {
        warnings.push(Warning::UnknownExtension { name: extension.name.clone() });
    }
}

fn relative(sample: u64, origin: u64, place: impl Fn() -> String) -> Result<u64, FieldError> {
    sample.checked_sub(origin).ok_or_else(|| FieldError {
        place: place(),
        problem: format!("{sample} is before the first sample, which core:offset numbers {origin}"),
    })
}
