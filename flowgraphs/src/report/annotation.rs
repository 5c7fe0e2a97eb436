//! Events as annotations of their own recording.

use super::json;
use serde_json::Value;
use sidelink_phy::numerology::{Numerology, SUBCARRIER_SPACING};
use sidelink_phy::receive::receiver::Event;
use sidelink_phy::units::DfnSubframe;
use sidelink_recordings::sigmf::Annotation;
use std::ops::Range;

/// Subcarriers of a PRB.
const PRB: usize = 12;
/// PRBs of PSBCH and of the synchronisation signals, around the centre.
const SYNC_PRBS: usize = 6;

/// Returns the annotation of an event whose subframe begins at `sample`, on a carrier at `frequency` Hz; `None` for
/// events that are not on the air.
pub fn annotation(
    event: &Event<'_>,
    sample: u64,
    numerology: &Numerology,
    frequency: f64,
    time: Option<DfnSubframe>,
) -> Option<Annotation> {
    let prbs = numerology.bandwidth().prbs();
    let centre = (prbs / 2).saturating_sub(SYNC_PRBS / 2)..prbs.div_ceil(2) + SYNC_PRBS / 2;
    let (channel, used): (_, Range<usize>) = match event {
        Event::Slss { .. } => ("SLSS", centre),
        Event::Mib { .. } => ("PSBCH", centre),
        Event::Sci { prb, .. } => ("PSCCH", *prb..*prb + 1),
        Event::SlSch(block) => {
            ("PSSCH", block.grant.prbs.start..block.grant.prbs.start + block.grant.prbs.len)
        }
        Event::SlDch { prb_start, .. } => ("PSDCH", *prb_start..*prb_start + 2),
        _ => return None,
    };
    let fields = json::event(event, i64::try_from(sample).ok()?)?;
    let told = ["n_sl_id", "priority", "group_destination_id", "mcs", "rv", "snr_db", "cfo_hz"];
    let comment =
        told.iter().filter_map(|key| Some(format!("{key} {}", fields.get(*key).filter(|v| !v.is_null())?)));
    let comment: Vec<String> = comment.collect();
    let edge = |prb: usize| frequency + (prb as f64 - prbs as f64 / 2.0) * PRB as f64 * SUBCARRIER_SPACING.0;
    Some(Annotation {
        sample_start: sample,
        sample_count: Some(numerology.subframe_samples() as u64),
        frequency_edges: Some((edge(used.start), edge(used.end))),
        label: Some(channel.to_owned()),
        comment: Some(format!("heard: {}", comment.join(", "))),
        channel: Some(channel.to_owned()),
        subframe: time.map(|time| u64::from(time.count())),
        fields: fields.into_iter().filter(|(_, value)| *value != Value::Null).collect(),
        ..Annotation::default()
    })
}
