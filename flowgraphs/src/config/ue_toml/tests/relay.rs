//! `[ip]` of relays and of their remote UEs.

use super::*;

/// What a UE with these lines says when it is built.
fn refusal(links: &str, ip: &str) -> String {
    let text = format!(
        "name = \"a\"\nlayer2-id = \"0000a1\"\n[radio]\nprb = 25\n[links]\n{links}\n[ip]\n{ip}\n\
         [[link]]\npeer = \"b\"\nid = \"0000b2\"\nkd = \"{}\"\n",
        "07".repeat(32)
    );
    let config = UeConfig::from_toml(&text, "a.toml").unwrap();
    let anchor = Anchor { utc_ns: 0, uncertainty_ns: 0 };
    let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
    match config.build_with(&Keys::default(), NoStore::default(), facts, Vec::new()) {
        Ok(_) => String::new(),
        Err(e) => e.to_string(),
    }
}

/// T3.3-2: what an attacker could bring down, the policy forbids, unless it says that the users protect themselves. The
/// address is missing on purpose: nothing is made here.
#[test]
fn packets_in_the_clear_need_an_overlay_and_nobody_does_without_integrity() {
    let relay = "to = \"links\"\ntun = \"sl0\"";
    for ciphering in ["preferred", "not-needed"] {
        let links = format!("ciphering = \"{ciphering}\"");
        let told = refusal(&links, relay);
        assert!(told.contains("no overlay protects"), "{told}");
        let told = refusal(&format!("{links}\noverlay = \"present\""), relay);
        assert!(told.contains("no address"), "{told}");
    }
    let told = refusal("integrity = \"not-needed\"\noverlay = \"present\"", relay);
    assert!(told.contains("addresses to nobody in particular"), "{told}");
    let told = refusal("ciphering = \"preferred\"", "to = \"link:b\"\ntun = \"sl0\"");
    assert!(told.contains("no overlay protects"), "{told}");
}

#[test]
fn what_a_relay_and_a_remote_ue_need_is_named() {
    for (ip, words) in [
        ("to = \"links\"", "no address"),
        ("to = \"links\"\naddress = \"10.45.0.1/24\"", "no TUN interface"),
        ("to = \"links\"\naddress = \"10.45.0.1/24\"\nmtu = 100", "MTU of 100"),
        ("to = \"links\"\naddress = \"10.45.0.1/24\"\nprefix = \"fd45::/64\"", "prefix"),
        ("to = \"link:b\"", "no TUN interface"),
        ("to = \"link:c\"\ntun = \"sl0\"", "it is in link:b"),
    ] {
        let told = refusal("", ip);
        assert!(told.contains(words), "{ip}: {told}");
    }
}
