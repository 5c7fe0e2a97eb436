use super::*;
use crate::Sample;
use sidelink_phy::impair::measure::Levels;
use sidelink_phy::transmit::{Content, SciFields};

fn scenario(text: &str) -> Scenario {
    Scenario::from_toml(text, "scenario.toml").unwrap()
}

fn run(s: &Scenario) -> (Vec<Sample>, Vec<Event>) {
    let mut g = Generator::new(s).unwrap();
    let mut block = vec![Sample::default(); g.subframe_samples()];
    let (mut samples, mut events) = (Vec::new(), Vec::new());
    for _ in 0..s.duration {
        events.extend(g.next_subframe(&mut block));
        samples.extend_from_slice(&block);
    }
    (samples, events)
}

fn count(events: &[Event], channel: &str) -> usize {
    events.iter().filter(|e| e.transmission.channel() == channel).count()
}

#[test]
// TS 36.211 §9.1.1
fn the_examples_run() {
    let s = scenario(EXAMPLE_D2D);
    let (samples, events) = run(&s);
    assert_eq!(samples.len(), 320 * 7680);
    assert_eq!(count(&events, "PSBCH"), 8);
    // two UEs, four periods of 80, two transmissions each
    assert_eq!(count(&events, "PSCCH"), 16);
    assert!(count(&events, "PSSCH") > 100);
    // one whole discovery period begins in the recording, and the message is sent twice in it
    assert_eq!(count(&events, "PSDCH"), 2);

    let (_, events) = run(&scenario(EXAMPLE_V2X));
    assert_eq!(count(&events, "PSBCH"), 2);
    assert_eq!(count(&events, "PSCCH"), count(&events, "PSSCH"));
    // car 1: 4 blocks sent twice; car 2: 7 blocks; the roadside unit: 16
    assert_eq!(count(&events, "PSCCH"), 8 + 7 + 16);
}

/// The commented-out lines of the examples are valid too.
#[test]
fn the_alternatives_in_the_examples_are_taken() {
    for example in [EXAMPLE_D2D, EXAMPLE_V2X] {
        let uncommented: Vec<String> = example
            .lines()
            .map(|l| match l.strip_prefix('#') {
                Some(rest) if rest.contains(" = ") && !rest.starts_with(' ') => rest.to_owned(),
                _ => l.to_owned(),
            })
            .filter(|l| !l.starts_with("type-2b") && !l.starts_with("pscch-start"))
            .collect();
        let text = uncommented.join("\n");
        let s = scenario(&text);
        Generator::new(&s).unwrap_or_else(|e| panic!("{e}\n{text}"));
    }
}

#[test]
fn the_same_seed_gives_the_same_samples() {
    let s = Scenario { duration: 30, ..scenario(EXAMPLE_V2X) };
    let (a, events) = run(&s);
    assert_eq!((&a, &events), (&run(&s).0, &run(&s).1));
    let other = Scenario { seed: 2, ..s };
    assert_ne!(a, run(&other).0);
}

#[test]
fn noise_and_gain_have_the_power_that_was_asked_for() {
    let text = "duration = 40\nsnr = 3\n[radio]\nprb = 25\n";
    let (noise, events) = run(&scenario(text));
    assert!(events.is_empty());
    // unit power on a resource element is 1 / 300 on a subcarrier; 512 subcarriers of noise
    let expected = 512.0 / 300.0 / 10f64.powf(0.3);
    assert!((Levels::of(&noise, 9.0).power() / expected - 1.0).abs() < 0.01);

    let sync = "duration = 1\n[radio]\nprb = 6\n[[ue]]\ngain = GAIN\nsync = { id = 3 }\n";
    let power = |gain: &str| Levels::of(&run(&scenario(&sync.replace("GAIN", gain))).0, 9.0).power();
    // 13 of 14 symbols on all of the carrier
    assert!((power("0") - 13.0 / 14.0).abs() < 0.02, "{}", power("0"));
    assert!((power("-7") / power("0") - 10f64.powf(-0.7)).abs() < 1e-3);
}

#[test]
fn delay_and_drift_say_where_an_event_arrives() {
    let text = "duration = 9\n[radio]\nprb = 6\n[[ue]]\ndelay = 700\nsync = { id = 3, period = 4 }\n";
    let (late, events) = run(&scenario(text));
    let (prompt, _) = run(&scenario(&text.replace("700", "0")));
    assert_eq!(events.iter().map(|e| e.sample).collect::<Vec<_>>(), [700, 8380, 16_060]);
    let error = late[700..].iter().zip(&prompt).map(|(a, b)| (a - b).norm()).fold(0.0, f32::max);
    assert!(error < 1e-6, "{error}");
    assert!(late[..700].iter().all(|s| s.norm() < 1e-6));

    let early = run(&scenario(&text.replace("700", "-700")));
    assert_eq!(early.1[1].sample, 7680 - 700);
    let error = early.0.iter().zip(&prompt[700..]).map(|(a, b)| (a - b).norm()).fold(0.0, f32::max);
    assert!(error < 1e-6, "{error}");
}

#[test]
// TS 36.211 §9.1.3 (2)
fn a_ue_is_silent_in_synchronisation_subframes_and_never_sends_twice_on_a_prb() {
    let text = r#"
        duration = 40
        [radio]
        prb = 25
        tm = 2
        sync = { offset = 9, period = 40 }
        [[radio.communication]]
        period = 40
        control-bitmap = "11"
        control-prb = { start = 0, end = 24, num = 12 }
        [[ue]]
        [[ue.communication]]
        resource = 0
        group = 1
        trp = 106
        mcs = 3
        start = 2
        len = 4
        [[ue.communication]]
        resource = 4
        group = 2
        trp = 106
        mcs = 3
        start = 5
        len = 4
    "#;
    let (_, events) = run(&scenario(text));
    assert!(events.iter().all(|e| e.subframe != 9));
    // 38 subframes after PSCCH, cut to 36, less the reserved one; the second entry overlaps
    assert_eq!(count(&events, "PSSCH"), 35);
    assert_eq!(count(&events, "PSCCH"), 4);
}

#[test]
// TS 36.212 §5.4.2 with TS 36.321 §5.14.1.2.2; TS 36.213 §14.1.1 (1)
fn every_transport_block_is_sent_four_times_alike() {
    let (_, events) = run(&scenario(EXAMPLE_D2D));
    let mut blocks = std::collections::BTreeMap::<_, Vec<_>>::new();
    for e in &events {
        if let Content::SlSch { grant, block, number, .. } = &e.transmission.content {
            blocks.entry((e.ue, *number)).or_default().push((grant.rv, block.clone()));
        }
    }
    assert!(blocks.len() > 20);
    for sent in blocks.values() {
        assert_eq!(sent.iter().map(|(rv, _)| *rv).collect::<Vec<_>>(), [0, 2, 3, 1]);
        assert!(sent.windows(2).all(|w| w[0].1 == w[1].1));
    }
}

#[test]
// TS 36.213 §14.1.1.4C (3); TS 36.213 §14.1.1.4C (4)
fn retransmissions_name_each_other() {
    let (_, events) = run(&scenario(EXAMPLE_V2X));
    let scis: Vec<_> = events
        .iter()
        .filter(|e| e.ue == 0)
        .filter_map(|e| match &e.transmission.content {
            Content::Sci { fields: SciFields::Format1(f, n), prb, .. } => Some((e.subframe, *f, *n, *prb)),
            _ => None,
        })
        .collect();
    let [(s0, a, n, p0), (s1, b, _, p1), ..] = scis[..] else { panic!("{scis:?}") };
    assert_eq!((s1 - s0, p0, p1), (4, 0, 30));
    assert_eq!((a.allocation(n), b.allocation(n)), (Ok((3, 2)), Ok((0, 2))));
    assert_eq!((a.retransmission, b.retransmission, a.reservation_ms()), (false, true, Some(100)));
}

#[test]
fn long_recordings_go_on_over_the_period_of_the_dfn() {
    let text = "duration = 300\nfirst-subframe = 10100\n[radio]\nprb = 6\ntm = 4\nv2x = { size = 6, num = 1 }\n\
                [[ue]]\nv2x = [{ subchannel = 0, length = 1, mcs = 2, interval = 20 }]\nsync = { id = 1, offset = 5, period = 40 }";
    let (_, events) = run(&scenario(text));
    assert_eq!(count(&events, "PSSCH"), 15);
    let dfns: Vec<_> =
        events.iter().filter(|e| e.transmission.channel() == "PSBCH").map(|e| e.at.count()).collect();
    assert_eq!(dfns, [10_125, 10_165, 10_205, 5, 45, 85, 125]);
}

#[test]
// TS 36.211 §9.5.6 (3); TS 36.213 §14.3.1 type 2B (1); TS 36.213 §14.3.1 type 2B (2)
fn type_2b_hops_from_period_to_period() {
    let text = r#"
        duration = 200
        [radio]
        prb = 25
        [[radio.discovery]]
        period = 40
        bitmap = "1111"
        transmissions = 2
        prb = { start = 0, end = 23, num = 12 }
        [[ue]]
        discovery = [{ message = "0102", type-2b = { prb-index = 3, subframe-index = 1, a = 1, b = 2, c = 1 } }]
    "#;
    let (_, events) = run(&scenario(text));
    let at: Vec<_> = events
        .iter()
        .filter_map(|e| match e.transmission.content {
            Content::SlDch { prb, transmission: 1, .. } => Some((e.subframe, prb)),
            _ => None,
        })
        .collect();
    // n_f = 12, n_t = 2: a' = ((2 + n') mod 10 + (a + 12 b) / 2) mod 12, b' = (1 + a + 12 b) mod 2, by hand
    assert_eq!(at, [(2, 6), (40, 20), (82, 18), (120, 6), (160, 14)]);
    assert_eq!(count(&events, "PSDCH"), 10);
}

#[test]
fn messages_name_the_entry_and_the_remedy() {
    let d2d = |change: &str, by: &str| EXAMPLE_D2D.replace(change, by);
    let v2x = |change: &str, by: &str| EXAMPLE_V2X.replace(change, by);
    let cases = [
        (d2d("resource = 7 ", "resource = 700"), &["ue[0].communication[0].resource", "resources"][..]),
        (d2d("len = 8", "len = 7"), &["ue[0].communication[0].len", "2, 3 and 5"]),
        (d2d("start = 13", "start = 20"), &["ue[1].communication[0].start", "carrier of 25"]),
        (d2d("mcs = 14", "mcs = 29"), &["ue[1].communication[0].mcs", "0 to 28"]),
        (d2d("trp = 60", "trp = 110"), &["trp", "0 to 106"]),
        (d2d("id = 301", "id = 336"), &["ue[0].sync", "335"]),
        (
            d2d("text:sidelink demo: UE B is near", "text:sidelink demo: UE B is near and dear"),
            &["message", "29"],
        ),
        (d2d("trp = 60", "trp = 60\npool = 1"), &["no communication pool 1"]),
        (d2d("resource = \"random\"", "resource = 5000"), &["discovery[0].resource"]),
        (d2d("resource = \"random\"", "resource = \"some\""), &["random", "line"]),
        (d2d("drift = 0.5", "drift = 5000"), &["ue[0]", "drift"]),
        (d2d("#channel = \"epa5\"", "channel = \"epb5\""), &["epb5", "awgn"]),
        (d2d("snr = 15", "snr = nan"), &["snr"]),
        (d2d("prb = 25 ", "prb = 50 "), &["rb-offset"][..0]),
        (d2d("#rate = \"5.76M\"", "rate = \"5M\""), &["rate", "7680000"]),
        (d2d("duration", "duratoin"), &["duratoin", "did you mean \"duration\""]),
        (v2x("gap = 4 ", "gap = 16 "), &["gap", "0 to 15"]),
        (v2x("length = 2", "length = 4"), &["subchannel", "at most num"]),
        (v2x("interval = 50", "interval = 55"), &["interval", "20, 50, 100"]),
        (v2x("cyclic-shift = \"random\"", "cyclic-shift = 5"), &["cyclic-shift", "0, 3, 6, 9"]),
        (v2x("priority = 3", "priority = 9"), &["priority", "1 (highest) to 8"]),
        (v2x("tm = 4", "tm = 2"), &["V2X pool", "tm = 3 or 4"]),
        (v2x("mcs = 11", "mcs = 30"), &["mcs", "transmission-format"]),
    ];
    for (text, parts) in cases {
        let e = Scenario::from_toml(&text, "s.toml").and_then(|s| Generator::new(&s).map(|_| ()));
        match e {
            Ok(()) => assert!(parts.is_empty(), "taken, without {parts:?}"),
            Err(e) => {
                for part in parts {
                    assert!(e.to_string().contains(part), "{e}\nwithout: {part}");
                }
            }
        }
    }
}

#[test]
fn annotations_stay_within_the_recording() {
    let text = "duration = 2\n[radio]\nprb = 25\nfrequency = \"2G\"\n[[ue]]\ndelay = -100\nsync = { id = 200, period = 1, in-coverage = true }\n";
    let s = scenario(text);
    let (samples, events) = run(&s);
    let numerology = Generator::new(&s).unwrap().numerology();
    let all: Vec<_> =
        events.iter().filter_map(|e| e.annotation(numerology, samples.len() as u64, 2e9, "A")).collect();
    assert_eq!((all[0].sample_start, all[0].sample_count), (0, Some(7580)));
    assert_eq!((all[1].sample_start, all[1].sample_count), (7580, Some(7680)));
    assert_eq!(all[0].frequency_edges, Some((2e9 - 540e3, 2e9 + 540e3)));
    assert_eq!(all[1].fields["hex"], "4000180000");
    assert_eq!(all[1].channel.as_deref(), Some("PSBCH"));
    assert!(events[1].annotation(numerology, 7000, 0.0, "A").is_none());
}

/// A recording that is regenerated by its seed has the same resources and other nonces; a rehearsal has the same nonces.
#[test]
fn nonces_come_from_no_seed() {
    use crate::scenario::Secrets;
    use sidelink_store::{Discovery, Keys, Protection, random};
    let mut entry = Discovery::new("anna", Protection::Rotating, u32::MAX);
    entry.prose_id = Some(random(20).unwrap());
    entry.application_key = Some(random(32).unwrap());
    (entry.nonce_bits, entry.code_bits) = (Some(64), Some(128));
    let keys = Keys { discovery: vec![entry], ..Keys::default() };
    let text = "duration = 400\nseed = 1\n[radio]\nprb = 15\ntm = 2\n[[radio.discovery]]\nperiod = 80\n\
        bitmap = \"1111 1111\"\nprb = { start = 0, end = 14, num = 7 }\n[[ue]]\n[[ue.discovery]]\n\
        protected = { key = \"anna\" }\n";
    let scenario = Scenario::from_toml(text, "test").unwrap();
    let start = sidelink_security::counter::UtcTime::from_millis(1_800_000_000_000);
    let messages = |secrets: Secrets| -> Vec<(usize, [u8; 29])> {
        let mut generator = Generator::with_secrets(&scenario, Some(secrets)).unwrap();
        let mut samples = vec![Sample::default(); generator.subframe_samples()];
        let mut all = Vec::new();
        for _ in 0..scenario.duration {
            for event in generator.next_subframe(&mut samples) {
                if let Content::SlDch { message, prb, transmission: 1, .. } = event.transmission.content {
                    all.push((prb, message));
                }
            }
        }
        all
    };
    let secrets = || Secrets::of_keys(keys.clone(), start).unwrap();
    let first = secrets();
    let (rehearsed, first, second) = (messages(first.rehearsal()), messages(first), messages(secrets()));
    assert!(first.len() >= 4, "{} messages", first.len());
    assert_eq!(rehearsed, first);
    let mut nonces: Vec<_> = first.iter().chain(&second).map(|(_, message)| message[1..9].to_vec()).collect();
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!(nonces.len(), first.len() + second.len(), "a nonce came twice");
    assert!(first.iter().zip(&second).all(|(a, b)| a.0 == b.0), "resources are the seed's");
}

mod received;
