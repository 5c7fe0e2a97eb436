//! A remote UE and a relay with their files and sockets, on one air, and a real AAA server: our own, and `hostapd`.

use super::*;
use crate::config::ue_toml::{Draws, RadioFacts};
use crate::experiments::log::{Entry, Log};
use sidelink_prose::direct_link::{Event as LinkEvent, State};
use sidelink_radio::Anchor;
use sidelink_radio::air::{Air, AirConfig, Pace, PortConfig};
use sidelink_radio::number::Number;
use sidelink_services::{Config, Network};
use sidelink_store::Keys;
use sidelink_ue::{Application, NoStore, Running, ThreadOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};

const SECRET: &str = "0123456789abcdef";

const CARRIER: &str = r#"
lead = 4
[radio]
prb = 15
tm = 2
[[radio.communication]]
period = 40
control-bitmap = "1111 1111"
control-prb = { start = 0, end = 14, num = 7 }
data-bitmap = "1111 1111"
data-offset = 8
data-prb = { start = 0, end = 14, num = 7 }
[communication]
mcs = 5
prbs = 10
trpt-subset = 4
"#;

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// An AAA server with its HSS: mary is a subscriber, and 127.0.0.1 is the relay ruth.
fn network(folder: &Path) -> sidelink_services::Handle {
    put(folder, "nas.secret", SECRET);
    put(
        folder,
        "subscribers.toml",
        "[[subscriber]]\nimsi = \"001010000000001\"\nmnc-digits = 2\nk = \"000102030405060708090a0b0c0d0e0f\"\n\
         opc = \"101112131415161718191a1b1c1d1e1f\"\n",
    );
    let text = r#"
database = "network.db"
[hss]
subscribers = "subscribers.toml"
[aaa]
listen = "127.0.0.1:0"
first-identity = "used"
result-indications = "never"
[[aaa.clients]]
address = "127.0.0.1"
secret-file = "nas.secret"
relay = "ruth"
[[aaa.relays]]
name = "ruth"
codes = ["000007"]
[[aaa.remotes]]
imsi = "001010000000001"
name = "mary"
codes = ["000007"]
"#;
    Network::start(Config::parse(text, folder).unwrap()).unwrap()
}

fn usim(folder: &Path, imsi: &str, k: &str, opc: &str) {
    put(folder, "mary.usim", &format!("imsi = \"{imsi}\"\nmnc-digits = 2\nk = \"{k}\"\nopc = \"{opc}\"\n"));
}

/// Remote UE and relay, as their files say.
fn parties(folder: &Path, server: &str, maker: &str) -> [UeConfig; 2] {
    put(folder, "ruth.secret", SECRET);
    let read = |name: &str, text: String| {
        put(folder, &format!("{name}.toml"), &text);
        let mut config = UeConfig::from_file(&folder.join(format!("{name}.toml"))).unwrap();
        config.device.level = 0.0;
        config
    };
    let mary = format!(
        "name = \"mary\"\nlayer2-id = \"000010\"\nseed = 1\n{CARRIER}\n[[link]]\npeer = \"ruth\"\nid = \"000011\"\n\
         connect = 100\nrelay = {{ service = \"000007\", user = \"mary\" }}\n[[talk]]\nto = \"link:ruth\"\n\
         every = 200\ntext = \"n\"\n[eap.remote]\nusim = \"mary.usim\"\nkd-maker = \"{maker}\"\n"
    );
    let ruth = format!(
        "name = \"ruth\"\nlayer2-id = \"000011\"\nseed = 2\n{CARRIER}\n[eap.relay]\nserver = \"{server}\"\n\
         secret-file = \"ruth.secret\"\n"
    );
    [read("mary", mary), read("ruth", ruth)]
}

/// Plays both on one air: whether each has a link, what came to the relay, and what operators read.
fn play(parties: &[UeConfig; 2], duration: u64) -> ([bool; 2], usize, Vec<Note>) {
    let air = Air::new(AirConfig {
        rate: Number(3.84e6),
        prb: Some(15),
        pace: Pace::Free,
        seed: 1,
        snr: Some(20.0),
        utc: Some(1_800_000_000),
        wait_for: 2,
        stall: 60.0,
        ..AirConfig::default()
    });
    let air = air.unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let radios = parties.each_ref().map(|one| air.attach(PortConfig::named(&one.name)).unwrap());
    let logs = [Log::default(), Log::default()];
    let mut running = Vec::new();
    for ((config, radio), log) in parties.iter().zip(radios).zip(&logs) {
        let streams = Box::new(radio).start().unwrap();
        let anchor = streams.anchor.unwrap_or(Anchor { utc_ns: 0, uncertainty_ns: 0 });
        let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
        let ears: Vec<Box<dyn Application>> = vec![Box::new(log.clone())];
        let mut ue = config.build_with(&Keys::default(), NoStore::default(), facts, ears).unwrap();
        equip(config, &mut ue, &|| {
            let said = Arc::clone(&said);
            Box::new(move |_, note| said.lock().unwrap().push(note.clone()))
        })
        .unwrap();
        ue.set_duration(duration);
        running.push(Running::start(ue, streams, false, ThreadOptions::default(), None).unwrap());
    }
    for one in running {
        one.join().unwrap().1.unwrap();
    }
    let entries = logs.each_ref().map(Log::take);
    let is_up = |e: &Entry| matches!(e, Entry::Link(LinkEvent::State { state: State::Up { .. }, .. }));
    let up = entries.each_ref().map(|log| log.iter().any(|(_, e)| is_up(e)));
    let received = |e: &Entry| matches!(e, Entry::Link(LinkEvent::Received(_)));
    let heard = entries[1].iter().filter(|(_, e)| received(e)).count();
    let said = said.lock().unwrap().clone();
    (up, heard, said)
}

/// The second time the UE has a pseudonym, and its USIM the state of the first: no IMSI is said, and nothing is out of step.
#[test]
fn a_relay_asks_our_aaa_server_for_its_remote_ue() {
    let folder = tempfile::tempdir().unwrap();
    let handle = network(folder.path());
    usim(
        folder.path(),
        "001010000000001",
        "000102030405060708090a0b0c0d0e0f",
        "101112131415161718191a1b1c1d1e1f",
    );
    let server = handle.radius_address().unwrap().to_string();
    let parties = parties(folder.path(), &server, "network");
    for times in 1..=2 {
        let (up, heard, said) = play(&parties, 1500);
        assert!(up == [true, true] && heard > 0, "{said:?}");
        let status = handle.status();
        let counted = (status.eap_full, status.eap_rejected, status.resynchronisations);
        assert_eq!(counted, (times, 0, 0), "{status:?}");
        let pseudonym = std::fs::read_to_string(folder.path().join("mary.usim.pseudonym")).unwrap();
        assert!(pseudonym.starts_with('7'), "{pseudonym}");
        assert!(folder.path().join("mary.usim.sqn").exists());
    }
    // The draft's maker at one end alone: another KD, and no link.
    let mut other = parties;
    other[0].eap.as_mut().unwrap().remote.as_mut().unwrap().kd_maker = crate::config::eap::EapKdMaker::Relay;
    assert_eq!(play(&other, 1500).0, [false, false]);
}

#[test]
fn a_relay_without_its_aaa_server_says_so() {
    let folder = tempfile::tempdir().unwrap();
    usim(folder.path(), "001010000000001", &"0".repeat(32), &"1".repeat(32));
    // A port that nobody has.
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut parties = parties(folder.path(), &closed.to_string(), "network");
    parties[1].eap.as_mut().unwrap().relay.as_mut().unwrap().patience = 700;
    let (up, _, said) = play(&parties, 1500);
    assert_eq!(up, [false, false]);
    let silent = Note::Trouble(nas::Event::Silent.to_string());
    assert!(said.contains(&silent), "{said:?}");
}

#[test]
fn what_a_file_of_eap_may_not_say() {
    let folder = tempfile::tempdir().unwrap();
    usim(folder.path(), "001010000000001", &"0".repeat(32), &"1".repeat(32));
    let [mary, ruth] = parties(folder.path(), "127.0.0.1:9", "network");
    let refused = |config: &UeConfig, says: &str| {
        let facts = RadioFacts {
            anchor: Anchor { utc_ns: 0, uncertainty_ns: 0 },
            real_time: false,
            draws: Draws::Seeded,
        };
        let mut ue = config.build_with(&Keys::default(), NoStore::default(), facts, Vec::new()).unwrap();
        let why = equip(config, &mut ue, &|| Box::new(|_, _| {})).unwrap_err().to_string();
        assert!(why.contains(says), "{says:?}: {why}");
    };
    put(folder.path(), "ruth.secret", "short");
    refused(&ruth, "too short");
    put(folder.path(), "ruth.secret", SECRET);
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(folder.path().join("ruth.secret"), open).unwrap();
    refused(&ruth, "chmod 600");
    let mut long = ruth.clone();
    put(folder.path(), "ruth.secret", SECRET);
    long.name = "x".repeat(65);
    refused(&long, "65 octets");
    let mut nameless = mary.clone();
    nameless.eap.as_mut().unwrap().remote.as_mut().unwrap().network_name = String::new();
    refused(&nameless, "0 octets");
    std::fs::remove_file(folder.path().join("mary.usim")).unwrap();
    refused(&mary, "mary.usim");
}
