//! The messages of a distribution are made beside the machine.

use super::api::*;
use super::rig::*;

/// Members to whom an I_MESSAGE went, in order.
fn served(world: &World) -> Vec<u32> {
    let to = |(_, message): &(usize, Message)| match (message.kind, message.to) {
        (MessageKind::Gmk, Destination::Ue(to)) => Some(to.value() - l2(0).value()),
        _ => None,
    };
    world.sent.iter().filter_map(to).collect()
}

#[test]
fn a_distribution_waits_for_its_messages_and_then_goes_on_at_once() {
    let mut world = World::new(5);
    world.jobs = Jobs::Kept;
    world.distribute(1..5, 600);
    world.run(3000);
    assert_eq!((served(&world), world.kept_jobs.len()), (Vec::new(), 1), "one job, for all of them");
    assert!(!format!("{:?}", world.kept_jobs).contains("gmk"), "no key in a log");
    world.do_jobs();
    assert_eq!(served(&world), [1], "at once");
    world.run(1000);
    assert_eq!((served(&world), world.ues[0].machine.missing(GROUP)), (vec![1, 2, 3, 4], 0));
}

/// The next messages are asked for before the turn of their members: nobody waits.
#[test]
fn the_next_messages_are_made_ahead() {
    let mut world = World::new(42);
    world.distribute(1..42, 600);
    world.run(50 + 27 * 40);
    // The first 32 are being sent.
    assert_eq!(world.jobs_made, 2, "{:?}", served(&world));
    assert!(served(&world).len() < 32);
    world.jobs = Jobs::Kept;
    world.run(4000);
    assert_eq!((world.ues[0].machine.missing(GROUP), world.kept_jobs.len()), (0, 0));
    assert_eq!(served(&world), (1..42).collect::<Vec<_>>());
}

/// Where nobody has room for the job, it is tried again at the pace of the distribution, and not in a loop.
#[test]
fn a_job_that_is_handed_back_is_tried_again_later() {
    let mut world = World::new(3);
    world.jobs = Jobs::Refused;
    world.distribute(1..3, 600);
    world.run(1000);
    assert!((20..=30).contains(&world.jobs_made), "{}", world.jobs_made);
    assert_eq!(served(&world), []);
    world.jobs = Jobs::Done;
    world.run(1000);
    assert_eq!(world.ues[0].machine.missing(GROUP), 0);
}

/// A job of a GMK that another one has replaced changes nothing.
#[test]
fn a_job_of_before_is_left_out() {
    let mut world = World::new(3);
    world.jobs = Jobs::Kept;
    world.distribute(1..3, 600);
    world.run(100);
    let old = world.kept_jobs.pop().unwrap();
    world.distribute(1..3, 600);
    world.run(100);
    let new = world.kept_jobs.pop().unwrap();
    world.kept_jobs.push(old);
    world.do_jobs();
    assert_eq!(served(&world), []);
    world.kept_jobs.push(new);
    world.do_jobs();
    world.run(1000);
    assert_eq!((served(&world), world.ues[0].machine.missing(GROUP)), (vec![1, 2], 0));
}

/// What is made depends on the seed alone: two runs, one done late, send the same messages.
#[test]
fn when_a_job_is_done_does_not_change_its_messages() {
    let run = |jobs| {
        let mut world = World::new(3);
        world.jobs = jobs;
        world.distribute(1..3, 600);
        world.run(500);
        world.do_jobs();
        world.run(500);
        let gmks = world.sent.iter().filter(|(_, message)| message.kind == MessageKind::Gmk);
        gmks.map(|(_, message)| message.octets.to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(run(Jobs::Done), run(Jobs::Kept));
}
