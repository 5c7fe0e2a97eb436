//! `eapol_test`, wpa_supplicant's peer of EAP, against our RADIUS server, with our test USIM behind its control interface.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sidelink_network::aaa::{Authentication, Rejection};
use sidelink_network::aka::{Autn, Rand};
use sidelink_network::radius::Event;
use sidelink_network::usim::{Answer, Domain, Input, Output, SqnArray, Usim};
use sidelink_security::cipher::milenage::Subscriber;
use sidelink_wire::hex;

use super::server::{Done, Server};
use super::{REALM, SECRET, capture, has, imsi, keys};

/// What a peer of EAP is told to do.
pub(super) struct Run {
    pub(super) method: &'static str,
    /// First character of the identity.
    pub(super) prefix: char,
    pub(super) domain: Domain,
    /// Authentications after the first.
    pub(super) again: u32,
}

/// Runs it to its end; whether it was authenticated, and what it said.
pub(super) fn eapol_test(port: u16, run: &Run, mut usim: Usim) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let control = folder.path().join("ctrl");
    let configuration = folder.path().join("conf");
    let Run { method, prefix, again, .. } = run;
    let identity = format!("{prefix}{}@{REALM}", imsi().digits());
    let text = format!(
        "ctrl_interface={}\nexternal_sim=1\nnetwork={{\n key_mgmt=IEEE8021X\n eap={method}\n identity=\"{identity}\"\n \
         phase1=\"result_ind=1\"\n}}\n",
        control.display()
    );
    std::fs::write(&configuration, text).unwrap();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut child = Command::new("eapol_test")
        .args(["-c", configuration.to_str().unwrap(), "-a", "127.0.0.1", "-p", &port.to_string()])
        .args(["-s", SECRET, "-i", "eapt", "-W", "-t", "20", "-r", &again.to_string()])
        .stdout(Stdio::from(log))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let card = attach(folder.path(), &control.join("eapt"));
    let begun = Instant::now();
    let mut status = None;
    while status.is_none() && begun.elapsed() < Duration::from_secs(40) {
        if let Some(card) = &card {
            answer(card, &mut usim, run.domain);
        }
        status = child.try_wait().unwrap();
    }
    let _ = (child.kill(), child.wait());
    let said = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    (status.is_some_and(|status| status.success()), said)
}

/// Joins the control interface, which waits for that.
fn attach(folder: &Path, control: &Path) -> Option<UnixDatagram> {
    let socket = UnixDatagram::bind(folder.join("card")).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(10) {
        if socket.connect(control).is_ok() && socket.send(b"ATTACH").is_ok() {
            return Some(socket);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// Puts what is asked of the card to our USIM.
fn answer(card: &UnixDatagram, usim: &mut Usim, domain: Domain) {
    let mut buffer = [0; 2048];
    let Ok(length) = card.recv(&mut buffer) else { return };
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    let Some((_, asked)) = text.split_once("CTRL-REQ-SIM-") else { return };
    let fields: Vec<_> = asked.split([':', ' ']).collect();
    let [network, "UMTS-AUTH", rand, autn, ..] = fields[..] else { panic!("{text}") };
    let octets = |digits| hex::bytes(digits).unwrap().try_into().unwrap();
    let (rand, autn) = (Rand(octets(rand)), Autn(octets(autn)));
    usim.handle_input(Input::Authenticate { rand, autn, domain }).unwrap();
    let mut output = usim.poll_output().unwrap();
    if matches!(output, Output::Store(_)) {
        usim.handle_input(Input::Stored).unwrap();
        output = usim.poll_output().unwrap();
    }
    let said = match output {
        Output::Answer(Answer::Keys(q)) => {
            let [ik, ck, res] = [&q.ik[..], &q.ck, &q.res].map(hex::of_bytes);
            format!("UMTS-AUTH:{ik}:{ck}:{res}")
        }
        Output::Answer(Answer::OutOfSync(auts)) => format!("UMTS-AUTS:{}", hex::of_bytes(&auts.0)),
        Output::Answer(Answer::Refused(_)) => "UMTS-FAIL".into(),
        Output::Store(_) => panic!("stored already"),
    };
    card.send(format!("CTRL-RSP-SIM-{network}:{said}").as_bytes()).unwrap();
}

fn authenticate(again: u32, usim: Usim) -> Option<(bool, String, Done)> {
    if !has("eapol_test", "eapoltest") {
        return None;
    }
    let server = Server::start();
    let run = Run { method: "AKA'", prefix: '6', domain: Domain::EapAkaPrime, again };
    let (granted, said) = eapol_test(server.address.port(), &run, usim);
    Some((granted, said, server.stop()))
}

fn accepted(done: &Done) -> Vec<Authentication> {
    let events = done.events.iter().filter_map(|event| match event {
        Event::Accepted { authentication, .. } => Some(*authentication),
        _ => None,
    });
    events.collect()
}

#[test]
fn a_real_peer_is_authenticated_in_full_and_fast() {
    let usim = Usim::new(keys(), SqnArray::default());
    let Some((granted, said, done)) = authenticate(2, usim) else { return };
    assert!(granted, "{said}\n{:?}", done.events);
    assert_eq!(accepted(&done), [Authentication::Full, Authentication::Fast, Authentication::Fast]);
    assert!(said.contains("MPPE keys OK: 3  mismatch: 0"), "{said}");
    assert_eq!(done.vectors, 1);
    capture::is_dissected(&done.datagrams);
}

#[test]
fn a_real_peer_is_followed_when_its_card_is_ahead() {
    let usim = Usim::new(keys(), SqnArray::from_entries([5000; 32]).unwrap());
    let Some((granted, said, done)) = authenticate(0, usim) else { return };
    assert!(granted, "{said}\n{:?}", done.events);
    assert_eq!((accepted(&done), done.vectors), (vec![Authentication::Full], 2));
    capture::is_dissected(&done.datagrams);
}

#[test]
fn a_real_peer_with_another_card_is_refused() {
    let usim = Usim::new(Subscriber::with_opc([1; 16], [2; 16]), SqnArray::default());
    let Some((granted, said, done)) = authenticate(0, usim) else { return };
    assert!(!granted, "{said}");
    let refused = [Rejection::AuthenticationReject, Rejection::ClientError(0)];
    assert!(
        matches!(&done.events[..], [Event::Rejected { why }] if refused.contains(why)),
        "{:?}",
        done.events
    );
}
