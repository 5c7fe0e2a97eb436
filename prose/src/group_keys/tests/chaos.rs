//! Any order, any loss, any octets, and a crash at any point.

use proptest::prelude::*;

use super::api::*;
use super::life::life;
use super::rig::*;

#[test]
fn crashes_at_any_point_repeat_no_count_and_bring_back_no_gmk() {
    let mut crashes = 0;
    for seed in 0..150 {
        let mut world = World::new(4);
        life(&mut world, seed, false, 1 + seed % 12);
        crashes += world.crashes;
    }
    assert!(crashes > 500, "{crashes}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_order_loss_and_octets(seed: u64) {
        life(&mut World::new(4), seed, true, 0);
    }

    #[test]
    fn all_of_it_and_crashes(seed: u64) {
        life(&mut World::new(4), seed, true, 6);
    }

    /// Any octets on any path at any state: no panic, and the group goes on.
    #[test]
    fn any_octets_at_any_state(
        messages in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..120), 0u8..4, 0usize..3), 0..40),
        wait in 0u64..3000,
    ) {
        let mut world = World::new(3);
        world.distribute(0..3, 600);
        world.run(wait);
        for (mut octets, first, target) in messages {
            match (first, octets.first_mut()) {
                (1, Some(octet)) => *octet = 0xE4,
                (2, Some(octet)) => *octet = 0xE5,
                (3, Some(octet)) => *octet = 1,
                _ => {}
            }
            let from = (target + 1) % 3;
            world.links.insert((from, target), user(from));
            for to in [Destination::Ue(l2(target)), Destination::Group(GROUP), Destination::Link(l2(target))] {
                world.inject(from, target, to, &octets);
            }
        }
        world.run(5000);
        prop_assert!((0..3).all(|index| world.gmk(index).is_some() && world.gmk(index) == world.gmk(0)));
    }
}
