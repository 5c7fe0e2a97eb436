//! UEs that fall behind: what they skip, that they report it, and that they recover at once.

use super::*;

/// A UE of mode 4 with a message every 100 ms, and its transmissions.
struct Late {
    ue: Ue,
    diary: Diary,
    antenna: Antenna,
    noise: sidelink_phy::impair::awgn::Awgn,
    sample: u64,
}

impl Late {
    fn new(more: &str) -> Self {
        let diary = Diary::default();
        let talk = "[[talk]]\nto = \"fire\"\nevery = 100\ntext = \"here\"\n";
        let text = format!("name = \"alice\"\nseed = 3\n{V2X}\n{more}{talk}");
        let config = UeConfig::from_toml(&text, "test").unwrap();
        let anchor = Anchor { utc_ns: UTC * 1_000_000_000 + 300_000, uncertainty_ns: 0 };
        let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
        let ue =
            config.build_with(&keys(), NoStore::default(), facts, vec![Box::new(diary.clone())]).unwrap();
        let noise = sidelink_phy::impair::awgn::Awgn::new(1e-4, 1);
        Self { ue, diary, antenna: Antenna::default(), noise, sample: 0 }
    }

    /// Runs `subframes` subframes while the radio holds `behind` more: returns the number of bursts, and the subframes
    /// before the first.
    fn run(&mut self, subframes: usize, behind: impl Fn(usize) -> u64) -> (usize, Option<usize>) {
        let (before, mut first) = (self.antenna.bursts.len(), None);
        for half in 0..2 * subframes {
            self.half(behind(half / 2));
            if first.is_none() && self.antenna.bursts.len() > before {
                first = Some(half / 2);
            }
        }
        (self.antenna.bursts.len() - before, first)
    }

    /// Runs half a subframe, while the radio holds `behind` more subframes.
    fn half(&mut self, behind: u64) {
        let n = self.ue.subframe_samples();
        let mut samples = vec![Sample::default(); n / 2];
        self.noise.process(&mut samples);
        let newest = self.sample + (samples.len() as u64) + behind * n as u64;
        self.ue.process(self.sample, &samples, newest, &mut self.antenna).unwrap();
        self.sample += samples.len() as u64;
    }

    /// Loses samples in the radio.
    fn lose(&mut self, samples: u64) {
        self.sample += samples;
    }
}

#[test]
fn a_ue_of_mode_4_that_was_late_sends_again_within_100_ms() {
    let mut late = Late::new("[time]\ntransmit = \"never\"\n");
    let (sent, first) = late.run(2000, |_| 0);
    assert!((16..=22).contains(&sent) && first > Some(900), "{sent} bursts, the first at {first:?}");
    assert_eq!(late.ue.totals().silent, 0, "the first second of sensing is no silence");
    for round in 1..=3 {
        // The machine is busy: every plan is too late now.
        let before = *late.ue.totals();
        assert_eq!(late.run(3000, |_| 40), (0, None));
        let totals = *late.ue.totals();
        assert_eq!((totals.bursts, totals.sent), (before.bursts, before.sent), "nothing was planned in vain");
        let missed = |t: &Totals| t.skipped + t.deaf;
        assert_eq!((missed(&totals) - missed(&before), totals.silent - before.silent), (3000, 3000));
        assert!(late.ue.silence().is_some());
        let lines = late.diary.lines();
        assert_eq!(count(&lines, "trouble this UE sends nothing: it is too slow"), round, "{lines:#?}");
        assert_eq!(count(&lines, "note this UE sends again"), round - 1);
        // Now it is not busy.
        let (sent, first) = late.run(1000, |_| 0);
        assert!(sent >= 8 && first.is_some_and(|first| first < 100), "{sent} bursts, the first at {first:?}");
        assert!(late.ue.silence().is_none());
        let lines = late.diary.lines();
        assert_eq!(count(&lines, "note this UE sends again"), round, "{lines:#?}");
        assert_eq!(count(&lines, "trouble"), round);
    }
    // Each selected a resource, and did not try in every subframe while it could not.
    let mode4 = late.ue.selection().unwrap();
    assert!(mode4.refusals() < 200, "{}", mode4.refusals());
}

#[test]
fn a_ue_that_always_misses_some_keeps_sending() {
    let mut late = Late::new("[time]\ntransmit = \"never\"\n");
    late.run(2000, |_| 0);
    // A stall of 30 ms in every 100: step 5 as written would exclude every resource.
    let (sent, _) = late.run(6000, |t| if t % 100 < 30 { 30 } else { 0 });
    assert!(sent >= 35, "{sent} bursts in six seconds");
    assert!(
        late.ue.silence().is_none() && late.diary.lines().iter().all(|line| !line.starts_with("trouble"))
    );
}

#[test]
fn a_ue_that_hears_nothing_says_why_it_is_silent() {
    let mut late = Late::new("[time]\ntransmit = \"never\"\n");
    late.run(1500, |_| 0);
    let n = late.ue.subframe_samples() as u64;
    // Half of each subframe is lost on its way, and the UE is not late.
    let before = late.antenna.bursts.len();
    for _ in 0..2000 {
        late.lose(n / 2);
        late.half(0);
    }
    let lines = late.diary.lines();
    assert_eq!(
        count(&lines, "trouble this UE sends nothing: mode 4 finds no resource: only"),
        1,
        "{lines:#?}"
    );
    let totals = *late.ue.totals();
    assert_eq!(totals.lost_samples, 1000 * n);
    // An earlier reservation is kept to its end, at most 15 periods.
    let sent = late.antenna.bursts.len() - before;
    assert!(sent <= 30, "{sent}");
    let (sent, first) = late.run(500, |_| 0);
    assert!(sent >= 3 && first.is_some_and(|first| first < 100), "{sent} bursts, the first at {first:?}");
}
