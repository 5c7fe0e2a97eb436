use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::Config;
use sidelink_network::pc8::Code as Service;
use sidelink_network::relay_access::{Asked, KdMaker};

const TEXT: &str = r#"
database = "network.db"
[hss]
[aaa]
network-name = "PROSE:000001"
realm = "wlan.mnc001.mcc001.3gppnetwork.org"
pseudonym-keys = "aaa.keys"
first-identity = "used"
result-indications = "never"
reauthentications = 3
context-lifetime-s = 5
answer-timeout-ms = 6
burst = 7
[[aaa.clients]]
address = "127.0.0.1"
secret-file = "nas.secret"
[[aaa.clients]]
address = "::1"
secret-file = "nas.secret"
"#;

fn folder(mode: u32) -> tempfile::TempDir {
    let folder = crate::store::tests::folder();
    put(&folder, "nas.secret", "0123456789abcdef\n", mode);
    folder
}

fn put(folder: &tempfile::TempDir, name: &str, text: &str, mode: u32) {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn read(text: &str, folder: &tempfile::TempDir) -> Result<AaaConfig, ConfigError> {
    Config::parse(text, folder.path()).map(|config| config.aaa.unwrap())
}

#[test]
fn a_whole_section_is_what_it_says() {
    let folder = folder(0o600);
    let config = read(TEXT, &folder).unwrap();
    let aaa = &config.aaa;
    assert_eq!(config.listen.address(), ([127, 0, 0, 1], 1812).into());
    assert_eq!(
        (aaa.network_name.as_str(), aaa.realm.as_deref()),
        ("PROSE:000001", Some("wlan.mnc001.mcc001.3gppnetwork.org"))
    );
    assert_eq!((aaa.first_identity, aaa.result_indications), (FirstIdentity::Used, ResultIndications::Never));
    assert_eq!((aaa.reauthentications, aaa.context_lifetime, aaa.answer_timeout), (3, 5000, 6));
    assert_eq!((aaa.rate.burst, config.radius.clients.len()), (7, 2));
    assert_eq!(config.pseudonym_keys, Some(folder.path().join("aaa.keys")));
    assert!(!format!("{config:?}").contains("0123456789"));
    let other = TEXT.replace("[aaa]", "[aaa]\nlisten = \"127.0.0.2:18120\"");
    assert_eq!(read(&other, &folder).unwrap().listen.address(), ([127, 0, 0, 2], 18120).into());
}

#[test]
fn a_fault_says_what_and_where_and_no_secret() {
    let private = folder(0o600);
    put(&private, "short", "s3cr3t", 0o600);
    for (find, put, what, place) in [
        ("[hss]", "[bsf]\nname = \"b.example\"\nlisten = \"127.0.0.1:0\"", "there is no hss", "[bsf]"),
        ("[hss]", "", "there is no hss", "[aaa]"),
        ("network-name", "listen = \"0.0.0.0:1812\"\nnetwork-name", "others can reach", "[aaa]"),
        ("\"PROSE:000001\"", "\"\"", "1 to 253 octets", "network-name"),
        ("\"wlan.mnc001.mcc001.3gppnetwork.org\"", "\"a b\"", "", "realm = \"a b\""),
        ("\"used\"", "\"believed\"", "unknown variant", "line"),
        ("\"::1\"", "\"::ffff:127.0.0.1\"", "it stands twice", "[aaa] client ::ffff:127.0.0.1"),
        ("secret-file = \"nas.secret\"", "secret-file = \"short\"", "too short", "client 127.0.0.1"),
        ("secret-file = \"nas.secret\"", "secret-file = \"none\"", "cannot read", "client 127.0.0.1"),
        ("secret-file = \"nas.secret\"", "", "one of secret and secret-file", "client 127.0.0.1"),
        ("secret-file = \"nas.secret\"", "secret = \"s3cr3t\"", "too short", "client 127.0.0.1"),
    ] {
        assert!(TEXT.contains(find), "{find}");
        let error = read(&TEXT.replacen(find, put, 1), &private).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains(place), "{find}: {error}");
        assert!(!error.contains("s3cr3t"), "{error}");
    }
    let nobody = &TEXT[..TEXT.find("[[aaa").unwrap()];
    assert!(read(nobody, &private).unwrap_err().to_string().contains("no clients"));
    let error = read(TEXT, &folder(0o640)).unwrap_err().to_string();
    assert!(error.contains("others can read it") && error.contains("chmod 600"), "{error}");
}

#[test]
fn a_configuration_with_a_shared_secret_is_for_its_owner_alone() {
    let folder = folder(0o600);
    let text = TEXT.replacen("secret-file = \"nas.secret\"", "secret = \"s3cr3t-s3cr3t-s3cr3t\"", 1);
    put(&folder, "network.toml", &text, 0o644);
    let path = folder.path().join("network.toml");
    let error = Config::load(&path).unwrap_err().to_string();
    assert!(
        error.contains("shared secret") && error.contains("chmod 600") && !error.contains("s3cr3t"),
        "{error}"
    );
    put(&folder, "network.toml", &text, 0o600);
    assert_eq!(Config::load(&path).unwrap().aaa.unwrap().radius.clients.len(), 2);
    put(&folder, "network.toml", TEXT, 0o644);
    assert!(Config::load(&path).is_ok(), "without secrets others may read it");
}

#[test]
fn keys_of_pseudonyms_are_made_once_and_stay() {
    let folder = folder(0o600);
    let keys = || {
        let config = read(TEXT, &folder).unwrap().with_pseudonym_keys()?;
        Ok(config.aaa.pseudonym_keys.iter().map(|key| (key.number, key.key)).collect::<Vec<_>>())
    };
    let first: Result<_, ConfigError> = keys();
    let first = first.unwrap();
    assert_eq!((first.len(), keys().unwrap()), (1, first.clone()));
    let path = folder.path().join("aaa.keys");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // An older key stays behind the new one.
    let text = format!("01 {}\n\n{}", "ab".repeat(16), std::fs::read_to_string(&path).unwrap());
    put(&folder, "aaa.keys", &text, 0o600);
    assert_eq!(keys().unwrap(), [(1, [0xab; 16]), first[0]]);
    // Without a file they are other ones at each start.
    let without = TEXT.replace("pseudonym-keys = \"aaa.keys\"\n", "");
    let made = |()| read(&without, &folder).unwrap().with_pseudonym_keys().unwrap().aaa.pseudonym_keys[0].key;
    assert_ne!(made(()), made(()));
    for (text, mode, what) in [
        ("", 0o600, "it holds no key"),
        ("00", 0o600, "NUMBER KEY"),
        ("00 abcd", 0o600, "32 digits"),
        ("xx 00112233445566778899aabbccddeeff", 0o600, "2 digits"),
        (&text.replace("01 ", "00 "), 0o600, "two keys have one number"),
        (&text, 0o640, "others can read"),
    ] {
        put(&folder, "aaa.keys", text, mode);
        let error = keys().unwrap_err().to_string();
        assert!(error.contains(what) && error.contains("aaa.keys") && !error.contains("abab"), "{error}");
    }
}

const RELAYS: &str = r#"
database = "network.db"
[hss]
[aaa]
kd-lifetime-s = 60
[[aaa.clients]]
address = "127.0.0.1"
secret-file = "nas.secret"
relay = "ruth"
[[aaa.relays]]
name = "ruth"
codes = ["000001"]
[[aaa.remotes]]
imsi = "001010000000001"
name = "mary"
codes = ["000001"]
"#;

#[test]
fn relays_are_clients_and_serve_whom_the_section_names() {
    let folder = folder(0o600);
    let config = read(RELAYS, &folder).unwrap();
    assert_eq!(config.radius.clients[0].relay.as_deref(), Some(&b"ruth"[..]));
    assert_eq!(config.radius.relays.maker(), KdMaker::Network);
    let ask = |relay: &'static [u8], code| Asked { relay, service: Service([0, 0, code]), remote: b"mary" };
    assert!(config.radius.relays.admits(&ask(b"ruth", 1)).is_ok());
    assert!(config.radius.relays.admits(&ask(b"ruth", 2)).is_err());
    assert!(config.radius.relays.admits(&ask(b"rolf", 1)).is_err());
    let draft = RELAYS.replace("[aaa]", "[aaa]\nkd-maker = \"relay\"");
    assert_eq!(read(&draft, &folder).unwrap().radius.relays.maker(), KdMaker::Relay);
    let long = "x".repeat(65);
    for (from, to, says) in [
        ("relay = \"ruth\"", "", "no client is this relay"),
        ("[[aaa.relays]]\nname = \"ruth\"", "[[aaa.relays]]\nname = \"rolf\"", "no client is this relay"),
        ("[[aaa.relays]]\nname = \"ruth\"\ncodes = [\"000001\"]", "", "it serves nothing"),
        ("codes = [\"000001\"]", "codes = [\"1\"]", "write 6 digits"),
        ("kd-lifetime-s = 60", "kd-lifetime-s = 0", "does not live"),
        ("\"001010000000001\"", "\"x\"", "remote"),
        ("name = \"mary\"", "name = \"\"", "0 octets"),
        ("name = \"mary\"", &format!("name = {long:?}"), "65 octets"),
    ] {
        let text = RELAYS.replacen(from, to, 1);
        assert_ne!(text, RELAYS, "{from}");
        let error = read(&text, &folder).unwrap_err().to_string();
        assert!(error.contains(says), "{says:?}: {error}");
    }
}
