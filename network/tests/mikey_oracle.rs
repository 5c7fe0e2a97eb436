//! A second program, `../shared/vectors/oracle_mikey.py`, was written from RFC 3830 alone. What we send it opens and answers,
//! what it sends we open and answer, octet for octet, for many keys.
//!
//! Skipped, loudly, where there is no Python, or no `../shared` beside the checkout. `SIDELINK_PYTHON` names the interpreter;
//! what is named must work.
#![allow(clippy::disallowed_methods)] // another program is run

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sidelink_network::identity::Fqdn;
use sidelink_network::key_delivery::{
    Answer, Content, KeyName, Peers, Period, PmkId, Received, ServiceId, Stamp, Suite, Verification, protect,
};
use sidelink_security::counter::UtcCounter;
use sidelink_security::keys::{Pmk, Secret256};

const CASES: usize = 60;

/// Opens what we sent and answers it; makes a message of the same content, and its own answer to that.
const SCRIPT: &str = r#"
import json, sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import oracle_mikey as o
h = bytes.fromhex
out = []
for c in json.load(sys.stdin):
    psk, idi, idr = h(c['psk']), c['idi'].encode(), c['idr'].encode()
    opened = o.psk_open(h(c['message']), psk)
    header, keys = opened if opened else (None, None)
    key = [] if keys is None else [dict(type=k['type'], kv=k['kv'], key=k['key'].hex(), vf=k['vf'].hex(), vt=k['vt'].hex()) for k in keys]
    ids = [] if header is None else [p['data'].decode() for p in header['pl'] if p['t'] == 'ID']
    prf, mac = c['prf'], c['mac']
    key2 = dict(type=2, key=h(c['key']), kv=2, vf=h(c['from']), vt=h(c['to']))
    message, _ = o.psk_build(psk, c['csb'], 2, o.i2o(c['counter'], 4), h(c['rand']), [key2], idi=(0, idi), idr=(0, idr), v=1, prf=prf, enc=1, mac_alg=mac)
    answer = o.psk_verification(message, psk, (0, idr), idi, idr)
    out.append(dict(keys=key, ids=ids, message=message.hex(), answer=answer.hex()))
json.dump(out, sys.stdout)
"#;

fn python() -> Option<String> {
    let named = std::env::var("SIDELINK_PYTHON").ok();
    let program = named.clone().unwrap_or_else(|| "python3".to_owned());
    if Command::new(&program).arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Some(program);
    }
    assert!(named.is_none(), "SIDELINK_PYTHON={program} does not work");
    eprintln!("SKIPPED: no python3 here (set SIDELINK_PYTHON)");
    None
}

fn ask(python: &str, folder: &Path, questions: &[Value]) -> Vec<Value> {
    let mut child = Command::new(python)
        .args(["-c", SCRIPT])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&serde_json::to_vec(questions).unwrap()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Octets that look random and are the same each time.
struct Draws(u64);

impl Draws {
    fn octets<const N: usize>(&mut self) -> [u8; N] {
        [(); N].map(|()| {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 32) as u8
        })
    }
}

struct Case {
    pmk: [u8; 32],
    pmk_id: PmkId,
    key: [u8; 32],
    name: KeyName,
    period: Period,
    stamp: Stamp,
    suite: Suite,
}

impl Case {
    fn draw(draws: &mut Draws, suite: Suite) -> Self {
        let [id, service @ ..] = draws.octets::<4>();
        let from = u32::from_be_bytes(draws.octets()) >> 2;
        Self {
            pmk: draws.octets(),
            pmk_id: PmkId(draws.octets()),
            key: draws.octets(),
            name: KeyName { service: ServiceId(service), id: id.max(1).try_into().unwrap() },
            period: Period { from: UtcCounter::new(from), to: UtcCounter::new(from + 86_400) },
            stamp: Stamp {
                counter: u32::from_be_bytes(draws.octets()),
                csb_id: u32::from_be_bytes(draws.octets()),
                rand: draws.octets(),
            },
            suite,
        }
    }

    fn content(&self) -> Content {
        Content::Key(self.name, Secret256::from(self.key), self.period)
    }

    fn ids(&self, pkmf: &Fqdn) -> [String; 2] {
        let idi = format!("{}{:02x}@{pkmf}", self.name.service, self.name.id);
        [idi, format!("{}@{pkmf}", hex::encode(self.pmk_id.0))]
    }
}

/// As 40 bits of seconds since 1900.
fn limit(at: UtcCounter) -> String {
    format!("{:010x}", u64::from(at.value()) + 2_208_988_800)
}

#[test]
fn another_program_opens_and_answers_the_same_octets() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    if !folder.join("oracle_mikey.py").exists() {
        eprintln!("SKIPPED: no oracle_mikey.py (it is looked for in ../shared beside the checkout)");
        return;
    }
    let Some(python) = python() else { return };
    let pkmf = Fqdn::new("pkmf.mnc001.mcc001.pub.3gppnetwork.org").unwrap();
    let mut draws = Draws(0x1234_5678_9abc_def1);
    let suites = [(Suite::HmacSha1, 0, 1), (Suite::HmacSha256, 1, 2)];
    let cases: Vec<_> =
        (0..CASES).map(|i| (Case::draw(&mut draws, suites[i % 2].0), suites[i % 2])).collect();
    let mut ours = Vec::new();
    let mut questions = Vec::new();
    for (case, (_, prf, mac)) in &cases {
        let pmk = Pmk::from(case.pmk);
        let peers = Peers { pkmf: &pkmf, pmk_id: case.pmk_id, pmk: &pmk };
        let (message, sent) = protect(peers, case.stamp, case.suite, &case.content(), Answer::Wanted);
        let [idi, idr] = case.ids(&pkmf);
        questions.push(json!({
            "psk": hex::encode(case.pmk), "message": hex::encode(&message), "prf": prf, "mac": mac,
            "csb": case.stamp.csb_id, "counter": case.stamp.counter, "rand": hex::encode(case.stamp.rand),
            "key": hex::encode(case.key), "from": limit(case.period.from), "to": limit(case.period.to),
            "idi": idi, "idr": idr,
        }));
        ours.push((message, sent));
    }
    let answers = ask(&python, &folder, &questions);
    assert_eq!(answers.len(), CASES);
    for (((case, _), (message, sent)), answer) in cases.iter().zip(ours).zip(answers) {
        let expected = json!([{
            "type": 2, "kv": 2, "key": hex::encode(case.key),
            "vf": limit(case.period.from), "vt": limit(case.period.to),
        }]);
        assert_eq!(answer["keys"], expected, "it opens what we sent");
        assert_eq!(answer["ids"], json!(case.ids(&pkmf)));
        let theirs = hex::decode(answer["message"].as_str().unwrap()).unwrap();
        assert_eq!(theirs, message, "it sends the same octets");
        let pmk = Pmk::from(case.pmk);
        let proven = Received::parse(&theirs, &pkmf).unwrap().verify(&pmk).unwrap();
        assert_eq!(proven.content, case.content());
        let their_answer = hex::decode(answer["answer"].as_str().unwrap()).unwrap();
        assert_eq!(proven.answer.as_ref(), Some(&their_answer), "it answers the same octets");
        let peers = Peers { pkmf: &pkmf, pmk_id: case.pmk_id, pmk: &pmk };
        assert!(Verification::parse(&their_answer, &pkmf).unwrap().verify(peers, &sent).is_ok());
    }
}
