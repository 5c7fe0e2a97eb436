//! The transmitter against waveforms of another maker: every `reference/*.cf32` is made anew from its sidecar and
//! compared sample by sample.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use num_complex::Complex32;
use serde_json::Value;
use sidelink_flowgraphs::config::{
    CommunicationConfig, CyclicPrefixName, DiscoveryConfig, OneOrMany, PrbSet, RadioConfig, SyncConfig,
    V2xConfig,
};
use sidelink_flowgraphs::scenario::{
    Channel, Choice, CommunicationEntry, DiscoveryEntry, Event, Generator, Payload, Scenario, SyncEntry, Ue,
    V2xEntry,
};
use sidelink_phy::transmit::Content;
use sidelink_radio::number::Number;
use std::path::{Path, PathBuf};

/// Residual power over the power of the reference.
const LIMIT: f64 = 1e-5;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/recordings/reference")
}

#[test]
// TS 36.211 Table 9.8-3 (3); TS 36.211 §9.1.2; TS 36.211 §9.2.2; TS 36.211 §9.2.4 (2); TS 36.211 §9.2.5
// TS 36.211 §9.3.3, §9.3.5; TS 36.211 §9.3.4; TS 36.211 §9.3.6 (1); TS 36.211 §9.3.6 (3); TS 36.211 §9.4.3, §9.4.5
// TS 36.211 §9.4.4; TS 36.211 §9.4.6; TS 36.211 §9.5.1; TS 36.211 §9.5.3, §9.5.5; TS 36.211 §9.5.4
// TS 36.211 §9.6.3, §9.6.5; TS 36.211 §9.6.4; TS 36.211 §9.7.1; TS 36.211 §9.7.1.2 (1); TS 36.211 §9.7.1.2 (2)
// TS 36.211 §9.7.2.2 (1); TS 36.211 §9.7.2.2 (2); TS 36.211 §9.8 (1); TS 36.211 §9.8 (2); TS 36.211 §9.8 (3)
// TS 36.211 §9.8 (4); TS 36.211 §9.8 (5); TS 36.211 §9.8 (8); TS 36.211 §9.8 with §5.5.1.1; TS 36.211 §9.9 (1)
// TS 36.211 §9.9 (2); TS 36.212 §5.4.1 (2); TS 36.212 §5.4.1.1 (1); TS 36.212 §5.4.4 with TS 36.321 §5.15.1.2.2 (1)
// TS 36.213 §14 par. 5; TS 36.213 §14.1.1 (1); TS 36.213 §14.1.1 (3); TS 36.213 §14.1.1 (4)
// TS 36.213 §14.1.1.2.1 (1); TS 36.213 §14.1.1.3 (3); TS 36.213 §14.1.3 (1); TS 36.213 §14.2.1 mode 2 (1)
// TS 36.213 §14.2.3 (1); TS 36.213 §14.3.1 (2); TS 36.213 §14.3.1 type 1 (2); TS 36.321 §5.15.1.2.2 (1)
fn every_reference_comes_out_of_its_sidecar() {
    let Ok(entries) = std::fs::read_dir(folder()) else {
        eprintln!("SKIPPED: no ../shared (the reference waveforms)");
        return;
    };
    let mut sidecars: Vec<PathBuf> = entries
        .filter_map(|e| Some(e.ok()?.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .collect();
    sidecars.sort();
    assert!(sidecars.len() >= 17, "only {} sidecars", sidecars.len());
    let mut bad = Vec::new();
    for path in &sidecars {
        let sidecar: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let reference = samples(&std::fs::read(path.with_extension("cf32")).unwrap());
        let (made, events) = generate(&scenario(&sidecar), reference.len());
        let residual = residual(&made, &reference);
        let missing = missing(&sidecar, &events);
        println!("{name:32} residual {residual:.1e}, {} events, {} missing", events.len(), missing.len());
        // a residual that is no number is no success either
        if residual.is_nan() || residual >= LIMIT || !missing.is_empty() {
            bad.push(format!("{name}: residual {residual:e}, missing {missing:?}"));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

fn samples(bytes: &[u8]) -> Vec<Complex32> {
    let float = |b: &[u8]| f32::from_le_bytes(b.try_into().unwrap());
    bytes.chunks_exact(8).map(|b| Complex32::new(float(&b[..4]), float(&b[4..]))).collect()
}

fn generate(scenario: &Scenario, length: usize) -> (Vec<Complex32>, Vec<Event>) {
    let mut generator = Generator::new(scenario).unwrap_or_else(|e| panic!("{e}"));
    let mut made = vec![Complex32::default(); length];
    let events = made
        .chunks_exact_mut(generator.subframe_samples())
        .flat_map(|s| generator.next_subframe(s))
        .collect();
    (made, events)
}

fn residual(made: &[Complex32], reference: &[Complex32]) -> f64 {
    let power = |x: Complex32| f64::from(x.norm_sqr());
    let error: f64 = made.iter().zip(reference).map(|(a, b)| power(a - b)).sum();
    error / reference.iter().map(|b| power(*b)).sum::<f64>()
}

/// Events of the sidecar of which the generator did not say the same: the ground truth that it writes is right too.
fn missing(sidecar: &Value, events: &[Event]) -> Vec<String> {
    let said: Vec<_> = events.iter().map(|e| (e.subframe, e.transmission.channel(), e.fields())).collect();
    let has = |subframe: u64, channel: &str, wanted: &[(&str, Value)]| {
        said.iter().any(|(s, c, f)| {
            *s == subframe && *c == channel && wanted.iter().all(|(k, v)| f.get(*k) == Some(v))
        })
    };
    let mut missing = Vec::new();
    for event in list(sidecar, "events") {
        let subframe = event["capture_subframe"].as_u64().unwrap();
        let prbs: Vec<u64> = list(event, "prbs").iter().filter_map(Value::as_u64).collect();
        let shared = |more: &[(&'static str, Value)]| {
            let mut wanted = vec![("prb_start", Value::from(prbs[0])), ("prbs", Value::from(prbs.len()))];
            wanted.push(("rv", event["rv"].clone()));
            wanted.extend_from_slice(more);
            wanted
        };
        let n_ssf = ("n_ssf", event["n_ssf"].clone());
        let found = match event["channel"].as_str().unwrap() {
            "PSBCH+PSSS+SSSS" => has(subframe, "PSBCH", &[("hex", event["mib_sl_hex"].clone())]),
            "PSCCH" => {
                let wanted = [
                    ("hex", event["sci_hex"].clone()),
                    ("prb", prbs[0].into()),
                    ("bits", event["sci_bits_len"].clone()),
                ];
                has(subframe, "PSCCH", &wanted)
            }
            "PSSCH" => has(subframe, "PSSCH", &shared(&[n_ssf])),
            "PSDCH" => has(subframe, "PSDCH", &shared(&[])),
            "PSCCH+PSSCH" => {
                let sci = [
                    ("hex", event["sci_hex"].clone()),
                    ("prb", event["pscch_prbs"][0].clone()),
                    ("cyclic_shift", event["pscch_cyclic_shift"].clone()),
                    ("crc16", event["nXID"].clone()),
                ];
                has(subframe, "PSCCH", &sci) && has(subframe, "PSSCH", &shared(&[n_ssf]))
            }
            other => panic!("unknown channel {other}"),
        };
        if !found {
            missing.push(event.to_string());
        }
    }
    missing
}

fn scenario(sidecar: &Value) -> Scenario {
    let number = |v: &Value, key: &str| v[key].as_u64().unwrap_or_else(|| panic!("{key}")) as u32;
    let at = |key: &str| number(sidecar, key);
    let prb_set = |pool: &Value| PrbSet {
        start: number(pool, "prb_Start_r12"),
        end: number(pool, "prb_End_r12"),
        num: number(pool, "prb_Num_r12"),
    };
    let bitmap = |v: &Value| v.as_str().unwrap().parse().unwrap();
    let mut radio = RadioConfig {
        prb: Some(at("NSLRB")),
        rate: Some(Number(sidecar["sample_rate_hz"].as_f64().unwrap())),
        tm: Some(at("transmission_mode") as u8),
        cp: Some(if sidecar["cp"] == "Extended" {
            CyclicPrefixName::Extended
        } else {
            CyclicPrefixName::Normal
        }),
        sync: Some(SyncConfig {
            offset: Some(OneOrMany::One(at("syncOffsetIndicator"))),
            period: Some(at("syncPeriod")),
            ..SyncConfig::default()
        }),
        ..RadioConfig::default()
    };
    let sync = SyncEntry {
        id: at("NSLID") as u16,
        in_coverage: at("in_coverage_flag") == 1,
        offset: None,
        period: None,
    };
    let mut ues = vec![Ue { sync: Some(sync), ..Ue::default() }];

    let pool = &sidecar["comm_pool"];
    if !pool.is_null() {
        radio.communication.push(CommunicationConfig {
            period: number(pool, "scPeriod_r12"),
            offset: number(pool, "offsetIndicator_r12"),
            control_bitmap: bitmap(&pool["subframeBitmap_r12"]),
            control_prb: prb_set(pool),
            control_cp: None,
            data_bitmap: None,
            data_offset: None,
            data_prb: None,
            data_cp: None,
            trp_length: None,
            hopping: None,
        });
        ues.extend(list(sidecar, "ues").iter().map(|ue| {
            let entry = CommunicationEntry {
                pool: 0,
                resource: Choice::Fixed(number(ue, "n_PSCCH")),
                group: Some(number(ue, "group_destination_id") as u8),
                trp: number(ue, "I_TRP") as u8,
                mcs: number(ue, "mcs") as u8,
                start: number(ue, "RB_start"),
                len: number(ue, "L_CRBs"),
                hopping: None,
                timing_advance: number(ue, "timing_advance_field") as u16,
                payload: Payload::octets(list(ue, "tb_hex").iter().map(octets)),
                protected: None,
            };
            Ue { communication: vec![entry], ..Ue::default() }
        }));
    }

    let pool = &sidecar["discovery_pool"];
    if !pool.is_null() {
        radio.discovery.push(DiscoveryConfig {
            period: 10 * number(pool, "discPeriod_r12"),
            offset: number(pool, "offsetIndicator_r12"),
            bitmap: bitmap(&pool["subframeBitmap_r12"]),
            repetitions: Some(number(pool, "numRepetition_r12")),
            transmissions: Some(number(pool, "N_TX")),
            prb: prb_set(pool),
            cp: None,
        });
        // one file covers the other reading of the redundancy version
        let rvs = list(sidecar, "events").iter().filter_map(|e| e["rv"].as_u64());
        let all_zero = number(pool, "N_TX") > 1 && rvs.max() == Some(0);
        ues.extend(list(sidecar, "messages").iter().map(|message| {
            let entry = DiscoveryEntry {
                pool: 0,
                message: Payload::octets([octets(&message["payload_hex"])]),
                protected: None,
                resource: Some(Choice::Fixed(number(message, "n_PSDCH"))),
                type_2b: None,
                redundancy_versions: all_zero.then_some([0; 4]),
            };
            Ue { discovery: vec![entry], ..Ue::default() }
        }));
    }

    let pool = &sidecar["v2x_pool"];
    if !pool.is_null() {
        radio.v2x = Some(V2xConfig {
            size: number(pool, "sizeSubchannel_r14"),
            num: number(pool, "numSubchannel_r14"),
            start: number(pool, "startRB_Subchannel_r14"),
            adjacent: pool["adjacencyPSCCH_PSSCH_r14"] == true,
            pscch_start: None,
            bitmap: Some(bitmap(&pool["sl_Subframe_r14"])),
            sync_offset: None,
        });
        ues.extend(list(sidecar, "ues").iter().map(|ue| {
            let first = list(sidecar, "events").iter().find(|e| e["ue"] == ue["ue"] && e["tx"] == 1).unwrap();
            let gap = number(ue, "SF_gap");
            let entry = V2xEntry {
                pool: 0,
                from: first["capture_subframe"].as_u64().unwrap(),
                interval: None,
                blocks: None,
                subchannel: number(ue, "subch_tx1"),
                length: number(ue, "L_subCH"),
                gap,
                retransmission_subchannel: (gap > 0).then(|| number(ue, "subch_tx2")),
                mcs: number(ue, "mcs") as u8,
                priority: 1,
                reservation: None,
                cyclic_shift: Choice::Fixed(number(first, "pscch_cyclic_shift")),
                transmission_format: false,
                reserved: 0,
                // the library sends PSCCH as strong as PSSCH
                control_boost: 0.0,
                payload: Payload::octets([octets(&ue["tb_hex"])]),
            };
            Ue { v2x: vec![entry], ..Ue::default() }
        }));
    }
    Scenario {
        duration: at("subframes").into(),
        first_subframe: at("first_absolute_subframe"),
        seed: 1,
        snr: None,
        cfo: Number(0.0),
        delay: Number(0.0),
        channel: Channel::default(),
        antennas: 1,
        correlation: 0.0,
        description: None,
        radio,
        ue: ues,
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn octets(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

/// The generator does what it says where the references are silent: every kind of content occurs in the examples.
#[test]
// TS 36.321 §5.15.1.2.1
fn the_examples_send_on_every_channel() {
    use sidelink_flowgraphs::scenario::{EXAMPLE_D2D, EXAMPLE_V2X};
    let mut seen = [false; 4];
    for text in [EXAMPLE_D2D, EXAMPLE_V2X] {
        let scenario = Scenario::from_toml(text, "example").unwrap();
        let samples = scenario.duration as usize * Generator::new(&scenario).unwrap().subframe_samples();
        for event in generate(&scenario, samples).1 {
            let kind = match event.transmission.content {
                Content::Sync { .. } => 0,
                Content::Sci { .. } => 1,
                Content::SlSch { .. } => 2,
                Content::SlDch { .. } => 3,
            };
            seen[kind] = true;
        }
    }
    assert_eq!(seen, [true; 4]);
}
