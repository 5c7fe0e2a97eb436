//! Authorised callers, and the cost of others.

use super::super::server::{CONNECTIONS, HEAD};
use super::*;
use std::io::Read as _;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Instant;
use zeroize::Zeroizing;

const TOKEN: &str = "a token of this test";

fn server(token: bool) -> (Server, Panel) {
    let (board, panel) = board(Arc::default());
    let token = token.then(|| Zeroizing::new(TOKEN.to_owned()));
    let config = ControlConfig { listen: "127.0.0.1:0".parse().unwrap(), token };
    (Server::start(config, board).unwrap(), panel)
}

fn call(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Returns the status code of the answer to a request; 0 for none.
fn code(stream: &mut TcpStream) -> u16 {
    let mut start = [0; 12];
    match stream.read_exact(&mut start) {
        Ok(()) => std::str::from_utf8(&start[9..]).unwrap().parse().unwrap(),
        Err(_) => 0,
    }
}

fn ask(address: SocketAddr, head: &str) -> u16 {
    let mut stream = call(address);
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).unwrap();
    code(&mut stream)
}

#[test]
fn without_a_token_the_host_is_loopback() {
    let (server, _panel) = server(false);
    let at = server.address();
    let port = at.port();
    for host in ["localhost", "LocalHost", "127.0.0.1", "127.5.5.5", "[::1]"] {
        assert_eq!(ask(at, &format!("GET /status HTTP/1.1\r\nHost: {host}:{port}")), 200, "{host}");
        assert_eq!(ask(at, &format!("GET /metrics HTTP/1.1\r\nHost: {host}")), 200, "{host}");
    }
    for host in ["evil.example", "localhost.evil.example", "192.0.2.1", "0.0.0.0", "a@b@c", "[::2]", ""] {
        for path in ["status", "metrics", "nowhere"] {
            let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}:{port}");
            assert!(matches!(ask(at, &request), 400 | 403), "{host}");
        }
    }
    assert_eq!(ask(at, "GET /status HTTP/1.1\r\nHost: localhost\r\nHost: evil.example"), 403);
    assert_eq!(ask(at, "GET /status HTTP/1.0"), 403, "no host at all");
    assert_eq!(ask(at, "GET /status HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example"), 403);
}

/// With a token any name is accepted: a page does not know the token.
#[test]
fn with_a_token_the_token_is_wanted() {
    let (server, _panel) = server(true);
    let at = server.address();
    let head = "GET /status HTTP/1.1\r\nHost: lab.example";
    assert_eq!(ask(at, &format!("{head}\r\nAuthorization: Bearer {TOKEN}")), 200);
    for shown in ["", "\r\nAuthorization: Bearer another token of it", "\r\nAuthorization: Basic YTpi"] {
        assert_eq!(ask(at, &format!("{head}{shown}")), 401, "{shown}");
        assert_eq!(ask(at, &format!("GET /nowhere HTTP/1.1\r\nHost: lab.example{shown}")), 401);
    }
}

/// Unauthorised callers are refused by the head of a request: the server does not wait for a body. The body of others
/// is limited.
#[test]
fn no_body_is_read_of_a_stranger() {
    let (server, _panel) = server(true);
    let post = |length: usize, more: &str| {
        let mut stream = call(server.address());
        let head = format!("POST /send HTTP/1.1\r\nHost: a\r\nContent-Length: {length}{more}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let began = Instant::now();
    assert_eq!(code(&mut post(1 << 40, "")), 401);
    assert!(began.elapsed() < Duration::from_secs(2), "before a body came");
    let token = format!("\r\nAuthorization: Bearer {TOKEN}");
    let mut large = post(65 << 10, &token);
    large.write_all(&vec![b'x'; 65 << 10]).unwrap();
    assert_eq!(code(&mut large), 413);
    let mut slow = post(100, &token);
    slow.write_all(b"{").unwrap();
    assert_eq!(code(&mut slow), 408, "a body that does not come");
}

#[test]
fn a_head_that_does_not_come_ends_the_connection() {
    let (server, _panel) = server(false);
    let mut slow = call(server.address());
    slow.write_all(b"GET /status HTTP/1.1\r\nHost:").unwrap();
    let began = Instant::now();
    let _ = slow.read_to_end(&mut Vec::new());
    assert!(began.elapsed() < HEAD + Duration::from_secs(3), "{:?}", began.elapsed());
    let long = format!("GET /status HTTP/1.1\r\nHost: localhost\r\nX: {}", "x".repeat(64 << 10));
    assert_eq!(ask(server.address(), &long), 431);
}

/// Half requests beyond the limit end the oldest: a new caller is served.
#[test]
fn half_requests_keep_nobody_out() {
    let (server, _panel) = server(true);
    let at = server.address();
    let half = |at| {
        let mut stream = call(at);
        stream.write_all(b"GET /status HTTP/1.1\r\nHost: localhost\r\n").unwrap();
        stream
    };
    let mut halves: Vec<_> = (0..CONNECTIONS + 40).map(|_| half(at)).collect();
    let began = Instant::now();
    let head = format!("GET /status HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}");
    assert_eq!(ask(at, &head), 200);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let mut over = 0;
    for stream in &mut halves {
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let waits = |e: &std::io::Error| e.kind() == std::io::ErrorKind::WouldBlock;
        over += usize::from(!stream.read(&mut [0; 1]).is_err_and(|e| waits(&e)));
    }
    // The honest caller took one more place.
    assert!((40..=41).contains(&over), "{over}");
}

/// A half request, or one that is answered late, does not delay the end of the process.
#[test]
fn the_end_waits_for_nobody() {
    let (server, _panel) = server(false);
    let mut half = call(server.address());
    half.write_all(b"POST /send HTTP/1.1\r\nHost: localhost\r\nContent-Le").unwrap();
    // The UE does not look: this command would wait for its answer for two seconds.
    let mut waiting = call(server.address());
    waiting.write_all(b"POST /reset-stages HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    drop(server);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let _ = half.shutdown(Shutdown::Both);
}
