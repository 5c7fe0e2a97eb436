//! I_MESSAGEs and the messages of calls.

use std::num::NonZeroU32;

use serde_json::{Value, json};
use sidelink_prose::mikey::i_message::{
    self, Content, Form, Naming, OpenAs, Placement, Recipient, Sender, Servers,
};
use sidelink_prose::mikey::identity::{Kms, PublicKey};
use sidelink_prose::mikey::{NtpTime, SignatureCoverage, SignatureLeniency, Window, group_call};
use sidelink_security::identity::eccsi::SigningKey;
use sidelink_security::identity::master::{AuthenticationSecret, EncryptionSecret};
use sidelink_security::identity::sakke::ReceiverKey;
use sidelink_security::key_period::KeyPeriods;
use sidelink_wire::mikey::{Framing, KeyParameters, KeyStatus, KeyType};

use crate::{Draws, SLOW_CASES, ask, octets, text};

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
            cut: draws.octet().is_multiple_of(4),
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
