//! `sidelink network example`, `keys fetch` and `ue` on real sockets: the way of docs/network.md, in one process.

#![cfg(feature = "services")]
#![allow(clippy::disallowed_methods)] // tests write files

use serde_json::Value;
use sidelink_services::orders::{Orders, socket_of};
use sidelink_services::{Config, Network};
use sidelink_store::{KeyStore, Keys, Right};
use sidelink_tests::command::{Folder, Refusal, run, text};
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A network from the example, with ports of its own; it ends when it is dropped.
struct Lab {
    folder: Folder,
    running: Option<Orders>,
}

impl Lab {
    fn new(test: &str, change: &[(&str, &str)]) -> Self {
        let folder = Folder::new(test);
        let lab = Self { folder, running: None };
        run(&["network", "example", "-w", text(&lab.folder.path("lab"))]).unwrap();
        // Held together, so that no two are the same.
        let held: [TcpListener; 5] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = held.each_ref().map(|socket| socket.local_addr().unwrap().port());
        let mikey: [UdpSocket; 2] = std::array::from_fn(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        let [mikey, ue_mikey] = mikey.each_ref().map(|socket| socket.local_addr().unwrap().port());
        let mut changes: Vec<(String, String)> = ["8480", "8443", "8444", "8445", "8447"]
            .iter()
            .zip(ports)
            .map(|(old, new)| (format!("127.0.0.1:{old}"), format!("127.0.0.1:{new}")))
            .collect();
        changes.push((
            "# mikey-listen = \"127.0.0.1:2269\"".into(),
            format!("mikey-listen = \"127.0.0.1:{mikey}\""),
        ));
        changes.push(("# mikey-ue-port = 2269".into(), format!("mikey-ue-port = {ue_mikey}")));
        changes.push(("# mikey = \"127.0.0.1:2269\"".into(), format!("mikey = \"127.0.0.1:{mikey}\"")));
        changes.push(("# mikey-port = 2269".into(), format!("mikey-port = {ue_mikey}")));
        // The same UE asks often.
        changes.push(("# restricted-mic".into(), "ue-burst = 1000\n# restricted-mic".into()));
        changes.extend(change.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())));
        for name in ["network.toml", "alice.toml", "bob.toml"] {
            let old = std::fs::read_to_string(lab.path(name)).unwrap();
            let new = changes.iter().fold(old, |text, (old, new)| text.replace(old, new));
            std::fs::write(lab.path(name), new).unwrap();
        }
        lab
    }

    /// Writes more into the file of a UE.
    fn add(&self, ue: &str, more: &str) {
        let path = self.path(&format!("{ue}.toml"));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text + more).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path("lab").join(name)
    }

    fn start(&mut self) {
        let config = Config::load(&self.path("network.toml")).unwrap();
        let socket = socket_of(&config.database);
        let handle = Arc::new(Network::start(config).unwrap());
        self.running = Some(Orders::take(&socket, handle).unwrap());
    }

    fn fetch(&self, ue: &str) -> Result<(), Refusal> {
        run(&["keys", "fetch", text(&self.path(&format!("{ue}.toml")))])
    }

    fn order(&self, words: &[&str]) -> Result<(), Refusal> {
        let config = self.path("network.toml");
        let words: Vec<&str> =
            ["network", words[0], "-c", text(&config)].iter().chain(&words[1..]).copied().collect();
        run(&words)
    }

    /// What a UE's store holds. The thread of a UE that has ended may hold it for a moment.
    fn keys(&self, ue: &str) -> Keys {
        let path = self.path(&format!("{ue}.keys"));
        for _ in 0..100 {
            match KeyStore::open(&path) {
                Err(sidelink_store::Error::InUse(_)) => std::thread::sleep(Duration::from_millis(50)),
                store => return store.unwrap().keys().unwrap(),
            }
        }
        panic!("{}: held", path.display())
    }

    /// PGK IDs of a UE's store, with whether it may send.
    fn pgks(&self, ue: &str) -> Vec<(u8, bool)> {
        let keys = self.keys(ue);
        let all = keys.group.iter().flat_map(|group| &group.pgk);
        all.map(|pgk| (pgk.id, pgk.sending.iter().any(|s| s.right == Right::Here))).collect()
    }
}

const BOB: &str = "001010000000002";

#[test]
fn codes_keys_and_pgks_come_into_the_store_and_a_revoked_member_gets_no_more() {
    let mut lab = Lab::new("network-live-fetch", &[]);
    let away = lab.fetch("bob").unwrap_err();
    assert!(away.contains("does it run?"), "{away}");
    lab.start();
    lab.fetch("alice").unwrap();
    lab.fetch("bob").unwrap();
    let keys = lab.keys("bob");
    let names: Vec<_> = keys.discovery.iter().map(|entry| entry.name.as_str()).collect();
    // By model A, and by model B with its question.
    let alice = ["alice@rescue.example", "alice@rescue.example (2)", "alice@rescue.example, asked"];
    assert_eq!(names, [&alice[..], &["mcc001.mnc001.ProSeApp.Rescue.Team"]].concat());
    assert_eq!((lab.pgks("alice"), lab.pgks("bob")), (vec![(1, true)], vec![(1, true)]));
    lab.order(&["revoke-member", BOB, "00002a"]).unwrap();
    // Alice is given the next PGK; bob is refused, and what he has stays until it ends.
    let refused = lab.fetch("bob");
    lab.fetch("alice").unwrap();
    assert_eq!(lab.pgks("bob"), [(1, true)]);
    assert!(refused.is_ok(), "the keys that he has count still: nobody is asked");
    std::fs::remove_file(lab.path("bob.usim.pmk")).unwrap();
    let refused = lab.fetch("bob").unwrap_err();
    assert!(refused.contains("group rescue") && refused.contains("may not have its keys"), "{refused}");
    lab.order(&["admit-member", BOB, "00002a"]).unwrap();
    lab.fetch("bob").unwrap();
    for (words, said) in [
        (["revoke-member", "00101", "00002a"], ""),
        (["revoke-member", BOB, "2a"], ""),
        (["revoke-member", BOB, "00002b"], ""),
        (["admit-member", "001010000000009", "00002a"], ""),
    ] {
        let refusal = lab.order(&words).unwrap_err();
        assert!(refusal.contains(said) && !refusal.is_empty(), "{refusal}");
    }
}

#[test]
fn a_store_that_was_lost_gets_the_pgk_for_receiving_only() {
    let mut lab = Lab::new("network-live-lost", &[]);
    lab.start();
    lab.fetch("alice").unwrap();
    for name in ["alice.keys", "alice.keys.witness"] {
        std::fs::remove_file(lab.path(name)).unwrap();
    }
    lab.fetch("alice").unwrap();
    assert_eq!(lab.pgks("alice"), [(1, false)]);
}

/// A UE on the air, and what it said.
fn ue(lab: &Lab, name: &str, medium: &str, seconds: &str) -> Vec<Value> {
    let (config, out) = (lab.path(&format!("{name}.toml")), lab.path(&format!("{name}.json")));
    let air = format!("driver=air,medium={medium}");
    let json = format!("json:{}", out.display());
    run(&["ue", "-c", text(&config), "-a", &air, "-T", seconds, "-F", &json]).unwrap();
    let text = std::fs::read_to_string(out).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The UEs fetch by themselves, go on under the next PGK, and have what they hear checked.
#[test]
fn ues_that_run_keep_their_keys_fresh_and_report_what_they_hear() {
    let mut lab = Lab::new(
        "network-live-ue",
        &[
            ("# key-lifetime-s = 86400             # of a PGK", "key-lifetime-s = 8"),
            ("# lead-s = 3600", "lead-s = 4"),
        ],
    );
    lab.start();
    lab.fetch("alice").unwrap();
    let first_end = u64::from(lab.keys("alice").group[0].pgk[0].expiry) * 1000;
    let medium = format!("network-live-{}", std::process::id());
    let bob = std::thread::scope(|scope| {
        let bob = scope.spawn(|| ue(&lab, "bob", &medium, "18"));
        ue(&lab, "alice", &medium, "16");
        bob.join().unwrap()
    });
    let of = |kind: &str| bob.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();
    let verified = of("match-report");
    assert!(!verified.is_empty(), "{bob:?}");
    for report in &verified {
        assert_eq!(report["result"], "verified", "{report}");
        assert_eq!(report["name"], "mcc001.mnc001.ProSeApp.Rescue.Team", "{report}");
    }
    assert!(of("discovery").iter().any(|line| line["result"] == "verified"), "alice's restricted code");
    let heard = of("pdcp");
    let later = heard.iter().filter(|line| line["utc_ms"].as_u64().unwrap() > first_end + 1000);
    assert!(later.count() > 0, "nothing was heard under the next PGK: {heard:?}");
    assert!(lab.pgks("bob").iter().any(|(id, _)| *id > 1), "{:?}", lab.pgks("bob"));
}

/// TR 33.833 §6.4.2 over sockets and the air: two UEs that share no key have a link by a ticket, and talk both ways.
#[test]
fn ues_that_run_have_a_link_by_a_ticket() {
    let bob = "    { uri = \"sip:bob@rescue.example\", imsi = \"001010000000002\" },\n";
    let users = "    { uri = \"ProSe:alice\", imsi = \"001010000000001\" },\n    \
                 { uri = \"ProSe:bob\", imsi = \"001010000000002\" },\n";
    let mut lab = Lab::new(
        "network-live-ticket",
        &[
            (bob, &[bob, users].concat()),
            ("name = \"alice\"\nkeys", "name = \"alice\"\nlayer2-id = \"000001\"\nkeys"),
            ("name = \"bob\"\nkeys", "name = \"bob\"\nlayer2-id = \"000002\"\nkeys"),
        ],
    );
    for (own, peer, id, connect) in
        [("alice", "bob", "000002", "connect = 3000\n"), ("bob", "alice", "000001", "")]
    {
        lab.add(
            own,
            &format!(
                "\n[identity]\nmethod = \"ticket\"\n[[link]]\npeer = \"{peer}\"\nid = \"{id}\"\n{connect}\
                 [[talk]]\nto = \"link:{peer}\"\nevery = 300\ntext = \"from {own}\"\n"
            ),
        );
    }
    lab.start();
    let mut notes = Vec::new();
    // A machine that is too busy gives subframes up, and loses what was on the air: then once more.
    for round in 0..3 {
        let medium = format!("network-live-ticket-{}-{round}", std::process::id());
        let said = std::thread::scope(|scope| {
            let bob = scope.spawn(|| ue(&lab, "bob", &medium, "10"));
            let alice = ue(&lab, "alice", &medium, "9");
            [alice, bob.join().unwrap()]
        });
        if said.iter().all(|said| said.iter().any(|line| line["type"] == "link-data")) {
            return;
        }
        let told = ["link", "note", "network"].map(Value::from);
        notes.extend(said.into_iter().flatten().filter(|line| told.contains(&line["type"])));
    }
    panic!("{notes:#?}");
}

/// TR 33.833 §6.3.2 over sockets and the air: alice lists bob at the NAF, both get the key of the group over HTTPS, and talk.
#[test]
fn ues_that_run_get_the_key_of_a_group_from_a_naf_and_talk_under_it() {
    let mut lab = Lab::new(
        "network-live-naf",
        &[
            ("# [group-naf]", "[group-naf]"),
            (
                "# name = \"groups.mnc001.mcc001.pub.3gppnetwork.org\"\n# listen",
                "name = \"groups.mnc001.mcc001.pub.3gppnetwork.org\"\nlisten",
            ),
            ("# mcc = \"001\"\n# mnc", "mcc = \"001\"\nmnc"),
            ("# naf", "naf"),
            ("name = \"alice\"\nkeys", "name = \"alice\"\nlayer2-id = \"000001\"\nkeys"),
            ("name = \"bob\"\nkeys", "name = \"bob\"\nlayer2-id = \"000002\"\nkeys"),
        ],
    );
    let bob = "001010000000002@ims.mnc001.mcc001.3gppnetwork.org";
    let group = "\n[[group]]\nname = \"crew\"\nid = \"0000b1\"\nsolution = \"white-list\"\nask-every = 2\n";
    let talk = |own| format!("[[talk]]\nto = \"crew\"\nevery = 300\ntext = \"from {own}\"\n");
    let owner = format!(
        "role = \"owner\"\n[[group.member]]\nidentity = \"{bob}\"\nid = \"000002\"\n\
         [[group.plan]]\nat = 500\naction = \"distribute\"\n"
    );
    let member = "[[group.plan]]\nat = 3000\naction = \"join\"\n";
    lab.add("alice", &[group, &owner, &talk("alice")].concat());
    lab.add("bob", &[group, member, &talk("bob")].concat());
    lab.start();
    let medium = format!("network-live-naf-{}", std::process::id());
    let [alice, bob] = std::thread::scope(|scope| {
        let bob = scope.spawn(|| ue(&lab, "bob", &medium, "12"));
        let alice = ue(&lab, "alice", &medium, "11");
        [alice, bob.join().unwrap()]
    });
    for (said, other) in [(&alice, "from bob"), (&bob, "from alice")] {
        let of = |kind: &str| said.iter().filter(|line| line["type"] == kind).collect::<Vec<_>>();
        let notes = [of("group-key"), of("note"), of("network")].concat();
        assert!(
            notes.iter().any(|line| line["what"].as_str().is_some_and(|what| what.contains("gives PGK 1"))),
            "{notes:#?}"
        );
        let heard = of("pdcp").into_iter().filter(|line| line["group"] == "crew").collect::<Vec<_>>();
        let other: String = other.bytes().map(|octet| format!("{octet:02x}")).collect();
        let is_other =
            |line: &&Value| line["payload"].as_str().is_some_and(|payload| payload.contains(&other));
        assert!(heard.iter().any(is_other), "{notes:#?} {heard:#?}");
    }
}

const ALICE: &str = "alice@rescue.example";

/// A lab whose alice has a signed entry of her own that she registers, and whose bob follows her key.
fn lab_with_public_keys(test: &str, bob: &str) -> Lab {
    let mut lab = Lab::new(test, &[]);
    let registered = format!("\n[[network.public-keys.register]]\nentry = \"signed\"\nname = \"{ALICE}\"\n");
    lab.start();
    lab.fetch("alice").unwrap();
    let store = lab.path("alice.keys");
    let new = ["keys", "new-discovery", "signed", "-s", text(&store), "--protection", "signed"];
    run(&[&new[..], &["--announcer", "alice"]].concat()).unwrap();
    lab.add("alice", &registered);
    lab.add("bob", &format!("\n[network.public-keys]\nfollow = [\"{ALICE}\"]\n{bob}"));
    lab
}

/// TR 33.833 §6.2.3 over sockets: alice registers her key, bob has it in his store, and it is gone once it is revoked.
#[test]
fn a_public_key_comes_into_the_store_of_who_follows_it_until_it_is_revoked() {
    let lab = lab_with_public_keys("network-live-public-key", "list-every-s = 1\n");
    lab.fetch("bob").unwrap_err();
    lab.fetch("alice").unwrap();
    lab.fetch("bob").unwrap();
    let keys = lab.keys("bob");
    let of = |keys: &Keys| -> Vec<(bool, Vec<u8>)> {
        let signed = keys.discovery.iter().filter_map(|entry| Some((entry.revoked, entry.signed.as_ref()?)));
        signed.map(|(revoked, signed)| (revoked, signed.verifying_key.0.clone())).collect()
    };
    let own: Vec<Vec<u8>> = of(&lab.keys("alice")).into_iter().map(|(_, key)| key).collect();
    assert_eq!(of(&keys), [(false, own[0].clone())]);
    let entry = keys.discovery.iter().find(|entry| entry.signed.is_some()).unwrap();
    assert!(entry.name.starts_with(ALICE) && entry.monitors == ["bob"], "{entry:?}");
    let day = entry.valid_until.abs_diff(sidelink_store::utc_now() + 86_400);
    assert!(day < 600, "{day} s from a day");
    lab.order(&["revoke-key", ALICE]).unwrap();
    assert!(lab.order(&["revoke-key", ALICE]).unwrap_err().contains("no such"), "it is gone");
    let refused = lab.fetch("bob").unwrap_err();
    assert!(refused.contains("it is revoked"), "{refused}");
    assert!(of(&lab.keys("bob"))[0].0, "revoked in the store, too");
    let again = lab.fetch("alice").unwrap_err();
    assert!(again.contains("was revoked"), "{again}");
}

/// The same on the air: bob has alice's key from the network, and what she signs is verified.
#[test]
fn what_a_ue_signs_is_verified_by_a_key_from_the_network() {
    let lab = lab_with_public_keys("network-live-signed", "");
    let medium = format!("network-live-signed-{}", std::process::id());
    let bob = std::thread::scope(|scope| {
        let alice = scope.spawn(|| ue(&lab, "alice", &medium, "14"));
        std::thread::sleep(Duration::from_secs(2));
        let bob = ue(&lab, "bob", &medium, "11");
        alice.join().unwrap();
        bob
    });
    let is_alice = |line: &&Value| {
        line["type"] == "discovery"
            && line["result"] == "verified"
            && line["name"].as_str().is_some_and(|name| name.starts_with("alice@rescue.example "))
    };
    let signed = bob.iter().filter(is_alice).filter(|line| line["name"] != ALICE).count();
    assert!(signed > 0, "{bob:#?}");
}

/// A monitor without keys asks the ProSe Function: what it hears is to be reported, then verified under its name.
#[test]
fn a_monitor_has_what_it_hears_checked() {
    // A monitor has no clock but the synchronisation signals.
    let synchronised = ("tm = 2\n", "tm = 2\n[radio.sync]\noffset = [0, 20]\n");
    let mut lab = Lab::new("network-live-monitor", &[synchronised]);
    lab.start();
    let medium = format!("network-live-monitor-{}", std::process::id());
    let air = format!("driver=air,medium={medium}");
    let (config, out) = (lab.path("bob.toml"), lab.path("monitor.json"));
    std::thread::scope(|scope| {
        let alice = scope.spawn(|| ue(&lab, "alice", &medium, "13"));
        // What nobody announces yet is asked for again half a minute later.
        std::thread::sleep(Duration::from_secs(3));
        let json = format!("json:{}", out.display());
        let monitor = ["monitor", "-a", &air, "-c", text(&config), "--network", text(&config)];
        run(&[&monitor[..], &["-F", &json, "-T", "9"]].concat()).unwrap();
        alice.join().unwrap();
    });
    let lines = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let team = "mcc001.mnc001.ProSeApp.Rescue.Team";
    let of =
        |result: &str| lines.iter().filter(|line| line["name"] == team && line["result"] == result).count();
    assert_eq!(of("verified"), 1, "once until T4006 ends: {lines:#?}");
    assert!(of("to_report") > 1, "{lines:#?}");
}
