use super::*;
use crate::config::ue_toml::UeConfig;

const RADIO: &str = "[radio]\nprb = 25\n";

fn section(text: &str) -> RelaySection {
    let text = format!("name = \"alice\"\n{RADIO}[relay]\n{text}");
    UeConfig::from_toml(&text, "ue.toml").unwrap().relay.unwrap()
}

fn psdk(name: &str, service: &str, valid_until: u32) -> Discovery {
    let mut entry = Discovery::new(name, Protection::PublicSafety, valid_until);
    entry.monitors = vec!["alice".to_owned(), "bob".to_owned()];
    entry.code = Some(format!("{service}{}", "0".repeat(40)).parse().unwrap());
    entry.key_type_id = Some(service.parse().unwrap());
    entry.psdk = Some(sidelink_store::Secret::new(vec![7; 32]));
    entry
}

fn keys(entries: Vec<Discovery>) -> Keys {
    Keys { discovery: entries, ..Keys::default() }
}

fn built(section: &RelaySection, keys: &Keys) -> Result<Relays, ConfigError> {
    let source = Layer2Id::from_octets([0, 0, 1]);
    section.relays("alice", source, keys, TimePolicy::default(), 0.0)
}

fn refused(text: &str) -> String {
    let keys = keys(vec![psdk("psdk", "000001", 9)]);
    built(&section(text), &keys).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn the_keys_of_a_service_are_those_of_the_store_and_nobody_else_has_them() {
    let all = keys(vec![
        psdk("first", "000001", 9),
        psdk("second", "000001", 19),
        psdk("other service", "000002", 9),
    ]);
    let remote = section("role = \"remote\"\nservice = \"000001\"\n");
    assert_eq!(remote.keys(&all, "alice").unwrap().len(), 1);
    assert!(built(&remote, &all).is_ok());
    // The agent follows the others alone.
    let others = remote.without_own(&all, "alice").unwrap();
    assert_eq!(others.discovery.iter().map(|entry| &entry.name[..]).collect::<Vec<_>>(), ["other service"]);
    // An entry for others is no key of this UE.
    assert!(remote.keys(&all, "carol").is_err());
    let relay = section("role = \"relay\"\nservice = [\"000001\", \"000002\"]\nmodel = \"both\"\nmost = 2\n");
    assert_eq!(relay.keys(&all, "bob").unwrap().len(), 2);
}

#[test]
fn errors_say_what_is_wrong_where_and_what_to_do() {
    let cases = [
        ("role = \"remote\"\nservice = \"01\"\n", "[relay] service", "six hexadecimal digits"),
        ("role = \"remote\"\nservice = []\n", "no service", "service = \"000001\""),
        ("role = \"remote\"\nservice = [\"000001\", \"000002\"]\n", "several services", "one service"),
        ("role = \"relay\"\nservice = [\"000001\", \"000001\"]\n", "twice", "each once"),
        (
            "role = \"remote\"\nservice = \"000003\"\n",
            "no PSDK of the relay service 000003",
            "keys new-relay",
        ),
        (
            "role = \"remote\"\nservice = \"000001\"\nuser-info = \"too long\"\n",
            "[relay] user-info",
            "48 bits",
        ),
        ("role = \"remote\"\nservice = \"000001\"\nonly = \"\"\n", "[relay] only", "one to six"),
        (
            "role = \"relay\"\nservice = \"000001\"\nonly = \"bob\"\n",
            "belongs to a remote",
            "role = \"remote\"",
        ),
        (
            "role = \"remote\"\nservice = \"000001\"\necgi = \"00\"\n",
            "belongs to a relay",
            "role = \"relay\"",
        ),
        ("role = \"relay\"\nservice = \"000001\"\necgi = \"00\"\n", "[relay] ecgi", "14 hexadecimal"),
        ("role = \"relay\"\nservice = \"000001\"\nmost = 0\n", "most = 0", "1 to 64"),
        ("role = \"remote\"\nservice = \"000001\"\nfilter = 20\n", "filter = 20", "0 to 19"),
        ("role = \"remote\"\nservice = \"000001\"\nhysteresis = -1.0\n", "hysteresis = -1", "0 to 30 dB"),
    ];
    for (text, what, remedy) in cases {
        let error = refused(text);
        assert!(error.contains(what) && error.contains(remedy), "{text}: {error}");
    }
    let text = format!("name = \"alice\"\n{RADIO}[relay]\nrole = \"remotely\"\nservice = \"000001\"\n");
    let error = UeConfig::from_toml(&text, "ue.toml").unwrap_err().to_string();
    assert!(error.contains("ue.toml") && error.contains("remote"), "{error}");
}

#[test]
fn a_user_info_id_is_text_with_zeros_behind_it() {
    let remote = section("role = \"remote\"\nservice = \"000001\"\n");
    assert_eq!(remote.info("alice").unwrap(), *b"alice\0");
    let named = section("role = \"remote\"\nservice = \"000001\"\nuser-info = \"unit 7\"\n");
    assert_eq!(named.info("a name that is far too long").unwrap(), *b"unit 7");
}

#[test]
fn kds_come_from_somewhere() {
    let checked = |text: &str| {
        let text = format!("name = \"alice\"\n{RADIO}{text}");
        UeConfig::from_toml(&text, "ue.toml").unwrap().check_relay_keying()
    };
    let pruk = "[relay]\nrole = \"remote\"\nservice = \"000001\"\n";
    let eap = "[relay]\nrole = \"relay\"\nservice = \"000001\"\nkeying = \"eap\"\n";
    let network = |role: &str| {
        let address = "127.0.0.1:1";
        format!(
            "[network]\nusim = \"a.usim\"\nbsf = \"{address}\"\nprose-function = \"{address}\"\n\
             prose-function-name = \"f.example\"\nos-id = \"00112233445566778899aabbccddeeff\"\n\
             os-app-id = \"org.example\"\n[network.relay-keys]\nrole = \"{role}\"\n"
        )
    };
    assert!(checked(&format!("{pruk}{}", network("relay"))).is_err());
    assert_eq!(checked(&format!("{pruk}{}", network("remote"))), Ok(()));
    let why = checked(pruk).unwrap_err().to_string();
    assert!(why.contains("[network.relay-keys]"), "{why}");
    let why = checked(eap).unwrap_err().to_string();
    assert!(why.contains("[eap.relay]"), "{why}");
    let server = "[eap.relay]\nserver = \"127.0.0.1:1812\"\nsecret-file = \"radius.secret\"\n";
    assert_eq!(checked(&format!("{eap}{server}")), Ok(()));
    assert_eq!(checked(""), Ok(()));
}
