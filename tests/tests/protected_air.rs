//! Protected frames from keys to samples and back: `sidelink generate --keys`, `sidelink decode --keys`. Every frame is
//! verified, and what was changed or heard before is not.
#![allow(clippy::disallowed_methods)]

use clap::Parser;
use serde_json::Value;
use sidelink_flowgraphs::Sample;
use sidelink_flowgraphs::commands::{self, Cli};
use sidelink_flowgraphs::open::{Opened, Opener};
use sidelink_flowgraphs::scenario::{Generator, Scenario, Secrets};
use sidelink_phy::transmit::Content;
use sidelink_security::counter::UtcTime;
use sidelink_store::{Cipher, Discovery, Group, Hex, KeyStore, Keys, Protection, Secret, VariantName};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// The second changes between the two discovery periods of [`scenario`]: identifiers rotate there.
const START: UtcTime = UtcTime::from_millis(1_795_238_400_800);
const UNTIL: u32 = 1_800_000_000;
/// Es/N0 in dB: 3 dB over the sensitivity of PSSCH with MCS 5, -1.0, and more over that of PSCCH, -1.4, and of PSDCH sent
/// twice, -1.6 (docs/performance.md).
const SNR: f64 = 2.0;

struct Folder(TempDir);

impl Folder {
    fn new(name: &str) -> Self {
        Self(TempDir::with_prefix(format!("sidelink-air-{name}-")).unwrap())
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// The key store of [`keys`].
    fn store(&self) -> String {
        let path = self.0.path().join("keys");
        KeyStore::create(&path).unwrap().put(&keys()).unwrap();
        path.display().to_string()
    }
}

fn sidelink(args: &[&str]) {
    let command = std::iter::once(&"sidelink").chain(args);
    commands::run(Cli::try_parse_from(command).unwrap().command).unwrap_or_else(|e| panic!("{e:#}"));
}

/// Every protection there is, by name.
const KINDS: [&str; 11] = [
    "none",
    "open",
    "restricted, scrambled",
    "restricted, masked",
    "restricted, both",
    "public safety",
    "rotating, by time",
    "rotating, by nonce",
    "rotating, by time, literal",
    "rotating, by nonce, literal",
    "request and response",
];

fn entry(index: u8) -> Discovery {
    let kind = KINDS[usize::from(index) % KINDS.len()];
    let secret = |number: u8, octets| Some(Secret::new(vec![index.wrapping_mul(16) ^ number; octets]));
    let protection = match kind.split(',').next().unwrap() {
        "none" => Protection::None,
        "open" => Protection::Open,
        "restricted" => Protection::Restricted,
        "public safety" => Protection::PublicSafety,
        "rotating" => Protection::Rotating,
        _ => Protection::PreShared,
    };
    let mut entry = Discovery::new(&format!("{index} {kind}"), protection, UNTIL);
    entry.code = Some(Hex(vec![0x40 + index; 23]));
    match protection {
        Protection::None => {}
        Protection::Open => entry.key = secret(1, 32),
        Protection::Restricted => {
            entry.duik = secret(1, 32);
            entry.dusk = (kind != "restricted, masked").then(|| secret(2, 32)).flatten();
            entry.duck = (kind != "restricted, scrambled").then(|| secret(3, 32)).flatten();
            entry.duck_mask = entry.duck.as_ref().map(|_| Hex(vec![0x3c; 23]));
        }
        Protection::PublicSafety => {
            entry.psdk = secret(1, 32);
            entry.key_type_id = Some(Hex(vec![1, 2, index]));
            let fields = [&[1, 2, index][..], &[7; 9], &[0x80], &[0; 10]].concat();
            entry.code = Some(Hex(fields));
        }
        Protection::Rotating => {
            entry.code = None;
            (entry.prose_id, entry.application_key) = (secret(1, 20), secret(2, 32));
            let literal = kind.ends_with("literal");
            entry.variant = Some(if literal { VariantName::Literal } else { VariantName::Keyed });
            entry.nonce_bits = Some(if kind.contains("nonce") { 48 } else { 0 });
        }
        Protection::PreShared => entry.secret = secret(1, 32),
        Protection::Signed | Protection::DelayedKey | Protection::Chain | Protection::Pointer => {
            unreachable!("their messages belong together: signed_air.rs")
        }
    }
    entry
}

/// Twenty announcers, and two groups: "fire" with a MAC-I of its own, "police" as the standard has it.
fn keys() -> Keys {
    let group = |name: &str, id: u8, cipher, mac, members: [&str; 2]| {
        let mut group = Group {
            name: name.to_owned(),
            group_id: Hex(vec![0, 1, id]),
            cipher,
            mac,
            member: members.map(|member| member.parse().unwrap()).to_vec(),
            pgk: Vec::new(),
        };
        group.new_pgk(0, UNTIL).unwrap();
        group
    };
    Keys {
        group: vec![
            group("fire", 0xa2, Cipher::Aes, Some(Cipher::Snow3g), ["alice=0000a1", "bob=0000b2"]),
            group("police", 0xc3, Cipher::Zuc, None, ["claire=0000c1", "dan=0000d2"]),
        ],
        discovery: (0..20).map(entry).collect(),
        ..Keys::default()
    }
}

/// Twenty announcers and one who answers, with resources of their own, and two talkers of each group.
fn scenario() -> String {
    let mut text = format!(
        r#"duration = 680
first-subframe = 1280
snr = {SNR}
[radio]
prb = 25
tm = 2
[radio.sync]
offset = 0
[[radio.communication]]
period = 80
control-bitmap = "0111 1000"
control-prb = {{ start = 1, end = 23, num = 10 }}
data-bitmap = "0111 1110"
data-offset = 8
data-prb = {{ start = 0, end = 24, num = 12 }}
[[radio.discovery]]
period = 320
offset = 40
bitmap = "0000 0001"
repetitions = 8
transmissions = 2
prb = {{ start = 0, end = 24, num = 12 }}
"#
    );
    let talkers = [("alice", "fire", 0), ("bob", "fire", 6), ("claire", "police", 12), ("dan", "police", 18)];
    for (i, (name, group, start)) in talkers.into_iter().enumerate() {
        let sync = if i == 0 { "[ue.sync]\nid = 301\n" } else { "" };
        text += &format!(
            r#"[[ue]]
name = "{name}"
cfo = {}
{sync}[[ue.communication]]
resource = {}
trp = {}
mcs = 5
start = {start}
len = 6
payload = ["text:I am {name}", "random"]
protected = {{ group = "{group}", octets = 150 }}
"#,
            100 * i as i32 - 150,
            5 * i + 1,
            40 + i,
        );
    }
    for (i, entry) in keys().discovery.iter().enumerate() {
        let resource = 2 * i;
        text += &format!(
            "[[ue]]\nname = \"announcer {i}\"\ncfo = {}\n[[ue.discovery]]\nprotected = {{ key = {:?} }}\nresource = {resource}\n",
            17 * i as i32 - 160,
            entry.name
        );
    }
    text + "[[ue]]\nname = \"shop\"\n[[ue.discovery]]\nprotected = { answers = \"10 request and response\" }\n\
            message = \"text:bread\"\nresource = 47\n"
}

/// Decode to JSON lines.
fn decoded(folder: &Folder, air: &str, more: &[&str]) -> Vec<Value> {
    let json = folder.file("out.json");
    sidelink(&[&["decode", air, "-F", &format!("json:{json}")], more].concat());
    let text = std::fs::read_to_string(json).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

#[test]
fn twenty_announcers_and_two_groups_are_verified_three_decibels_over_the_sensitivity() {
    let folder = Folder::new("all");
    let store = folder.store();
    std::fs::write(folder.file("scenario.toml"), scenario()).unwrap();
    let (config, air) = (folder.file("scenario.toml"), folder.file("air"));
    let start = (START.millis() as f64 / 1e3).to_string();
    sidelink(&["generate", "-c", &config, "--keys", &store, "--utc", &start, "-w", &air]);
    // When it was made stands in its metadata.
    let air = folder.file("air.sigmf-meta");
    let lines = decoded(&folder, &air, &["--keys", &store]);

    // Every block and message that was sent, once.
    let meta: Value = serde_json::from_str(&std::fs::read_to_string(&air).unwrap()).unwrap();
    let sent = |kind: &str| -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        for annotation in meta["annotations"].as_array().unwrap() {
            let fields = &annotation["sidelink:fields"];
            if fields["type"] == kind {
                *all.entry(fields["hex"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        all
    };
    for (kind, transmissions) in [("sl-sch", 4), ("sl-dch", 2)] {
        let mut heard = BTreeMap::new();
        for line in of(&lines, kind).into_iter().filter(|line| line["repeat"] != true) {
            *heard.entry(line["hex"].as_str().unwrap().to_owned()).or_default() += transmissions;
        }
        assert_eq!(heard, sent(kind), "{kind}");
    }

    let discovery = of(&lines, "discovery");
    // Two periods, and one answer in the second.
    assert_eq!(discovery.len(), 41);
    for key in keys().discovery {
        let heard: Vec<_> = discovery.iter().filter(|line| line["name"] == *key.name).collect();
        let asked = key.name == "10 request and response";
        assert_eq!(heard.len(), if asked { 3 } else { 2 }, "{}", key.name);
        let expected = if key.protection == Protection::None { "unprotected" } else { "verified" };
        assert!(heard.iter().all(|line| line["result"] == expected), "{heard:?}");
    }
    let answer: Vec<_> = discovery.iter().filter(|line| line["message_type"] == 0x82).collect();
    assert_eq!(answer.len(), 1);
    assert!(answer[0]["code"].as_str().unwrap().starts_with("6272656164"), "bread: {answer:?}");

    let pdcp = of(&lines, "pdcp");
    for (name, group, word) in [
        ("alice", "fire", "verified"),
        ("bob", "fire", "verified"),
        ("claire", "police", "deciphered"),
        ("dan", "police", "deciphered"),
    ] {
        let heard: Vec<_> = pdcp.iter().filter(|line| line["sender"] == name).collect();
        assert!(heard.len() > 10, "{name}: {}", heard.len());
        assert!(heard.iter().all(|line| line["group"] == group && line["result"] == word), "{heard:?}");
        let text = |line: &Value| line["payload"].as_str().unwrap().to_owned();
        let words: String = format!("I am {name}").bytes().map(|octet| format!("{octet:02x}")).collect();
        for (i, line) in heard.iter().enumerate() {
            assert_eq!(line["sn"], i + 1);
            let octets = text(line).len() / 2;
            assert!(if i % 2 == 0 { text(line) == words } else { octets == 150 }, "{name} {i}: {line}");
        }
    }
    assert_eq!(pdcp.len(), pdcp.iter().filter(|line| line["sender"].is_string()).count());

    // The same air a second time, as if it were sent again a second later: no identifier that rotates by then is believed.
    let later = (START.millis() as f64 / 1e3 + 1.0).to_string();
    let lines = decoded(&folder, &air, &["--keys", &store, "--utc", &later]);
    let rotating: Vec<_> =
        of(&lines, "discovery").into_iter().filter(|line| line["message_type"] == 0xc1).collect();
    assert!(!rotating.is_empty());
    for line in rotating {
        assert!(["replay", "unknown"].contains(&line["result"].as_str().unwrap()), "{line}");
    }
}

/// What is on air, in its order: subframe, and message or block.
struct Air {
    messages: Vec<(u64, [u8; 29])>,
    blocks: Vec<(u64, u8, Vec<u8>)>,
}

fn on_air(scenario: &str, secrets: Secrets) -> Air {
    let scenario = Scenario::from_toml(scenario, "scenario").unwrap();
    let mut generator = Generator::with_secrets(&scenario, Some(secrets)).unwrap();
    let mut samples = vec![Sample::default(); generator.subframe_samples()];
    let mut air = Air { messages: Vec::new(), blocks: Vec::new() };
    for subframe in 0..scenario.duration {
        for event in generator.next_subframe(&mut samples) {
            match event.transmission.content {
                Content::SlDch { message, transmission: 1, .. } => air.messages.push((subframe, message)),
                Content::SlSch { grant, block, .. } if grant.rv == 0 => {
                    air.blocks.push((subframe, grant.n_id as u8, block));
                }
                _ => {}
            }
        }
    }
    air
}

fn discovery_only() -> Air {
    let keys = Keys { group: Vec::new(), ..keys() };
    let text = scenario();
    let (radio, announcers) =
        (text.split("[[ue]]").next().unwrap(), text.split_once("[[ue]]\nname = \"announcer").unwrap().1);
    on_air(&format!("{radio}[[ue]]\nname = \"announcer{announcers}"), Secrets::of_keys(keys, START).unwrap())
}

fn at(subframe: u64) -> UtcTime {
    START.plus_millis(subframe)
}

fn judged(opener: &mut Opener, now: UtcTime, message: &[u8]) -> (String, Option<String>) {
    match opener.sl_dch(now, message).unwrap() {
        Some(Opened::Discovery(report)) => (report.result.to_string(), report.name),
        Some(Opened::Malformed { why, .. }) => (why, None),
        other => panic!("{other:?}"),
    }
}

/// Any one of the 232 bits, of each protection: never accepted, but for the four spare ones of open discovery. Without protection nothing is ever called verified.
#[test]
// TS 36.300 §23.11.2
fn no_flipped_bit_of_a_discovery_message_is_accepted() {
    let air = discovery_only();
    let mut kinds = 0;
    for (index, name) in KINDS.iter().enumerate() {
        let keys = Keys { discovery: vec![entry(index as u8)], ..Keys::default() };
        let opener = || Opener::with_keys(keys.clone()).unwrap();
        let known = |(now, message): &&(u64, [u8; 29])| judged(&mut opener(), at(*now), message).1.is_some();
        let (subframe, message) =
            air.messages.iter().find(known).unwrap_or_else(|| panic!("{name} was not sent"));
        let fresh = judged(&mut opener(), at(*subframe), message).0;
        let protected = keys.discovery[0].protection != Protection::None;
        assert_eq!(fresh, if protected { "verified" } else { "unprotected" }, "{name}");
        for bit in 0..232 {
            let mut flipped = *message;
            flipped[bit / 8] ^= 0x80 >> (bit % 8);
            let (result, _) = judged(&mut opener(), at(*subframe), &flipped);
            if keys.discovery[0].protection == Protection::Open && (224..228).contains(&bit) {
                assert_eq!(result, "verified", "spare bits are ignored");
                continue;
            }
            let good = ["verified", "deciphered", "to_report"].contains(&&*result);
            assert!(!good && (!protected || result != "unprotected"), "{name}, bit {bit}: {result}");
        }
        kinds += 1;
    }
    // The answer needs its question: heard by the same opener.
    let keys = Keys { discovery: vec![entry(10)], ..Keys::default() };
    let question = air.messages.iter().filter(|(_, message)| message[0] == 0x86);
    let question = question.collect::<Vec<_>>()[0];
    let answer = air.messages.iter().find(|(_, message)| message[0] == 0x82).unwrap();
    let mut opener = Opener::with_keys(keys.clone()).unwrap();
    assert_eq!(judged(&mut opener, at(answer.0), &answer.1).0, "unknown", "nobody knows what it answers");
    assert_eq!(judged(&mut opener, at(question.0), &question.1).0, "verified");
    for bit in 0..232 {
        let mut flipped = answer.1;
        flipped[bit / 8] ^= 0x80 >> (bit % 8);
        let (result, _) = judged(&mut opener, at(answer.0), &flipped);
        assert!(
            !["verified", "deciphered", "to_report", "unprotected"].contains(&&*result),
            "bit {bit}: {result}"
        );
    }
    assert_eq!(judged(&mut opener, at(answer.0), &answer.1).0, "verified");
    assert_eq!(judged(&mut opener, at(answer.0), &answer.1).0, "replay");
    assert_eq!(kinds, KINDS.len());
}

/// What an opener says of a recording's messages when they come again: one rotation period later for identifiers that
/// rotate; for a MIC after a newer message was heard, or after MAX_OFFSET; of open discovery after 8 s.
#[test]
fn what_was_recorded_is_refused_when_it_comes_again() {
    let air = discovery_only();
    let keys = Keys { discovery: keys().discovery, ..Keys::default() };
    let mut opener = Opener::with_keys(keys).unwrap();
    let mut first = BTreeMap::new();
    let mut last = 0;
    for (subframe, message) in &air.messages {
        let (result, name) = judged(&mut opener, at(*subframe), message);
        assert!(["verified", "unprotected"].contains(&&*result), "{name:?}: {result}");
        first.entry(name.unwrap()).or_insert((*subframe, *message));
        last = *subframe;
    }
    assert_eq!(first.len(), 20);
    for (name, (subframe, message)) in &first {
        let next = judged(&mut opener, at((subframe + 1000).max(last)), message).0;
        let much_later = judged(&mut opener, at(subframe + 1000 * 34), message).0;
        if name.ends_with("none") {
            assert_eq!(next, "unprotected", "{name}: nobody can tell");
        } else if name.ends_with("open") {
            // The standard: the network believes it for as long as its four bits name the same second, 8 s.
            assert_eq!((&*next, &*much_later), ("verified", "bad_mic"), "{name}");
        } else {
            assert!(["replay", "unknown"].contains(&&*next), "{name}: {next}");
            assert_ne!(much_later, "verified", "{name}");
        }
    }
}

/// The groups' part of [`scenario`], from a store.
fn talkers(folder: &Folder) -> Air {
    let text = scenario();
    let talkers = text.split("[[ue]]\nname = \"announcer").next().unwrap();
    let path = PathBuf::from(folder.file("keys"));
    on_air(talkers, Secrets::of_store(KeyStore::open(&path).unwrap(), START).unwrap())
}

/// Result, COUNT and data of each PDU of a block.
fn opened(
    opener: &mut Opener,
    (subframe, group, block): &(u64, u8, Vec<u8>),
) -> Vec<(String, u32, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    opener.sl_sch(at(*subframe), Some(*group), block, &mut |opened| {
        if let Opened::Pdcp(report) = opened {
            let count = report.header.map_or(0, |header| header.count().value());
            all.push((report.result.to_string(), count, report.data.map(<[u8]>::to_vec)));
        }
    });
    all
}

/// The standard has no integrity for groups: a flipped bit of the data passes as deciphered, and flips the same bit of what
/// is read. The MAC-I of our own catches every bit.
#[test]
fn a_flipped_bit_for_a_group_is_caught_by_its_mac_only() {
    let folder = Folder::new("flip");
    folder.store();
    let air = talkers(&folder);
    // MAC header of 6 octets, subheaders of 3 (LCID and length, then padding), RLC header of 1: a PDU of 5 octets of header.
    const PDU: usize = 10;
    for (group, word, mac) in [(0xa2, "verified", 4), (0xc3, "deciphered", 0)] {
        let whole = air.blocks.iter().find(|(_, to, block)| *to == group && block[9] == 0).unwrap();
        let opener = || Opener::with_keys(keys_of(&folder)).unwrap();
        let fresh = opened(&mut opener(), whole);
        assert_eq!(fresh.len(), 1);
        assert_eq!(fresh[0].0, word);
        let data = fresh[0].2.clone().unwrap();
        let pdu = 5 + data.len() + mac;
        assert_eq!(usize::from(whole.2[7]), pdu + 1, "the length of the subheader");
        for bit in 0..8 * pdu {
            let mut flipped = whole.clone();
            flipped.2[PDU + bit / 8] ^= 0x80 >> (bit % 8);
            let found = opened(&mut opener(), &flipped);
            let results: Vec<&str> = found.iter().map(|(result, ..)| &**result).collect();
            if group == 0xa2 {
                assert!(!results.contains(&"verified"), "bit {bit}: {results:?}");
            } else if bit >= 40 {
                assert_eq!(results, ["deciphered"], "bit {bit}");
                let mut expected = data.clone();
                expected[bit / 8 - 5] ^= 0x80 >> (bit % 8);
                assert_eq!(found[0].2.as_ref(), Some(&expected), "bit {bit} of the data is what was flipped");
            }
        }
    }
}

fn keys_of(folder: &Folder) -> Keys {
    KeyStore::open(&PathBuf::from(folder.file("keys"))).unwrap().keys().unwrap()
}

/// Two runs on one store: no COUNT of a sender twice, and what was sent first is a replay to who heard it.
#[test]
fn two_recordings_from_one_store_share_no_count() {
    let folder = Folder::new("twice");
    folder.store();
    let (first, second) = (talkers(&folder), talkers(&folder));
    let mut opener = Opener::with_keys(keys_of(&folder)).unwrap();
    let mut all = Vec::new();
    for block in first.blocks.iter().chain(&second.blocks) {
        // The sender and the COUNT: what must never come twice under a key.
        let source = block.2[1..4].to_vec();
        all.extend(
            opened(&mut opener, block).into_iter().map(|(result, count, _)| (source.clone(), count, result)),
        );
    }
    assert!(all.len() > 100, "{}", all.len());
    assert!(all.iter().all(|(.., result)| ["verified", "deciphered"].contains(&&**result)), "{all:?}");
    let mut counts: Vec<_> = all.iter().map(|(source, count, _)| (source, count)).collect();
    counts.sort();
    counts.dedup();
    assert_eq!(counts.len(), all.len());
    for block in &first.blocks {
        for (result, ..) in opened(&mut opener, block) {
            assert!(["replay", "late"].contains(&&*result), "{result}");
        }
    }
}

/// A rehearsal is what the run after it will be, and leaves the store as it is.
#[test]
fn a_rehearsal_uses_no_counter() {
    let folder = Folder::new("rehearsal");
    folder.store();
    let path = PathBuf::from(folder.file("keys"));
    let text = scenario();
    let text = text.split("[[ue]]\nname = \"announcer").next().unwrap();
    let secrets = Secrets::of_store(KeyStore::open(&path).unwrap(), START).unwrap();
    let rehearsed = on_air(text, secrets.rehearsal());
    let performed = on_air(text, secrets);
    assert_eq!(rehearsed.blocks, performed.blocks);
    assert_ne!(performed.blocks, talkers(&folder).blocks);
}

/// What `decode --keys` deciphered is there for Wireshark.
#[test]
fn tshark_reads_what_was_deciphered() {
    let program = std::env::var("SIDELINK_TSHARK").unwrap_or_else(|_| "tshark".to_owned());
    if !Command::new(&program).arg("--version").output().is_ok_and(|output| output.status.success()) {
        assert!(std::env::var("SIDELINK_TSHARK").is_err(), "SIDELINK_TSHARK={program} does not work");
        eprintln!("SKIPPED: no tshark (set SIDELINK_TSHARK to one that does)");
        return;
    }
    let folder = Folder::new("tshark");
    let store = folder.store();
    let text = scenario().replace("duration = 680", "duration = 200");
    std::fs::write(folder.file("scenario.toml"), text).unwrap();
    let (config, air, pcap) = (folder.file("scenario.toml"), folder.file("air"), folder.file("out.pcap"));
    sidelink(&["generate", "-c", &config, "--keys", &store, "--utc", "1795238400.8", "-w", &air]);
    let lines = decoded(&folder, &folder.file("air.sigmf-meta"), &["--keys", &store, "--pcap", &pcap]);
    let lua = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../recordings/wireshark/sidelink.lua");
    let fields = [
        "sidelink.pdcp.pgk_index",
        "sidelink.pdcp.ptk_id",
        "sidelink.pdcp.sn",
        "sidelink.pdcp.data",
        "sidelink.disc.message_type",
        "sidelink.disc.code",
        "sidelink.lcid",
    ];
    let output = Command::new(program)
        .args(["-r", &pcap, "-X", &format!("lua_script:{}", lua.display()), "-T", "fields"])
        .args(fields.iter().flat_map(|field| ["-e", field]))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let pdcp = of(&lines, "pdcp");
    assert!(pdcp.len() > 20, "{}", pdcp.len());
    // PDUs in the clear stand for themselves: they have no LCID.
    let clear: Vec<_> = rows.iter().filter(|row| !row[2].is_empty() && row[6].is_empty()).collect();
    assert_eq!(clear.len(), pdcp.len());
    for (row, line) in clear.iter().zip(&pdcp) {
        assert_eq!(row[0], line["pgk_index"].to_string());
        assert_eq!(row[1], format!("0x{:04x}", line["ptk_id"].as_u64().unwrap()));
        assert_eq!(row[2], line["sn"].to_string());
        assert_eq!(row[3], line["payload"].as_str().unwrap());
    }
    let messages: Vec<_> = rows.iter().filter(|row| !row[4].is_empty()).collect();
    let discovery = of(&lines, "discovery");
    assert_eq!(messages.len(), discovery.len());
    for (row, line) in messages.iter().zip(&discovery) {
        assert_eq!(row[4], format!("0x{:02x}", line["message_type"].as_u64().unwrap()));
    }
}

/// The commands in the comments of `generate --example=protected` do what they say.
#[test]
fn the_protected_example_and_its_commands_work() {
    let folder = Folder::new("example");
    let example = sidelink_flowgraphs::scenario::EXAMPLE_PROTECTED;
    std::fs::write(folder.file("FILE"), example.replace("duration = 720", "duration = 400")).unwrap();
    let commands = example.lines().filter_map(|line| line.strip_prefix("#   sidelink "));
    let commands: Vec<String> = commands.map(str::to_owned).collect();
    assert_eq!(commands.len(), 8);
    for command in &commands {
        let in_folder = |word: &str| match word {
            "keys" | "FILE" | "air" | "air.sigmf-meta" => folder.file(word),
            _ => word.to_owned(),
        };
        let mut words: Vec<String> = command.split_whitespace().map(in_folder).collect();
        if command.starts_with("keys") {
            words[0] = "keys".to_owned();
        }
        if command.starts_with("decode") {
            words.extend(["-F".to_owned(), format!("json:{}", folder.file("out.json"))]);
        }
        sidelink(&words.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let text = std::fs::read_to_string(folder.file("out.json")).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let good = |line: &&Value| line["result"] == "verified";
    assert_eq!(
        of(&lines, "discovery").into_iter().filter(good).count(),
        5 + 1 + 4,
        "five, then an answer too"
    );
    assert!(of(&lines, "pdcp").len() > 50);
    assert!(of(&lines, "pdcp").iter().all(good));
}
