//! UEs whose radios leak their local oscillators.

use super::*;

/// 10 dB above a carrier that one UE fills.
const LINE: Sample = Sample::new(2.6, -1.8);

#[test]
fn messages_and_links_are_heard_beside_a_line_10_db_above_the_signal() {
    let (alices, bobs) = (Diary::default(), Diary::default());
    let kd = "07".repeat(32);
    let with = |peer: &str, id: &str, more: &str| {
        format!("[[link]]\npeer = \"{peer}\"\nid = \"{id}\"\nkd = \"{kd}\"\n{more}")
    };
    let talk = "[[talk]]\nto = \"link:bob\"\nevery = 90\ntext = \"secret\"\n";
    let keys = keys();
    let alice = ue("alice", 1, "utc", &(with("bob", "0000b2", "connect = 100\n") + talk), &keys, &alices);
    let bob = ue("bob", 2, "utc", &with("alice", "0000a1", ""), &keys, &bobs);
    air_with_line(&mut [(alice, 0), (bob, 5)], 1500, LINE);
    let (a, b) = (alices.lines(), bobs.lines());
    assert_eq!(count(&a, "link up as UE_1"), 1, "{a:#?} {b:#?}");
    assert_eq!(count(&b, "link up as UE_2"), 1, "{b:#?}");
    assert!(count(&b, "over the link secret") >= 8, "{b:#?}");
    assert!(count(&b, "discovered friend verified") >= 8, "{b:#?}");
}

#[test]
fn a_reference_is_found_beside_a_line() {
    let keys = keys();
    let (alices, bobs) = (Diary::default(), Diary::default());
    let talk = "patience = 100\n[[talk]]\nto = \"fire\"\nevery = 100\ntext = \"alice here\"\n";
    let alice = ue("alice", 1, "slss", talk, &keys, &alices);
    let bob = ue("bob", 2, "slss", "patience = 1000\n", &keys, &bobs);
    let mut ues = [(alice, 0), (bob, 777)];
    air_with_line(&mut ues, 1200, LINE);
    assert!(matches!(ues[1].0.sync().role(), Role::Following(..)), "{:?}", ues[1].0.sync());
    assert!(count(&bobs.lines(), "received alice here") >= 5, "{:#?}", bobs.lines());
}
