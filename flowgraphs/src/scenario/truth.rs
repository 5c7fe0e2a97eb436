//! The ground truth: the transmissions with their words, fields and annotations.

use serde_json::{Map, Value, json};
use sidelink_phy::channel::psdch::{self, MESSAGE_BITS};
use sidelink_phy::numerology::{Numerology, SUBCARRIER_SPACING};
use sidelink_phy::transmit::{Content, SciFields, Transmission};
use sidelink_phy::units::DfnSubframe;
use sidelink_recordings::sigmf::Annotation;
use sidelink_wire::hex;

/// A transmission with its time and place: the ground truth.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Subframe of the recording, from 0 on.
    pub subframe: u64,
    /// The sender's count of the subframe.
    pub at: DfnSubframe,
    /// Sample of the recording at which it begins to arrive, rounded.
    pub sample: i64,
    /// Index of the UE in the scenario.
    pub ue: usize,
    /// The transmission.
    pub transmission: Transmission,
}

impl Event {
    /// Returns the fields of the JSON output of `sidelink decode` for the expected event, without measurements.
    pub fn fields(&self) -> Map<String, Value> {
        let mut fields = match &self.transmission.content {
            Content::Sync { id, mib, at, in_coverage } => json!({
                "type": "psbch",
                "n_sl_id": id.value(),
                "hex": hex::of_bytes(mib),
                "bits": 8 * mib.len(),
                "dfn": at.dfn(),
                "subframe_number": at.subframe(),
                "in_coverage": in_coverage,
            }),
            Content::Sci { fields, bits, prb, n_cs, crc16 } => {
                let mut sci = json!({
                    "type": "sci",
                    "prb": prb,
                    "cyclic_shift": n_cs,
                    "hex": hex::of_bits(bits),
                    "bits": bits.len(),
                    "crc16": crc16,
                });
                merge(&mut sci, fields_of(fields));
                sci
            }
            Content::SlSch { grant, modulation, block, number } => json!({
                "type": "sl-sch",
                "n_ssf": grant.n_ssf,
                "rv": grant.rv,
                "prb_start": grant.prbs.start,
                "prbs": grant.prbs.len,
                "mcs": grant.mcs,
                "modulation_bits": modulation.bits(),
                "n_id": grant.n_id,
                "bits": 8 * block.len(),
                "block": number,
                "hex": hex::of_bytes(block),
            }),
            Content::SlDch { message, rv, prb, transmission } => json!({
                "type": "sl-dch",
                "rv": rv,
                "prb_start": prb,
                "prbs": psdch::PRBS,
                "transmission": transmission,
                "bits": MESSAGE_BITS,
                "hex": hex::of_bytes(message),
            }),
        };
        merge(&mut fields, json!({ "subframe": self.subframe, "ue": self.ue }));
        match fields {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// Returns the SigMF annotation of the event in a recording of `length` samples around `frequency` Hz; `None` if no
    /// part of it is in the recording.
    pub fn annotation(
        &self,
        numerology: Numerology,
        length: u64,
        frequency: f64,
        ue: &str,
    ) -> Option<Annotation> {
        let end =
            self.sample.saturating_add(numerology.subframe_samples() as i64).clamp(0, length as i64) as u64;
        let start = self.sample.max(0) as u64;
        let count = end.checked_sub(start).filter(|n| *n > 0)?;
        let used = self.transmission.subcarriers(numerology.bandwidth());
        let edge =
            |k: usize| frequency + (k as f64 - numerology.subcarriers() as f64 / 2.0) * SUBCARRIER_SPACING.0;
        let fields = self.fields();
        let comment = fields.iter().filter(|(k, _)| !matches!(k.as_str(), "type" | "ue"));
        let comment: Vec<String> = comment.map(|(k, v)| format!("{k} {}", plain(v))).collect();
        Some(Annotation {
            sample_start: start,
            sample_count: Some(count),
            frequency_edges: Some((edge(used.start), edge(used.end))),
            label: Some(label(&self.transmission)),
            comment: Some(format!("{ue}: {}", comment.join(", "))),
            channel: Some(self.transmission.channel().to_owned()),
            subframe: Some(u64::from(self.at.count())),
            fields,
            ..Annotation::default()
        })
    }
}

/// Returns the fields of an SCI.
fn fields_of(fields: &SciFields) -> Value {
    match fields {
        SciFields::Format0(f) => json!({
            "format": 0,
            "hopping": f.hopping,
            "rb_assignment": f.rb_assignment,
            "trp": f.trp,
            "mcs": f.mcs,
            "timing_advance": f.timing_advance,
            "group_destination": f.group_destination,
        }),
        SciFields::Format1(f, _) => json!({
            "format": 1,
            "priority": f.priority + 1,
            "reservation": f.reservation,
            "frequency_resource": f.frequency_resource,
            "time_gap": f.time_gap,
            "mcs": f.mcs,
            "retransmission": f.retransmission,
            "transmission_format": f.transmission_format,
            "reserved": f.reserved,
        }),
    }
}

/// Adds the keys of `more` to `object`.
fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

/// Formats a value for a comment; long ones are cut, they are complete in the fields.
fn plain(value: &Value) -> String {
    const LONGEST: usize = 24;
    match value.as_str() {
        Some(text) if text.len() > LONGEST => format!("{}..", text.chars().take(LONGEST).collect::<String>()),
        Some(text) => text.to_owned(),
        None => value.to_string(),
    }
}

/// Returns a short label for a display.
fn label(transmission: &Transmission) -> String {
    match &transmission.content {
        Content::Sync { id, .. } => format!("PSBCH {id}"),
        Content::Sci { fields: SciFields::Format0(_), .. } => "SCI 0".to_owned(),
        Content::Sci { fields: SciFields::Format1(..), .. } => "SCI 1".to_owned(),
        Content::SlSch { grant, .. } => format!("PSSCH rv{}", grant.rv),
        Content::SlDch { rv, .. } => format!("PSDCH rv{rv}"),
    }
}
