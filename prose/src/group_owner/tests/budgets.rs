//! What answers, tables and the log may cost: each has its limit.

use sidelink_wire::group_owner::Kind;

use super::super::*;
use super::floods::{request, source};
use super::rig::*;

fn count(rig: &Rig, kind: Kind) -> usize {
    rig.old.iter().filter(|sent| sent.kind == kind).count()
}

fn first(rig: &Rig, kind: Kind) -> Sent {
    rig.old.iter().find(|sent| sent.kind == kind).unwrap().clone()
}

fn ask(rig: &mut Rig, at: u16, message: &[u8]) {
    let now = rig.time();
    rig.input(0, Input::Message { now, from: source(at), message }).unwrap();
}

/// Copies of what was answered before are answered again, a few in a period.
#[test]
fn copies_cost_few_answers() {
    let answers = config(0).answers as usize;
    let mut rig = Rig::new(1);
    rig.join(1);
    rig.run(3 * PERIOD);
    for (kind, answer) in
        [(Kind::Proof, Kind::Keys), (Kind::Keys, Kind::Confirm), (Kind::Leave, Kind::LeaveAccept)]
    {
        if kind == Kind::Leave {
            rig.assert_in(1);
            let now = rig.time();
            rig.input(1, Input::Leave { now }).unwrap();
            rig.run(400);
            rig.assert_out(1);
        }
        let (copy, before) = (first(&rig, kind), count(&rig, answer));
        assert_eq!(before, 1, "{kind}");
        (0..20).for_each(|_| rig.hear(&copy));
        assert_eq!(count(&rig, answer), 1 + answers, "{kind}");
        // The copies of the answer are not what comes next.
        rig.air.truncate(1);
        rig.run(400);
    }
}

#[test]
fn refusals_are_few() {
    let nobody = |ue| Config { admitted: Admitted::Listed(Vec::new()), ..config(ue) };
    let mut rig = Rig::with(0, nobody, |_| trust());
    (0..20).for_each(|at| ask(&mut rig, at, &request(at, None)));
    assert_eq!(count(&rig, Kind::Refusal), config(0).answers as usize);
    rig.tick(PERIOD);
    ask(&mut rig, 30, &request(30, None));
    assert_eq!(count(&rig, Kind::Refusal), 1 + config(0).answers as usize);
}

/// Forged challenges cost a member a bounded number of signatures.
#[test]
fn forged_challenges_cost_few_signatures() {
    let mut rig = Rig::new(1);
    rig.join(1);
    rig.run(PERIOD);
    let challenge = first(&rig, Kind::Challenge);
    for at in 1..=100 {
        let mut forged = challenge.clone();
        *forged.octets.last_mut().unwrap() ^= at;
        rig.hear(&forged);
    }
    let judged = |note: &&Note| matches!(note, Note::NotBelieved { kind: Kind::Challenge, .. });
    assert_eq!(rig.ues[1].notes().filter(judged).count(), config(1).judged as usize);
    rig.run(3000);
    rig.assert_in(1);
}

/// A challenge without its proof, and keys without their confirm, are sent a few times; then the join is forgotten.
#[test]
fn what_nobody_answers_is_sent_a_few_times() {
    for (kind, answer) in [(Kind::Challenge, Kind::Proof), (Kind::Keys, Kind::Confirm)] {
        let mut rig = Rig::new(1);
        rig.join(1);
        // What the UE says again has an answer again: each of its messages arrives once.
        let mut heard = Vec::new();
        rig.run_with(20_000, |sent| {
            let again = sent.from == layer2(1) && (sent.kind == answer || heard.contains(&sent.kind));
            heard.push(sent.kind);
            if again { Vec::new() } else { vec![sent] }
        });
        assert_eq!(count(&rig, kind), usize::from(config(0).tries), "{kind}");
        assert_eq!(rig.ues[0].owner().half_open(), 0, "{kind}");
    }
}

/// Beyond 32 later ones a departure is forgotten.
#[test]
fn departures_are_remembered_for_a_while() {
    let mut rig = Rig::new(1);
    for _ in 0..33 {
        rig.join(1);
        rig.run(400);
        rig.assert_in(1);
        let now = rig.time();
        rig.input(1, Input::Leave { now }).unwrap();
        rig.run(100);
        rig.assert_out(1);
    }
    let left: Vec<_> = rig.old.iter().filter(|sent| sent.kind == Kind::Leave).cloned().collect();
    assert_eq!((left.len(), count(&rig, Kind::LeaveAccept)), (33, 33));
    for (leave, answers) in [(0, 33), (1, 34), (32, 35)] {
        rig.hear(&left[leave]);
        assert_eq!(count(&rig, Kind::LeaveAccept), answers, "{leave}");
    }
}

/// A copy of a request that waits has no answer, not even a cookie; and a source has one place.
#[test]
fn a_source_waits_in_one_place() {
    let rules = |ue| Config { serving: 1, cookies_from: 3, ..config(ue) };
    let mut rig = Rig::with(0, rules, |_| trust());
    (0..3).for_each(|at| ask(&mut rig, at, &request(at, None)));
    assert_eq!((rig.ues[0].owner().half_open(), rig.ues[0].owner().queued()), (1, 2));
    let before = rig.old.len();
    ask(&mut rig, 1, &request(1, None));
    assert_eq!(rig.old.len(), before);
    ask(&mut rig, 3, &request(3, None));
    assert_eq!(count(&rig, Kind::Cookie), 1, "control: the next source has to say one");
    // Many requests of one source.
    let mut rig = Rig::with(0, |ue| Config { serving: 1, ..config(ue) }, |_| trust());
    ask(&mut rig, 0, &request(0, None));
    (1..20).for_each(|at| ask(&mut rig, 1, &request(at, None)));
    assert_eq!(rig.ues[0].owner().queued(), 1);
    ask(&mut rig, 2, &request(20, None));
    assert_eq!(rig.ues[0].owner().queued(), 2);
}

/// Nobody polls: lines for the log and meters are dropped beyond a limit, messages are not.
#[test]
fn what_nobody_polls_does_not_grow_for_ever() {
    let nobody = |ue| Config { admitted: Admitted::Listed(Vec::new()), ..config(ue) };
    let mut rig = Rig::with(0, nobody, |_| trust());
    let before = rig.ues[0].events.len();
    let input = |rig: &mut Rig, octets: &[u8]| {
        rig.now += PERIOD;
        let now = rig.time();
        rig.ues[0].input(Input::Message { now, from: source(1), message: octets }).unwrap();
    };
    (0..1100).for_each(|at| input(&mut rig, &request(at, None)));
    rig.drain(0);
    assert_eq!(count(&rig, Kind::Refusal), 1100);
    // A message, its meter and its line: 1024 outputs hold a third of each.
    let kept = rig.ues[0].events.len() - before;
    assert!((600..1024).contains(&kept), "{kept}");
    let before = rig.ues[0].events.len();
    (0..1100).for_each(|_| input(&mut rig, b"no message"));
    rig.drain(0);
    let kept = rig.ues[0].events.len() - before;
    assert!((900..=1024).contains(&kept), "{kept}");
}
