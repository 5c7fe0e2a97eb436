use super::*;
use sidelink_mac::engine::{Bearer, Config, Engine, Input, Output};
use sidelink_mac::pdcp::{PlainSn, Protection as Ciphering};
use sidelink_prose::discovery::{Announcer, AnnouncerKey};
use sidelink_security::counter::UtcCounter;
use sidelink_security::counter::memory::Memory;
use sidelink_security::counter::reserve::ReserveConfig;
use sidelink_security::discovery::open::OpenKey;
use sidelink_security::discovery::ota::OtaIdentity;
use sidelink_security::discovery::restricted::Sender;
use sidelink_security::discovery::{Freshness, Message, Profile};
use sidelink_security::keys::DiscoveryKey;
use sidelink_store::{
    Cipher, Discovery, Group, Hex, Protection, RotationName, SchemeName, Secret, SignedEntry, VariantName,
};
use sidelink_wire::pc5_discovery::{Content, MessageType, Packet, Repr};
use sidelink_wire::pdcp::SduType;

const NOW: UtcTime = UtcTime::from_millis(1_795_238_400_500);
const UNTIL: u32 = 1_800_000_000;

fn group(mac: Option<Cipher>) -> Group {
    let mut group = Group {
        name: "fire".into(),
        group_id: Hex(vec![0, 1, 0xa2]),
        cipher: Cipher::Aes,
        mac,
        member: vec!["alice=0000a1".parse().unwrap()],
        pgk: Vec::new(),
    };
    group.new_pgk(0, UNTIL).unwrap();
    group
}

/// The blocks of Alice, who sends `data` to `group` in blocks of `len` octets.
fn blocks(group: &Group, data: &[&[u8]], len: usize, plain: bool) -> Vec<Vec<u8>> {
    let now = NOW;
    let address = Address::Group(Layer2Id::from_octets([0, 1, 0xa2]));
    let lcid = Lcid::new(1).unwrap();
    let mut engine = Engine::new(Config::new(Layer2Id::from_octets([0, 0, 0xa1])));
    let ciphering = if plain {
        Ciphering::Plain(PlainSn::Zero)
    } else {
        let mut sender = group::Sender::new(group.config().unwrap(), [0, 0, 0xa1]);
        let key = group.pgk(&group.pgk[0]).unwrap().unwrap();
        sender.install(key, ReserveConfig::default(), &mut Memory::default()).unwrap();
        Ciphering::Group(sender)
    };
    engine.add_destination(address, ciphering);
    engine.add_bearer(Bearer::new(address, lcid)).unwrap();
    for data in data {
        engine.handle_input(Input::Send { now, address, lcid, sdu_type: SduType::Ip, data }).unwrap();
    }
    let mut blocks = Vec::new();
    loop {
        engine.handle_input(Input::Opportunity { address: None, len }).unwrap();
        match engine.poll_output() {
            Output::SlSch { block, .. } => blocks.push(block.to_vec()),
            _ => return blocks,
        }
        while !matches!(engine.poll_output(), Output::Timeout(_) | Output::Reserve(_)) {}
    }
}

/// Source, result, data of every PDU.
fn heard(opener: &mut Opener, blocks: &[Vec<u8>]) -> Vec<(String, Option<u32>, Option<Vec<u8>>)> {
    let mut heard = Vec::new();
    for block in blocks {
        opener.sl_sch(NOW, Some(0xa2), block, &mut |opened| match opened {
            Opened::Pdcp(report) => {
                assert_eq!(report.source.octets(), [0, 0, 0xa1]);
                let count = report.header.map(|header| header.count().value());
                heard.push((report.result.to_string(), count, report.data.map(<[u8]>::to_vec)));
            }
            Opened::Malformed { why, .. } => heard.push((why, None, None)),
            Opened::Discovery(_) => panic!("no discovery message"),
        });
    }
    heard
}

#[test]
fn group_data_is_opened_reassembled_and_not_twice() {
    for (mac, word) in [(None, "deciphered"), (Some(Cipher::Snow3g), "verified")] {
        let group = group(mac);
        let long = vec![0x55; 300];
        let blocks = blocks(&group, &[b"hello", &long], 120, false);
        assert!(blocks.len() > 2);
        let keys = Keys { group: vec![group], ..Keys::default() };
        let mut opener = Opener::with_keys(keys).unwrap();
        let found = heard(&mut opener, &blocks);
        let expected = [
            (word.to_owned(), Some(0x1_0001), Some(b"hello".to_vec())),
            (word.to_owned(), Some(0x1_0002), Some(long)),
        ];
        assert_eq!(found, expected);
        let again = heard(&mut opener, &blocks);
        // RLC takes the repeated SN of the middle segments as what it is; the whole PDU of the first block comes again.
        assert!(again.iter().all(|(result, _, data)| result == "replay" && data.is_none()), "{again:?}");
    }
}

#[test]
fn without_the_key_only_headers_are_seen() {
    let group = group(None);
    let ciphered = blocks(&group, &[b"hello"], 60, false);
    let clear = blocks(&group, &[b"hello"], 60, true);
    let mut bare = Opener::headers_only();
    assert_eq!(heard(&mut bare, &ciphered), [("no_keys".to_owned(), Some(0x1_0001), None)]);
    assert_eq!(heard(&mut bare, &clear), [("no_keys".to_owned(), Some(0), Some(b"hello".to_vec()))]);
    assert_eq!(bare.sl_dch(NOW, &[0x41; 29]).unwrap(), None);

    let mut stranger = Opener::with_keys(Keys::default()).unwrap();
    assert_eq!(heard(&mut stranger, &ciphered), [("unknown_key".to_owned(), Some(0x1_0001), None)]);
    let mut other = group.clone();
    other.pgk[0].expiry = 1;
    let mut late = Opener::with_keys(Keys { group: vec![other], ..Keys::default() }).unwrap();
    assert_eq!(heard(&mut late, &ciphered)[0].0, "expired");
}

/// The standard has no integrity on group data: a flipped bit of the data passes as deciphered. With the group's own MAC
/// it is caught.
#[test]
fn a_flipped_bit_is_caught_only_by_the_mac_of_the_group() {
    for (mac, word) in [(None, "deciphered"), (Some(Cipher::Aes), "bad_mac")] {
        let group = group(mac);
        let mut blocks = blocks(&group, &[b"hello, group"], 60, false);
        // in the data: MAC and RLC headers take 9 octets, that of PDCP 5
        blocks[0][20] ^= 4;
        let mut opener = Opener::with_keys(Keys { group: vec![group], ..Keys::default() }).unwrap();
        let found = heard(&mut opener, &blocks);
        assert_eq!(found[0].0, word);
        assert_ne!(found[0].2.as_deref(), Some(&b"hello, group"[..]));
    }
}

fn discovery(name: &str, protection: Protection, seed: u8) -> Discovery {
    let secret = |add: u8, len| Some(Secret::new(vec![seed.wrapping_mul(7).wrapping_add(add); len]));
    let mut entry = Discovery::new(name, protection, UNTIL);
    entry.code = Some(Hex(vec![seed; 23]));
    match protection {
        Protection::None => {}
        Protection::Open => entry.key = secret(1, 32),
        Protection::Restricted => {
            entry.dusk = secret(1, 32);
            entry.duik = secret(2, 32);
            entry.duck = secret(3, 32);
            entry.duck_mask = Some(Hex(vec![0x0f; 23]));
        }
        Protection::PublicSafety => {
            entry.psdk = secret(1, 32);
            entry.key_type_id = Some(Hex(vec![1, 2, 3]));
        }
        Protection::Rotating => {
            entry.code = None;
            entry.prose_id = secret(1, 20);
            entry.application_key = secret(2, 32);
            entry.variant = Some(VariantName::Keyed);
        }
        Protection::PreShared => entry.secret = secret(1, 32),
        Protection::Signed => {
            let nobody = (&Keys::default(), None);
            let signed = SignedEntry::fresh(SchemeName::Ed25519, RotationName::Coded, nobody, NOW);
            entry.signed = Some(signed.unwrap().0);
        }
        Protection::DelayedKey | Protection::Chain | Protection::Pointer => {
            unreachable!("tested with their announcers")
        }
    }
    entry
}

/// What the owner of an entry announces at `now`.
fn announce(entry: &Discovery, now: UtcTime) -> Message {
    let freshness = Freshness::at(now.counter());
    let mut message = [0; 29];
    message[1..24].fill(entry.code.as_ref().map_or(0, |code| code.0[0]));
    match entry.followed().unwrap().unwrap() {
        sidelink_store::Followed::Open(..) => {
            message[0] = MessageType::OpenAnnouncement.octet();
            let key = DiscoveryKey::try_from(entry.key.as_ref().unwrap().as_bytes()).unwrap();
            OpenKey::new(&key, Profile::default()).protect(&freshness, &mut message).unwrap();
        }
        sidelink_store::Followed::Restricted(message_type, _, material, _) => {
            message[0] = message_type.octet();
            Sender::new(&material, Profile::default()).protect(&freshness, &mut message).unwrap();
        }
        sidelink_store::Followed::Rotating(config, id, key) => {
            let nonce = vec![9; usize::from(config.nonce_bits()) / 8];
            message = OtaIdentity::new(config, id, &key).announce(now, &nonce).unwrap();
        }
        sidelink_store::Followed::PreShared(session) => message = session.solicit(&freshness).unwrap().0,
        _ => unreachable!("announced by announcers"),
    }
    message
}

fn judged(opener: &mut Opener, now: UtcTime, message: &[u8]) -> (String, Option<String>) {
    match opener.sl_dch(now, message).unwrap() {
        Some(Opened::Discovery(report)) => (report.result.to_string(), report.name),
        Some(Opened::Malformed { .. }) => ("malformed".to_owned(), None),
        other => panic!("{other:?}"),
    }
}

fn everybody() -> Keys {
    let all = [
        Protection::Open,
        Protection::Restricted,
        Protection::PublicSafety,
        Protection::Rotating,
        Protection::PreShared,
    ];
    let mut entries: Vec<Discovery> =
        (0..20).map(|i| discovery(&format!("ue-{i}"), all[i as usize % all.len()], i + 1)).collect();
    // one whose configuration is not the tabled one
    entries[8].nonce_bits = Some(32);
    Keys { discovery: entries, ..Keys::default() }
}

/// Each fragment is told of, and the announcement is verified with the fourth: under its name, with code and time.
#[test]
fn a_signed_announcement_is_verified_with_its_last_fragment() {
    let entry = discovery("anna", Protection::Signed, 9);
    let mut announcer = Announcer::signed(entry.signed_sender().unwrap().unwrap(), UtcCounter::new(UNTIL));
    let mut opener = Opener::with_keys(Keys { discovery: vec![entry], ..Keys::default() }).unwrap();
    let mut found = Vec::new();
    for period in 0..70 {
        let now = AirTime::at(NOW.plus_millis(320 * period));
        let message = announcer.announce(&now, &TimePolicy::default(), &mut || 4).unwrap();
        let Some(Opened::Discovery(report)) = opener.sl_dch_in(&now, &message).unwrap() else { panic!() };
        if report.result.is_good() {
            assert_eq!((report.name.as_deref(), report.code), (Some("anna"), Some([9; 23])));
            let age = now.slot.counter().value() - report.counter.unwrap();
            assert!(age <= 21, "signed {age} s ago: a set has 20.48 s");
        }
        found.push(report.result.to_string());
    }
    assert!(found.iter().filter(|result| *result == "incomplete").count() >= 3, "{found:?}");
    assert!(found.iter().filter(|result| *result == "verified").count() >= 60, "{found:?}");
}

#[test]
fn every_protection_is_verified_under_its_name() {
    let keys = everybody();
    let mut opener = Opener::with_keys(keys.clone()).unwrap();
    for second in 0..5 {
        let now = NOW.plus_millis(1000 * second);
        for entry in &keys.discovery {
            let message = announce(entry, now);
            assert_eq!(judged(&mut opener, now, &message), ("verified".to_owned(), Some(entry.name.clone())));
        }
    }
}

#[test]
fn a_message_with_any_bit_flipped_is_never_accepted() {
    let keys = everybody();
    for entry in &keys.discovery[..10] {
        let message = announce(entry, NOW);
        for bit in 0..232 {
            let mut opener =
                Opener::with_keys(Keys { discovery: vec![entry.clone()], ..Keys::default() }).unwrap();
            let mut flipped = message;
            flipped[bit / 8] ^= 0x80 >> (bit % 8);
            let (result, _) = judged(&mut opener, NOW, &flipped);
            if entry.protection == Protection::Open && (224..228).contains(&bit) {
                assert_eq!(result, "verified", "spare bits are ignored");
                continue;
            }
            assert!(
                ["bad_mic", "unknown", "outside_max_offset", "type", "malformed", "replay", "clock"]
                    .contains(&&*result),
                "{} bit {bit}: {result}",
                entry.name
            );
        }
    }
}

#[test]
fn what_is_old_is_refused() {
    let keys = everybody();
    let message = |i: usize| announce(&keys.discovery[i], NOW);
    let mut opener = Opener::with_keys(keys.clone()).unwrap();
    let later = NOW.plus_millis(100_000);
    for (i, entry) in keys.discovery[..3].iter().enumerate() {
        // the four bits of open discovery name a counter near the monitor's own, which its MIC has not
        let old = if entry.protection == Protection::Open { "bad_mic" } else { "outside_max_offset" };
        assert_eq!(judged(&mut opener, later, &message(i)).0, old, "{i}");
    }
    // One rotation period later: the very next second. A clock that goes back is none of a recording, but ends.
    assert_ne!(judged(&mut opener, NOW, &message(3)).0, "malformed");
    let mut opener = Opener::with_keys(keys.clone()).unwrap();
    let next = NOW.plus_millis(1000);
    assert_eq!(judged(&mut opener, next, &message(8)).0, "replay");
    assert!(["replay", "unknown"].contains(&&*judged(&mut opener, next, &message(3)).0));
    let mut opener = Opener::with_keys(keys.clone()).unwrap();
    assert_eq!(judged(&mut opener, NOW, &message(4)).0, "verified");
    assert_eq!(judged(&mut opener, NOW, &message(4)).0, "replay", "a request is believed once");
    let expired = UtcTime::from_counter(UtcCounter::new(UNTIL));
    for entry in &keys.discovery {
        assert_ne!(judged(&mut opener, expired, &announce(entry, expired)).0, "verified", "{}", entry.name);
    }
}

#[test]
fn an_unprotected_announcer_is_nobody_known() {
    let mut plain = [0; 29];
    let content = Content::OpenAnnouncement([3; 23]);
    Repr::Standard { content, mic: [0; 4], utc_lsb: 0 }.emit(&mut plain).unwrap();
    assert_eq!(Packet::new_checked(&plain).unwrap().message_type(), 0x41);
    let mut announcer = Announcer::new(&content, AnnouncerKey::Unprotected, UtcCounter::new(UNTIL)).unwrap();
    let message = announcer.announce(&AirTime::at(NOW), &TimePolicy::default(), &mut || 0).unwrap();
    let mut opener = Opener::with_keys(everybody()).unwrap();
    assert_eq!(judged(&mut opener, NOW, &message), ("unknown".to_owned(), None));
}

/// From samples to what was said: a recording of a protected group and two announcers, and the same without keys.
#[test]
fn a_recording_is_decoded_verified_and_opened() {
    use crate::commands::{Cli, run};
    use clap::Parser;
    use serde_json::Value;

    let folder = std::env::temp_dir().join(format!("sidelink-open-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str| folder.join(name).display().to_string();
    let command =
        |args: &[&str]| run(Cli::try_parse_from(std::iter::once(&"sidelink").chain(args)).unwrap().command);

    let group = group(None);
    // MCS 9 on 8 PRBs: 1256 bits. TS 36.213 Table 7.1.7.2.1-1.
    let blocks = blocks(&group, &[b"hello, group"], 1256 / 8, false);
    let mut keys = everybody();
    keys.group = vec![group];
    let hex = |bytes: &[u8]| sidelink_wire::hex::of_bytes(bytes);
    let restricted = announce(&keys.discovery[1], NOW);
    let rotating = announce(&keys.discovery[3], NOW);
    let example = include_str!("../scenario/example_d2d.toml");
    let radio = example.split("[[ue]]").next().unwrap();
    let scenario = format!(
        r#"{radio}
[[ue]]
name = "A"
[ue.sync]
id = 301
[[ue.communication]]
resource = 7
group = 162
trp = 40
mcs = 9
start = 2
len = 8
payload = "{}"
[[ue.discovery]]
message = "{}"
resource = 3
[[ue]]
name = "B"
[[ue.discovery]]
message = "{}"
resource = 9
"#,
        hex(&blocks[0]),
        hex(&restricted),
        hex(&rotating)
    );
    std::fs::write(file("scenario.toml"), scenario).unwrap();
    let store = folder.join("keys.toml");
    let _ = std::fs::remove_file(&store);
    sidelink_store::write_private(&store, &keys.to_toml().unwrap()).unwrap();
    command(&["generate", "-c", &file("scenario.toml"), "-w", &file("air")]).unwrap();
    let (json, air) = (format!("json:{}", file("out.json")), file("air.sigmf-meta"));
    let decode = ["decode", &air, "-F", &json, "--utc", "1795238400.2"];
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(file("out.json")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };

    command(&[&decode[..], &["--keys", &file("keys.toml"), "--pcap", &file("out.pcap")]].concat()).unwrap();
    let found = lines();
    let of =
        |kind: &str| -> Vec<Value> { found.iter().filter(|line| line["type"] == kind).cloned().collect() };
    let (pdcp, discovery) = (of("pdcp"), of("discovery"));
    assert_eq!(pdcp[0]["result"], "deciphered", "{pdcp:?}");
    assert_eq!(pdcp[0]["payload"], hex(b"hello, group"));
    assert_eq!((&pdcp[0]["source"], &pdcp[0]["destination"]), (&"0000a1".into(), &"0001a2".into()));
    assert_eq!(
        (&pdcp[0]["pgk_index"], &pdcp[0]["ptk_id"], &pdcp[0]["sn"]),
        (&1.into(), &1.into(), &1.into())
    );
    assert_eq!(pdcp[0]["sender"], "alice");
    // The scenario sends the same block again and again: replays.
    assert!(pdcp[1..].iter().all(|pdu| pdu["result"] == "replay"), "{pdcp:?}");
    for name in ["ue-1", "ue-3"] {
        let heard = discovery.iter().find(|line| line["name"] == name);
        assert_eq!(heard.unwrap()["result"], "verified", "{discovery:?}");
    }

    command(&decode).unwrap();
    let kinds: Vec<Value> = lines().into_iter().map(|line| line["type"].clone()).collect();
    assert!(kinds.contains(&"sl-sch".into()) && kinds.contains(&"sl-dch".into()));
    assert!(!kinds.contains(&"pdcp".into()) && !kinds.contains(&"discovery".into()));
    std::fs::remove_dir_all(&folder).unwrap();
}
