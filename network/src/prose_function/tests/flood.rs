//! X2.5: floods of registrations, on a simulated clock.
//!
//! The model, in microseconds: the front end judges a request when it arrives, and its processor then works requests off
//! one by one; the HSS answers one question at a time. What a step costs is rounded up from measurements of the services.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::*;
use crate::puzzle::{Challenge, Difficulty};

/// Between a UE and the front end, both ways.
const RTT: u64 = 100_000;
/// Between the front end and the HSS, both ways.
const HSS_RTT: u64 = 4_000;
/// What the HSS takes for a question.
const HSS_SERVICE: u64 = 5_000;
/// A TLS handshake.
const HANDSHAKE: u64 = 500;
/// A request that is served.
const SERVED: u64 = 200;
/// A request that is refused.
const REFUSED: u64 = 20;
/// A commit.
const COMMIT: u64 = 5_000;
/// Hashes a second of a UE that solves a puzzle.
const HASHES: u64 = 5_000_000;
/// Puzzles of the tests are easier by this factor: their hashes count as many.
const SCALE: u64 = 1 << 10;

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Honest,
    Attacker,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// An honest UE begins to register.
    Starts(u32),
    /// Of a UE, with the solution of a puzzle or without.
    Arrives(u32, Option<String>),
    Subscription(u32),
    Stored(u64),
}

#[derive(Default)]
struct Outcome {
    /// Milliseconds until an honest UE was served, sorted.
    latencies: Vec<u64>,
    questions: usize,
    /// Of each kind, of the attackers.
    served: usize,
    cached: usize,
    challenged: usize,
    too_many: usize,
    alarms: Vec<(UtcTime, Alarm)>,
}

impl Outcome {
    fn p95(&self) -> u64 {
        self.latencies[(self.latencies.len() * 95).div_ceil(100) - 1]
    }
}

struct Simulation {
    function: ProseFunction,
    counters: Disk,
    clock: u64,
    order: u64,
    coming: BinaryHeap<Reverse<(u64, u64, Happening)>>,
    cpu_free: u64,
    hss_free: u64,
    requests: HashMap<RequestId, (u32, Who)>,
    begun: HashMap<u32, u64>,
    outcome: Outcome,
    tickets: HashMap<u64, Ticket>,
    /// What attackers do with a challenge: solutions that they can find in a second, all together.
    solutions: u64,
    solving_free: u64,
}

impl Simulation {
    fn new(edit: impl Fn(&mut Limits)) -> Self {
        let mut config = config();
        config.limits = Limits { puzzle: Difficulty::new(16, 6).unwrap(), ..Limits::default() };
        edit(&mut config.limits);
        let World { function, disk, .. } = World::new(config);
        Self {
            function,
            counters: disk,
            clock: 0,
            order: 0,
            coming: BinaryHeap::new(),
            cpu_free: 0,
            hss_free: 0,
            requests: HashMap::new(),
            begun: HashMap::new(),
            outcome: Outcome::default(),
            tickets: HashMap::new(),
            solutions: 0,
            solving_free: 0,
        }
    }

    fn schedule(&mut self, at: u64, what: Happening) {
        self.order += 1;
        self.coming.push(Reverse((at, self.order, what)));
    }

    fn now(&self) -> UtcTime {
        UtcTime::from_millis(START + self.clock / 1000)
    }

    /// An honest UE registers each `every` microseconds; UEs below 1000 have a subscription.
    fn honest(&mut self, ues: u32, every: u64) {
        (0..ues).for_each(|ue| self.schedule(u64::from(ue) * every, Happening::Starts(ue)));
    }

    fn run(mut self) -> Outcome {
        while let Some(Reverse((at, _, what))) = self.coming.pop() {
            self.clock = at;
            let now = self.now();
            match what {
                Happening::Starts(ue) => {
                    self.begun.insert(ue, at);
                    // TCP, TLS, and half the way of the request.
                    self.schedule(at + 2 * RTT + RTT / 2, Happening::Arrives(ue, None));
                }
                Happening::Arrives(ue, solution) => self.arrives(ue, solution.as_deref()),
                Happening::Subscription(number) => {
                    let (ue, answer) = (imsi(number), subscription(imsi(number)));
                    self.function.handle_input(Input::Subscription { now, ue, answer });
                }
                Happening::Stored(number) => {
                    let ticket = self.tickets.remove(&number).unwrap();
                    self.function.handle_input(Input::Stored { now, ticket });
                }
            }
            self.drain();
        }
        self.outcome.latencies.sort_unstable();
        self.outcome
    }

    fn arrives(&mut self, ue: u32, solution: Option<&str>) {
        self.order += 1;
        let (request, now) = (RequestId(self.order), self.now());
        let who = if ue < 1000 { Who::Honest } else { Who::Attacker };
        self.requests.insert(request, (ue, who));
        self.cpu_free = self.cpu_free.max(self.clock) + HANDSHAKE;
        let body = open_request(imsi(ue), Command::Announce).to_xml();
        let (ue, body) = (imsi(ue), body.as_bytes());
        self.function.handle_input(Input::Message { now, request, ue, solution, body });
    }

    fn drain(&mut self) {
        loop {
            match self.function.poll_output() {
                Output::Respond { request, response } => self.respond(request, response),
                Output::AskSubscription { ue } => {
                    self.outcome.questions += 1;
                    let asked = self.cpu_free.max(self.clock) + HSS_RTT / 2;
                    self.hss_free = self.hss_free.max(asked) + HSS_SERVICE;
                    let ue = ue.msin().parse().unwrap();
                    self.schedule(self.hss_free + HSS_RTT / 2, Happening::Subscription(ue));
                }
                Output::Store { ticket, .. } => {
                    self.tickets.insert(ticket.0, ticket);
                    self.schedule(self.cpu_free.max(self.clock) + COMMIT, Happening::Stored(ticket.0));
                }
                Output::Reserve(reservation) => {
                    let granted = reservation.commit(&mut self.counters).unwrap();
                    self.function.handle_input(Input::Granted { now: self.now(), granted });
                }
                Output::Event(Event::Flood(alarm)) => self.outcome.alarms.push((self.now(), alarm)),
                Output::Event(_)
                | Output::EpcLevel { .. }
                | Output::PublicKeys { .. }
                | Output::Push { .. }
                | Output::Tell { .. }
                | Output::RememberRefusal { .. } => {}
                Output::Timeout(_) => return,
            }
        }
    }

    fn respond(&mut self, request: RequestId, response: Response) {
        let Some((ue, who)) = self.requests.remove(&request) else { return };
        let cost = if matches!(response, Response::Message(_)) { SERVED } else { REFUSED };
        self.cpu_free = self.cpu_free.max(self.clock) + cost;
        let there = self.cpu_free + RTT / 2;
        match who {
            Who::Honest => self.honest_response(ue, there, response),
            Who::Attacker => self.attacker_response(ue, there, response),
        }
    }

    fn honest_response(&mut self, ue: u32, there: u64, response: Response) {
        match response {
            Response::Message(_) => {
                let begun = self.begun.remove(&ue).unwrap();
                self.outcome.latencies.push((there - begun) / 1000);
            }
            Response::Refused(Refused::Puzzle(challenge)) => {
                let (solution, hashes) = solved(&challenge);
                let time = hashes * SCALE * 1_000_000 / HASHES;
                self.schedule(there + time + RTT / 2, Happening::Arrives(ue, Some(solution)));
            }
            Response::Refused(Refused::TooMany { wait }) => {
                let again = there + 1000 * wait + 2 * RTT + RTT / 2;
                self.schedule(again, Happening::Arrives(ue, None));
            }
            other => panic!("{other:?}"),
        }
    }

    fn attacker_response(&mut self, ue: u32, there: u64, response: Response) {
        match response {
            Response::Message(_) => self.outcome.served += 1,
            Response::Refused(Refused::NoSubscription) => self.outcome.cached += 1,
            Response::Refused(Refused::TooMany { .. }) => self.outcome.too_many += 1,
            Response::Refused(Refused::Puzzle(challenge)) => {
                self.outcome.challenged += 1;
                if let Some(time) = 1_000_000_u64.checked_div(self.solutions) {
                    self.solving_free = self.solving_free.max(there) + time;
                    // What expires before it is found is not worth the work.
                    if self.solving_free < there + 1000 * crate::puzzle::LIFETIME {
                        let (solution, _) = solved(&challenge);
                        self.schedule(self.solving_free + RTT / 2, Happening::Arrives(ue, Some(solution)));
                    }
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

fn solved(challenge: &Challenge) -> (String, u64) {
    let (solution, hashes) = challenge.solve().unwrap();
    (solution.to_string(), hashes)
}

/// Registrations of 150 UEs, one in 400 ms, without attack.
fn quiet() -> Outcome {
    let mut simulation = Simulation::new(|_| ());
    simulation.honest(150, 400_000);
    simulation.run()
}

/// One UE without subscription, 100 requests a second for a minute, with honest ones beside it.
fn one_refused() -> Outcome {
    let mut simulation = Simulation::new(|_| ());
    simulation.honest(150, 400_000);
    (0..6_000).for_each(|i| simulation.schedule(i * 10_000, Happening::Arrives(5_000, None)));
    simulation.run()
}

/// A thousand UEs without subscription, each once a second for a minute.
fn a_thousand(solutions: u64) -> Outcome {
    let mut simulation = Simulation::new(|_| ());
    simulation.solutions = solutions;
    simulation.honest(150, 400_000);
    (0..60_000)
        .for_each(|i| simulation.schedule(i * 1_000, Happening::Arrives(5_000 + i as u32 % 1_000, None)));
    simulation.run()
}

fn detected_after(outcome: &Outcome) -> u64 {
    outcome.alarms.first().map_or(u64::MAX, |(at, _)| at.millis() - START)
}

// X2.5-1
/// One question to the HSS in ten minutes, and all others are answered from the negative cache.
#[test]
fn a_refused_ue_costs_one_question() {
    let mut world = World::new(Config { limits: Limits::default(), ..config() });
    let mallory = imsi(5000);
    let body = open_request(mallory, Command::Announce).to_xml();
    let first = world.send(mallory, body.as_bytes());
    let Some(Response::Message(said)) = world.answer(first) else { panic!() };
    assert!(said.contains("<PC3-control-protocol-cause-value>3<"), "it is told why");
    let (mut cached, mut others) = (0, 0);
    for _ in 1..60_000 {
        world.now = world.now.plus_millis(10);
        let request = world.send(mallory, body.as_bytes());
        match world.answer(request) {
            Some(Response::Refused(Refused::NoSubscription)) => cached += 1,
            _ => others += 1,
        }
    }
    assert_eq!((world.asked, cached, others), (1, 59_999, 0));
    let alarms: Vec<Alarm> = world.events.iter().filter_map(alarm).collect();
    let whole = alarms.last().unwrap();
    assert!(matches!(whole.whose, Flood::Ue(ue) if ue == mallory));
    assert!(whole.refused > 59_000 && whole.since.millis() < START + 5_000, "{whole:?}");
    world.now = world.now.plus_millis(10);
    world.send(mallory, body.as_bytes());
    assert_eq!(world.asked, 2, "after ten minutes again");
}

fn alarm(event: &Event) -> Option<Alarm> {
    match event {
        Event::Flood(alarm) => Some(*alarm),
        _ => None,
    }
}

// X2.5-2
#[test]
fn a_thousand_identities_get_fifty_a_second_and_no_more() {
    let outcome = a_thousand(0);
    // The burst down to the load at which puzzles begin, then what comes back; each identity is asked about once.
    assert!(outcome.questions <= 1_000 + 150, "{}", outcome.questions);
    assert!(outcome.challenged > 1_000, "{}", outcome.challenged);
    assert!(detected_after(&outcome) < 5_000, "{}", detected_after(&outcome));

    // Requests that are none, of identities with a subscription: they never become cached.
    let mut world = World::new(Config { limits: Limits { ues: 1_500, ..Limits::default() }, ..config() });
    let mut looked_at = 0;
    for i in 0..60_000 {
        world.now = world.now.plus_millis(1);
        let request = world.send(imsi(10_000 + i % 2_000), b"<flood");
        looked_at +=
            usize::from(matches!(world.answer(request), Some(Response::Refused(Refused::Malformed(_)))));
        assert!(world.function.ues.len() <= 1_500);
    }
    assert!(looked_at <= 250 + 60 * 50, "{looked_at}");
    let alarms: Vec<Alarm> = world.events.iter().filter_map(alarm).collect();
    let all: Vec<&Alarm> = alarms.iter().filter(|alarm| alarm.whose == Flood::All).collect();
    assert!(all[0].since.millis() < START + 5_000 && all.last().unwrap().refused > 1_000, "{all:?}");
}

// X2.5-3
#[test]
fn an_honest_ue_registers_during_a_flood() {
    let quiet = quiet();
    assert_eq!((quiet.latencies.len(), quiet.alarms.len()), (150, 0));
    // An attacker who solves puzzles has 20 million hashes a second here.
    let floods = [one_refused(), a_thousand(0), a_thousand(20_000_000 >> 20)];
    for (flood, outcome) in floods.iter().enumerate() {
        assert_eq!(outcome.latencies.len(), 150, "flood {flood}: all are served");
        let (p95, quiet) = (outcome.p95(), quiet.p95());
        assert!(p95 <= 3 * quiet, "flood {flood}: {p95} ms against {quiet} ms");
        assert!(detected_after(outcome) < 5_000, "flood {flood}");
    }
    assert_eq!(floods[0].questions, 150 + 1);
}

// X2.5-4
#[test]
fn a_flash_crowd_is_served_without_an_alarm() {
    let mut simulation = Simulation::new(|_| ());
    simulation.honest(200, 0);
    let outcome = simulation.run();
    assert_eq!((outcome.latencies.len(), outcome.alarms.len(), outcome.questions), (200, 0, 200));
    // The HSS takes 1 s for 200 questions; nobody waits longer than it.
    assert!(outcome.latencies[199] <= 1_000 + 500, "{}", outcome.latencies[199]);
}

/// Above the load a request without solution is challenged; a solution counts once, for its UE, in its time.
#[test]
fn a_solved_puzzle_comes_before_others_and_counts_once() {
    let puzzle = Difficulty::new(2, 4).unwrap();
    let limits = Limits { burst: 10, interval: 1_000, puzzle, ..Limits::default() };
    let mut world = World::new(Config { limits, ..config() });
    let with = |world: &mut World, ue, solution: Option<&str>| {
        let request = RequestId(1_000_000 + world.next);
        world.next += 1;
        let body = open_request(ue, Command::Announce).to_xml();
        world.input(Input::Message { now: world.now, request, ue, solution, body: body.as_bytes() });
        world.answer(request).unwrap()
    };
    let is_served = |response| matches!(response, Response::Message(_));
    for number in 0..9 {
        assert!(is_served(with(&mut world, imsi(number), None)), "{number}");
    }
    let Response::Refused(Refused::Puzzle(challenge)) = with(&mut world, imsi(10), None) else { panic!() };
    let (solution, _) = solved(&challenge);
    assert!(!is_served(with(&mut world, imsi(11), Some(&solution))), "of another UE");
    assert!(is_served(with(&mut world, imsi(10), Some(&solution))));
    world.after(1_000);
    assert!(!is_served(with(&mut world, imsi(10), Some(&solution))), "counts once");
    let Response::Refused(Refused::Puzzle(challenge)) = with(&mut world, imsi(12), None) else { panic!() };
    let (solution, _) = solved(&challenge);
    assert!(is_served(with(&mut world, imsi(12), Some(&solution))));
    // The bucket is empty: work buys no more than its rate.
    let Response::Refused(Refused::Puzzle(challenge)) = with(&mut world, imsi(13), None) else { panic!() };
    let (solution, _) = solved(&challenge);
    let late = with(&mut world, imsi(13), Some(&solution));
    assert!(matches!(late, Response::Refused(Refused::TooMany { .. })), "{late:?}");
    // Without load nobody is asked for work.
    world.after(60_000);
    assert!(is_served(with(&mut world, imsi(14), Some("rubbish"))));
}

/// A HSS that hangs is load as well: what waits is not filled by those who do no work.
#[test]
fn what_waits_is_load() {
    let mut world = World::new(Config { limits: Limits { waiting: 10, ..Limits::default() }, ..config() });
    world.hss_answers = false;
    for number in 0..9 {
        let body = open_request(imsi(number), Command::Announce).to_xml();
        world.send(imsi(number), body.as_bytes());
    }
    let why = world.refused(imsi(9), &open_request(imsi(9), Command::Announce));
    assert!(matches!(why, Refused::Puzzle(_)), "{why:?}");
}

/// A refusal outlives a crash, to its end.
#[test]
fn a_refusal_is_written_down() {
    let limits = Limits::default();
    let mut world = World::new(Config { limits, ..config() });
    let mallory = imsi(5000);
    world.ask(mallory, open_request(mallory, Command::Announce));
    let (disk, now) = (core::mem::take(&mut world.disk), world.now);
    let mut world = World::on(Config { limits, ..config() }, disk, [1; 32]);
    world.now = now.plus_millis(599_999);
    let refused = world.refused(mallory, &open_request(mallory, Command::Announce));
    assert_eq!((refused, world.asked), (Refused::NoSubscription, 0));
    world.after(1);
    world.ask(mallory, open_request(mallory, Command::Announce));
    assert_eq!(world.asked, 1);
}

/// What an attack message costs: `cargo test --release -p sidelink-network --lib flood -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout, clippy::disallowed_methods)]
fn what_a_message_of_an_attack_costs() {
    let mut config = config();
    config.limits = Limits { puzzle_above: 0, ..Limits::default() };
    let mut world = World::new(config);
    let mallory = imsi(5000);
    let body = open_request(mallory, Command::Announce).to_xml();
    let mut timed = |name: &str, count: u32, edit: &mut dyn FnMut(&mut World, u32)| {
        let start = std::time::Instant::now();
        (0..count).for_each(|i| edit(&mut world, i));
        println!("{name}: {:?} each", start.elapsed() / count);
    };
    timed("new identity, challenged", 50_000, &mut |world, i| {
        world.send(imsi(10_000 + i), body.as_bytes());
        world.responses.clear();
    });
    timed("own rate, refused", 50_000, &mut |world, _| {
        world.send(imsi(10_000), body.as_bytes());
        world.responses.clear();
    });
    let wrong = format!("sha256-1 {} {}", START, "0".repeat(128));
    timed("wrong solution, refused", 50_000, &mut |world, _| {
        let (now, request, solution) = (world.now, RequestId(1), Some(wrong.as_str()));
        world.input(Input::Message { now, request, ue: mallory, solution, body: body.as_bytes() });
        world.responses.clear();
    });
    timed("refused lately", 50_000, &mut |world, i| {
        if i == 0 {
            let (now, answer) = (world.now, Answer::Unknown);
            world.input(Input::Subscription { now, ue: mallory, answer });
        }
        world.send(mallory, body.as_bytes());
        world.responses.clear();
    });
    let challenge = Puzzles::new(&[7; 32], Difficulty::DEFAULT).challenge("x", world.now);
    let start = std::time::Instant::now();
    let (_, hashes) = challenge.solve().unwrap();
    println!("a puzzle: {hashes} hashes in {:?}", start.elapsed());
}
