//! One-to-one links over the air, as `sidelink scenario` and `sidelink compare` play them: what a set-up costs, and what
//! attackers get who have a radio and nothing else.

#![allow(clippy::disallowed_methods)] // tests write files

use serde_json::Value;
use sidelink_tests::command::{Folder, run, text};
use std::sync::atomic::{AtomicU32, Ordering};

/// Run a command and read the lines of JSON that it writes.
fn json(args: &[&str]) -> Vec<Value> {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let folder = Folder::new(&format!("scenario-{}", CALLS.fetch_add(1, Ordering::Relaxed)));
    let path = folder.path("costs.json");
    let output = format!("json:{}", path.display());
    let all: Vec<&str> = args.iter().copied().chain(["-F", output.as_str()]).collect();
    run(&all).unwrap_or_else(|e| panic!("{e}"));
    let lines = std::fs::read_to_string(&path).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn play(args: &[&str]) -> Vec<Value> {
    json(&[&["scenario"], args].concat())
}

/// A figure of both UEs in the set-up alone.
fn setup(costs: &Value, key: &str) -> u64 {
    costs["setup"].as_array().unwrap().iter().map(|spent| spent[key].as_u64().unwrap()).sum()
}

/// The prediction of the proposals' digest (d2): 4 messages, 4 transport blocks, 24 subframes, 4 SC periods, at every P.
#[test]
fn a_shared_key_costs_four_messages_in_four_periods() {
    for costs in play(&["direct-psk", "--period", "40,80,160,320"]) {
        assert_eq!((setup(&costs, "msgs"), setup(&costs, "n_tb")), (4, 4), "{costs}");
        assert_eq!((setup(&costs, "sf_pscch"), setup(&costs, "sf_pssch")), (8, 16), "{costs}");
        assert_eq!((setup(&costs, "sc_periods"), setup(&costs, "retx")), (4, 0), "{costs}");
        let (ms, p) = (costs["setup_ms"][0].as_u64().unwrap(), costs["period"].as_u64().unwrap());
        assert!((3 * p..=5 * p).contains(&ms), "4 periods of {p} ms: {ms}");
    }
}

/// What each message cost adds up to what its phase cost; each was heard, after it was on the air.
#[test]
fn every_message_has_its_account() {
    for costs in play(&["direct-psk", "direct-certificate", "rekey", "--period", "160"]) {
        for phase in ["set-up", "re-keying", "keep-alive"] {
            let Some(spent) = costs["phases"].get(phase) else { continue };
            for key in [
                "msgs",
                "l3_octets",
                "pdcp_octets",
                "pdu_octets",
                "n_tb",
                "sf_pscch",
                "sf_pssch",
                "sc_periods",
            ] {
                let of_phase: u64 =
                    spent.as_array().unwrap().iter().map(|ue| ue[key].as_u64().unwrap()).sum();
                let messages = costs["messages"].as_array().unwrap().iter();
                let of_messages: u64 =
                    messages.filter(|m| m["phase"] == phase).map(|m| m[key].as_u64().unwrap()).sum();
                assert_eq!(of_phase, of_messages, "{} {phase} {key}", costs["name"]);
            }
        }
        for message in costs["messages"].as_array().unwrap().iter().filter(|m| m["phase"] == "set-up") {
            let (made, aired, heard) =
                (message["at_ms"].as_i64(), message["on_air_ms"].as_i64(), message["heard_ms"].as_i64());
            assert!(made < aired && aired <= heard, "{message}");
            assert!(message["cpu_us"].as_f64() > Some(0.0), "{message}");
        }
    }
}

/// A KD of two networks costs what a shared one costs on the air, and six messages beside it.
#[test]
fn a_kd_of_the_networks_costs_nothing_on_the_air() {
    for (name, octets) in [("direct-network", 333), ("direct-network-x25519", 365)] {
        for costs in play(&[name, "--period", "40,160"]) {
            assert_eq!((setup(&costs, "msgs"), setup(&costs, "n_tb")), (4, 4), "{costs}");
            assert_eq!((setup(&costs, "sf_pscch"), setup(&costs, "sf_pssch")), (8, 16), "{costs}");
            assert_eq!(setup(&costs, "durable_writes"), 2, "{costs}");
            let network = &costs["network"];
            assert_eq!((network["messages"].as_u64(), network["octets"].as_u64()), (Some(6), Some(octets)));
            // Each UE attaches by four messages; an MME stores its UE's connection id, and the first the other's too.
            assert_eq!(network["attach_messages"].as_u64(), Some(8), "{costs}");
            assert_eq!(network["durable_writes"].as_u64(), Some(3), "{costs}");
        }
    }
}

#[test]
fn signatures_cost_six_messages_and_two_durable_writes() {
    let costs = &play(&["direct-certificate"])[0];
    assert_eq!(setup(costs, "msgs"), 6, "{costs}");
    assert_eq!(setup(costs, "durable_writes"), 2, "{costs}");
    assert!(costs["setup_ms"][1].is_u64(), "{costs}");
}

/// Keys of identities: the digest foretold 9 blocks for the final variant and 10 for the draft, of 101 octets each; the
/// blocks here have 63.
#[test]
fn keys_of_identities_cost_what_they_carry() {
    let expected = [
        ("direct-sakke", [4, 15, 60, 12, 612, 2]),
        ("direct-sakke-bound", [4, 15, 60, 12, 624, 3]),
        ("direct-sakke-draft", [5, 14, 56, 12, 604, 3]),
        ("direct-sakke-answered", [6, 24, 96, 16, 1131, 3]),
    ];
    for (name, expected) in expected {
        for costs in play(&[name, "--snr", "10,15,20"]) {
            let keys = ["msgs", "n_tb", "sf_pssch", "sf_pscch", "l3_octets", "durable_writes"];
            assert_eq!(keys.map(|key| setup(&costs, key)), expected, "{costs}");
            assert_eq!(setup(&costs, "retx"), 0, "at the first try: {costs}");
        }
    }
}

/// T4.3-1, -2 and -6 over the air. The echo of a long message and a flood of long requests take the air away, and nothing
/// else.
#[test]
fn attackers_of_identities_get_what_is_stated() {
    let stated = [
        ("attack-sakke-forge", "stopped"),
        ("attack-sakke-forge-draft", "stopped"),
        ("attack-sakke-replay-draft", "no link while it lasts"),
        ("attack-sakke-flood", "no link while it lasts"),
        // At this seed an accept is lost in the echo, and UE_1 asks again: the link of UE_2 that follows is its own.
        ("attack-sakke-replay", "stopped"),
        ("attack-sakke-resign", "stopped"),
        ("attack-sakke-expired", "stopped"),
        ("attack-sakke-omit", "no link while it lasts"),
        ("attack-sakke-stolen", "data read by others"),
        ("attack-sakke-escrow", "data read by others"),
    ];
    for (name, outcome) in stated {
        for costs in play(&[name, "--snr", "10,15,20", "--seed", "2"]) {
            assert_eq!(costs["outcome"], outcome, "{costs}");
            assert_eq!(costs["foreign_links"], 0, "{costs}");
            match name {
                // It is believed until it would have to have the key.
                "attack-sakke-resign" => {
                    assert!(costs["findings"]["commands to who signed again"].as_u64() > Some(0), "{costs}");
                    let said = costs["said"].as_object().unwrap();
                    assert!(said.keys().any(|note| note.contains("does not complete it")), "{costs}");
                }
                // Refused three times, and the link goes on.
                "attack-sakke-expired" => {
                    assert_eq!(costs["rekeyings"], serde_json::json!([0, 0]), "{costs}");
                    assert!(costs["notes"].as_u64() > Some(2), "{costs}");
                    assert!(costs["delivered"].as_u64() >= Some(50), "{costs}");
                }
                _ => {}
            }
        }
    }
}

/// Tickets and crypto attributes: what a link takes on the air, and beside it.
#[test]
fn tickets_and_attributes_cost_what_they_carry() {
    // The time of TRANSFER_INIT is a third durable write. It is made when the server has answered: that step has no message.
    let expected = [
        ("direct-ticket", [6, 14, 56, 12, 575, 2], [("UE-KMS", 4, 1158), ("KMS-BSF", 4, 0)]),
        ("direct-sdes", [4, 4, 16, 8, 76, 2], [("UE-network", 4, 348), ("network-network", 2, 184)]),
    ];
    for (name, expected, points) in expected {
        for costs in play(&[name, "--snr", "10,15,20"]) {
            let keys = ["msgs", "n_tb", "sf_pssch", "sf_pscch", "l3_octets", "durable_writes"];
            assert_eq!(keys.map(|key| setup(&costs, key)), expected, "{costs}");
            for (point, messages, octets) in points {
                let spent = &costs["network"]["points"][point];
                assert_eq!(
                    (&spent["messages"], &spent["octets"]),
                    (&messages.into(), &octets.into()),
                    "{costs}"
                );
            }
            // Data both ways.
            let figures = ["delivered", "delivered_back"].map(|key| costs[key].as_u64().unwrap());
            assert!(figures.iter().all(|count| *count >= 2), "{costs}");
        }
    }
}

/// T4.2-1 to -5 over the air. A case fails when another thing comes of it than is stated of it.
#[test]
fn attackers_of_tickets_and_attributes_get_what_is_stated() {
    let no_link = "no link while it lasts";
    let stated = [
        ("attack-sdes-guard", no_link, "crypto attribute"),
        ("attack-sdes-forced", "data read by others", ""),
        ("attack-sdes-proxy", "data read by others", ""),
        ("attack-sdes-alter", no_link, "wrong MAC-I"),
        ("attack-ticket-other", no_link, "error Id"),
        ("attack-ticket-replay", "stopped", ""),
        ("attack-ticket-away", no_link, "the network does not answer"),
        ("attack-ticket-away-target", no_link, "the network does not answer"),
        ("attack-ticket-alter", no_link, "MAC"),
    ];
    for (name, outcome, note) in stated {
        for costs in play(&[name, "--snr", "10,15,20", "--seed", "1"]) {
            assert_eq!(costs["outcome"], outcome, "{costs}");
            assert_eq!(costs["foreign_links"], 0, "{costs}");
            let found = |what: &str| costs["findings"][what].as_u64().unwrap_or(0);
            assert_eq!(found("crypto attributes heard on the air"), 0, "{costs}");
            let said = costs["said"].as_object().unwrap();
            let is_told =
                name == "attack-sdes-guard" && said.keys().any(|said| said.contains("key in the clear"));
            assert!(is_told || note.is_empty() || said.keys().any(|said| said.contains(note)), "{costs}");
            match name {
                // T4.2-2: a ticket is given and resolved for nobody.
                "attack-ticket-other" => {
                    assert!(found("tickets that the server granted to ProSe:mary") > 0, "{costs}");
                    assert_eq!(found("tickets that the server resolved for ProSe:john"), 0, "{costs}");
                }
                // T4.2-3: no ticket is resolved more often than UE_1 had one.
                "attack-ticket-replay" => {
                    let granted = found("tickets that the server granted to ProSe:mary");
                    assert!(found("tickets that the server resolved for ProSe:john") <= granted, "{costs}");
                    assert_eq!(found("requests that the server refused: Timestamp"), 0, "{costs}");
                }
                // T4.2-4: the cause and the time.
                "attack-ticket-away" | "attack-ticket-away-target" => {
                    assert!(costs["closed"][0].is_string() && costs["closed_ms"][0].is_u64(), "{costs}");
                }
                "attack-ticket-alter" => assert!(found("long messages altered") > 0, "{costs}"),
                _ => {}
            }
        }
    }
}

#[test]
fn keys_change_under_traffic() {
    // at this seed the two do not talk over each other: who sends does not hear, and with others one text of thirty is lost
    for costs in play(&["rekey", "rekey-reauth", "--seed", "2"]) {
        // a case fails where a message comes twice or out of its order, or a COUNT twice under a key
        assert!(costs["rekeyings"][0].as_u64() >= Some(3), "{costs}");
        assert_eq!(costs["rekeyings"][0], costs["rekeyings"][1], "{costs}");
        assert!(costs["delivered"].as_u64() >= Some(20), "{costs}");
        assert_eq!(costs["lost"], 0, "{costs}");
    }
}

/// The long version is in docs/links.md.
#[test]
fn keys_change_five_times_a_second_under_a_stream() {
    let costs = &play(&["rekey-stress", "--mcs", "12", "--seconds", "3"])[0];
    assert!(costs["rekeyings"][1].as_u64() >= Some(9), "{costs}");
    assert!(costs["delivered"].as_u64() >= Some(120), "{costs}");
    assert_eq!((&costs["lost"], &costs["counts_repeated"]), (&0.into(), &0.into()), "{costs}");
}

/// Every attack that a radio can do, at three Es/N0. A case fails when another thing comes of it than is stated of it. A flood
/// of named requests is a lottery: with one seed of eight the set-up gets through. This is one of the others.
#[test]
fn attackers_with_a_radio_get_what_is_stated() {
    let stopped = [
        "attack-replay",
        "attack-replay-rekey",
        "attack-forge",
        "attack-insider",
        "attack-flood",
        "attack-spoof",
        "attack-jam-complete",
        "attack-rekey-storm",
    ];
    let denied =
        ["attack-flood-named", "attack-nonces", "attack-bid-down", "attack-null", "attack-flip-signalling"];
    let passes = ["attack-track", "attack-flip-data"];
    let expected = |name: &str| match name {
        "attack-track" => "both UEs followed across keys",
        "attack-flip-data" => "data altered unnoticed",
        name if denied.contains(&name) => "no link while it lasts",
        _ => "stopped",
    };
    let names: Vec<&str> = stopped.into_iter().chain(denied).chain(passes).collect();
    let all = play(&[&names[..], &["--snr", "8,12,20", "--seed", "2"]].concat());
    assert_eq!(all.len(), 3 * names.len());
    for costs in &all {
        let name = costs["name"].as_str().unwrap();
        assert_eq!(costs["outcome"], expected(name), "{name} at {} dB: {costs}", costs["snr_db"]);
        assert_eq!((&costs["foreign_links"], &costs["counts_repeated"]), (&0.into(), &0.into()), "{name}");
        let silent = ["attack-track", "attack-rekey-storm"].contains(&name);
        assert!(silent || costs["attacks"].as_u64() > Some(0), "{name} attacked nobody");
    }
    let found = |name: &str, what: &str| {
        let costs = all.iter().filter(|c| c["name"] == name);
        costs.map(|c| c["findings"][what].as_u64().unwrap_or(0)).min().unwrap_or(0)
    };
    assert_eq!(found("attack-flood", "requests sent"), 1000);
    assert!(found("attack-nonces", "commands altered") > 0);
    assert!(found("attack-bid-down", "requests altered") > 0);
    assert!(found("attack-flip-signalling", "protected messages altered") > 0);
    assert_eq!(found("attack-jam-complete", "messages kept back"), 2);
    // once a second at most, however often the peer asks
    let storm = all.iter().filter(|c| c["name"] == "attack-rekey-storm");
    assert!(storm.flat_map(|c| c["rekeyings"].as_array().unwrap()).all(|n| n.as_u64() <= Some(4)));
}

#[test]
fn configurations_are_compared() {
    let folder = Folder::new("scenario-compare");
    let plot = folder.path("compare.svg");
    let args =
        ["compare", "direct-psk", "direct-certificate", "--period", "40,160", "--runs", "2", "--snr", "0,10"];
    let groups = json(&[&args[..], &["--plot", text(&plot)]].concat());
    assert_eq!(groups.len(), 8);
    let group = |name: &str, period: u64| {
        let mut found =
            groups.iter().filter(|g| g["name"] == name && g["period"] == period && g["snr_db"] == 10.0);
        found.next().unwrap()
    };
    for period in [40, 160] {
        let (psk, certificate) = (group("direct-psk", period), group("direct-certificate", period));
        assert_eq!(
            (&psk["runs"], &psk["linked"], &psk["n_tb"]),
            (&2.into(), &2.into(), &4.0.into()),
            "{psk}"
        );
        assert!(psk["setup_ms_p95"].as_f64() >= psk["setup_ms_median"].as_f64(), "{psk}");
        assert!(certificate["pdu_octets"].as_f64() > psk["pdu_octets"].as_f64(), "{certificate}");
        assert!(certificate["setup_ms_mean"].as_f64() > psk["setup_ms_mean"].as_f64(), "{certificate}");
    }
    assert!(std::fs::read_to_string(&plot).unwrap().contains("direct-psk, P = 160"));
    assert_eq!(folder.names(), ["compare.svg"]);
}

#[test]
fn earlier_runs_are_compared_with_new_ones() {
    let folder = Folder::new("scenario-earlier");
    let saved = folder.path("saved.json");
    run(&["scenario", "direct-psk", "--seed", "7", "-F", &format!("json:{}", saved.display())]).unwrap();
    let path = text(&saved);
    let groups = json(&["compare", path, path, "direct-psk"]);
    assert_eq!((groups.len(), &groups[0]["runs"]), (1, &3.into()), "one configuration, three runs");
    let foreign = folder.put("foreign.json", "{\"name\": 1}\n");
    let error = run(&["compare", text(&foreign)]).unwrap_err();
    assert!(error.contains("line 1"), "{error}");
    let error = run(&["compare", "no-such-thing"]).unwrap_err();
    assert!(error.contains("neither a scenario nor a file"), "{error}");
}

#[test]
fn csv_has_a_line_for_each_message() {
    let folder = Folder::new("scenario-csv");
    let path = folder.path("messages.csv");
    run(&["scenario", "direct-psk", "--messages", "-F", &format!("csv:{}", path.display())]).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{text}");
    assert_eq!(lines[1][6], "DIRECT_COMMUNICATION_REQUEST");
}

#[test]
fn wrong_names_and_values_are_refused() {
    for (args, what) in [
        (&["scenario", "direct-pks"][..], "there are direct-psk"),
        (&["scenario", "direct-psk", "--period", "50"], "40, 80, 160 or 320"),
        (&["scenario", "direct-psk", "--mcs", "21"], "0..=20"),
        (&["scenario", "direct-psk", "--kbps", "0"], "kbit/s"),
        (&["scenario", "direct-psk", "--runs", "0"], "1.."),
        (&["scenario", "direct-psk", "-F", "xml"], "csv"),
        (&["compare", "direct-psk", "--plot", "out.pdf"], "svg"),
        (&["compare"], "NAME|FILE"),
    ] {
        let error = run(args).unwrap_err();
        assert!(error.contains(what), "{args:?}: {error}");
    }
}
