//! Who may import whom, between crates.

use super::*;

#[test]
fn crates_depend_along_the_arrows() {
    assert_eq!(
        dependencies("phy").into_iter().collect::<Vec<_>>(),
        ["num-complex", "rustfft"],
        "phy is a leaf with two dependencies"
    );
    assert_eq!(of_house(&dependencies("security")), [] as [&str; 0], "security is a leaf");
    assert_eq!(of_house(&dependencies("recordings")), [] as [&str; 0], "recordings knows no radio");
    assert_eq!(
        dependencies("mac").into_iter().collect::<Vec<_>>(),
        ["sidelink-security", "sidelink-wire"],
        "mac knows security and wire"
    );
    assert_eq!(
        of_house(&dependencies("store")),
        ["prose", "security", "wire"],
        "store implements what prose asks for"
    );
    assert_eq!(
        of_house(&dependencies("network")),
        ["security", "wire"],
        "the two ends of a reference point share formats, not code"
    );
    assert_eq!(
        of_house(&dependencies("services")),
        ["network", "security", "wire"],
        "services are sockets around the machines of network"
    );
    assert_eq!(of_house(&dependencies("radio")), ["phy", "recordings"], "radio knows samples");
    assert_eq!(
        of_house(&dependencies("ue")),
        ["mac", "phy", "prose", "radio", "security", "store", "wire"],
        "a UE is a radio with keys"
    );
    assert_eq!(of_house(&dependencies("radio/virtualair")), ["radio"], "the module is a radio and no more");
    assert_eq!(
        of_house(&dependencies("flowgraphs")),
        [
            "mac",
            "network",
            "phy",
            "prose",
            "radio",
            "recordings",
            "security",
            "services",
            "store",
            "ue",
            "wire"
        ],
        "the program knows all"
    );
    for room in [
        "phy",
        "wire",
        "mac",
        "prose",
        "network",
        "services",
        "security",
        "recordings",
        "store",
        "radio",
        "radio/virtualair",
        "ue",
        "flowgraphs",
    ] {
        assert!(!of_house(&dependencies(room)).contains(&"tests"), "{room}");
    }
}

#[test]
fn leaves_bring_no_clock_no_chance_and_no_files() {
    // the manifest: the crates that would bring them in
    let banned = [
        "rand",
        "rand_chacha",
        "getrandom",
        "tokio",
        "chrono",
        "time",
        "redb",
        "crossbeam",
        "tracing",
        "memmap2",
    ];
    // the sources: what clippy.toml does not list by its function
    let paths = [
        "std::fs",
        "std::net",
        "std::thread",
        "std::process",
        "std::env",
        "SystemTime",
        "Instant",
        "std::io",
        "File",
    ];
    let mut broken = Vec::new();
    for room in ["phy", "wire", "mac", "prose", "network", "security"] {
        let dependencies = dependencies(room);
        broken.extend(banned.iter().filter(|b| dependencies.contains(**b)).map(|b| format!("{room}: {b}")));
        for (path, text) in sources(&format!("{room}/src")) {
            let code = shipped(&path, &text);
            broken.extend(paths.iter().filter(|p| has_word(&code, p)).map(|p| format!("{path}: {p}")));
            if code.contains("disallowed_methods") {
                broken.push(format!("{path}: allows what clippy.toml forbids"));
            }
        }
    }
    report("time, chance and I/O are arguments in phy, wire, mac, prose, network and security", broken);
}

#[test]
fn nobody_names_who_they_do_not_know() {
    let strangers = [
        (
            "phy",
            &[
                "sidelink_mac",
                "sidelink_prose",
                "sidelink_security",
                "sidelink_recordings",
                "sidelink_radio",
                "sidelink_flowgraphs",
            ][..],
        ),
        (
            "mac",
            &[
                "sidelink_phy",
                "sidelink_prose",
                "sidelink_recordings",
                "sidelink_radio",
                "sidelink_flowgraphs",
            ],
        ),
        (
            "prose",
            &["sidelink_phy", "sidelink_mac", "sidelink_recordings", "sidelink_radio", "sidelink_flowgraphs"],
        ),
        (
            "network",
            &[
                "sidelink_prose",
                "sidelink_mac",
                "sidelink_phy",
                "sidelink_ue",
                "sidelink_store",
                "sidelink_recordings",
                "sidelink_radio",
                "sidelink_flowgraphs",
            ],
        ),
        (
            "security",
            &["sidelink_phy", "sidelink_mac", "sidelink_recordings", "sidelink_radio", "sidelink_flowgraphs"],
        ),
        (
            "recordings",
            &["sidelink_phy", "sidelink_mac", "sidelink_security", "sidelink_radio", "sidelink_flowgraphs"],
        ),
        (
            "store",
            &["sidelink_phy", "sidelink_mac", "sidelink_recordings", "sidelink_radio", "sidelink_flowgraphs"],
        ),
        (
            "services",
            &[
                "sidelink_phy",
                "sidelink_mac",
                "sidelink_prose",
                "sidelink_ue",
                "sidelink_store",
                "sidelink_recordings",
                "sidelink_radio",
                "sidelink_flowgraphs",
            ],
        ),
        (
            "services",
            &[
                "sidelink_phy",
                "sidelink_mac",
                "sidelink_prose",
                "sidelink_ue",
                "sidelink_store",
                "sidelink_recordings",
                "sidelink_radio",
                "sidelink_flowgraphs",
            ],
        ),
        ("ue", &["sidelink_recordings", "sidelink_flowgraphs"]),
        (
            "radio",
            &["sidelink_ue", "sidelink_store", "sidelink_mac", "sidelink_security", "sidelink_flowgraphs"],
        ),
    ];
    // Both ends meet in the tests of sockets: what links of UEs ask, and what answers them.
    let meet =
        |path: &str, stranger: &str| path.starts_with("services/tests/") && stranger == "sidelink_prose";
    let mut broken = Vec::new();
    for (room, strangers) in strangers {
        for (path, text) in sources(room) {
            let code = code(&text);
            let named = strangers.iter().filter(|s| has_word(&code, s) && !meet(&path, s));
            broken.extend(named.map(|s| format!("{path} names {s}")));
        }
    }
    report("a crate names only those that it may import", broken);
}
