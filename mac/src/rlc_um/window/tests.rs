use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn at(millis: u64) -> UtcTime {
    UtcTime::from_millis(1_000_000 + millis)
}

/// A window that began with `first`, and what it handed on.
struct Run {
    window: Reordering,
    got: Vec<u8>,
}

impl Run {
    fn new(first: u8) -> Self {
        let mut window = Reordering::new();
        window.begin(first);
        Self { window, got: Vec::new() }
    }

    fn hear(&mut self, millis: u64, sn: u8) -> Judgement {
        let Self { window, got } = self;
        window.receive(at(millis), sn, &[sn, 0xee], |pdu| got.push(pdu[0]))
    }

    fn expire(&mut self, millis: u64) {
        let Self { window, got } = self;
        assert!(window.is_due(at(millis)));
        window.expire(at(millis), |pdu| got.push(pdu[0]));
    }
}

#[test]
// TS 36.322 §5.1.2.2.2 (2)
fn copies_are_dropped() {
    let mut run = Run::new(30);
    for sn in [30, 31, 0] {
        assert_eq!(run.hear(0, sn), Judgement::Stored);
        assert_eq!(run.hear(0, sn), Judgement::Discarded);
    }
    assert_eq!(run.hear(0, 2), Judgement::Stored);
    assert_eq!(run.hear(0, 2), Judgement::Discarded, "stored, not yet handed on");
    assert_eq!(run.got, [30, 31, 0]);
}

#[test]
// TS 36.322 §5.1.2.2.3 (2)
fn order_is_restored_through_the_wrap() {
    let mut run = Run::new(0);
    let mut expected = Vec::new();
    run.hear(0, 0);
    expected.push(0);
    for pair in 0..40u8 {
        let (a, b) = ((2 * pair + 1) % SN_MODULUS, (2 * pair + 2) % SN_MODULUS);
        run.hear(0, b);
        assert_eq!(run.got, expected, "{b} waits for {a}");
        assert!(run.window.deadline().is_some());
        run.hear(1, a);
        expected.extend([a, b]);
        assert_eq!(run.got, expected);
        assert_eq!(run.window.deadline(), None);
    }
}

#[test]
// TS 36.322 §5.1.2.2.4; TS 36.322 §7.3
fn what_is_missing_is_waited_for_so_long_and_no_longer() {
    let mut run = Run::new(5);
    run.hear(0, 5);
    run.hear(10, 7);
    run.hear(20, 9);
    assert_eq!(run.window.deadline(), Some(at(10 + T_REORDERING_MS)));
    assert!(!run.window.is_due(at(9 + T_REORDERING_MS)));
    run.expire(10 + T_REORDERING_MS);
    assert_eq!(run.got, [5, 7]);
    // One timer at a time: for what is missing behind it another begins.
    assert_eq!(run.window.deadline(), Some(at(10 + 2 * T_REORDERING_MS)));
    assert_eq!(run.hear(61, 6), Judgement::Discarded, "too late");
    run.expire(10 + 2 * T_REORDERING_MS);
    assert_eq!(run.got, [5, 7, 9]);
    assert_eq!(run.window.deadline(), None);
    assert!(!run.window.is_due(at(100_000)));
}

#[test]
fn a_clock_that_was_set_back_holds_nothing_up() {
    let mut run = Run::new(5);
    run.hear(100_000, 5);
    run.hear(100_000, 7);
    assert!(!run.window.is_due(at(100_000)));
    run.expire(3);
    assert_eq!(run.got, [5, 7]);
}

#[test]
// TS 36.322 §5.1.2.2.2 (2); TS 36.322 §5.1.2.2.3 (2); TS 36.322 §7.2 (2)
fn the_window_has_sixteen_numbers() {
    let mut run = Run::new(20);
    run.hear(0, 20);
    for behind in 1..=15 {
        assert_eq!(run.hear(0, 20 - behind), Judgement::Discarded, "{behind} behind the first");
    }
    assert_eq!(run.hear(0, 4), Judgement::Stored, "sixteen behind is sixteen ahead");
    let mut run = Run::new(0);
    run.hear(0, 0);
    for sn in 2..=16 {
        run.hear(0, sn);
    }
    assert_eq!(run.got, [0], "1 may still come");
    run.hear(0, 17);
    assert_eq!(run.got, (0..=17).filter(|sn| *sn != 1).collect::<Vec<_>>(), "it fell out of the window");
}

#[test]
fn no_room_means_no_waiting() {
    let mut got = Vec::new();
    for missing_comes in [false, true] {
        let mut window = Reordering::new();
        window.begin(0);
        got.clear();
        let mut hear = |window: &mut Reordering, sn: u8, len: usize| {
            let mut pdu = vec![0; len];
            pdu[0] = sn;
            window.receive(at(0), sn, &pdu, |pdu| got.push(pdu[0]))
        };
        hear(&mut window, 0, 10);
        hear(&mut window, 2, OCTETS / 2);
        hear(&mut window, 4, OCTETS / 2);
        let sn = if missing_comes { 3 } else { 5 };
        assert_eq!(hear(&mut window, sn, 10), Judgement::Stored);
        assert_eq!((window.deadline(), window.octets.capacity()), (None, OCTETS), "nothing is allocated");
        hear(&mut window, 6, OCTETS + 1);
        let expected: &[u8] = if missing_comes { &[0, 2, 3, 4, 6] } else { &[0, 2, 4, 5, 6] };
        assert_eq!(got, expected);
    }
}

/// The clauses as they are written: state variables modulo 32, all stored PDUs looked at each time.
#[derive(Default)]
struct Text {
    ur: i32,
    ux: i32,
    uh: i32,
    stored: BTreeMap<i32, u8>,
    deadline: Option<UtcTime>,
    got: Vec<u8>,
}

impl Text {
    /// §7.1: the modulus base is VR(UH) - 16.
    fn based(&self, sn: i32) -> i32 {
        (sn - (self.uh - 16)).rem_euclid(32)
    }

    fn is_outside(&self, sn: i32) -> bool {
        !(0..16).contains(&self.based(sn))
    }

    fn hand_on(&mut self, old: &Self, which: impl Fn(&Self, i32) -> bool) {
        let mut out: Vec<i32> = self.stored.keys().copied().filter(|sn| which(self, *sn)).collect();
        out.sort_by_key(|sn| old.based(*sn));
        self.got.extend(out.iter().map(|sn| *sn as u8));
        self.stored.retain(|sn, _| !out.contains(sn));
    }

    fn snapshot(&self) -> Self {
        Self { ur: self.ur, ux: self.ux, uh: self.uh, ..Self::default() }
    }

    fn receive(&mut self, now: UtcTime, x: i32) -> Judgement {
        let base = |sn| self.based(sn);
        let before = self.stored.contains_key(&x);
        if base(self.ur) < base(x) && base(x) < 16 && before || base(x) < base(self.ur).min(16) {
            return Judgement::Discarded;
        }
        self.stored.insert(x, 0);
        let old = self.snapshot();
        if self.is_outside(x) {
            self.uh = (x + 1).rem_euclid(32);
            self.hand_on(&old, |now, sn| now.is_outside(sn));
            if self.is_outside(self.ur) {
                self.ur = (self.uh - 16).rem_euclid(32);
            }
        }
        if self.stored.contains_key(&self.ur) {
            let old = self.snapshot();
            while self.stored.contains_key(&self.ur) {
                self.ur = (self.ur + 1) % 32;
            }
            self.hand_on(&old, |now, sn| now.based(sn) < now.based(now.ur));
        }
        self.timer(now);
        Judgement::Stored
    }

    fn timer(&mut self, now: UtcTime) {
        let stops =
            self.based(self.ux) <= self.based(self.ur) || self.is_outside(self.ux) && self.ux != self.uh;
        self.deadline = self.deadline.filter(|_| !stops);
        if self.deadline.is_none() && self.based(self.uh) > self.based(self.ur) {
            (self.ux, self.deadline) = (self.uh, Some(now.plus_millis(T_REORDERING_MS)));
        }
    }

    fn expire(&mut self, now: UtcTime) {
        self.deadline = None;
        self.ur = self.ux;
        let old = self.snapshot();
        while self.stored.contains_key(&self.ur) {
            self.ur = (self.ur + 1) % 32;
        }
        self.hand_on(&old, |now, sn| now.based(sn) < now.based(now.ur));
        if self.based(self.uh) > self.based(self.ur) {
            (self.ux, self.deadline) = (self.uh, Some(now.plus_millis(T_REORDERING_MS)));
        }
    }
}

proptest! {
    #[test]
    fn the_window_is_that_of_the_text(
        first in 0u8..32,
        steps in prop::collection::vec((prop_oneof![3 => 0u8..4, 1 => 0u8..32], 0u64..30), 1..200),
    ) {
        let mut run = Run::new(first);
        let mut text = Text { ur: first.into(), uh: first.into(), ..Text::default() };
        let (mut now, mut sn) = (0, first);
        for (ahead, later) in steps {
            now += later;
            if run.window.is_due(at(now)) {
                run.expire(now);
                text.expire(at(now));
            }
            prop_assert_eq!(run.hear(now, sn), text.receive(at(now), sn.into()));
            prop_assert_eq!(&run.got, &text.got);
            let Reordering { ur, uh, deadline, .. } = run.window;
            prop_assert_eq!((i32::from(ur), i32::from(uh), deadline), (text.ur, text.uh, text.deadline));
            sn = (sn + ahead + SN_MODULUS - 1) % SN_MODULUS;
        }
    }
}
