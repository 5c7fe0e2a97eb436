//! CPU time and octets of joins and of a leave. Prints, and asserts no time:
//! `cargo test --release -p sidelink-prose -- --ignored --nocapture what_joins_and_a_leave_cost`.

use std::time::Instant;

use sidelink_wire::group_owner::Kind;

use super::super::*;
use super::rig::*;

#[test]
#[ignore = "prints times"]
#[allow(clippy::disallowed_methods)]
fn what_joins_and_a_leave_cost() {
    for members in [2, 20, 200] {
        let mut rig =
            Rig::with(members, |ue| Config { members: 1000, judged: 1000, ..config(ue) }, |_| trust());
        let started = Instant::now();
        for ue in 1..=members {
            rig.join(ue);
            // No period of its own for each: the messages one after the other.
            for _ in 0..5 {
                for sent in std::mem::take(&mut rig.air) {
                    rig.hear(&sent);
                }
            }
            if ue % 4 == 0 {
                rig.now += PERIOD;
            }
        }
        let joins = started.elapsed();
        assert_eq!(rig.ues[0].owner().members().count(), members);
        let octets: usize = rig.old.iter().map(|sent| sent.octets.len()).sum();
        let (before, now, started) = (rig.old.len(), rig.time(), Instant::now());
        rig.input(0, Input::Expel { now, member: name(1) }).unwrap();
        rig.run(PERIOD * 4 * members as u64);
        let expel = started.elapsed();
        let keys: Vec<_> = rig.old[before..].iter().filter(|sent| sent.kind == Kind::Keys).collect();
        assert_eq!(keys.len(), members - 1);
        eprintln!(
            "{members} members: a join {:?} at both ends and {} octets; a removal {expel:?} at all ends, {} messages of {} octets",
            joins / members as u32,
            octets / members,
            keys.len(),
            keys[0].octets.len()
        );
    }
}
