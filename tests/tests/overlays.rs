//! The users' own security above a link, over the air: what it costs, what an operator reads of it, and what becomes of it when the
//! way changes (T3.3).

#![allow(clippy::disallowed_methods)] // tests write files

use serde_json::{Value, json};
use sidelink_tests::command::{Folder, run};
use std::sync::atomic::{AtomicU32, Ordering};

/// Runs a command, which must find what it expects, and reads the lines of JSON that it writes.
fn lines(args: &[&str]) -> Vec<Value> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let folder = Folder::new(&format!("overlay-{}", CALLS.fetch_add(1, Ordering::Relaxed)));
    let path = folder.path("costs.json");
    let output = format!("json:{}", path.display());
    let all: Vec<&str> = args.iter().copied().chain(["-F", output.as_str()]).collect();
    run(&all).unwrap_or_else(|e| panic!("{e}"));
    let text = std::fs::read_to_string(&path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn play(args: &[&str]) -> Vec<Value> {
    lines(&[&["scenario"], args].concat())
}

fn both(costs: &Value, key: &str) -> u64 {
    costs["overlay"][key].as_array().unwrap().iter().map(|ue| ue.as_u64().unwrap()).sum()
}

/// Octets that each overlay adds to a packet, and packets of its handshake on the link. The digest foretold 10 to 14 for SRTP and 50
/// to 60 for ESP.
#[test]
fn overlays_cost_what_they_add() {
    let expected = [
        ("overlay-none", 0.0..=0.0, 0),
        ("overlay-srtp-sakke", 10.0..=10.0, 1),
        ("overlay-srtp-sdes-null", 10.0..=10.0, 0),
        ("overlay-srtp-ticket", 10.0..=10.0, 2),
        ("overlay-esp-null", 50.0..=60.0, 4),
    ];
    for (name, added, messages) in expected {
        for costs in play(&[name]) {
            let octets = costs["overlay"]["added_octets"].as_f64().unwrap();
            assert!(added.contains(&octets), "{costs}");
            assert_eq!(both(&costs, "messages"), messages, "{costs}");
            assert_eq!(costs["overlay"]["handshakes"], json!([1, 1]), "{costs}");
            assert_eq!(costs["overlay"]["refused"], json!({}), "{costs}");
            let (sent, came) = (costs["sent"].as_u64().unwrap(), costs["delivered"].as_u64().unwrap());
            assert!(sent > 20 && came + 5 >= sent, "{costs}");
            // The handshake has an account of its own.
            let blocks = costs["phases"].get("overlay").map_or(0, |ues| ues[0]["n_tb"].as_u64().unwrap());
            assert_eq!(blocks > 0, messages > 0, "{costs}");
        }
    }
}

/// T3.3-1: whoever has the KD of the link reads what nothing else protects, and what it carried the keys of.
#[test]
fn an_operator_reads_what_it_has_keys_of() {
    for (name, outcome) in [
        ("attack-overlay-read", "stopped"),
        ("attack-overlay-read-esp", "stopped"),
        ("attack-overlay-read-none", "data read by others"),
        ("attack-overlay-read-sdes", "data read by others"),
    ] {
        for costs in play(&[name]) {
            assert_eq!(costs["outcome"], outcome, "{costs}");
            let found = |what: &str| costs["findings"].get(what).map_or(0, |count| count.as_u64().unwrap());
            assert_eq!(found("session keys obtained"), 1, "{costs}");
            let closed = found("messages of UE_1 deciphered to more ciphertext");
            assert_eq!(closed > 10, outcome == "stopped", "{costs}");
        }
    }
}

/// T3.3-2: nobody brings a link to do without ciphering against a policy, and where policies allow it both must have said so.
#[test]
fn nulls_are_refused_unless_both_policies_have_an_overlay() {
    for name in ["attack-overlay-null", "attack-overlay-null-policy", "attack-overlay-null-peer"] {
        for costs in play(&[name]) {
            assert_eq!(costs["outcome"], "no link while it lasts", "{costs}");
        }
    }
    for costs in play(&["overlay-srtp-sakke-null"]) {
        assert_eq!(costs["held"], json!([true, true]), "{costs}");
        assert_eq!(costs["overlay"]["ciphering"], "EEA0", "{costs}");
    }
}

/// T3.3-3: the overlay lives through a change of the way, and misses less than a link that is set up again.
#[test]
fn an_overlay_outlives_its_way() {
    let [overlay, link] = ["overlay-switch", "overlay-switch-none"].map(|name| play(&[name]).remove(0));
    assert_eq!(overlay["overlay"]["handshakes"], json!([1, 1]), "{overlay}");
    assert!(overlay["overlay"]["over_network"].as_u64() > Some(10), "{overlay}");
    let gap = |costs: &Value| costs["overlay"]["gap_ms"].as_u64().unwrap();
    assert!(gap(&overlay) < gap(&link), "{} against {}", gap(&overlay), gap(&link));
    for costs in [&overlay, &link] {
        assert_eq!(costs["held"], json!([true, true]), "{costs}");
    }
}

/// T3.3-4: with the server offline, keys of identities serve, and tickets do not.
#[test]
fn a_server_that_is_offline_stops_tickets_alone() {
    let costs = &play(&["overlay-offline-ticket"])[0];
    assert_eq!(costs["held"], json!([true, true]), "the link has no need of it: {costs}");
    assert_eq!(costs["overlay"]["ready_ms"], json!([null, null]), "{costs}");
    assert_eq!(play(&["overlay-offline-sakke"])[0]["overlay"]["handshakes"], json!([1, 1]));
}

/// Side by side with a link alone.
#[test]
fn overlays_are_compared_with_a_link_alone() {
    let groups = lines(&["compare", "overlay-none", "overlay-esp"]);
    let added: Vec<_> =
        groups.iter().map(|group| group["overlay"]["added_octets"].as_f64().unwrap()).collect();
    assert!(added[0] == 0.0 && added[1] > 50.0, "{added:?}");
    assert_eq!(groups.iter().map(|group| &group["linked"]).collect::<Vec<_>>(), [&json!(1), &json!(1)]);
}

/// Every overlay and attack at three signal-to-noise ratios and SC periods.
#[test]
#[ignore = "long: every overlay and attack at three ratios and three periods"]
fn overlays_do_so_in_noise_too() {
    let mut names =
        vec!["overlay-none", "overlay-srtp-sakke", "overlay-srtp-sakke-null", "overlay-srtp-sdes"];
    names.extend([
        "overlay-srtp-sdes-null",
        "overlay-srtp-ticket",
        "overlay-srtp-ticket-null",
        "overlay-esp",
    ]);
    names.extend(["overlay-esp-null", "overlay-switch", "overlay-switch-none", "overlay-offline-sakke"]);
    names.extend(["overlay-offline-ticket", "attack-overlay-read", "attack-overlay-read-esp"]);
    names.extend(["attack-overlay-read-none", "attack-overlay-read-sdes", "attack-overlay-null"]);
    names.extend(["attack-overlay-null-policy", "attack-overlay-null-peer"]);
    if cfg!(feature = "services") {
        names.extend([
            "overlay-tls-psk",
            "overlay-tls-psk-null",
            "overlay-tls-p256",
            "overlay-tls-p256-null",
        ]);
    }
    for name in names {
        play(&[name, "--snr", "10,15,20"]);
        play(&[name, "--period", "80,160"]);
    }
}
