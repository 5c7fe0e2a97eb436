//! Pools and hopping beside an implementation in Python that was written from the texts alone (`tests/python/resources.py`).
//!
//! The test is skipped, loudly, where there is no Python 3; `SIDELINK_PYTHON` names another interpreter.

#![allow(clippy::disallowed_methods)]

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use sidelink_phy::pool::{
    CommunicationPool, DiscoveryPool, Hopping, HoppingConfig, HoppingSpan, PoolPrbs, PsschSubframes, TrpSet,
    Type2bParameters, V2xPool, time_resource_pattern,
};
use sidelink_phy::sci::{Format1, riv_decode, riv_encode};
use sidelink_phy::units::PrbRange;
use sidelink_tests::program::program;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const CARRIERS: [usize; 6] = [6, 15, 25, 50, 75, 100];

/// A question, and what the code in Rust says; `null` where there is no resource.
type Case = (Value, Value);

#[test]
// TS 36.211 §9.3.6 (10); TS 36.211 §9.3.6 (11); TS 36.211 §9.3.6 (5); TS 36.211 §9.3.6 (6); TS 36.211 §9.3.6 (7)
// TS 36.211 §9.3.6 (8); TS 36.211 §9.3.6 (9); TS 36.212 §5.4.3.1.1 (3); TS 36.213 §14.1.1.2.1 (2)
// TS 36.213 §14.1.1.2.1 (3); TS 36.213 §14.1.1.2.2 (1); TS 36.213 §14.1.1.2.2 (2); TS 36.213 §14.1.1.2.2 (3)
// TS 36.213 §14.1.1.2.2 (4); TS 36.213 §14.1.1.2.2 (5); TS 36.213 §14.1.1.4 (2); TS 36.213 §14.1.5 (4)
// TS 36.213 §14.3.1 type 1 (3)
fn resources_are_those_of_the_texts() {
    let Some(python) = program("SIDELINK_PYTHON", ["python3", "python3"], &["-c", "import json, functools"])
    else {
        return;
    };
    let mut rng = ChaCha8Rng::seed_from_u64(14);
    let mut cases = hopping(&mut rng);
    cases.extend(control(&mut rng));
    cases.extend(discovery(&mut rng));
    cases.extend(periods());
    cases.extend(patterns());
    cases.extend(v2x(&mut rng));
    let answers = ask(&python, &cases);
    assert_eq!(answers.len(), cases.len());
    let mut resources = 0;
    for ((question, ours), answer) in cases.iter().zip(&answers) {
        assert!(answer.get("error").is_none(), "{question}: {answer}");
        let theirs = in_our_words(question, answer);
        assert_eq!(*ours, theirs, "{question}: {answer}");
        resources += usize::from(!ours.is_null());
    }
    assert!(resources * 3 > cases.len(), "{resources} of {} are resources", cases.len());
}

fn ask(python: &str, cases: &[Case]) -> Vec<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/resources.py");
    let mut child = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the interpreter was started before");
    let mut questions = child.stdin.take().expect("standard input is a pipe");
    let text: String = cases.iter().map(|(question, _)| format!("{question}\n")).collect();
    let writer = std::thread::spawn(move || questions.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// An answer as the code in Rust gives it: what is not contiguous cannot be sent, and is no resource.
fn in_our_words(question: &Value, answer: &Value) -> Value {
    let Some(ok) = answer.get("ok") else { return Value::Null };
    match question["op"].as_str().unwrap() {
        "pssch" if ok["contiguous"] == true => json!([ok["prbs"][0], ok["prbs"].as_array().unwrap().len()]),
        "pssch" => Value::Null,
        "disc_type1" => pairs(ok),
        "disc_type2b" => ok.as_array().unwrap().iter().map(|period| pairs(&period["at"])).collect(),
        "period" => ok["into"].clone(),
        "used_subframes" => ok.as_array().unwrap().iter().map(|used| json!([used[0], used[1]])).collect(),
        "trp" => ok["bits"].clone(),
        "v2x_pssch" | "riv_decode" => json!([ok["start"], ok["len"]]),
        "v2x_subframes" => json!([ok["t"], ok["pool"]]),
        _ => ok.clone(),
    }
}

/// Pairs of PRBs by their first one.
fn pairs(places: &Value) -> Value {
    let places = places.as_array().unwrap();
    let is_whole = |place: &&Value| place[1].as_u64().unwrap() + 1 == place[2].as_u64().unwrap();
    if places.iter().all(|place| is_whole(&place)) {
        places.iter().map(|place| json!([place[0], place[1]])).collect()
    } else {
        Value::Null
    }
}

fn range(prbs: Option<PrbRange>) -> Value {
    prbs.map_or(Value::Null, |prbs| json!([prbs.start, prbs.len]))
}

fn random_prbs(rng: &mut ChaCha8Rng, carrier: usize) -> PoolPrbs {
    let num = rng.random_range(1..=carrier);
    let start = rng.random_range(0..=carrier - num);
    PoolPrbs { start, end: rng.random_range(start.max(num - 1)..carrier), num }
}

fn prb_json(prbs: PoolPrbs) -> Value {
    json!({ "start": prbs.start, "end": prbs.end, "num": prbs.num })
}

fn random_bitmap(rng: &mut ChaCha8Rng, len: usize) -> Vec<bool> {
    loop {
        let bitmap: Vec<bool> = (0..len).map(|_| rng.random_range(0..2) == 1).collect();
        if bitmap.iter().filter(|&&b| b).count() >= 4 {
            return bitmap;
        }
    }
}

fn digits(bitmap: &[bool]) -> String {
    bitmap.iter().map(|&b| if b { '1' } else { '0' }).collect()
}

/// PSSCH of both types, over the carrier and over pools with and without a gap.
fn hopping(rng: &mut ChaCha8Rng) -> Vec<Case> {
    let mut cases = Vec::new();
    for carrier in CARRIERS {
        for round in 0..120 {
            let pool = random_prbs(rng, carrier);
            let (mode, span) = match round % 3 {
                0 => (1, HoppingSpan::Carrier),
                1 => (2, HoppingSpan::Pool(pool)),
                _ => (2, HoppingSpan::Pool(PoolPrbs::whole(carrier))),
            };
            let over = match span {
                HoppingSpan::Pool(pool) => pool,
                HoppingSpan::Carrier => PoolPrbs::whole(carrier),
            };
            let prbs = over.list(carrier).len();
            let config = HoppingConfig {
                parameter: [rng.random_range(0..504), 504][usize::from(round % 7 == 0)],
                subbands: [1, 2, 4][rng.random_range(0..3)],
                rb_offset: rng.random_range(0..=(carrier / 4)),
            };
            let len = rng.random_range(1..=(prbs / 3).max(1));
            let first = PrbRange { start: rng.random_range(0..=prbs - len), len };
            let bits = rng.random_range(0..if carrier < 50 { 2 } else { 4 });
            let Some(field) = Hopping::assignment(carrier, bits, first) else { continue };
            let hop = Hopping::new(field, carrier, span, config);
            cases.extend((0..10).map(|n_ssf| {
                let question = json!({
                    "op": "pssch", "mode": mode, "carrier": carrier, "pool": prb_json(over), "field": field,
                    "hopping": true, "rb_offset": config.rb_offset, "subbands": config.subbands,
                    "parameter": config.parameter, "n_ssf": n_ssf,
                });
                (question, range(hop.and_then(|hop| hop.prbs(n_ssf))))
            }));
        }
    }
    cases
}

/// PSCCH of modes 1 and 2, and the subframes of PSSCH.
fn control(rng: &mut ChaCha8Rng) -> Vec<Case> {
    let mut cases = Vec::new();
    for carrier in CARRIERS {
        for round in 0..12 {
            let mut pool = CommunicationPool {
                period: [40, 80, 160, 320][round % 4],
                offset: 0,
                control_bitmap: random_bitmap(rng, 40),
                control_prbs: random_prbs(rng, carrier),
                data: PsschSubframes::AfterControl,
                data_prbs: PoolPrbs::whole(carrier),
                trp_set: TrpSet::Eight,
                hopping: HoppingConfig::default(),
            };
            for n in [0, 1, 2, 3, 17, 40, 99] {
                let question = json!({
                    "op": "pscch", "carrier": carrier, "pool": prb_json(pool.control_prbs),
                    "bitmap": digits(&pool.control_bitmap), "n": n,
                });
                let ours = pool.control_resource(carrier, n).map(|r| r.map(|(s, prb)| [s as usize, prb]));
                cases.push((question, json!(ours)));
            }
            let (i_trp, offset) = (rng.random_range(0..107), rng.random_range(0..pool.period));
            let bitmap = random_bitmap(rng, 30);
            let mut question = json!({
                "op": "used_subframes", "mode": 1, "period": pool.period, "set": 8, "i_trp": i_trp,
                "control_bitmap": digits(&pool.control_bitmap), "bitmap": digits(&bitmap), "data_offset": offset,
            });
            cases.push((question.clone(), json!(pool.pattern_subframes(i_trp))));
            question["mode"] = json!(2);
            pool.data = PsschSubframes::Bitmap { offset, bitmap };
            cases.push((question, json!(pool.pattern_subframes(i_trp))));
        }
    }
    cases
}

/// PSDCH of type 1, and of type 2B from period to period.
fn discovery(rng: &mut ChaCha8Rng) -> Vec<Case> {
    let mut cases = Vec::new();
    for carrier in CARRIERS {
        for _ in 0..20 {
            let pool = DiscoveryPool {
                period: 1024,
                offset: 0,
                bitmap: random_bitmap(rng, 40),
                repetitions: rng.random_range(1..=5),
                transmissions: rng.random_range(1..=4),
                prbs: random_prbs(rng, carrier),
            };
            let question = json!({
                "carrier": carrier, "pool": prb_json(pool.prbs), "bitmap": digits(&pool.bitmap),
                "repetitions": pool.repetitions, "transmissions": pool.transmissions,
            });
            let of = |places: Option<Vec<(u32, PrbRange)>>| {
                let places = places.map(|p| p.iter().map(|(s, prbs)| json!([s, prbs.start])).collect());
                places.unwrap_or(Value::Null)
            };
            for n in [0, 1, 5, 23, 64, 200] {
                let mut question = question.clone();
                (question["op"], question["n"]) = (json!("disc_type1"), json!(n));
                cases.push((question, of(pool.type1(carrier, n))));
            }
            let (n_t, n_f) = (pool.n_t() as u32, pool.n_f(carrier) as u32);
            if n_t == 0 || n_f == 0 {
                continue;
            }
            let mut p = Type2bParameters {
                prb_index: rng.random_range(0..n_f),
                subframe_index: rng.random_range(0..n_t),
                a: rng.random_range(0..=200),
                b: rng.random_range(0..=9),
                c: [1, 5][rng.random_range(0..2)],
                periods_since: 0,
            };
            let mut at = (p.prb_index, p.subframe_index);
            let mut ours = vec![of(pool.type2b(carrier, at))];
            for n_prime in 1..12 {
                p.periods_since = n_prime;
                at = pool.type2b_next(carrier, &p, at).unwrap();
                ours.push(of(pool.type2b(carrier, at)));
            }
            let mut question = question;
            question["op"] = json!("disc_type2b");
            question["prb_index"] = json!(p.prb_index);
            question["subframe_index"] = json!(p.subframe_index);
            (question["a"], question["b"], question["c"]) = (json!(p.a), json!(p.b), json!(p.c));
            question["periods"] = json!(12);
            cases.push((question, Value::Array(ours)));
        }
    }
    cases
}

/// The period that a subframe lies in, around the turn of the DFN.
fn periods() -> Vec<Case> {
    let mut cases = Vec::new();
    for (offset, period) in
        [(0, 40), (5, 40), (39, 40), (5, 320), (319, 320), (7, 60), (0, 60), (10_200, 10_240)]
    {
        let pool = DiscoveryPool {
            period,
            offset,
            bitmap: vec![true],
            repetitions: 1,
            transmissions: 1,
            prbs: PoolPrbs::whole(6),
        };
        // the text counts periods from the first one on
        let subframes = [0, 1, 4, 5, 6, 38, 39, 40, 318, 319, 320, 5000, 10_199, 10_200, 10_238, 10_239];
        cases.extend(subframes.map(|subframe| {
            let question =
                json!({ "op": "period", "offset": offset, "period": period, "subframe": subframe });
            (question, json!(pool.into_period(subframe)))
        }));
    }
    cases
}

/// Every time resource pattern.
fn patterns() -> Vec<Case> {
    let sets = [(TrpSet::Eight, 8), (TrpSet::Seven, 7), (TrpSet::Six, 6)];
    let all = sets.iter().flat_map(|&(set, length)| (0..128u8).map(move |i_trp| (set, length, i_trp)));
    all.map(|(set, length, i_trp)| {
        let bits = time_resource_pattern(set, i_trp)
            .map(|pattern| (0..length).map(|j| pattern >> j & 1).collect::<Vec<u8>>());
        (json!({ "op": "trp", "set": length, "i_trp": i_trp }), json!(bits))
    })
    .collect()
}

/// t^SL with several synchronisation offsets, sub-channels, and resource indication values.
fn v2x(rng: &mut ChaCha8Rng) -> Vec<Case> {
    let mut cases = Vec::new();
    for (offsets, len) in
        [(vec![], 20), (vec![0], 20), (vec![3, 83], 16), (vec![0, 5, 159], 100), (vec![7, 7], 50)]
    {
        let pool = V2xPool {
            bitmap: random_bitmap(rng, len),
            sync_offsets: offsets.clone(),
            ..V2xPool::simple(5, 5)
        };
        let all = pool.sidelink_subframes();
        let t: Vec<usize> = (0..all.len()).filter(|&s| all[s].is_some()).collect();
        assert!(t.iter().enumerate().all(|(k, &s)| all[s] == Some(k as u32)));
        let in_pool: Vec<u32> = pool.subframe_indices().into_iter().flatten().collect();
        let question = json!({
            "op": "v2x_subframes", "bitmap": digits(&pool.bitmap), "sync_offsets": offsets,
        });
        cases.push((question, json!([t, in_pool])));
    }
    for _ in 0..300 {
        let pool = V2xPool {
            start: rng.random_range(0..10),
            adjacent: rng.random_range(0..2) == 1,
            control_start: rng.random_range(0..10),
            ..V2xPool::simple(rng.random_range(4..30), rng.random_range(1..=20))
        };
        let (first, len) = (rng.random_range(0..pool.num), rng.random_range(1..=pool.num));
        let question = |op: &str| {
            json!({
                "op": op, "size": pool.size, "num": pool.num, "start": pool.start, "adjacent": pool.adjacent,
                "control_start": pool.control_start, "first": first, "len": len, "m": first,
            })
        };
        cases.push((question("v2x_pssch"), range(pool.data(first, len))));
        let control = pool.control(first).start;
        cases.push((question("v2x_pscch"), json!([control, control + 1])));
        let riv = riv_encode(pool.num, first, len);
        cases.push((json!({ "op": "riv_encode", "n": pool.num, "start": first, "len": len }), json!(riv)));
        let any = rng.random_range(0..300);
        let decoded = riv_decode(pool.num, any).map(|(start, len)| [start, len]);
        cases.push((json!({ "op": "riv_decode", "n": pool.num, "riv": any }), json!(decoded)));
    }
    cases
}

/// TS 36.212 §5.4.3.1.2: after the retransmission index, before the reserved bits.
#[test]
// TS 36.212 §5.4.3.1.2 (2)
fn the_transmission_format_has_its_place() {
    let sci = Format1 {
        priority: 0,
        reservation: 0,
        frequency_resource: 0,
        time_gap: 0,
        mcs: 0,
        retransmission: false,
        transmission_format: true,
        reserved: 0,
    };
    // 3, 4, 4 (15 values of 5 sub-channels), 4, 5 and 1 bits before it
    let mut bits = [0; Format1::BITS];
    sci.emit(5, &mut bits).unwrap();
    assert_eq!(bits.iter().position(|&bit| bit == 1), Some(21));
    assert_eq!((bits.iter().sum::<u8>(), Format1::reserved_bits(5)), (1, 10));
}
