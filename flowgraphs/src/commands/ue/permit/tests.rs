use super::*;
use crate::config::ue_toml::EXAMPLE;
use crate::experiments::network::provisioning::content;
use sidelink_radio::number::Number;
use sidelink_store::write_private;

const NOW: UtcTime = UtcTime::from_millis(1_800_000_000_000);

/// The example of a UE at a place of the operator's configuration, which is sealed in its folder.
fn ue(folder: &Path) -> UeConfig {
    let usim = "imsi = \"001010000000001\"\nmnc-digits = 2\nk = \"465b5ce8b199b49faa5f0a2ee238a6bc\"\n\
                opc = \"cd63cb71954a9f4e48a5994e37a02baf\"\n";
    write_private(&folder.join("alice.usim"), usim).unwrap();
    let network = format!(
        "usim = {0:?}\nbsf = \"127.0.0.1:1\"\nprose-function = \"127.0.0.1:1\"\nprose-function-name = \"p.example\"\n\
         os-id = \"00112233445566778899aabbccddeeff\"\nos-app-id = \"org.example\"\nconfiguration = {1:?}\n\
         at = [48.2, 16.4]\n",
        folder.join("alice.usim"),
        folder.join("alice.configuration"),
    );
    let mut config = UeConfig::from_toml(EXAMPLE, "ue.toml").unwrap();
    config.radio.frequency = Some(Number(793e6));
    config.radio.prb = Some(50);
    config.network = Some(toml::from_str(&network).unwrap());
    let (network, _) = named(&config).unwrap();
    let key = network.sealing_key().unwrap();
    let content = content().unwrap();
    let held = Configuration { ue: key.ue(), issued: NOW, valid_until: NOW.plus_millis(1000), content };
    std::fs::write(folder.join("alice.configuration"), key.seal(&held)).unwrap();
    config
}

/// T6.1-4: a UE whose configuration was edited does not start, on the altered band or on any.
#[test]
fn a_ue_starts_only_as_its_whole_configuration_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = ue(folder.path());
    assert!(!uses(&config).is_empty());
    check(&config, NOW).unwrap();
    let path = folder.path().join("alice.configuration");
    let good = std::fs::read_to_string(&path).unwrap();
    let altered = good.replace("793000000", "806000000");
    assert_ne!(altered, good);
    std::fs::write(&path, altered).unwrap();
    for frequency in [806e6, 793e6] {
        config.radio.frequency = Some(Number(frequency));
        let error = check(&config, NOW).unwrap_err().to_string();
        assert!(error.contains("seal is broken") && error.contains("alice.configuration"), "{error}");
    }
    std::fs::write(&path, &good).unwrap();
    config.radio.frequency = Some(Number(806e6));
    assert!(check(&config, NOW).unwrap_err().to_string().contains("806000000 Hz"));
    config.radio.frequency = Some(Number(793e6));
    assert!(check(&config, NOW.plus_millis(1000)).unwrap_err().to_string().contains("ended"));
    config.network.as_mut().unwrap().at = None;
    assert!(check(&config, NOW).unwrap_err().to_string().contains("place"));
    std::fs::remove_file(&path).unwrap();
    assert!(check(&config, NOW).unwrap_err().to_string().contains("keys fetch"));
    config.network.as_mut().unwrap().configuration = None;
    check(&config, NOW).unwrap();
}
