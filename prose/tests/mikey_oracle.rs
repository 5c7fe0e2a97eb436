//! A second program, `../shared/vectors/oracle_mikey.py`, was written from the RFCs alone. What we make it opens, what it makes
//! we open; where nothing is drawn, both are the same octets. MIKEY-TICKET: all six messages of a run, the server's by it.
//!
//! Skipped, loudly, where there is no Python, or no `../shared` beside the checkout. `SIDELINK_PYTHON` names the interpreter;
//! what is named must work.
#![allow(clippy::disallowed_methods)] // another program is run

use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use sidelink_prose::mikey::i_message::{
    self, Content, Form, Naming, OpenAs, Placement, Recipient, Sender, Servers,
};
use sidelink_prose::mikey::identity::{Kms, PublicKey};
use sidelink_prose::mikey::psk::{self, Message};
use sidelink_prose::mikey::suite::{Hash, KeyCipher};
use sidelink_prose::mikey::ticket::{self, Answer, KmsKey, ReceivedTransfer, Request, Resolve, Transfer};
use sidelink_prose::mikey::{NtpTime, SignatureCoverage, SignatureLeniency, Window, group_call};
use sidelink_security::counter::UtcTime;
use sidelink_security::identity::eccsi::SigningKey;
use sidelink_security::identity::master::{AuthenticationSecret, EncryptionSecret};
use sidelink_security::identity::sakke::ReceiverKey;
use sidelink_security::key_period::KeyPeriods;
use sidelink_security::mikey::TrafficKey;
use sidelink_wire::hex;
use sidelink_wire::mikey::{
    Extension, ExtensionType, Framing, GenericId, IdType, KeyData, KeyKind, KeyParameters, KeyStatus,
    KeyType, TicketFlags, TicketTerms, TicketType, Timestamp, Validity,
};

/// Cases of messages that are fast for the other program.
const CASES: usize = 1000;
/// Cases of messages with SAKKE, of which it makes and opens a few a second.
const SLOW_CASES: usize = 6;

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    if !folder.join("oracle_mikey.py").exists() {
        eprintln!("SKIPPED: no oracle_mikey.py (it is looked for in ../shared beside the checkout)");
        return None;
    }
    Some(folder)
}

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

/// Asks all questions of one process.
fn ask(questions: &[Value]) -> Option<Vec<Value>> {
    let (folder, python) = (folder()?, python()?);
    let mut child = Command::new(python)
        .args(["-c", include_str!("mikey_oracle.py")])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines: Vec<String> = questions.iter().map(Value::to_string).collect();
    let writer = std::thread::spawn(move || {
        // A program that has failed is noticed by what it lacks.
        lines.iter().all(|line| writeln!(stdin, "{line}").is_ok())
    });
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let answers: Vec<Value> =
        stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert!(writer.join().unwrap() && child.wait().unwrap().success());
    assert_eq!(answers.len(), questions.len());
    Some(answers)
}

fn octets(value: &Value) -> Vec<u8> {
    hex::bytes(value.as_str().unwrap_or_else(|| panic!("no octets: {value}"))).unwrap()
}

fn text(octets: &[u8]) -> String {
    hex::of_bytes(octets)
}

/// Octets that look random and are the same each time.
struct Draws(u64);

impl Draws {
    fn octet(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u8
    }

    fn octets<const N: usize>(&mut self) -> [u8; N] {
        [(); N].map(|()| self.octet())
    }

    fn some(&mut self, least: usize, most: usize) -> Vec<u8> {
        let len = least + usize::from(self.octet()) % (most - least + 1);
        (0..len).map(|_| self.octet()).collect()
    }

    fn number(&mut self) -> u32 {
        u32::from_be_bytes(self.octets())
    }

    fn coin(&mut self) -> bool {
        self.octet() & 1 == 1
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[usize::from(self.octet()) % values.len()]
    }

    fn uri(&mut self) -> String {
        let number = self.number();
        format!("sip:{number:0width$x}@example.org", width = 1 + usize::from(self.octet() % 20))
    }

    /// A time from 1970 to 2036.
    fn time(&mut self) -> UtcTime {
        UtcTime::from_millis(u64::from(self.number() >> 1) % 2_085_000_000 * 1000)
    }
}

// ---- Pre-shared keys

struct PskCase {
    psk: Vec<u8>,
    hash: Hash,
    cipher: KeyCipher,
    timestamp: Timestamp,
    csb_id: u32,
    rand: Vec<u8>,
    ids: [Vec<u8>; 2],
    extension: Vec<u8>,
    answer: psk::Answer,
    keys: Vec<(KeyKind, Vec<u8>, Option<Vec<u8>>, u8, [Vec<u8>; 2])>,
}

impl PskCase {
    fn draw(draws: &mut Draws) -> Self {
        let cipher = draws.one_of(&[KeyCipher::AesCm128, KeyCipher::AesKw128, KeyCipher::AesCm256]);
        let key = |draws: &mut Draws| {
            let kind = draws.one_of(&[KeyKind::Tgk, KeyKind::Tek, KeyKind::Gtgk]);
            let salt = draws.coin().then(|| draws.some(1, 14));
            (kind, draws.some(16, 40), salt, draws.octet() % 3, [draws.some(0, 9), draws.some(0, 9)])
        };
        // A key wrap takes multiples of 8 octets: 4 + 20.
        let wrapped = (KeyKind::Tek, draws.octets::<20>().to_vec(), None, 0, [vec![], vec![]]);
        let keys = match cipher {
            KeyCipher::AesKw128 => vec![wrapped],
            _ => (0..=draws.octet() % 3).map(|_| key(draws)).collect(),
        };
        Self {
            psk: draws.some(16, 70),
            hash: draws.one_of(&[Hash::HmacSha1, Hash::HmacSha256]),
            cipher,
            timestamp: match draws.octet() % 3 {
                0 => Timestamp::Counter(draws.number()),
                1 => Timestamp::NtpUtc(u64::from(draws.number()) << 32 | u64::from(draws.number())),
                _ => Timestamp::NtpUtc32(draws.number()),
            },
            csb_id: draws.number(),
            rand: draws.some(1, 40),
            ids: [draws.some(0, 40), draws.some(0, 40)],
            extension: draws.some(0, 20),
            answer: draws.one_of(&[psk::Answer::Wanted, psk::Answer::NotWanted]),
            keys,
        }
    }

    fn key_data(&self) -> Vec<KeyData<'_>> {
        self.keys
            .iter()
            .map(|(kind, key, salt, validity, [from, to])| KeyData {
                kind: *kind,
                key,
                salt: salt.as_deref(),
                validity: match validity {
                    0 => Validity::Always,
                    1 => Validity::Spi(from),
                    _ => Validity::Interval { from, to },
                },
            })
            .collect()
    }

    fn message(&self) -> Message<'_> {
        Message {
            initiator: Some((IdType::Uri, &self.ids[0])),
            responder: Some((IdType::Octets, &self.ids[1])),
            extensions: vec![Extension { kind: ExtensionType::KEY_IDS, data: &self.extension }],
            keys: self.key_data(),
            answer: self.answer,
            hash: self.hash,
            cipher: self.cipher,
            ..Message::new(self.csb_id, self.timestamp, &self.rand)
        }
    }

    fn keys_as_json(&self) -> Value {
        let key = |key: &KeyData<'_>| {
            let kind = match key.kind {
                KeyKind::Tgk => 0,
                KeyKind::Tek => 2,
                KeyKind::Gtgk => 4,
                KeyKind::Mpk => 6,
            };
            let mut out =
                json!({ "type": kind + u8::from(key.salt.is_some()), "key": text(key.key), "kv": 0 });
            if let Some(salt) = key.salt {
                out["salt"] = text(salt).into();
            }
            match key.validity {
                Validity::Always => {}
                Validity::Spi(spi) => (out["kv"], out["spi"]) = (1.into(), text(spi).into()),
                Validity::Interval { from, to } => {
                    (out["kv"], out["vf"], out["vt"]) = (2.into(), text(from).into(), text(to).into());
                }
            }
            out
        };
        self.key_data().iter().map(key).collect()
    }

    fn question(&self, message: &[u8]) -> Value {
        let (prf, mac) = if self.hash == Hash::HmacSha1 { (0, 1) } else { (1, 2) };
        let enc = match self.cipher {
            KeyCipher::AesCm128 => 1,
            KeyCipher::AesKw128 => 2,
            KeyCipher::AesCm256 => 3,
        };
        let ts_type = match self.timestamp {
            Timestamp::NtpUtc(_) => 0,
            Timestamp::Ntp(_) => 1,
            Timestamp::Counter(_) => 2,
            Timestamp::NtpUtc32(_) => 3,
        };
        json!({
            "case": "psk", "message": text(message), "psk": text(&self.psk), "csb": self.csb_id, "prf": prf, "mac": mac,
            "enc": enc, "ts_type": ts_type, "ts": text(&self.timestamp.octets()), "rand": text(&self.rand),
            "idi": text(&self.ids[0]), "idr": text(&self.ids[1]), "ext": text(&self.extension),
            "v": u8::from(self.answer == psk::Answer::Wanted), "keys": self.keys_as_json(),
        })
    }
}

#[test]
fn messages_under_a_pre_shared_key_are_the_same_octets() {
    let mut draws = Draws(0x1234_5678_9abc_def1);
    let cases: Vec<_> = (0..CASES).map(|_| PskCase::draw(&mut draws)).collect();
    let ours: Vec<_> =
        cases.iter().map(|case| psk::make(&case.psk, &case.message(), None).unwrap()).collect();
    let questions: Vec<_> = cases.iter().zip(&ours).map(|(case, message)| case.question(message)).collect();
    let Some(answers) = ask(&questions) else { return };
    for ((case, ours), answer) in cases.iter().zip(&ours).zip(answers) {
        assert_eq!(answer["keys"], case.keys_as_json(), "it opens what we made");
        let theirs = octets(&answer["message"]);
        assert_eq!(text(&theirs), text(ours), "it makes the same octets");
        let received = psk::Received::parse(&theirs).unwrap();
        let proven = received.verify(&case.psk, None).unwrap();
        assert_eq!(KeyData::parse_all(&proven.key_data().unwrap()).unwrap(), case.key_data());
        let their_answer = octets(&answer["answer"]);
        assert_eq!(proven.verification(Some((IdType::Octets, &case.ids[1]))).unwrap(), their_answer);
        assert_eq!(proven.acknowledged(&their_answer), Ok(()));
    }
}

// ---- Identities

/// A key management server and two users of a time.
struct Domain {
    kms: String,
    periods: KeyPeriods,
    authentication: AuthenticationSecret,
    encryption: EncryptionSecret,
}

impl Domain {
    fn draw(draws: &mut Draws) -> Self {
        let length = NonZeroU32::new(86_400 + draws.number() % 10_000_000).unwrap();
        let periods = match draws.octet() % 3 {
            0 => KeyPeriods::Months,
            _ => KeyPeriods::Seconds { length, offset: draws.number() % 1_000_000 },
        };
        Self {
            kms: draws.uri(),
            periods,
            authentication: AuthenticationSecret::generate(&draws.octets()).unwrap(),
            encryption: EncryptionSecret::generate(&draws.octets()).unwrap(),
        }
    }

    fn kms(&self) -> Kms<'_> {
        Kms { uri: &self.kms, periods: self.periods, kpak: self.authentication.public_key() }
    }

    fn scheme(&self) -> u8 {
        if self.periods == KeyPeriods::Months { 1 } else { 2 }
    }
}

/// Two users of a domain at a time.
struct Pair {
    time: NtpTime,
    sender: String,
    receiver: String,
    signing: SigningKey,
    receiving: ReceiverKey,
    draws: i_message::Draws,
    j: [u8; 32],
}

impl Pair {
    fn draw(draws: &mut Draws, domain: &Domain) -> Self {
        let time = draws.time();
        let (sender, receiver) = (draws.uri(), draws.uri());
        let id = |user: &str| domain.kms().identifier(user, time).unwrap();
        let mut j = draws.octets();
        // Below q, not 0.
        j[0] = 0x7f & draws.octet();
        Self {
            time: NtpTime::from_utc(time),
            signing: domain.authentication.issue(&id(&sender), &draws.octets()).unwrap(),
            receiving: domain.encryption.issue(&id(&receiver)).unwrap(),
            sender,
            receiver,
            draws: i_message::Draws { rand: draws.octets(), iv: draws.octets(), nonce: draws.octets() },
            j,
        }
    }

    fn as_sender<'a>(&'a self, domain: &'a Domain) -> Sender<'a> {
        Sender { identity: &self.sender, kms: domain.kms(), key: &self.signing }
    }

    fn window(&self) -> Window {
        Window::around(self.time.to_utc(), 1, 1)
    }

    fn question(&self, domain: &Domain, case: Value) -> Value {
        let mut question = json!({
            "kpak": text(domain.authentication.public_key().as_octets()), "pvt": text(self.signing.pvt()),
            "ssk": text(self.signing.ssk()), "sender_id": text(self.signing.identifier()), "j": text(&self.j),
            "ts": text(&self.time.0.to_be_bytes()), "rand": text(&self.draws.rand), "iv": text(&self.draws.iv),
        });
        for (name, value) in case.as_object().unwrap() {
            question[name] = value.clone();
        }
        question
    }
}

fn cross_check_calls(cases: usize) {
    let mut draws = Draws(0x0123_4567_89ab_cde1);
    let domain = Domain::draw(&mut draws);
    let pairs: Vec<_> = (0..cases).map(|_| Pair::draw(&mut draws, &domain)).collect();
    let (mut questions, mut keys) = (Vec::new(), Vec::new());
    for pair in &pairs {
        let (gmk, gsk, csb_id, gmk_id) = (draws.octets(), draws.octets(), draws.number(), draws.number());
        let call = group_call::Call { caller: pair.as_sender(&domain), csb_id, gmk_id, time: pair.time };
        let message = group_call::make(&gmk, &gsk, &call, &pair.draws).unwrap();
        questions.push(pair.question(
            &domain,
            json!({
                "case": "call", "message": text(&message), "gmk": text(&gmk), "gsk": text(&gsk), "csb": csb_id,
                "gmk_id": gmk_id, "idi": text(pair.sender.as_bytes()),
            }),
        ));
        keys.push((gmk, gsk, csb_id, gmk_id, message.len()));
    }
    let Some(answers) = ask(&questions) else { return };
    for ((pair, (gmk, gsk, csb_id, gmk_id, len)), answer) in pairs.iter().zip(keys).zip(answers) {
        let expected = json!([{ "type": 0, "kv": 1, "key": text(&gsk), "spi": text(&csb_id.to_be_bytes()) }]);
        assert_eq!(answer["keys"], expected, "it opens what we made");
        let theirs = octets(&answer["message"]);
        assert_eq!(theirs.len(), len);
        let trust = group_call::Trust {
            window: pair.window(),
            kms: domain.kms(),
            signatures: SignatureLeniency::Strict,
        };
        let opened = group_call::Received::parse(&theirs).unwrap().open(&gmk, &trust).unwrap();
        assert_eq!((opened.gsk(), opened.caller()), (&gsk, &pair.sender[..]));
        assert_eq!((opened.csb_id(), opened.gmk_id()), (csb_id, gmk_id));
    }
}

#[test]
fn calls_of_groups_open_both_ways() {
    cross_check_calls(20);
}

/// What was drawn of one I_MESSAGE.
struct Drawn {
    key: [u8; 16],
    csb_id: u32,
    naming: Naming,
    servers: Servers,
    placement: Placement,
    cut: bool,
    group: String,
    times: [u64; 2],
}

impl Drawn {
    fn draw(draws: &mut Draws) -> Self {
        Self {
            key: draws.octets(),
            csb_id: draws.number(),
            naming: draws.one_of(&[Naming::Open, Naming::Hidden, Naming::Absent]),
            servers: draws.one_of(&[Servers::Named, Servers::Absent]),
            placement: draws.one_of(&[Placement::BeforeSakke, Placement::AfterSakke]),
            cut: draws.octet() % 4 == 0,
            group: draws.uri(),
            times: [u64::from(draws.number()) << 8, u64::from(draws.number())],
        }
    }

    fn parameters(&self) -> KeyParameters<'_> {
        KeyParameters {
            framing: Framing::Bare,
            key_type: KeyType::Gmk,
            status: KeyStatus::LIVE,
            activation: self.times[0],
            expiry: self.times[1],
            text: b"",
            groups: Some(vec![self.group.as_bytes()]),
            reserved: None,
        }
    }

    fn form(&self) -> Form<'static> {
        Form { naming: self.naming, servers: self.servers, placement: self.placement, copy_to_self: None }
    }

    fn question(&self, pair: &Pair, domain: &Domain, message: &[u8]) -> Value {
        let users = match self.naming {
            Naming::Open => [Some(text(pair.sender.as_bytes())), Some(text(pair.receiver.as_bytes()))],
            Naming::Hidden => {
                [Some(text(pair.signing.identifier())), Some(text(pair.receiving.identifier()))]
            }
            Naming::Absent => [None, None],
        };
        let server = (self.servers == Servers::Named).then(|| text(domain.kms.as_bytes()));
        let roles = if self.naming == Naming::Hidden { [8, 9, 6, 7] } else { [1, 2, 6, 7] };
        pair.question(
            domain,
            json!({
                "case": "i_message", "message": text(message), "z": text(&domain.encryption.public_key().to_octets()),
                "rsk": text(&*pair.receiving.to_octets()), "receiver_id": text(pair.receiving.identifier()),
                "ssv": text(&self.key), "csb": self.csb_id, "names": [users[0], users[1], server, server],
                "roles": roles, "scheme": domain.scheme(), "before": self.placement == Placement::BeforeSakke,
                "cut": self.cut, "parameters": text(&self.parameters().emit().unwrap()),
            }),
        )
    }
}

fn cross_check_i_messages(cases: usize) {
    let mut draws = Draws(0x0fed_cba9_8765_4321);
    let mut domains: Vec<Domain> = Vec::new();
    let mut made = Vec::new();
    let mut questions = Vec::new();
    for case in 0..cases {
        if case % 25 == 0 {
            domains.push(Domain::draw(&mut draws));
        }
        let domain = domains.last().unwrap();
        let (pair, drawn) = (Pair::draw(&mut draws, domain), Drawn::draw(&mut draws));
        let public_key = PublicKey::Once(domain.encryption.public_key());
        let recipient = Recipient { identity: &pair.receiver, kms: domain.kms(), public_key };
        let content =
            Content { parameters: Some(drawn.parameters()), ..Content::new(drawn.csb_id, pair.time) };
        let sender = pair.as_sender(domain);
        let message =
            i_message::make(&sender, &recipient, &drawn.key, &content, &drawn.form(), &pair.draws).unwrap();
        questions.push(drawn.question(&pair, domain, &message));
        made.push((domains.len() - 1, pair, drawn, message));
    }
    let Some(answers) = ask(&questions) else { return };
    for ((domain, pair, drawn, message), answer) in made.iter().zip(answers) {
        let domain = &domains[*domain];
        assert_eq!(answer["ssv"], json!(text(&drawn.key)), "it opens what we made");
        assert_eq!(answer["coverage"], json!("standard"));
        let plain = drawn.parameters().emit().unwrap();
        assert_eq!(answer["parameters"], json!(text(&plain)));
        let theirs = octets(&answer["message"]);
        assert_eq!(theirs.len(), message.len());
        let trust = i_message::Trust {
            window: pair.window(),
            sender_kms: domain.kms(),
            sender: Some(&pair.sender),
            local_kms: domain.kms(),
            local: &pair.receiver,
            key: &pair.receiving,
            recipient: OpenAs::Responder,
            signatures: SignatureLeniency::HeadOptional,
        };
        let received = i_message::Received::parse(&theirs).unwrap();
        let opened = received.open(&trust).unwrap();
        assert_eq!((&**opened.key(), opened.csb_id()), (&drawn.key, drawn.csb_id));
        assert_eq!(opened.parameters(), Some(drawn.parameters()));
        let coverage = if drawn.cut { SignatureCoverage::WithoutHead } else { SignatureCoverage::Standard };
        assert_eq!(opened.coverage(), coverage);
        let strict = i_message::Trust { signatures: SignatureLeniency::Strict, ..trust };
        assert_eq!(received.open(&strict).is_ok(), !drawn.cut);
    }
}

#[test]
fn i_messages_open_both_ways() {
    cross_check_i_messages(SLOW_CASES);
}

/// Some minutes: the other program computes pairings in Python.
/// `cargo test -p sidelink-prose --test mikey_oracle -- --ignored`
#[test]
#[ignore = "minutes"]
fn a_thousand_i_messages_and_calls_open_both_ways() {
    cross_check_i_messages(1000);
    cross_check_calls(1000);
}

// ---- Tickets

struct TicketCase {
    hash: Hash,
    enc: u8,
    ticket_type: TicketType,
    flags: TicketFlags,
    kind: u8,
    keys: [Vec<u8>; 5],
    rands: [Vec<u8>; 4],
    csb_ids: [u32; 3],
    names: [String; 3],
    psk_id: Vec<u8>,
    ntp: u32,
}

impl TicketCase {
    fn draw(draws: &mut Draws) -> Self {
        let (d, e, f) = (TicketFlags::D, TicketFlags::E, TicketFlags::F);
        let answered = d.with(e).with(f);
        let both = answered.with(TicketFlags::G).with(TicketFlags::H);
        let flags = draws.one_of(&[
            TicketFlags::GPP_BASE,
            both,
            both.with(TicketFlags::I).with(TicketFlags::J),
            answered.with(TicketFlags::G),
            answered.with(TicketFlags::H),
            answered.with(TicketFlags::H).with(TicketFlags::I),
        ]);
        let octets = if draws.coin() { 16 } else { 32 };
        let mut sixteen = || draws.some(octets, octets);
        let keys = [sixteen(), sixteen(), sixteen(), sixteen(), sixteen()];
        let rands = [(); 4].map(|()| draws.some(16, 32));
        Self {
            hash: draws.one_of(&[Hash::HmacSha1, Hash::HmacSha256]),
            enc: draws.one_of(&[1, 3]),
            ticket_type: draws.one_of(&[TicketType::GPP_BASE, TicketType::MIKEY_BASE]),
            flags,
            kind: draws.one_of(&[0, 0, 2, 4]),
            keys,
            rands,
            csb_ids: [draws.number(), draws.number(), draws.number()],
            names: [draws.uri(), draws.uri(), draws.uri()],
            psk_id: draws.some(1, 20),
            ntp: 0xe000_0000 | draws.number() >> 4,
        }
    }

    fn question(&self) -> Value {
        let (prf, mac) = if self.hash == Hash::HmacSha1 { (0, 1) } else { (1, 2) };
        let [i, r, kms] = self.names.each_ref().map(|name| text(name.as_bytes()));
        let [psk_i, psk_r, tpk, mpk, tgk] = self.keys.each_ref().map(|key| text(key));
        let [rand_i, rand_r, rand_t, rand_k] = self.rands.each_ref().map(|rand| text(rand));
        json!({
            "case": "ticket", "prf": prf, "mac": mac, "enc": self.enc, "flags": self.flags.bits(), "kind": self.kind,
            "ttype": self.ticket_type.kind, "sub": self.ticket_type.subtype, "i": i, "r": r, "kms": kms, "psk_i": psk_i,
            "psk_r": psk_r, "tpk": tpk, "mpk": mpk, "tgk": tgk, "rand_i": rand_i, "rand_r": rand_r, "rand_t": rand_t,
            "rand_k": rand_k, "csb1": self.csb_ids[0], "csb2": self.csb_ids[1], "csb3": self.csb_ids[2],
            "psk_id": text(&self.psk_id), "ntp": self.ntp,
        })
    }

    const fn at(&self, second: u32) -> Timestamp {
        Timestamp::NtpUtc(((self.ntp + second) as u64) << 32)
    }

    fn key(&self, index: usize) -> KmsKey<'_> {
        KmsKey { key: &self.keys[index], id: Some((IdType::Octets, &self.psk_id)) }
    }

    fn terms(&self) -> TicketTerms<'_> {
        let id = |index: usize| (IdType::Uri, self.names[index].as_bytes());
        TicketTerms {
            kms: Some(id(2)),
            initiator: Some(id(0)),
            start: Some(Timestamp::NtpUtc32(self.ntp)),
            end: Some(Timestamp::NtpUtc32(self.ntp + 3600)),
            responders: vec![id(1)],
            ..TicketTerms::default()
        }
    }

    /// Plays both users against the messages of the other program, and returns both TEKs.
    fn play(&self, theirs: &Value) -> [Vec<u8>; 2] {
        let message = |name: &str| octets(&theirs[name]);
        let window = Window::around(NtpTime(u64::from(self.ntp) << 32).to_utc(), 60_000, 60_000);
        let kms = Some(&self.names[2][..]);
        let sessions = || {
            vec![GenericId { cs_id: 1, protocol: 0, sender: false, policies: &[], session: &[], spi: &[] }]
        };
        let request = Request {
            csb_id: self.csb_ids[0],
            time: self.at(1),
            rand: &self.rands[0],
            initiator: &self.names[0],
            kms,
            ticket_type: self.ticket_type,
            flags: self.flags,
            terms: self.terms(),
            hash: self.hash,
        };
        let requested = ticket::request(self.key(0), &request).unwrap();
        assert_eq!(text(requested.octets()), text(&message("request")));
        let granted = requested.open(self.key(0), &message("granted"), window).unwrap();
        assert_eq!((granted.terms(), granted.is_changed()), (self.terms(), false));
        let transfer = Transfer {
            csb_id: self.csb_ids[1],
            time: self.at(4),
            rand: &self.rands[0],
            responder: &self.names[1],
            sessions: sessions(),
            policies: Vec::new(),
            hash: self.hash,
        };
        let transferred = ticket::transfer(&granted, &transfer).unwrap();
        assert_eq!(text(transferred.octets()), text(&message("transfer")));
        let received = message("transfer");
        let received = ReceivedTransfer::parse(&received, &self.names[1], window).unwrap();
        let resolve =
            Resolve { csb_id: self.csb_ids[2], time: self.at(5), rand: &self.rands[1], kms, hash: self.hash };
        let resolving = received.resolve(self.key(1), &resolve).unwrap();
        assert_eq!(text(resolving.octets()), text(&message("resolve")));
        let resolved = resolving.open(self.key(1), &message("resolved"), window).unwrap();
        assert_eq!(resolved.initiator(), self.names[0]);
        let answer = Answer { time: self.at(7), sessions: sessions(), policies: Vec::new(), hash: self.hash };
        assert_eq!(text(&resolved.answer(&answer).unwrap()), text(&message("answer")));
        let session = transferred.open(&message("answer"), window).unwrap();
        assert_eq!(session.peer(), self.names[1]);
        [session, resolved.session().unwrap()].map(|session| {
            let mut tek = vec![0; self.keys[4].len()];
            session.derive(TrafficKey::Tek, 1, &mut tek).unwrap();
            tek
        })
    }
}

#[test]
fn tickets_are_the_same_octets_and_give_the_same_keys() {
    let mut draws = Draws(0x1357_9bdf_0246_8ace);
    let cases: Vec<_> = (0..CASES).map(|_| TicketCase::draw(&mut draws)).collect();
    let questions: Vec<_> = cases.iter().map(TicketCase::question).collect();
    let Some(answers) = ask(&questions) else { return };
    for (case, answer) in cases.iter().zip(answers) {
        let tek = octets(&answer["tek"]);
        assert_eq!(case.play(&answer), [tek.clone(), tek]);
    }
}
