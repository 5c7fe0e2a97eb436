use super::*;

fn plan() -> Plan {
    Plan {
        prb: 6,
        lead: 4,
        mcs: 5,
        octets: 40,
        every: None,
        duration: Duration::from_millis(800),
        lock_step: true,
        snr: Decibel(25.0),
        seed: 3,
    }
}

#[test]
fn two_ues_hear_each_other_under_every_protection() {
    for security in <Security as clap::ValueEnum>::value_variants() {
        let run = run(&plan(), 2, *security, None, &|| false).unwrap();
        // each sends ten times; if both send in one period, they may miss one another
        assert!(run.arrivals.sent >= 18, "{security:?}: {}", run.arrivals.sent);
        assert!(run.arrivals.received >= 10, "{security:?}: {}", run.arrivals.received);
        assert_eq!(
            (run.totals.skipped, run.totals.late_bursts, run.arrivals.refused),
            (0, 0, 0),
            "{security:?}"
        );
        assert_eq!(run.totals.subframes, 1600, "{security:?}");
        let [p50, _, _, worst] = run.arrivals.air().unwrap();
        // the wait for a scheduling period, that period, and the lead
        assert!(p50 >= 8.0 && worst <= 3.0 * scene::PERIOD as f64, "{security:?}: {p50} to {worst} ms");
        for stage in
            [Stage::Transform, Stage::Control, Stage::Shared, Stage::Discovery, Stage::Layer2, Stage::Encode]
        {
            assert!(run.latency_stats.histogram(stage).len() > 10, "{security:?}, {stage:?}");
        }
        assert!(run.latency_stats.histogram(Stage::TurnRound).is_empty(), "lock-step has no time");
    }
}

#[test]
fn the_report_holds_every_run_and_nothing_from_elsewhere() {
    let machine = Machine::here();
    let plan = plan();
    let runs: Vec<Run> =
        [1, 2].map(|ues| run(&plan, ues, Security::Eea2, None, &|| false).unwrap()).into_iter().collect();
    let page = html(&machine, &plan, "sidelink bench latency --args 'a<b>'", 1920, &runs);
    for expected in ["1 UE, eea2", "2 UEs, eea2", "control search", "a&lt;b&gt;", "<svg", &machine.date] {
        assert!(page.contains(expected), "{expected}");
    }
    assert!(!page.contains("a<b>") && !page.contains("http"), "the page is whole by itself");
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    let json = runs[1].json(&plan, 1920);
    assert_eq!(json["ues"], 2);
    assert!(json["stages_us"]["decode"]["p50"].as_f64().unwrap() > 0.0, "{json}");
    assert!(json["application_air_ms"]["p99"].as_f64().unwrap() > 0.0, "{json}");
}
