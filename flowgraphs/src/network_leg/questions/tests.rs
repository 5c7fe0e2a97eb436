//! Questions of links to a server that answers, hangs, or does not take the key.

use super::*;
use crate::report::events::Form;
use std::sync::mpsc;
use std::time::Instant;

const PATIENCE: Duration = Duration::from_secs(10);

/// A server under one key.
enum Server {
    /// It answers with the question.
    Echo,
    /// It does not take the key.
    OtherKey,
    /// It is away.
    Away,
    /// It says nothing until it is told to.
    Hangs(Mutex<mpsc::Receiver<()>>),
}

impl Way for Server {
    const WHAT: &'static str = "test";

    fn ask(&self, question: &[u8]) -> Result<Zeroizing<Vec<u8>>, ClientError> {
        match self {
            Self::Echo => {}
            Self::OtherKey => return Err(ClientError::NoKey),
            Self::Away => return Err(ClientError::Malformed),
            Self::Hangs(go) => _ = go.lock().unwrap().recv(),
        }
        Ok(Zeroizing::new(question.to_vec()))
    }
}

struct World {
    desk: Desk<u32>,
    ways: Ways<u32, Server>,
    reporter: Reporter,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl World {
    fn new(server: Option<Server>) -> Self {
        let (desk, ways) = new();
        let (reporter, _) = Reporter::new("ue", Form::Json, Box::new(std::io::sink()));
        let stop = Arc::new(AtomicBool::new(false));
        let threads = ways.start(&stop, || reporter.another("ue")).unwrap();
        if let Some(server) = server {
            ways.renew(server);
        }
        Self { desk, ways, reporter, stop, threads }
    }

    fn ask(&mut self, name: u32) {
        self.desk.ask(name, Zeroizing::new(vec![name as u8]));
    }

    /// The next answer; what needs another key is asked as the network thread does it.
    fn answer(&mut self) -> (u32, Octets) {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            self.ways.answer_rest(&self.reporter, |question| Ok(Zeroizing::new([question, b"!"].concat())));
            if let Some(answer) = self.desk.answer() {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("no answer")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

fn octets(answer: &(u32, Octets)) -> (u32, Option<&[u8]>) {
    (answer.0, answer.1.as_ref().map(|octets| octets.as_slice()))
}

#[test]
fn a_question_has_its_answer_or_none() {
    for (server, expected) in [
        (Some(Server::Echo), Some(&[7][..])),
        (Some(Server::OtherKey), Some(b"\x07!")),
        (None, Some(b"\x07!")),
        (Some(Server::Away), None),
    ] {
        let mut world = World::new(server);
        world.ask(7);
        assert_eq!(octets(&world.answer()), (7, expected));
    }
}

/// A server that hangs keeps nobody: what finds no room has no answer at once, and what comes late is there when it comes.
#[test]
fn a_server_that_hangs_keeps_nobody() {
    let (go, gone) = mpsc::channel();
    let mut world = World::new(Some(Server::Hangs(Mutex::new(gone))));
    let all = (WAYS + QUESTIONS + 3) as u32;
    let began = Instant::now();
    (0..all).for_each(|name| world.ask(name));
    let mut refused = Vec::new();
    while let Some((name, octets)) = world.desk.answer() {
        assert!(octets.is_none());
        refused.push(name);
    }
    assert!(!refused.is_empty() && refused.len() <= QUESTIONS + 3, "{refused:?}");
    assert!(began.elapsed() < PATIENCE, "nobody waited for the server");
    drop(go);
    for _ in 0..all as usize - refused.len() {
        let (name, octets) = world.answer();
        assert!(octets.is_some() && !refused.contains(&name));
    }
}
