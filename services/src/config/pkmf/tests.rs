use std::path::Path;

use super::*;
use crate::Config;

const TEXT: &str = r#"
database = "network.db"
[bsf]
name = "bsf.example.org"
listen = "127.0.0.1:0"
[hss]
[pkmf]
name = "PKMF.example.org"
listen = "127.0.0.1:8444"
mcc = "310"
mnc = "410"
mikey-mac = "HMAC-SHA-256"
key-lifetime-s = 600
lead-s = 60
pmk-lifetime-s = 7
retry-ms = 5
tries = 2
ue-burst = 9
[[pkmf.groups]]
id = "00002a"
cipher = "zuc"
members = [{ imsi = "310410000000001", id = "000001" }, { imsi = "310410000000002", id = "0000ff" }]
[[pkmf.relays]]
imsi = "310410000000003"
codes = ["000909", "00090a"]
[[pkmf.remotes]]
imsi = "310410000000004"
codes = ["000909"]
told = "000102030405060708090a0b0c0d0e0f"
"#;

fn read(text: &str) -> Result<PkmfConfig, ConfigError> {
    Config::parse(text, Path::new("")).map(|config| config.pkmf.unwrap())
}

#[test]
fn a_whole_section_is_what_it_says() {
    let PkmfConfig { pkmf, name, plmn, listen, mikey, ue_port } = read(TEXT).unwrap();
    assert_eq!((name.as_str(), plmn.mnc().as_str()), ("pkmf.example.org", "410"));
    assert_eq!(
        (listen.address().port(), mikey.address(), ue_port),
        (8444, ([127, 0, 0, 1], 2269).into(), 2269)
    );
    assert_eq!((pkmf.suite, pkmf.lifetime, pkmf.lead), (Suite::HmacSha256, 600, 60));
    assert_eq!((pkmf.pmk_lifetime, pkmf.interval, pkmf.tries, pkmf.limits.ue.burst), (7000, 5, 2, 9));
    let [Service { id, kind: Kind::Group { algorithm, members } }] = &pkmf.services[..] else {
        panic!("one group")
    };
    assert_eq!((*id, *algorithm), (ServiceId([0, 0, 0x2a]), Algorithm::Zuc));
    let members: Vec<_> = members.iter().map(|(ue, id)| (ue.as_str(), id.0)).collect();
    let impi = |number| format!("31041000000000{number}@ims.mnc410.mcc310.3gppnetwork.org");
    assert_eq!(members, [(impi(1).as_str(), [0, 0, 1]), (impi(2).as_str(), [0, 0, 0xff])]);
    let relays = &pkmf.relays;
    assert_eq!(relays.relays[0].1, [Code([0, 9, 9]), Code([0, 9, 10])]);
    assert_eq!(relays.relays[0].0.as_str(), impi(3));
    let [Remote { ue, imsi, codes, told: Told::Other(told) }] = &relays.remotes[..] else { panic!() };
    assert_eq!((ue.as_str(), imsi.to_string().as_str()), (impi(4).as_str(), "310410000000004"));
    assert_eq!((&codes[..], told.0[15], relays.pruk_lifetime), (&[Code([0, 9, 9])][..], 15, 86_400_000));
    let more = "mikey-listen = \"127.0.0.2:7\"\nmikey-ue-port = 8\n[[pkmf.groups]]";
    let other = read(&TEXT.replace("[[pkmf.groups]]", more)).unwrap();
    assert_eq!((other.mikey.address(), other.ue_port), (([127, 0, 0, 2], 7).into(), 8));
}

#[test]
fn a_fault_says_what_and_where() {
    for (find, put, what, place) in [
        ("listen = \"127.0.0.1:8444\"", "listen = \"0.0.0.0:8444\"", "others can reach", "[pkmf]"),
        ("tries = 2", "mikey-listen = \"0.0.0.0:2269\"", "others can reach 0.0.0.0:2269", "[pkmf]"),
        ("mnc = \"410\"", "mnc = \"4\"", "PLMN", "mcc, mnc"),
        ("\"00002a\"", "\"2a\"", "hexadecimal", "group \"2a\""),
        ("\"310410000000002\"", "\"001010000000002\"", "another PLMN", "member \"001010000000002\""),
        ("\"310410000000002\"", "\"x\"", "IMSI", "member \"x\""),
        ("\"0000ff\"", "\"ff\"", "hexadecimal", "member \"310410000000002\" id"),
        ("cipher = \"zuc\"", "cipher = \"des\"", "unknown variant", "line"),
        ("\"00090a\"", "\"90a\"", "hexadecimal", "relay \"310410000000003\" code \"90a\""),
        ("\"310410000000003\"", "\"001010000000003\"", "another PLMN", "relay \"001010000000003\""),
        ("\"310410000000004\"", "\"001010000000004\"", "another PLMN", "remote \"001010000000004\""),
        ("\"000102030405060708090a0b0c0d0e0f\"", "\"me\"", "hexadecimal", "told"),
        ("[bsf]\nname = \"bsf.example.org\"\nlisten = \"127.0.0.1:0\"\n", "", "there is no bsf", "[pkmf]"),
    ] {
        assert!(TEXT.contains(find), "{find}");
        let error = read(&TEXT.replacen(find, put, 1)).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains(place), "{find}: {error}");
    }
}

#[test]
fn its_keys_may_be_on_a_server() {
    assert!(read(&TEXT.replace("\"network.db\"", "\"postgres:///n?host=/run/postgresql\"")).is_ok());
}

const DISCOVERY: &str = r#"
[[pkmf.discoveries]]
key-type = "000101"
relay-codes = ["0000a1", "0000a2"]
group-ids = ["0000b1"]
protection = ["scrambling", "confidentiality"]
encrypted-bits = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"
ues = ["310410000000001"]
"#;

#[test]
fn a_discovery_is_what_it_says() {
    let text = TEXT.replace("tries = 2", "tries = 2\nmax-offset-s = 5") + DISCOVERY;
    let config = read(&text).unwrap().pkmf;
    assert_eq!(config.max_offset, MaxOffset::new(5).unwrap());
    let [_, Service { id, kind: Kind::Discovery { codes, protection, encrypted, ues } }] =
        &config.services[..]
    else {
        panic!("a group and a discovery")
    };
    let [relay, other, group] = [[0, 0, 0xa1], [0, 0, 0xa2], [0, 0, 0xb1]].map(Code);
    let expected =
        [DiscoveryCode::Relay(relay), DiscoveryCode::Relay(other), DiscoveryCode::GroupMember(group)];
    assert_eq!((*id, &codes[..], ues.len()), (ServiceId([0, 1, 1]), &expected[..], 1));
    assert_eq!(*protection, ProtectionProfile::NONE.scrambled().confidential());
    assert_eq!(*encrypted, Some([0x0f; 23]));
    for (find, put, what) in [
        ("\"000101\"", "\"101\"", "hexadecimal"),
        ("\"0000a2\"", "\"a2\"", "code \"a2\""),
        ("relay-codes = [\"0000a1\", \"0000a2\"]\ngroup-ids = [\"0000b1\"]", "", "protect nothing"),
        ("[\"scrambling\", \"confidentiality\"]", "[]", "nothing is protected"),
        (", \"confidentiality\"", "", "with confidentiality"),
        ("encrypted-bits", "#", "with confidentiality"),
        ("= \"0f", "= \"", "46 digits"),
        ("\"310410000000001\"]", "\"001010000000001\"]", "another PLMN"),
        ("\"scrambling\"", "\"shuffling\"", "unknown variant"),
    ] {
        let discovery = DISCOVERY.replacen(find, put, 1);
        assert_ne!(discovery, DISCOVERY, "{find}");
        let error = read(&(TEXT.to_owned() + &discovery)).unwrap_err().to_string();
        let place = if what == "unknown variant" { "line" } else { "[pkmf] discovery" };
        assert!(error.contains(what) && error.contains(place), "{find}: {error}");
    }
}
