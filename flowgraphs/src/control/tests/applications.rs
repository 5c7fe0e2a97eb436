//! X5.1 over sockets: what applications with tokens of their own get, and what is left of one that is gone.

use super::*;
use crate::config::ue_toml::{Draws, RadioFacts, UeConfig};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use sidelink_radio::Anchor;
use sidelink_security::counter::UtcTime;
use sidelink_store::{Discovery, Keys, Protection};
use sidelink_ue::NoStore;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpStream};
use zeroize::Zeroizing;

const RADIO: &str = "name = \"alice\"\nseed = 1\n[radio]\nprb = 15\ntm = 2\n[time]\nsource = \"utc\"\n";

/// UTC in seconds.
const UTC: i64 = 1_800_000_000;

/// Octets of all secrets, and of all codes: their digits would show in any answer.
const KEY: u8 = 0xa7;
const CODE: u8 = 0xc9;

/// `beacon` and `own` are announced by this UE, `friend` is followed.
fn keys() -> Keys {
    let entry = |name: &str| {
        let mut entry = Discovery::new(name, Protection::Rotating, u32::MAX);
        entry.prose_id = Some(sidelink_store::Secret::new(vec![CODE; 20]));
        entry.application_key = Some(sidelink_store::Secret::new(vec![KEY; 32]));
        entry.period_ms = Some(100);
        entry
    };
    let [mut beacon, mut own, mut friend] = ["beacon", "own", "friend"].map(entry);
    for entry in [&mut beacon, &mut own] {
        entry.announcer = Some("alice".into());
    }
    own.prose_id = Some(sidelink_store::Secret::new(vec![CODE ^ 1; 20]));
    friend.prose_id = Some(sidelink_store::Secret::new(vec![CODE ^ 2; 20]));
    friend.monitors = vec!["alice".into()];
    Keys { discovery: vec![beacon, own, friend], ..Keys::default() }
}

/// A UE with two applications, and a server.
struct Scene {
    ue: Ue,
    panel: Panel,
    server: Server,
    /// Subframes of the layers above the modem.
    t: u64,
    _folder: tempfile::TempDir,
}

const TOKENS: [&str; 2] = ["token-of-the-map-application", "token-of-the-chat-application"];

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (token, name) in TOKENS.iter().zip(["map", "chat"]) {
            std::fs::write(folder.path().join(name), token).unwrap();
        }
        let file = folder.path().join("applications.toml");
        let text = "[[application]]\nname = \"map\"\ntoken-file = \"map\"\nannounce = [\"beacon\"]\nmonitor = [\"friend\"]\n\
                    [[application]]\nname = \"chat\"\ntoken-file = \"chat\"\nannounce = [\"beacon\"]\nsend = [\"fire\"]\n";
        std::fs::write(&file, text).unwrap();
        let read = |path: &std::path::Path| Ok(Zeroizing::new(std::fs::read_to_string(path).unwrap()));
        let applications = ApplicationsConfig::from_file(&file, read).unwrap();
        let (board, panel) = board_for(Arc::default(), Some(applications));
        let token = Some(Zeroizing::new("token-of-the-control-server".to_owned()));
        let config = ControlConfig { listen: "127.0.0.1:0".parse().unwrap(), token };
        let server = Server::start(config, board).unwrap();
        let config = UeConfig::from_toml(RADIO, "test").unwrap();
        let anchor = Anchor { utc_ns: UTC * 1_000_000_000, uncertainty_ns: 0 };
        let facts = RadioFacts { anchor, real_time: false, draws: Draws::Seeded };
        let ue = config.build_with(&keys(), NoStore::default(), facts, Vec::new()).unwrap();
        let mut scene = Self { ue, panel, server, t: 0, _folder: folder };
        scene.panel.look(&mut scene.ue);
        scene
    }

    /// Does something in another thread while the UE looks for commands.
    fn while_looking<T: Send>(&mut self, act: impl FnOnce(SocketAddr) -> T + Send) -> T {
        let address = self.server.address();
        std::thread::scope(|scope| {
            let acting = scope.spawn(move || act(address));
            while !acting.is_finished() {
                self.panel.look(&mut self.ue);
                std::thread::sleep(Duration::from_millis(1));
            }
            acting.join().unwrap()
        })
    }

    /// Whether something is announced in a period.
    fn announces(&mut self) -> bool {
        self.t += 1000;
        let utc = UtcTime::from_millis(UTC as u64 * 1000 + self.t);
        self.ue.stack().begin(self.t, utc, &mut |_| {});
        self.ue.stack().announce(self.t, [1, 2], &mut |_| {}).is_some()
    }

    /// Looks until something is so: a closed connection is seen by another thread.
    fn looks_until(&mut self, is_so: impl Fn(&mut Self) -> bool) -> bool {
        (0..2000).any(|_| {
            self.panel.look(&mut self.ue);
            std::thread::sleep(Duration::from_millis(5));
            is_so(self)
        })
    }
}

/// Sends a request, and returns all of its answer.
fn ask(address: SocketAddr, token: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n");
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Registers: the connection, and the handle.
fn register(address: SocketAddr, token: &str) -> (BufReader<TcpStream>, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!("GET /app/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    while !line.contains("handle") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "an answer without a handle");
    }
    let value: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
    (lines, value["handle"].as_str().unwrap().to_owned())
}

fn named(handle: &str, name: &str) -> String {
    serde_json::json!({ "handle": handle, "name": name }).to_string()
}

/// A crash of an application leaves no announcing: its socket ends with it.
#[test]
fn announcing_ends_with_the_connection() {
    let mut scene = Scene::new();
    // `own` is in no grant, and goes on as ever.
    assert!(scene.announces());
    scene.ue.stack().set_announcing("own", sidelink_prose::discovery::Announcing::Off);
    assert!(!scene.announces());
    let (connection, answer) = scene.while_looking(|address| {
        let (connection, handle) = register(address, TOKENS[0]);
        (connection, ask(address, TOKENS[0], "/app/announce", &named(&handle, "beacon")))
    });
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(scene.announces());
    drop(connection);
    assert!(scene.looks_until(|scene| !scene.announces()));
}

#[test]
fn tokens_serve_for_their_own_and_nothing_else() {
    let mut scene = Scene::new();
    let answers = scene.while_looking(|address| {
        let (_first, map) = register(address, TOKENS[0]);
        let (_second, chat) = register(address, TOKENS[1]);
        [
            ask(address, TOKENS[0], "/app/monitor", &named(&map, "friend")),
            // A handle of another, a grant of another, a name that nobody has.
            ask(address, TOKENS[1], "/app/monitor", &named(&map, "friend")),
            ask(address, TOKENS[1], "/app/monitor", &named(&chat, "friend")),
            ask(address, TOKENS[0], "/app/announce", &named(&map, "nobody")),
            // The control's token is none of an application, and the other way round.
            ask(address, "token-of-the-control-server", "/app/monitor", &named(&map, "friend")),
            ask(address, TOKENS[0], "/shutdown", ""),
            ask(address, "", "/app/monitor", &named(&map, "friend")),
        ]
    });
    let codes = answers.each_ref().map(|answer| answer[9..12].parse::<u16>().unwrap());
    assert_eq!(codes, [200, 422, 422, 422, 401, 401, 401]);
    let text = |place: usize| answers[place].split("\r\n\r\n").nth(1).unwrap_or_default().to_owned();
    assert_eq!(text(2), text(3), "whether a name exists is not told");
}

/// Requests of any form: no answer has an octet of a key or of a code.
#[test]
fn no_answer_has_keys_or_codes() {
    let mut scene = Scene::new();
    let secrets: Vec<String> =
        [KEY, CODE, CODE ^ 1, CODE ^ 2].map(|octet| format!("{octet:02x}").repeat(2)).into();
    let paths = ["announce", "silence", "monitor", "send", "events", "keys", "status"];
    let names = ["beacon", "own", "friend", "fire", ""];
    let strategy = (0..paths.len(), 0..names.len(), 0..4_usize);
    let answers = scene.while_looking(|address| {
        let (mut lines, handle) = register(address, TOKENS[0]);
        // One that is heeded, and any others.
        let mut answers = vec![ask(address, TOKENS[0], "/app/announce", &named(&handle, "beacon"))];
        let mut runner = TestRunner::deterministic();
        for _ in 0..40 {
            let (path, name, form) = strategy.new_tree(&mut runner).unwrap().current();
            let body = match form {
                0 => named(&handle, names[name]),
                1 => serde_json::json!({ "handle": handle, "to": names[name], "text": "x" }).to_string(),
                2 => named("00", names[name]),
                _ => format!("{{\"{}\"", names[name]),
            };
            answers.push(ask(address, TOKENS[0], &format!("/app/{}", paths[path]), &body));
        }
        let mut line = String::new();
        lines.get_ref().set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        while lines.read_line(&mut line).is_ok_and(|count| count > 0) {}
        answers.push(line);
        answers
    });
    assert!(answers[0].starts_with("HTTP/1.1 200"), "{}", answers[0]);
    for answer in &answers {
        for secret in &secrets {
            assert!(!answer.to_lowercase().contains(secret), "{answer}");
        }
        let octets = [KEY, CODE, CODE ^ 1, CODE ^ 2];
        assert!(!answer.as_bytes().windows(2).any(|two| two[0] == two[1] && octets.contains(&two[0])));
    }
}
