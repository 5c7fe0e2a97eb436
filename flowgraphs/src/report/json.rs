//! One JSON object a line. The keys are documented in the README: changing one changes the product.

use super::Counts;
use sidelink_wire::hex;

use crate::receive::Outcome;
use serde_json::{Map, Value, json};
use sidelink_phy::receive::estimate::Measurement;
use sidelink_phy::receive::receiver::{ControlInformation, Event, SharedBlock};
use sidelink_phy::receive::stream::Alignment;

type Object = Map<String, Value>;

/// Returns an event as an object. Keys come in alphabetical order.
pub(super) fn event(event: &Event<'_>, sample: i64) -> Option<Object> {
    let mut o = Object::new();
    let mut put = |key: &str, value: Value| {
        o.insert(key.to_owned(), value);
    };
    put("subframe", event.subframe().into());
    match event {
        Event::Slss { id, cfo, snr, .. } => {
            put("type", "slss".into());
            put("sample", sample.into());
            put("n_sl_id", id.value().into());
            put("cfo_hz", number(cfo.to_f32(), 1));
            put("snr_db", number(snr.to_f32(), 1));
        }
        Event::Mib { .. } => mib(&mut put, event),
        Event::Sci { .. } => sci(&mut put, event),
        Event::SlSch(block) => sl_sch(&mut put, block),
        Event::SlDch { rv, prb_start, message, repeat, measurement, evm_percent, .. } => {
            put("type", "sl-dch".into());
            put("rv", (*rv).into());
            put("prb_start", (*prb_start).into());
            put("hex", hex::of_bytes(message).into());
            put("repeat", (*repeat).into());
            quality(&mut put, measurement, *evm_percent);
        }
        Event::Discontinuity { since, shift, .. } => {
            put("type", "discontinuity".into());
            put("since_sample", (*since).into());
            put("sample", sample.into());
            put("shift", (*shift).into());
        }
        _ => return None,
    }
    Some(o)
}

fn mib(put: &mut dyn FnMut(&str, Value), event: &Event<'_>) {
    let Event::Mib { id, bits, time, measurement, evm_percent, .. } = event else { return };
    put("type", "psbch".into());
    put("n_sl_id", id.value().into());
    put("hex", hex::of_bits(bits).into());
    put("bits", bits.len().into());
    put("dfn", time.map(|t| t.dfn()).into());
    put("subframe_number", time.map(|t| t.subframe()).into());
    if let Some(mib) = sidelink_ue::mapping::parse_mib_sl(bits) {
        put("in_coverage", mib.in_coverage.into());
        put("prb", mib.bandwidth.prbs().into());
        put("tdd_config", mib.tdd_config.into());
    }
    quality(put, measurement, *evm_percent);
}

fn sci(put: &mut dyn FnMut(&str, Value), event: &Event<'_>) {
    let Event::Sci {
        prb, cyclic_shift, bits, crc16, information, undelivered, measurement, evm_percent, ..
    } = event
    else {
        return;
    };
    put("type", "sci".into());
    put("prb", (*prb).into());
    put("cyclic_shift", (*cyclic_shift).into());
    put("hex", hex::of_bits(bits).into());
    put("bits", bits.len().into());
    put("crc16", (*crc16).into());
    control(put, information);
    if let Some(why) = undelivered {
        put("why", why.name().into());
    }
    quality(put, measurement, *evm_percent);
}

fn sl_sch(put: &mut dyn FnMut(&str, Value), b: &SharedBlock<'_>) {
    put("type", "sl-sch".into());
    put("n_ssf", b.grant.n_ssf.into());
    put("rv", b.rv.into());
    put("prb_start", b.grant.prbs.start.into());
    put("prbs", b.grant.prbs.len.into());
    put("mcs", b.grant.mcs.into());
    put("bits", (8 * b.block.len()).into());
    put("hex", hex::of_bytes(b.block).into());
    put("repeat", b.repeat.into());
    if let ControlInformation::Format0(sci) = b.information {
        put("group_destination_id", sci.group_destination.into());
    }
    quality(put, &b.measurement, b.evm_percent);
}

/// Returns the last line of a recording.
pub(super) fn summary(file: &str, counts: &Counts, outcome: &Outcome, assumed: &[String]) -> Object {
    let work = outcome.work.as_secs_f64();
    let timing = match outcome.alignment {
        Some(Alignment::Slss(_)) => "slss",
        Some(Alignment::CyclicPrefix { .. }) => "cyclic-prefix",
        _ => "assumed",
    };
    let value = json!({
        "type": "summary",
        "file": file,
        "slss": counts.slss,
        "psbch": counts.psbch,
        "sci": counts.sci,
        "sl_sch": counts.sl_sch,
        "sl_dch": counts.sl_dch,
        "subframes": outcome.subframes,
        "samples": outcome.samples,
        "first_sample": outcome.first_sample,
        "timing": timing,
        "cfo_hz": number(outcome.cfo.to_f32(), 1),
        "discontinuities": counts.discontinuities,
        "warnings": outcome.warnings,
        "damaged_samples": outcome.damaged,
        "seconds_of_air": outcome.air,
        "seconds_of_work": work,
        "ratio": if work > 0.0 { outcome.air / work } else { 0.0 },
        "assumed": assumed,
    });
    let antennas = outcome.quality.snr();
    match value {
        Value::Object(mut o) if !antennas.is_empty() => {
            let each = antennas.iter().map(|snr| snr.map(|snr| number(snr.to_f32(), 1)).into());
            o.insert("antenna_snr_db".to_owned(), Value::Array(each.collect()));
            o
        }
        Value::Object(o) => o,
        _ => Object::new(),
    }
}

fn control(put: &mut dyn FnMut(&str, Value), information: &ControlInformation) {
    match information {
        ControlInformation::Format0(sci) => {
            put("format", 0.into());
            put("frequency_hopping", sci.hopping.into());
            put("rb_assignment", sci.rb_assignment.into());
            put("time_resource_pattern", sci.trp.into());
            put("mcs", sci.mcs.into());
            put("timing_advance", sci.timing_advance.into());
            put("group_destination_id", sci.group_destination.into());
        }
        ControlInformation::Format1(sci) => {
            put("format", 1.into());
            let Some(sci) = sci else { return };
            put("priority", (sci.priority + 1).into());
            put("resource_reservation", sci.reservation.into());
            put("resource_reservation_ms", sci.reservation_ms().into());
            put("frequency_resource", sci.frequency_resource.into());
            put("time_gap", sci.time_gap.into());
            put("mcs", sci.mcs.into());
            put("retransmission", sci.retransmission.into());
            put("transmission_format", sci.transmission_format.into());
            put("reserved", sci.reserved.into());
        }
    }
}

fn quality(put: &mut dyn FnMut(&str, Value), measurement: &Measurement, evm_percent: f32) {
    put("evm_percent", number(evm_percent, 1));
    put("snr_db", number(measurement.snr().to_f32(), 1));
    put("cfo_hz", number(measurement.cfo.to_f32(), 1));
    put("delay_us", number(1e6 * measurement.delay, 2));
    let antennas = &measurement.antennas;
    if antennas.count() > 1 {
        let snr = |ratio: f32| (ratio > 0.0).then(|| number(10.0 * ratio.log10(), 1));
        let each = (0..antennas.count()).map(|antenna| snr(antennas.ratio(antenna)).into());
        put("antenna_snr_db", Value::Array(each.collect()));
    }
}

/// Rounds a number, to keep the line short; null for NaN and infinity.
fn number(v: f32, digits: i32) -> Value {
    let scale = 10f64.powi(digits);
    ((v as f64 * scale).round() / scale).into()
}
