//! Discovery: what each protection takes of the 232 bits, how likely codes collide, what a million keys cost.

use super::{Row, figure, nanos};
use sidelink_security::counter::{UtcCounter, UtcTime};
use sidelink_security::discovery::book::{Backend, CodeBook, RestrictedBook, RotatingBook};
use sidelink_security::discovery::matching::{Alone, Matcher, PeriodTable, Scratch, TableBuilder, Workers};
use sidelink_security::discovery::open::{self, OpenKey};
use sidelink_security::discovery::ota::{OtaConfig, OtaIdentity, ProseId, Variant};
use sidelink_security::discovery::request_response::{AnsweredRequests, Binding, RateLimit, Session};
use sidelink_security::discovery::restricted::{Material, MicCheck, Receiver, Sender};
use sidelink_security::discovery::rotation::{PeriodIndex, RotationPeriod};
use sidelink_security::discovery::{CodeFilter, Freshness, Message, Profile};
use sidelink_security::keys::{ApplicationKey, DiscoveryKey, Duck, Duik, Dusk, PresharedSecret};
use sidelink_ue::Cores;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) const NAMES: [&str; 5] = [
    "open, by match report",
    "restricted: DUSK, DUIK, DUCK",
    "rotating, keyed",
    "rotating, literal",
    "request",
];

const NOW: UtcTime = UtcTime::from_millis(1_795_238_400_500);

/// Bits of the message that protection takes away from the content: MIC, counter LSB, nonce. The message type takes 8 more.
pub(super) fn protections(done: &mut dyn FnMut(Row)) {
    let table = [
        ("none", 0, 184),
        ("open: MIC 32, LSB 8", 40, 184),
        ("restricted and public safety: MIC 32, LSB 8", 40, 184),
        ("request and response: MIC 32, LSB 8", 40, 184),
        ("rotating, time known (option 2), literal: LSB 8", 8, 160),
        ("rotating, time known (option 2), keyed: LSB 8", 8, 216),
        ("rotating, nonce of 64 sent (option 1), keyed: nonce 64, LSB 8", 72, 152),
    ];
    for (name, spent, code) in table {
        let left = 232 - 8 - spent;
        let figures = [("bits_spent", spent.into()), ("bits_left", left.into()), ("code_bits", code.into())];
        done(Row::new("protection", name, &figures));
    }
}

/// The chance that any two of N devices have the same code of k bits in one period: 1 - exp(-N (N - 1) / 2^(k + 1)).
pub(super) fn collisions(done: &mut dyn FnMut(Row)) {
    for bits in [32_i32, 64, 128, 160, 184] {
        for devices in [1e2_f64, 1e3, 1e4, 1e6] {
            let probability: f64 = -f64::exp_m1(-devices * (devices - 1.0) / 2_f64.powi(bits + 1));
            let figures = [
                ("bits", bits.into()),
                ("devices", (devices as u64).into()),
                ("probability", probability.into()),
            ];
            done(Row::new("collision", format!("{bits} bits, {devices:.0} devices"), &figures));
        }
    }
}

/// Time to judge one message of one followed identity.
pub(super) fn verification(budget: Duration, done: &mut dyn FnMut(Row)) {
    let freshness = Freshness::at(NOW.counter());
    let profile = Profile::default();
    let mut time = |name: &str, f: &mut dyn FnMut()| {
        done(Row::new("verification", name, &[("ns", figure(nanos(budget, f)))]));
    };

    let key = OpenKey::new(&DiscoveryKey::from([1; 32]), profile);
    let mut message: Message = [0x41; 29];
    if key.protect(&freshness, &mut message).is_ok() {
        time(NAMES[0], &mut || {
            if let Ok(report) = open::receive(&freshness, black_box(&message), &profile) {
                let _ = black_box(key.verify(&report, freshness.clock, freshness.max_offset, 0));
            }
        });
    }

    let material = Material {
        dusk: Some(Dusk::from([1; 32])),
        duik: Some(Duik::from([2; 32])),
        duck: Some((Duck::from([3; 32]), [0x0f; 23])),
    };
    let mut message: Message = [0x81; 29];
    let sent = Sender::new(&material, profile).protect(&freshness, &mut message);
    let receiver = Receiver::new(&material, MicCheck::Local, vec![CodeFilter::exact([0x81; 23])], profile);
    if sent.is_ok() && receiver.verify(&freshness, &message).is_ok() {
        time(NAMES[1], &mut || {
            let _ = black_box(receiver.verify(&freshness, black_box(&message)));
        });
    }

    for (name, variant, bits) in [(NAMES[2], Variant::Keyed, 216), (NAMES[3], Variant::Literal, 160)] {
        let Ok(config) = OtaConfig::new(variant, bits, 0, RotationPeriod::SECOND) else { continue };
        let identity = OtaIdentity::new(config, [4; 20], &ApplicationKey::from([5; 32]));
        let window = config.period().window(NOW, 20);
        if let Some(message) = identity.announce(NOW, &[]) {
            time(name, &mut || {
                let _ = black_box(identity.verify(window, black_box(&message)));
            });
        }
    }

    let session = Session::new(&PresharedSecret::from([6; 32]), [7; 23], Binding::Bound, profile);
    if let Ok((message, _)) = session.solicit(&freshness) {
        let mut answered = AnsweredRequests::new(64);
        let mut limit = RateLimit::new(u32::MAX);
        // Replays after the first: their MIC is computed all the same.
        time(NAMES[4], &mut || {
            let _ =
                black_box(session.verify_request(&freshness, black_box(&message), &mut answered, &mut limit));
        });
    }
}

/// Tables of 1e3 up to `most` identities with each backend: time to build on one thread and on several, octets, time to match
/// a frame; then a table of exact restricted codes.
pub(super) fn matching(budget: Duration, most: usize, done: &mut dyn FnMut(Row)) {
    let mut followed = 1000;
    while followed <= most {
        let available = Backend::ALL.into_iter().filter(|backend| backend.is_available());
        available.filter_map(|backend| table(budget, backend, followed)).for_each(&mut *done);
        followed *= 10;
    }
    done(restricted(budget, most.min(100_000)));
}

fn table(budget: Duration, backend: Backend, followed: usize) -> Option<Row> {
    let config = OtaConfig::new(Variant::Keyed, 216, 0, RotationPeriod::SECOND).ok()?;
    let mut book = RotatingBook::on(backend, config).ok()?;
    for i in 0..followed {
        let (id, key) = identity(i);
        book.follow(id, &key, UtcCounter::new(u32::MAX));
    }
    let (book, period) = (Arc::new(book), config.period().index(NOW));
    let cores = Cores::of_machine();
    let (_, several_ms) = build(budget, &book, period, &cores)?;
    let (table, build_ms) = build(budget, &book, period, &Alone)?;
    let octets = table.octets() as f64 / followed as f64;
    let mut matcher = Matcher::new();
    matcher.install(table);
    let window = config.period().window(NOW, 0);

    // Frames in no order that a cache could know.
    let frames = 1024_usize;
    let hits = announcements(config, (0..frames).map(|i| i.wrapping_mul(0x9e37_79b9) % followed));
    let misses = announcements(config, (0..hits.len()).map(|i| usize::MAX - i));
    if hits.is_empty() || hits.iter().any(|hit| matcher.verify(window, hit).is_err()) {
        return None;
    }
    let time = |messages: &[Message]| {
        let mut i = 0;
        nanos(budget, || {
            i += 1;
            let _ = black_box(matcher.verify(window, black_box(&messages[i % messages.len()])));
        })
    };
    let (hit, miss) = (time(&hits), time(&misses));
    let figures = [
        ("build_ms", figure(build_ms)),
        ("threads", cores.count().into()),
        ("threads_ms", figure(several_ms)),
        ("octets_a_key", figure(octets)),
        ("hit_ns", figure(hit)),
        ("miss_ns", figure(miss)),
    ];
    Some(Row::new("matching", format!("{followed} identities, {}", backend.name()), &figures))
}

/// A table of exact restricted codes, under one material each.
fn restricted(budget: Duration, followed: usize) -> Row {
    let mut book = RestrictedBook::new(Profile::default());
    for i in 0..followed {
        let (id, key) = identity(i);
        let mut code = [0; 23];
        code[..20].copy_from_slice(&id);
        let material = Material {
            dusk: Some(Dusk::from(*key.as_bytes())),
            duik: Some(Duik::from(*key.as_bytes())),
            duck: None,
        };
        // With a DUIK no code is refused.
        let _ = book.follow(0x81, code, &material, UtcCounter::new(u32::MAX));
    }
    let (book, period) = (Arc::new(book), RotationPeriod::SECOND.index(NOW));
    let cores = Cores::of_machine();
    let build_ms = build(budget, &book, period, &Alone).map(|(_, ms)| ms);
    let several_ms = build(budget, &book, period, &cores).map(|(_, ms)| ms);
    let figures = [
        ("build_ms", figure(build_ms.unwrap_or(f64::NAN))),
        ("threads", cores.count().into()),
        ("threads_ms", figure(several_ms.unwrap_or(f64::NAN))),
    ];
    Row::new("matching codes", format!("{followed} restricted codes, DUSK and DUIK"), &figures)
}

/// A table of all who are in the book, and the median of the milliseconds that it took.
fn build<B: CodeBook>(
    budget: Duration,
    book: &Arc<B>,
    period: PeriodIndex,
    workers: &dyn Workers,
) -> Option<(PeriodTable<B>, f64)> {
    let build = |old: Option<PeriodTable<B>>, scratch: Scratch| {
        let mut builder = TableBuilder::new(Arc::clone(book), period, old).ok()?.with(scratch);
        while !builder.build_round(workers) {}
        builder.finish_with_scratch().ok()
    };
    let mut times = Vec::new();
    let (mut table, mut scratch) = build(None, Scratch::default())?;
    // As in use: into the memory of an old table, in that of the last builder.
    let start = Instant::now();
    while times.len() < 3 || (start.elapsed() < budget && times.len() < 1000) {
        let before = Instant::now();
        (table, scratch) = build(Some(table), scratch)?;
        times.push(before.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Some((table, times[times.len() / 2]))
}

/// Announcements of these identities now.
fn announcements(config: OtaConfig, identities: impl Iterator<Item = usize>) -> Vec<Message> {
    let announce = |i: usize| {
        let (id, key) = identity(i);
        OtaIdentity::new(config, id, &key).announce(NOW, &[])
    };
    identities.filter_map(announce).collect()
}

fn identity(i: usize) -> (ProseId, ApplicationKey) {
    let number = (i as u64).to_be_bytes();
    let (mut id, mut key) = ([0x1d; 20], [0x4e; 32]);
    id[..8].copy_from_slice(&number);
    key[..8].copy_from_slice(&number);
    (id, ApplicationKey::from(key))
}
