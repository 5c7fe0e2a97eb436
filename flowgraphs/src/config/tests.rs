use super::*;
use proptest::prelude::*;
use sidelink_phy::pool::{PsschSubframes, TrpSet};
use sidelink_phy::units::{Bandwidth, CyclicPrefix};
use sidelink_recordings::sigmf::{Global, Metadata};

const D2D: &str = r#"
prb = 25
rate = "7.68M"
tm = 2
cp = "extended"

[sync]
offset = [0, 20]
cp = "normal"
id = 301

[[communication]]
period = 40
offset = 40
control-bitmap = "0111 1000"
control-prb = { start = 2, end = 22, num = 10 }
data-bitmap = "11"
data-offset = 8
data-cp = "normal"
hopping = { parameter = 5, subbands = 2 }

[[discovery]]
period = 320
bitmap = "0110"
repetitions = 3
transmissions = 2
prb = { start = 0, end = 24, num = 12 }
"#;

fn error(text: &str) -> String {
    match RadioConfig::from_toml(text, "radio.toml").and_then(|c| c.resolve()) {
        Ok(radio) => panic!("{text} was taken: {radio:?}"),
        Err(e) => e.to_string(),
    }
}

#[test]
// TS 36.211 §9.2.1 (2); TS 36.213 §14.1.1.2.1 (4)
fn everything_that_is_said_arrives() {
    let radio = RadioConfig::from_toml(D2D, "radio.toml").unwrap().resolve().unwrap();
    assert_eq!((radio.bandwidth, radio.rate), (Some(Bandwidth::Prb25), Some(7.68e6)));
    assert!(!radio.is_v2x());
    let sync = radio.sync.unwrap();
    assert_eq!((sync.offsets, sync.period, sync.cp), (vec![0, 20], 40, CyclicPrefix::Normal));
    assert_eq!(sync.id.unwrap().value(), 301);
    let c = &radio.communication[0];
    assert_eq!((c.control_cp, c.data_cp), (CyclicPrefix::Extended, CyclicPrefix::Normal));
    assert_eq!(c.pool.control_subframes(), [1, 2, 3, 4]);
    assert_eq!(c.pool.data_prbs, c.pool.control_prbs);
    assert_eq!(c.pool.data, PsschSubframes::Bitmap { offset: 8, bitmap: vec![true, true] });
    assert_eq!((c.pool.trp_set, c.pool.hopping.subbands), (TrpSet::Eight, 2));
    let d = &radio.discovery[0];
    assert_eq!((d.cp, d.pool.subframes()), (CyclicPrefix::Extended, vec![1, 2, 5, 6, 9, 10]));
    assert_eq!(d.pool.transmissions, 2);
}

#[test]
fn a_scenario_serves_as_a_configuration() {
    let text = "duration = 4\nwhatever = 1\n[radio]\nprb = 6\n";
    assert_eq!(RadioConfig::from_toml(text, "x").unwrap().prb, Some(6));
    let e = RadioConfig::from_toml("[radio]\nprbs = 6\n", "x.toml").unwrap_err().to_string();
    assert_eq!(e, "unknown key \"prbs\"; x.toml line 2; did you mean \"prb\"?");
}

#[test]
// TS 36.211 §9.2.1 (4)
fn messages_name_the_key_and_the_remedy() {
    let cases = [
        ("prb = 7", &["7", "prb", "6, 15, 25"][..]),
        ("prb = \"x\"", &["radio.toml line 1", "u32"]),
        ("prb = 25\ntm = 5", &["tm", "1, 2, 3 or 4"]),
        ("rate = \"fast\"", &["fast", "15.36M", "line 1"]),
        ("rate = 3", &["3 samples", "15.36M"]),
        ("cp = \"extendet\"", &["extendet", "did you mean \"extended\"?"]),
        ("[sync]\noffset = 40", &["40", "sync.offset"]),
        ("[sync]\nid = 336", &["336", "335"]),
        ("tm = 3\ncp = \"extended\"", &["extended", "mode 1 or 2"]),
        ("tm = 2\n[v2x]\nsize = 10\nnum = 5", &["V2X", "tm = 3 or 4"]),
        ("[v2x]\nsize = 10", &["num"]),
        ("prb = 25\n[v2x]\nsize = 10\nnum = 5", &["v2x", "25 PRBs"]),
        ("[v2x]\nsize = 4000000000\nnum = 4000000000", &["beyond any carrier"]),
        ("[v2x]\nsize = 5\nnum = 5\npscch-start = 3", &["adjacent"]),
        ("[v2x]\nsize = 5\nnum = 5\nsync-offset = 160", &["0 to 159"]),
        ("[v2x]\nsize = 5\nnum = 5\nbitmap = \"0000\"", &["v2x.bitmap", "at least one"]),
        ("[v2x]\nsize = 5\nnum = 5\nbitmap = \"012\"", &["012", "line 4"]),
        (
            "[[discovery]]\nperiod = 40\nbitmap = \"1\"\ntransmissions = 2\nprb = { start = 0, end = 5, num = 2 }",
            &["discovery[0].bitmap", "2 transmissions"],
        ),
        (
            "prb = 6\n[[discovery]]\nperiod = 40\nbitmap = \"1\"\nprb = { start = 0, end = 6, num = 2 }",
            &["discovery[0].prb", "6 PRBs"],
        ),
        ("[[discovery]]\nperiod = 0\nbitmap = \"1\"\nprb = { start = 0, end = 5, num = 2 }", &["period 0"]),
        (
            "[[communication]]\nperiod = 4\ncontrol-bitmap = \"00001\"\ncontrol-prb = { start = 0, end = 5, num = 2 }",
            &["control-bitmap", "beyond the period"],
        ),
        (
            "[[communication]]\nperiod = 40\ncontrol-bitmap = \"1\"\ndata-offset = 3\ncontrol-prb = { start = 0, end = 5, num = 2 }",
            &["data-offset", "mode 2"],
        ),
        (
            "[[communication]]\nperiod = 40\ntrp-length = 7\ncontrol-bitmap = \"1\"\ncontrol-prb = { start = 0, end = 5, num = 2 }",
            &["communication[0].trp-length", "7 are those of TDD", "8"],
        ),
        (
            "[[communication]]\nperiod = 40\ntrp-length = 9\ncontrol-bitmap = \"1\"\ncontrol-prb = { start = 0, end = 5, num = 2 }",
            &["trp-length", "length 9"],
        ),
    ];
    for (text, expected) in cases {
        let e = error(text);
        for part in expected {
            assert!(e.contains(part), "{text}\ngives: {e}\nwithout: {part}");
        }
    }
}

#[test]
fn the_flag_reads_like_the_table() {
    let flag: V2xConfig =
        "size=10,num=5,start=2,adjacent=no,pscch-start=40,bitmap=1011,sync-offset=7".parse().unwrap();
    let table = "size = 10\nnum = 5\nstart = 2\nadjacent = false\npscch-start = 40\nbitmap = \"1011\"\nsync-offset = 7";
    assert_eq!(flag, parse_toml(table, "").unwrap());
    let flag: V2xConfig = "size=10,num=5,sync-offset=7+87".parse().unwrap();
    assert_eq!(flag, parse_toml("size = 10\nnum = 5\nsync-offset = [7, 87]", "").unwrap());
    for (text, part) in [
        ("", "key=value"),
        ("size=10,num=5,sync-offset=7+", "0 to 159"),
        ("size=10", "num is missing"),
        ("size=10,num=5,size=4", "twice"),
        ("size=10,num=5,stat=4", "\"start\""),
        ("size=ten,num=5", "ten"),
        ("size=10,num=5,adjacent=maybe", "yes or no"),
        ("size=10,num=5,bitmap=", "bitmap"),
    ] {
        let e = text.parse::<V2xConfig>().unwrap_err();
        assert!(e.to_string().contains(part), "{text}: {e}");
    }
}

#[test]
fn sigmf_carries_it_there_and_back() {
    let mut config = RadioConfig::from_toml(D2D, "").unwrap();
    let global = Global { radio: to_sigmf(&config), sample_rate: Some(7.68e6), ..Global::default() };
    let text = Metadata { global, ..Metadata::default() }.emit();
    let back = from_sigmf(&Metadata::parse(text.as_bytes()).unwrap()).unwrap();
    assert_eq!(back, config);
    config.communication.clear();
    config.v2x = Some("size=5,num=5".parse().unwrap());
    let global = Global { radio: to_sigmf(&config), sample_rate: Some(7.68e6), ..Global::default() };
    assert_eq!(from_sigmf(&Metadata { global, ..Metadata::default() }).unwrap(), config);
}

#[test]
fn sigmf_with_unknown_keys_is_refused() {
    let text = r#"{"global": {"core:datatype": "cf32_le", "core:version": "1.2.6",
        "sidelink:pools": {"v2x": {"size": 5, "num": 5, "strat": 2}}}, "captures": [], "annotations": []}"#;
    let e = from_sigmf(&Metadata::parse(text.as_bytes()).unwrap()).unwrap_err().to_string();
    assert_eq!(e, "unknown key \"strat\"; sidelink:pools.v2x; did you mean \"start\"?");
    let text = text.replace("v2x", "v3x");
    let e = from_sigmf(&Metadata::parse(text.as_bytes()).unwrap()).unwrap_err().to_string();
    assert!(e.contains("v3x") && e.contains("communication"), "{e}");
}

#[test]
fn flags_go_before_the_file_and_both_before_sigmf() {
    let said = |text: &str, by: &str| {
        Some(Said { config: RadioConfig::from_toml(text, by).unwrap(), by: by.to_owned() })
    };
    let flags = RadioConfig { prb: Some(50), ..RadioConfig::default() };
    let (config, notes) =
        combine(flags.clone(), said("prb = 25\ntm = 4", "r.toml"), said("rate = \"15.36M\"", "a.sigmf"));
    assert_eq!((config.prb, config.tm, config.sample_rate()), (Some(50), Some(4), Some(15.36e6)));
    assert_eq!(notes, [""; 0]);

    let (config, notes) = combine(flags, None, said("prb = 25", "a.sigmf"));
    assert_eq!(config.prb, Some(50));
    assert_eq!(notes, ["--prb 50 goes before sidelink:prb 25 of a.sigmf"]);
    let (config, notes) =
        combine(RadioConfig::default(), said("tm = 3", "r.toml"), said("tm = 2", "a.sigmf"));
    assert_eq!(config.tm, Some(3));
    assert_eq!(notes, ["tm in r.toml 3 goes before sidelink:transmission_mode 2 of a.sigmf"]);

    let pool = |size: u32| RadioConfig {
        v2x: Some(format!("size={size},num=5").parse().unwrap()),
        ..Default::default()
    };
    let sigmf = |size| Some(Said { config: pool(size), by: "a.sigmf".to_owned() });
    assert_eq!(combine(pool(5), None, sigmf(5)).1, [""; 0]);
    let (config, notes) = combine(pool(5), None, sigmf(4));
    assert_eq!(config.v2x, pool(5).v2x);
    assert!(notes[0].contains("--v2x-pool"), "{notes:?}");
}

#[test]
// TS 36.211 §9.2.4 (3); TS 36.213 §14.1.5 (1)
fn a_v2x_pool_keeps_clear_of_the_synchronisation_subframes() {
    let text = "prb = 25\ntm = 4\n[sync]\noffset = 3\n[v2x]\nsize = 5\nnum = 5";
    let radio = RadioConfig::from_toml(text, "").unwrap().resolve().unwrap();
    assert_eq!(radio.v2x.unwrap().sync_offsets, [3]);
    assert_eq!(radio.sync.unwrap().period, 160);
    // All offsets of the carrier are left out, not only the first.
    let offsets = |text: &str| {
        let radio = RadioConfig::from_toml(text, "").unwrap().resolve().unwrap();
        radio.v2x.unwrap().sync_offsets
    };
    assert_eq!(offsets(&text.replace("offset = 3", "offset = [3, 83]")), [3, 83]);
    assert_eq!(offsets(&format!("{text}\nsync-offset = 7")), [7]);
    assert_eq!(offsets(&format!("{text}\nsync-offset = [7, 9]")), [7, 9]);
    assert!(error(&format!("{text}\nsync-offset = [7, 160]")).contains("0 to 159"));
    assert!(error(&format!("{text}\nsync-offset = [1, 2, 3, 4]")).contains("three"));
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused(text in "\\PC{0,80}") {
        let _ = RadioConfig::from_toml(&text, "x").map(|c| c.resolve());
        let _ = text.parse::<V2xConfig>();
        let _ = text.parse::<Bitmap>();
    }

    #[test]
    fn any_numbers_are_taken_or_refused(prb: Option<u32>, size: u32, num: u32, start: u32, pscch: Option<u32>,
        period: u32, offset: u32, s: u32, e: u32, n: u32, repetitions: Option<u32>, bits in "[01]{1,50}") {
        let bitmap: Bitmap = bits.parse().unwrap();
        let set = PrbSet { start: s, end: e, num: n };
        let v2x = V2xConfig { size, num, start, adjacent: pscch.is_none(), pscch_start: pscch, bitmap: Some(bitmap.clone()), sync_offset: None };
        let _ = RadioConfig { prb, v2x: Some(v2x), ..Default::default() }.resolve();
        let d = DiscoveryConfig { period, offset, bitmap: bitmap.clone(), repetitions, transmissions: None, prb: set, cp: None };
        let _ = RadioConfig { prb, discovery: vec![d], ..Default::default() }.resolve();
        let c = CommunicationConfig { period, offset, control_bitmap: bitmap.clone(), control_prb: set, control_cp: None,
            data_bitmap: Some(bitmap), data_offset: Some(offset), data_prb: None, data_cp: None, trp_length: None, hopping: None };
        let _ = RadioConfig { prb, communication: vec![c], ..Default::default() }.resolve();
    }
}
