//! `sidelink network demo`: subscribers get codes and keys over the network, and what they hear is checked by it.

#![allow(clippy::disallowed_methods)] // tests write files

use serde_json::Value;
use sidelink_tests::command::{Folder, Refusal, run};

fn demo(name: &str, args: &[&str]) -> Result<Value, Refusal> {
    let folder = Folder::new(name);
    let path = folder.path("demo.json");
    let output = format!("json:{}", path.display());
    let words: Vec<&str> = ["network", "demo", "-F", output.as_str()].iter().chain(args).copied().collect();
    run(&words)?;
    Ok(serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap())
}

#[test]
fn who_is_verified_is_who_the_network_says() {
    for seed in ["1", "2"] {
        let found = demo("network-seeds", &["--seed", seed]).unwrap();
        let names = ["alice@rescue.example", "mcc001.mnc001.ProSeApp.Rescue.Team"];
        assert_eq!(found["verified"].as_array().unwrap(), &names, "{found}");
        assert!(found["refused"].as_u64().unwrap() >= 1, "{found}");
        assert_eq!(found["believed"], 0);
        assert_eq!(found["withdrawn_after_ms"], 20, "half a round trip of 40 ms");
        // Three bootstrappings, each with TCP, a challenge and an answer; one vector each; one key each for PC3 over Zn,
        // two more for PC8.
        let rtts = |at: &str| found["reference_points"][at]["net_rtts"].as_u64().unwrap();
        assert_eq!([rtts("Ub"), rtts("Zh"), rtts("Zn"), rtts("PC4a")], [9, 3, 5, 3], "{found}");
        // Two members of the group: a request each over a handshake, a key and its verification each.
        assert_eq!([rtts("PC8"), rtts("MIKEY")], [8, 2], "{found}");
        assert!(found["received"].as_u64().unwrap() >= 5, "{found}");
    }
}

#[test]
fn a_slow_and_lossy_network_costs_time_and_loses_nobody() {
    let slow =
        demo("network-slow", &["--round-trip", "200", "--way", "Zh=500,0.5", "--loss", "0.1"]).unwrap();
    assert_eq!(slow["verified"].as_array().unwrap().len(), 2, "{slow}");
    assert_eq!(slow["believed"], 0);
    assert!(slow["withdrawn_after_ms"].as_u64().unwrap() >= 100, "{slow}");
}

#[test]
fn what_does_not_fit_is_refused_with_the_remedy() {
    for (args, said) in [
        (&["--loss", "1"][..], "0 to 0.9"),
        (&["--way", "PC9=3"], "PC4a"),
        (&["--way", "PC3"], "NAME=MS"),
        (&["--round-trip", "20000"], "10000"),
    ] {
        let refusal = demo("network-refused", args).unwrap_err();
        assert!(refusal.contains(said), "{refusal}");
    }
    let refusal = run(&["network", "demo", "-F", "csv"]).unwrap_err();
    assert!(refusal.contains("table or json"), "{refusal}");
}

/// Round trips of each step, as the texts have them: TCP and two of TLS before each request over PC3 and PC8.
#[test]
fn each_way_of_provisioning_has_its_price() {
    let folder = Folder::new("network-costs");
    let path = folder.path("costs.json");
    run(&["network", "costs", "--runs", "2", "-F", &format!("json:{}", path.display())]).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let steps: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |key: &str| steps.iter().map(|step| step[key].as_f64().unwrap()).collect::<Vec<_>>();
    // GBA and a code, a restricted code, GBA and a filter, a restricted filter, a report, model B on both sides, PMK and PGK,
    // a configuration over TLS, with certificates, over IKEv2, to the card.
    let steps = [10.0, 4.0, 10.0, 4.0, 4.0, 4.0, 4.0, 6.0, 4.0, 3.0, 8.0, 1.0];
    // A public key registered (a nonce first), fetched twice, four lists of revoked ones.
    let public_keys = [5.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0];
    assert_eq!(of("net_rtts"), [&steps[..], &public_keys].concat(), "{text}");
    let millis = [400.0, 160.0, 400.0, 160.0, 160.0, 160.0, 160.0, 200.0, 160.0, 120.0, 320.0, 80.0];
    let public_keys = [200.0, 160.0, 160.0, 160.0, 160.0, 160.0, 160.0];
    assert_eq!(of("median_ms"), [&millis[..], &public_keys].concat(), "{text}");
    assert!(of("net_octets").iter().all(|octets| *octets > 300.0), "{text}");
    // A transport block over a relay holds 109 octets with its headers.
    for (octets, blocks) in of("net_octets").iter().zip(of("relay_tbs")) {
        assert!(blocks >= octets / 109.0, "{octets} octets in {blocks} blocks");
    }
}
