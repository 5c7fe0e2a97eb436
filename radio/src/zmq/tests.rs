use super::*;
use crate::open as open_radio;

const RATE: f64 = 1.92e6;
const WAIT: Duration = Duration::from_secs(10);

/// Returns two free ports of this computer.
fn ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|l| l.local_addr().unwrap().port())
}

fn radio(bind: u16, connect: u16, more: &str) -> Streams {
    let args = format!("driver=zmq,tx_port=tcp://127.0.0.1:{bind},rx_port=tcp://localhost:{connect}{more}");
    let radio = open_radio(&args, &RadioSettings::new("ue", RATE)).unwrap();
    assert!(!radio.description().real_time && radio.description().rate == RATE);
    radio.start().unwrap()
}

/// Receives `count` samples, with as many calls as needed.
fn hear(streams: &mut Streams, from: u64, count: usize) -> Vec<Sample> {
    let mut all = Vec::new();
    let mut buffer = vec![Sample::default(); 700];
    while all.len() < count {
        let most = buffer.len().min(count - all.len());
        let received = streams.receive.receive(&mut buffer[..most], WAIT).unwrap();
        assert!(received.count > 0 && received.first == from + all.len() as u64, "{received:?}");
        all.extend_from_slice(&buffer[..received.count]);
    }
    all
}

fn ramp(from: u64, count: usize) -> Vec<Sample> {
    (0..count).map(|n| Sample::new((from + n as u64) as f32 / 1e4, -0.5)).collect()
}

#[test]
fn each_hears_what_the_other_sends_at_its_sample() {
    for (more, limit) in [("", 1e-9), (",rx_format=sc16,tx_format=sc16,pace=free", 4e-5)] {
        let [a, b] = ports();
        let (mut alice, mut bob) = (radio(a, b, more), radio(b, a, more));
        alice.transmit.transmit(1000, &ramp(1000, 500)).unwrap();
        alice.transmit.transmit(5000, &ramp(5000, 100)).unwrap();
        alice.transmit.advance(1200).unwrap();
        bob.transmit.advance(4000).unwrap();
        alice.transmit.advance(6000).unwrap();
        let heard = hear(&mut bob, 0, 6000);
        for (n, sample) in (0_u64..).zip(&heard) {
            let sent = if (1000..1500).contains(&n) || (5000..5100).contains(&n) {
                ramp(n, 1)[0]
            } else {
                Sample::default()
            };
            assert!((sample - sent).norm() < limit, "{more} sample {n}: {sample} for {sent}");
        }
        assert!(hear(&mut alice, 0, 4000).iter().all(|s| s.norm() == 0.0));
        assert_eq!(alice.transmit.poll_event(), None);
        // nothing of the past, nothing of the far future
        alice.transmit.transmit(5999, &ramp(0, 10)).unwrap();
        alice.transmit.transmit(1 << 40, &ramp(0, 10)).unwrap();
        assert_eq!(alice.transmit.poll_event(), Some(Event::Late { first: 5999 }));
        assert_eq!(alice.transmit.poll_event(), Some(Event::TimeError { first: 1 << 40 }));
        assert_eq!(alice.receive.receive(&mut [Sample::default(); 4], Duration::ZERO).unwrap().count, 0);
    }
}

#[test]
fn a_peer_has_one_antenna() {
    let [bind, _] = ports();
    let args = format!("driver=zmq,tx_port=tcp://127.0.0.1:{bind}");
    let settings =
        |antennas| RadioSettings { antennas: Antennas::new(antennas), ..RadioSettings::new("ue", RATE) };
    let error = open_radio(&args, &settings(2)).err().unwrap().to_string();
    assert!(error.contains("has one receive antenna, and 2 are asked for"), "{error}");
    assert_eq!(open_radio(&args, &settings(1)).unwrap().description().antennas, Antennas::ONE);
}

#[test]
fn who_comes_in_a_peers_place_goes_on_where_it_stopped() {
    let [a, b] = ports();
    let mut alice = radio(a, b, "");
    let mut heard = 0;
    for round in 0..3 {
        let mut bob = radio(b, a, "");
        bob.transmit.transmit(0, &ramp(0, 1920)).unwrap();
        bob.transmit.advance(1920).unwrap();
        alice.transmit.advance(1920 * (round + 1)).unwrap();
        assert_eq!(hear(&mut alice, heard, 1920), ramp(0, 1920), "round {round}");
        assert_eq!(hear(&mut bob, 0, 1920).len(), 1920);
        heard += 1920;
    }
}

#[test]
fn samples_come_no_faster_than_they_are_taken() {
    let [a, b] = ports();
    let (mut alice, mut bob) = (radio(a, b, ""), radio(b, a, ""));
    let began = Instant::now();
    let samples = (RATE / 10.0) as usize;
    alice.transmit.advance(samples as u64).unwrap();
    hear(&mut bob, 0, samples);
    let took = began.elapsed().as_secs_f64();
    assert!(took > 0.099, "100 ms of air in {took} s");
    let [a, b] = ports();
    let (mut alice, mut bob) = (radio(a, b, ",pace=free"), radio(b, a, ",pace=free"));
    alice.transmit.advance(samples as u64).unwrap();
    assert_eq!(hear(&mut bob, 0, samples).len(), samples);
}

#[test]
fn what_is_wrong_with_the_words_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let good = "rx_port=tcp://localhost:2001";
    for (args, words) in [
        ("pace=free".to_owned(), "tx_port=tcp://127.0.0.1:2000"),
        ("pace=free".to_owned(), "rx_port=tcp://localhost:2001"),
        (format!("tx_port=localhost,{good}"), "tx_port=localhost is no address"),
        (format!("tx_port=tcp://*:99999,{good}"), "no address"),
        (format!("tx_port=tcp://127.0.0.1:{port},{good}"), "another program"),
        (format!("tx_port=tcp://*:0,{good},base_srate=23.04e6"), "same rate"),
        (format!("tx_port=tcp://*:0,{good},tx_format=cs8"), "fc32 or sc16"),
        (format!("tx_port=tcp://*:0,{good},gain=3"), "gain"),
    ] {
        let args = format!("driver=zmq,{args}");
        let error = open_radio(&args, &RadioSettings::new("ue", RATE)).err().unwrap().to_string();
        assert!(error.contains(words), "{args}: {error}");
    }
}

#[test]
fn blocks_that_are_no_samples_end_the_radio_with_a_word() {
    let [a, b] = ports();
    // one end writes 4 octets a sample, the other reads 8
    let mut alice = radio(a, b, "");
    let mut bob = radio(b, a, ",tx_format=sc16");
    bob.transmit.advance(1921).unwrap();
    let mut buffer = [Sample::default(); 16];
    let error = (0..100).find_map(|_| alice.receive.receive(&mut buffer, WAIT).err()).unwrap().to_string();
    assert!(error.contains("rx_format"), "{error}");
}

/// Opens a radio with one direction only.
fn half(words: &str) -> Streams {
    open_radio(&format!("driver=zmq,{words}"), &RadioSettings::new("ue", RATE)).unwrap().start().unwrap()
}

#[test]
fn a_peer_that_only_listens_is_sent_to_at_its_own_pace() {
    let [a, _] = ports();
    let mut alice = half(&format!("tx_port=tcp://127.0.0.1:{a},pace=free"));
    // no peer fetches: time advances only as far as samples are held, and no call blocks without a limit
    let mut buffer = vec![Sample::new(1.0, 1.0); 1920];
    let (mut next, mut waited) = (0, 0);
    while waited < 3 {
        let received = alice.receive.receive(&mut buffer, Duration::from_millis(5)).unwrap();
        assert_eq!(received.first, next);
        next += received.count as u64;
        waited += u64::from(received.count == 0);
        alice.transmit.advance(next + 4 * 1920).unwrap();
    }
    let held = (HELD * RATE) as u64;
    assert!((held - 4 * 1920..held + 8 * 1920).contains(&next), "{next} samples, {held} are held");
    assert!(buffer.iter().all(|sample| *sample == Sample::default()), "silence");
    // now a peer fetches
    let mut bob = half(&format!("rx_port=tcp://localhost:{a},pace=free"));
    alice.transmit.transmit(next + 8 * 1920, &ramp(0, 100)).unwrap();
    let (mut heard, end) = (Vec::new(), next as usize + 9 * 1920);
    while heard.len() < end {
        next += alice.receive.receive(&mut buffer, Duration::from_millis(5)).unwrap().count as u64;
        alice.transmit.advance(next + 4 * 1920).unwrap();
        let received = bob.receive.receive(&mut buffer, Duration::from_millis(5)).unwrap();
        heard.extend_from_slice(&buffer[..received.count]);
        // no peer fetches what it sends
        bob.transmit.advance(heard.len() as u64 + 1920).unwrap();
    }
    let at = heard.iter().position(|s| s.norm() > 0.0).unwrap();
    assert_eq!(heard[at..at + 100], ramp(0, 100));
}

#[test]
fn sample_0_begins_a_dfn_period_unless_told() {
    let [a, b] = ports();
    let anchor = half(&format!("tx_port=tcp://127.0.0.1:{a}")).anchor.unwrap();
    assert_eq!(crate::next_dfn_period(anchor.utc_ns), anchor.utc_ns);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
    assert!((anchor.utc_ns - now).abs() < 12_000_000_000);
    let anchor = half(&format!("tx_port=tcp://127.0.0.1:{b},utc=1700000000.25")).anchor.unwrap();
    // to the precision of an f64 of seconds
    assert!((anchor.utc_ns - 1_700_000_000_250_000_000).abs() < 1000, "{anchor:?}");
}

#[test]
fn a_wait_for_a_peer_can_be_ended() {
    let [a, b] = ports();
    let mut alice = radio(a, b, "");
    let interrupt = alice.transmit.interrupt().unwrap();
    let waiting = std::thread::spawn(move || {
        let result = (1..1000).map(|k| alice.transmit.advance(k * 1920)).find(Result::is_err);
        (alice, result)
    });
    std::thread::sleep(Duration::from_millis(50));
    interrupt();
    let (_alice, result) = waiting.join().unwrap();
    assert!(matches!(result, Some(Err(RadioError::Ended))), "{result:?}");
}

/// Returns the greeting of a ZMTP 3 peer.
fn greeting() -> Vec<u8> {
    let mut greeting = vec![0; 64];
    (greeting[0], greeting[9], greeting[10]) = (0xff, 0x7f, 3);
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

/// Returns the greeting of a peer that requires a password.
fn plain() -> Vec<u8> {
    let mut greeting = greeting();
    greeting[12..17].copy_from_slice(b"PLAIN");
    greeting
}

fn ready(kind: &str) -> Vec<u8> {
    let body = [b"\x05READY\x0bSocket-Type\x00\x00\x00", &[kind.len() as u8][..], kind.as_bytes()].concat();
    [&[0x04, body.len() as u8][..], &body].concat()
}

/// A frame header that announces 64 TiB.
const HUGE: [u8; 9] = [0x02, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00];

/// A peer at `tx_port` with false lengths, with too many parts, with an endless message, or without a message is
/// disconnected, and the next one is served.
#[test]
fn hostile_peers_at_tx_port_are_turned_away() {
    use std::io::{Read, Write};
    let [a, b] = ports();
    let mut alice = half(&format!("tx_port=tcp://127.0.0.1:{a},pace=free"));
    let request = [0x00, 0x01, 0xff];
    let empty = [0x01, 0x00];
    let long = [&empty[..], &[0x02, 0, 0, 0, 0, 0, 0, 0x04, 0x01], &[0; 1025]].concat();
    let many = [&empty[..], &[0x01, 0x00].repeat(1000)].concat();
    let huge = |before: &[u8]| [before, &HUGE].concat();
    let greeted = [greeting(), ready("REQ")].concat();
    for said in [
        huge(&greeting()),
        [&greeting()[..], &[0x06], &HUGE[1..]].concat(),
        huge(&greeted),
        huge(&[&greeted[..], &empty].concat()),
        [&greeted[..], &[0x06], &HUGE[1..]].concat(),
        [&greeted[..], &long].concat(),
        [&greeted[..], &many].concat(),
        [&greeted[..], &request].concat(),
        [&greeted[..], &[0xf9, 0x00], &request].concat(),
        [plain(), ready("REQ")].concat(),
        [greeting(), ready("PUB")].concat(),
        [greeting(), vec![0x04, 0x06, 0x05, b'R', b'E', b'A', b'D', b'Y']].concat(),
        b"GET / HTTP/1.1\r\nHost: here\r\n\r\n".repeat(4),
    ] {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", a)).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        let _ = stream.write_all(&said);
        let mut answer = Vec::new();
        // An end or a reset: the connection is closed.
        match stream.read_to_end(&mut answer) {
            Err(e) if e.kind() != std::io::ErrorKind::ConnectionReset => panic!("{said:02x?}: {e}"),
            _ => assert!(answer.len() < 200, "{said:02x?} was answered"),
        }
    }
    let mut bob = half(&format!("rx_port=tcp://localhost:{a},pace=free"));
    alice.transmit.transmit(0, &ramp(0, 100)).unwrap();
    alice.transmit.advance(100).unwrap();
    assert_eq!(hear(&mut bob, 0, 100), ramp(0, 100));
    let _ = b;
}

/// A peer beyond the limit of connections is disconnected at once; silent peers make room.
#[test]
fn silent_peers_at_tx_port_make_room() {
    use std::io::Read;
    let [a, _] = ports();
    let mut alice = half(&format!("tx_port=tcp://127.0.0.1:{a},pace=free"));
    let mut silent: Vec<_> =
        (0..40).map(|_| std::net::TcpStream::connect(("127.0.0.1", a)).unwrap()).collect();
    let mut turned_away = 0;
    for stream in &mut silent {
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        // A served peer gets 64 octets of greeting at once.
        let mut greeting = [0; 64];
        turned_away += usize::from(stream.read_exact(&mut greeting).is_err());
    }
    assert_eq!(turned_away, 40 - 16);
    let mut bob = half(&format!("rx_port=tcp://localhost:{a},pace=free"));
    alice.transmit.advance(100).unwrap();
    assert_eq!(hear(&mut bob, 0, 100).len(), 100, "after their time is over");
}

/// A hostile server at `rx_port`: each case ends the radio with a message, before memory was reserved for it.
#[test]
fn hostile_servers_at_rx_port_end_the_radio_with_a_word() {
    use std::io::{Read, Write};
    let greeted = [greeting(), ready("REP")].concat();
    let most = 3_072_000_u64 * 8;
    let block = |length: u64| [&greeted[..], &[0x01, 0x00, 0x02], &length.to_be_bytes()].concat();
    for (said, words) in [
        ([&greeting()[..], &HUGE].concat(), "octets"),
        ([&greeted[..], &HUGE].concat(), "a frame that is none"),
        ([&greeted[..], &[0x01, 0x00], &HUGE].concat(), "70368744177664 octets"),
        (block(most + 1), "24576001 octets"),
        ([&greeted[..], &[0x01, 0x00, 0x01, 0x01, 0xff, 0x00, 0x01, 0xff]].concat(), "2 parts"),
        ([&greeted[..], &[0x01, 0x00], &[0x01, 0x00].repeat(99)].concat(), "64 parts"),
        ([&greeted[..], &[0x01, 0x00, 0x01, 0x01, 0xff, 0x00, 0x00]].concat(), "2 parts"),
        ([greeting(), ready("PUB")].concat(), "\"PUB\" socket"),
        ([plain(), ready("REP")].concat(), "without encryption"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".repeat(4), "is it ZeroMQ?"),
    ] {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = server.accept().unwrap();
            let _ = stream.write_all(&said);
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let mut alice = half(&format!("rx_port=tcp://127.0.0.1:{port},pace=free"));
        let mut buffer = [Sample::default(); 16];
        let error = alice.receive.receive(&mut buffer, WAIT).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
        drop(alice);
        serving.join().unwrap();
    }
}

/// The largest block that srsRAN sends is received, in as many pieces as it comes.
#[test]
fn the_largest_block_is_heard() {
    use std::io::{Read, Write};
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let octets = 3_072_000_u64 * 8;
        let head = [&greeting()[..], &ready("REP"), &[0x01, 0x00, 0x02], &octets.to_be_bytes()].concat();
        stream.write_all(&head).unwrap();
        let part = [0; 9_600 * 8];
        for _ in 0..320 {
            stream.write_all(&part).unwrap();
        }
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut alice = half(&format!("rx_port=tcp://127.0.0.1:{port},pace=free"));
    assert_eq!(hear(&mut alice, 0, 3_072_000).len(), 3_072_000);
    drop(alice);
    serving.join().unwrap();
}

/// A port alone listens on this computer only, unreachable from others; `*` means every interface.
#[test]
fn a_port_alone_listens_on_loopback() {
    for (args, bound) in [("tx_port=0", "127.0.0.1:"), ("tx_port=tcp://*:0", "0.0.0.0:")] {
        let radio = open_radio(&format!("driver=zmq,{args}"), &RadioSettings::new("ue", RATE)).unwrap();
        let name = &radio.description().name;
        assert!(name.contains(&format!("sending at tcp://{bound}")), "{args}: {name}");
    }
}

/// A peer that requested and has left gets nothing: the next one receives the samples that were sent in between.
#[test]
fn what_is_sent_while_nobody_is_there_is_for_the_next() {
    let [a, _] = ports();
    let mut alice = half(&format!("tx_port=tcp://127.0.0.1:{a},pace=free"));
    for round in 0..3 {
        let mut bob = half(&format!("rx_port=tcp://localhost:{a},pace=free"));
        alice.transmit.transmit(200 * round, &ramp(0, 200)).unwrap();
        alice.transmit.advance(200 * round + 100).unwrap();
        let first = if round == 0 { 0 } else { 100 };
        assert_eq!(hear(&mut bob, 0, 100), ramp(first, 100), "round {round}");
        // It has requested more by now.
        std::thread::sleep(Duration::from_millis(100));
        drop(bob);
        std::thread::sleep(Duration::from_millis(100));
        alice.transmit.advance(200 * round + 200).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
}
