//! A second program, `tests/python/chains.py`, was written from the layouts of one-way chains and their messages alone.
//! The anchors and messages of both are the same.
//!
//! Skipped, with a message, where there is no Python (see [`oracle`]).
#![allow(clippy::disallowed_methods)] // another program is run

mod oracle;

use oracle::{ask, hex, python};
use serde_json::json;
use sidelink_security::counter::UtcTime;
use sidelink_security::discovery::chain::{ChainSeed, Plan};
use sidelink_security::discovery::code_chain::{CodeAnchor, CodeChain};
use sidelink_security::discovery::delayed_key::{KeyAnchor, KeyChain};
use sidelink_security::discovery::pointer;
use sidelink_security::discovery::rotation::RotationPeriod;

const START: u64 = 1_700_000_000_123;

#[test]
fn anchors_and_messages_agree_with_a_program_of_the_layouts() {
    let Some(python) = python() else { return };
    let (mut questions, mut ours) = (Vec::new(), Vec::new());
    for (length, period, delay) in
        [(1_u32, 10_u64, 2_u16), (2, 320, 3), (7, 320, 2), (64, 1000, 5), (700, 320, 201)]
    {
        let (seed, salt) = ([length as u8; 32], [delay as u8; 8]);
        let rotation = RotationPeriod::from_millis(period).unwrap();
        let plan = Plan::new(UtcTime::from_millis(START), rotation, length, salt).unwrap();
        let secret = ChainSeed::from(seed);
        let (codes, keys) = (CodeAnchor::of(plan, &secret), KeyAnchor::of(plan, delay, &secret));
        let ask_for = |what: &str, index: u32, code: &[u8]| {
            json!({"what": what, "seed": hex(&seed), "salt": hex(&salt), "length": length, "start": START,
                   "period": period, "delay": delay, "index": index, "code": hex(code)})
        };
        questions.push(ask_for("code-anchor", 0, &[]));
        ours.push(codes.octets().to_vec());
        questions.push(ask_for("key-anchor", 0, &[]));
        ours.push(keys.octets().to_vec());
        let begin = UtcTime::from_millis(START);
        let (mut chain, mut delayed) =
            (CodeChain::new(&codes, &secret, begin), KeyChain::new(&keys, &secret, begin));
        let wanted = |index: &u32| *index < 9 || index.is_multiple_of(97) || *index == length;
        for index in (1..=length).filter(wanted) {
            let time = begin.plus_millis(u64::from(index) * period - 1);
            questions.push(ask_for("code-message", index, &[]));
            ours.push(chain.announce(time).unwrap().to_vec());
            let code = [index as u8; 13];
            questions.push(ask_for("delayed-message", index, &code));
            ours.push(delayed.announce(time, &code).unwrap().to_vec());
        }
    }
    for announcement in [&[][..], &[7; 97], &[9; 162]] {
        questions.push(json!({"what": "pointer", "announcement": hex(announcement)}));
        ours.push(pointer::pointer(announcement).to_vec());
    }
    let theirs = ask(&python, "chains.py", &questions);
    for ((question, ours), theirs) in questions.iter().zip(&ours).zip(&theirs) {
        assert_eq!(ours, theirs, "{question}");
    }
}
