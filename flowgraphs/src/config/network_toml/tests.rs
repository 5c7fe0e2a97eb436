use super::*;
use std::os::unix::fs::PermissionsExt;

const TEXT: &str = r#"
usim = "alice.usim"
bsf = "127.0.0.1:8080"
prose-function = "127.0.0.1:8443"
prose-function-name = "prosefunction.mnc001.mcc001.pub.3gppnetwork.org"
os-id = "00112233445566778899aabbccddeeff"
os-app-id = "org.example"
"#;

fn read(more: &str) -> NetworkConfig {
    toml::from_str(&format!("{TEXT}{more}")).unwrap()
}

#[test]
fn what_is_wanted_is_checked() {
    let all = "rpauid = \"a\"\nannounce = [\"x\"]\nmonitor = [\"y\", \"z\"]\nbe-discovered = \"restricted\"\n\
               discover = [\"b\"]\nask = [\"b\", \"c\"]\n";
    assert_eq!(read(all).wanted().unwrap().len(), 6);
    let both = all.replace("\"restricted\"", "\"both\"");
    assert!(read(&both).wanted().unwrap().contains(&Wanted::Answer));
    assert_eq!(read(&both).wanted().unwrap().len(), 7);
    let when_asked = "rpauid = \"a\"\nbe-discovered = \"when-asked\"\n";
    assert_eq!(read(when_asked).wanted().unwrap(), [Wanted::Answer]);
    for (more, said) in [
        ("", "nothing is asked for"),
        ("discover = [\"b\"]\n", "rpauid"),
        ("be-discovered = \"restricted\"\n", "rpauid"),
        ("be-discovered = \"when-asked\"\n", "rpauid"),
        ("ask = [\"b\"]\n", "rpauid"),
        ("rpauid = \"a\"\nask = [\"\"]\n", "ask"),
        ("announce = [\"\"]\n", "announce"),
    ] {
        let error = read(more).wanted().unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(toml::from_str::<NetworkConfig>(&format!("{TEXT}tls = \"1.1\"\n")).is_err());
}

#[test]
fn groups_and_their_pkmf_are_checked() {
    let group = "[[group]]\nname = \"rescue\"\nid = \"00002a\"\n";
    let pkmf = "pkmf = \"127.0.0.1:8444\"\npkmf-name = \"pkmf.example\"\n";
    let config = read(&format!("{pkmf}{group}"));
    assert!(config.wanted().unwrap().is_empty());
    assert_eq!(config.groups().unwrap(), [("rescue".to_owned(), ServiceId([0, 0, 0x2a]))]);
    assert_eq!(config.pkmf().unwrap().2.port(), 2269);
    assert_eq!(config.refresh, Refresh::Automatic);
    assert!(read(group).pkmf().unwrap_err().to_string().contains("pkmf"));
    let without_name = read(&format!("pkmf = \"127.0.0.1:8444\"\n{group}"));
    assert!(without_name.pkmf().unwrap_err().to_string().contains("pkmf-name"));
    for (bad, said) in [(group.replace("00002a", "2a"), "six"), (format!("{group}{group}"), "twice")] {
        let error = read(&format!("{pkmf}{bad}")).groups().unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("rescue"), "{error}");
    }
}

#[test]
fn identities_and_their_server_are_checked() {
    let identity = "[[identity]]\nname = \"alice\"\nuri = \"sip:alice@lab\"\n";
    let kms = "kms = \"127.0.0.1:8445\"\nkms-name = \"KMS.lab\"\n";
    let config = read(&format!("{kms}{identity}"));
    assert!(config.wanted().unwrap().is_empty(), "identities alone are enough");
    assert_eq!(config.identities().unwrap()[0].1.as_str(), "sip:alice@lab");
    assert_eq!(config.kms().unwrap().0.as_str(), "kms.lab");
    assert!(read(identity).kms().unwrap_err().to_string().contains("add kms = "));
    let without_name = read(&format!("kms = \"127.0.0.1:8445\"\n{identity}"));
    assert!(without_name.kms().unwrap_err().to_string().contains("kms-name"));
    for (bad, said) in
        [(identity.replace("sip:", "sip "), "no URI"), (format!("{identity}{identity}"), "twice")]
    {
        let error = read(&format!("{kms}{bad}")).identities().unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("alice"), "{error}");
    }
}

#[test]
fn relay_services_have_a_code_and_stand_there_once() {
    let one = "[[relay]]\nname = \"fire\"\nservice = \"000009\"\n";
    let config = read(one);
    assert!(config.wanted().unwrap().is_empty(), "a relay service alone is enough");
    assert_eq!(config.relays().unwrap(), [("fire".to_owned(), Code([0, 0, 9]))]);
    for (text, said) in [
        ("[[relay]]\nname = \"fire\"\nservice = \"09\"\n".to_owned(), "six hexadecimal digits"),
        (format!("{one}{one}"), "twice"),
    ] {
        let error = read(&text).relays().unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("fire"), "{error}");
    }
}

#[test]
fn a_naf_of_groups_has_an_address_and_a_name() {
    let config = read("naf = \"127.0.0.1:8447\"\nnaf-name = \"Groups.lab\"\n");
    assert!(config.wanted().unwrap().is_empty(), "a NAF alone is enough");
    assert_eq!(config.naf().unwrap().0.as_str(), "groups.lab");
    assert!(read("").naf().unwrap_err().to_string().contains("add naf = "));
    let without_name = read("naf = \"127.0.0.1:8447\"\n").naf().unwrap_err().to_string();
    assert!(without_name.contains("naf-name"), "{without_name}");
}

#[test]
fn a_usim_is_read_and_is_its_owners() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alice.usim");
    let mut config = read("");
    config.within(folder.path());
    let good = "imsi = \"001010000000001\"\nmnc-digits = 2\nk = \"465b5ce8b199b49faa5f0a2ee238a6bc\"\n\
                opc = \"cd63cb71954a9f4e48a5994e37a02baf\"\n";
    keystore::write_private(&path, good).unwrap();
    let usim = config.usim().unwrap();
    assert_eq!(config.names(&usim).unwrap()[0].as_str(), "bsf.mnc001.mcc001.pub.3gppnetwork.org");
    assert_eq!(config.pc3(&usim).unwrap().ue.to_string(), "001010000000001");
    for (from, to, said) in [
        ("465b5ce8", "465b5c", "k is not"),
        ("001010000000001", "00101", ""),
        ("mnc-digits = 2", "mnc-digits = 9", ""),
        ("opc", "op", "imsi, mnc-digits, k and opc"),
    ] {
        std::fs::write(&path, good.replace(from, to)).unwrap();
        let error = config.usim().err().unwrap().to_string();
        assert!(error.contains(said) && error.contains("alice.usim"), "{error}");
        assert!(!error.contains("b199b49f"), "{error}");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(config.usim().err().unwrap().to_string().contains("600"));
}

#[test]
fn keys_of_relays_are_checked() {
    let pkmf = "pkmf = \"127.0.0.1:8444\"\npkmf-name = \"pkmf.example\"\n";
    let keys = |text: &str| read(&format!("{pkmf}[relay-keys]\n{text}"));
    let remote = keys("role = \"remote\"\n");
    assert!(remote.wanted().unwrap().is_empty(), "it is something that is asked for");
    let shown = |config: &NetworkConfig| config.relay_keys.as_ref().unwrap().imsi;
    assert_eq!((shown(&remote), remote.relay_pkmf().unwrap().1.port()), (ShowImsi::WhenProven, 8444));
    assert_eq!(shown(&keys("role = \"remote\"\nimsi = \"never\"\n")), ShowImsi::Never);
    let error = read("[relay-keys]\nrole = \"relay\"\n").relay_pkmf().unwrap_err().to_string();
    assert!(error.contains("[network.relay-keys] needs pkmf"), "{error}");
    for (text, said) in [
        ("role = \"relay\"\nimsi = \"never\"\n", "imsi belongs to a remote UE"),
        ("role = \"relay\"\nagain = 5\n", "again belongs to a remote UE"),
        ("role = \"remote\"\nkd-lifetime = 0\n", "kd-lifetime"),
    ] {
        let error = keys(text).relay_keys.unwrap().check().unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
    assert!(keys("role = \"relay\"\n").relay_keys.unwrap().check().is_ok());
    assert!(toml::from_str::<NetworkConfig>(&format!("{TEXT}[relay-keys]\nrole = \"both\"\n")).is_err());
}
