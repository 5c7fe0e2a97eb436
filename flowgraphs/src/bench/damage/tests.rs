use super::*;
use crate::Sample;
use clap::ValueEnum;
use sidelink_phy::impair::measure::Levels;
use sidelink_phy::transmit::Content;
use sidelink_phy::units::{Decibel, Hertz};
use std::collections::BTreeSet;

fn signal(name: SignalName, subframes: u64) -> Signal {
    Signal::new(name, subframes, 1).expect("the scenario is right")
}

fn damaged(signal: &Signal, damage: Damage) -> Damaged {
    damage.apply(signal, 1)
}

/// Returns the mean power of the added damage against that of the signal.
fn added(signal: &Signal, damage: Damage) -> Decibel {
    let damaged = damaged(signal, damage);
    let added: Vec<Sample> = damaged.samples.iter().zip(&signal.samples).map(|(a, b)| a - b).collect();
    Decibel::of_ratio(Levels::of(&added, f32::INFINITY).power() / signal.power)
}

#[test]
fn levels_refer_to_the_signal() {
    let signal = signal(SignalName::V2x, 20);
    // car 5 and the roadside unit send on 48 PRB of 50 or fewer: about the power of a full carrier, with noise
    assert!((0.1..1.5).contains(&signal.power), "{}", signal.power);
    for (damage, expected) in [
        (Damage::Dc { level: Decibel(-20.0) }, -20.0),
        (Damage::Dc { level: Decibel(20.0) }, 20.0),
        (Damage::Spurs { count: 1, level: Decibel(-15.0) }, -15.0),
        (Damage::Spurs { count: 2, level: Decibel(-15.0) }, -15.0 + 10.0 * 2_f64.log10()),
        // 1000 bursts of 1 µs a second: a thousandth of the time
        (Damage::Impulses { per_second: 1000.0, level: Decibel(40.0) }, 10.0),
    ] {
        let measured = added(&signal, damage);
        let tolerance = if damage.kind() == Kind::Impulse { 4.0 } else { 0.01 };
        assert!((measured.0 - expected).abs() < tolerance, "{damage:?}: {measured}");
    }
}

#[test]
fn words_of_eight_bits_have_256_values() {
    let signal = signal(SignalName::D2d, 20);
    for (dbfs, dc_steps) in [(-12.0, 0.0), (-36.0, 3.0)] {
        let damaged = damaged(&signal, Damage::Words { level: Decibel(dbfs), dc_steps });
        let step = (signal.power * 10_f64.powf(-dbfs / 10.0)).sqrt() / 128.0;
        let steps = |x: f32| (f64::from(x) / step).round();
        assert!(damaged.samples.iter().all(|s| (f64::from(s.re) / step - steps(s.re)).abs() < 1e-3));
        assert!(damaged.samples.iter().all(|s| (-128.0..=127.0).contains(&steps(s.im))));
        let mean = Levels::of(&damaged.samples, f32::INFINITY).dc();
        assert!((f64::from(mean.re) / step - dc_steps).abs() < 0.2, "{mean} at steps of {step}");
    }
}

#[test]
fn clipping_begins_at_its_level() {
    let signal = signal(SignalName::D2d, 10);
    let limit = (signal.power / 2.0).sqrt() as f32;
    let damaged = damaged(&signal, Damage::Clipping { level: Decibel::of_ratio(0.5) });
    let peak = damaged.samples.iter().flat_map(|s| [s.re.abs(), s.im.abs()]).fold(0.0, f32::max);
    assert!((peak / limit - 1.0).abs() < 1e-4, "{peak} for {limit}");
}

#[test]
fn places_follow_drift_and_loss() {
    let signal = signal(SignalName::V2x, 20);
    let drifting = damaged(&signal, Damage::Drift { ppm: 50.0 });
    let longer = drifting.samples.len() as i64 - signal.samples.len() as i64;
    assert!((10..=60).contains(&longer), "{longer} samples more");
    assert_eq!(drifting.places.at(200_000), 200_010);
    let cut = damaged(&signal, Damage::LossOnce { count: 1000 });
    assert_eq!(cut.samples.len() + 1000, signal.samples.len());
    let end = cut.places.only_loss_end().expect("one loss");
    assert_eq!((cut.places.at(end - 1000), cut.places.at(end)), (end - 1000, end - 1000));
    assert!(cut.places.is_hit(end - 1..end) && !cut.places.is_hit(end..end + 10));
    assert_eq!(signal.samples[end as usize..], cut.samples[end as usize - 1000..]);
}

/// Enters into a truth the receptions of a perfect receiver, except for those that `leave_out` selects.
fn hear(truth: &mut Truth, signal: &Signal, leave_out: &dyn Fn(usize) -> bool) {
    for (_, event) in signal.sent.iter().enumerate().filter(|(i, _)| !leave_out(*i)) {
        match &event.transmission.content {
            Content::Sci { bits, prb, .. } => truth.hear(Class::Sci, bits, Some(*prb), event.sample),
            Content::SlSch { block, .. } => truth.hear(Class::Block, block, None, event.sample),
            _ => {}
        }
    }
}

fn truth(signal: &Signal) -> Truth {
    let n = signal.numerology.subframe_samples();
    Truth::new(&signal.sent, &Places::UNMOVED, n, signal.samples.len())
}

#[test]
fn what_is_missed_repeated_and_false_is_counted() {
    let signal = signal(SignalName::V2x, 20);
    let n = signal.numerology.subframe_samples() as i64;
    let mut all = truth(&signal);
    hear(&mut all, &signal, &|_| false);
    let all = all.score();
    assert_eq!((all.scis.heard, all.blocks.heard), (all.scis.sent, all.blocks.sent));
    assert!(all.scis.sent > all.blocks.sent && all.blocks.sent > 5, "some blocks are sent twice: {all:?}");
    assert_eq!((all.blocks.repeated, all.blocks.false_ones), (all.scis.sent - all.blocks.sent, 0));
    assert_eq!((all.last_missed, all.mibs.sent, all.mibs.heard), (None, 1, 0));

    // the first SCI and its block (sent once) are missed
    let first = signal.sent.iter().position(|e| matches!(e.transmission.content, Content::Sci { .. }));
    let first = first.expect("an SCI");
    let mut some = truth(&signal);
    hear(&mut some, &signal, &|i| i == first || i == first + 1);
    let Content::Sci { bits, prb, .. } = &signal.sent[first].transmission.content else { panic!("an SCI") };
    let at = signal.sent[first].sample;
    // at another PRB, in another subframe, with other bits
    some.hear(Class::Sci, bits, Some(prb + 10), at);
    some.hear(Class::Sci, bits, Some(*prb), at + n / 2);
    some.hear(Class::Sci, &[1, 0, 1], Some(*prb), at);
    some.hear(Class::Block, b"never sent", None, at);
    let some = some.score();
    assert_eq!((some.scis.heard + 1, some.blocks.heard + 1), (all.scis.heard, all.blocks.heard));
    assert_eq!((some.scis.false_ones, some.blocks.false_ones), (3, 1));
    assert_eq!(some.last_missed, Some(at + n));

    // at its own place, then once more
    let mut again = truth(&signal);
    again.hear(Class::Sci, bits, Some(*prb), at + 3);
    again.hear(Class::Sci, bits, Some(*prb), at - 3);
    let again = again.score().scis;
    assert_eq!((again.heard, again.repeated, again.false_ones), (1, 1, 0));
}

#[test]
fn a_repeat_counts_as_one_only_behind_its_block() {
    let signal = signal(SignalName::D2d, 60);
    let block = |e: &crate::scenario::Event| match &e.transmission.content {
        Content::SlSch { block, .. } => Some((block.clone(), e.sample)),
        _ => None,
    };
    let (block, at) = signal.sent.iter().find_map(block).expect("a block");
    let mut truth = truth(&signal);
    truth.hear_again(&block);
    truth.hear(Class::Block, &block, None, at);
    truth.hear_again(&block);
    truth.hear_again(b"never sent");
    let blocks = truth.score().blocks;
    assert_eq!((blocks.heard, blocks.repeated, blocks.false_ones), (1, 1, 2));
}

#[test]
fn what_a_loss_overlaps_is_told_apart() {
    let signal = signal(SignalName::D2d, 200);
    let damaged = damaged(&signal, Damage::LossOnce { count: 1000 });
    let n = signal.numerology.subframe_samples();
    let score = Truth::new(&signal.sent, &damaged.places, n, damaged.samples.len()).score();
    assert!(score.blocks.clear < score.blocks.sent && score.blocks.clear > score.blocks.sent / 2);
    // the loss is behind the control subframes of its period
    assert_eq!(score.scis.clear, score.scis.sent);
}

#[test]
fn a_signal_without_damage_is_heard_whole() {
    for name in SignalName::value_variants() {
        let signal = signal(*name, 400);
        let score = receive(&signal, &damaged(&signal, Damage::None));
        for tally in [score.mibs, score.scis, score.blocks] {
            assert_eq!((tally.heard, tally.false_ones), (tally.sent, 0), "{name}: {score:?}");
        }
        assert!(score.scis.sent >= 60 && score.blocks.sent >= 60, "{name}: {score:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_damage() {
    let signal = signal(SignalName::V2x, 5);
    for damage in [
        Damage::PhaseNoise { linewidth: Hertz(100.0) },
        Damage::Impulses { per_second: 1e4, level: Decibel(0.0) },
    ] {
        assert_eq!(damage.apply(&signal, 1).samples, damage.apply(&signal, 1).samples);
        assert_ne!(damage.apply(&signal, 1).samples, damage.apply(&signal, 2).samples);
    }
}

#[test]
fn every_case_has_a_file_name_of_its_own() {
    let slugs: BTreeSet<String> = CASES.iter().map(Damage::slug).collect();
    assert_eq!(slugs.len(), CASES.len(), "{slugs:?}");
    assert!(Kind::value_variants().iter().all(|kind| CASES.iter().any(|case| case.kind() == *kind)));
    assert_eq!(Damage::Spurs { count: 2, level: Decibel(-15.0) }.slug(), "spur_2_at_-15_dB");
}
