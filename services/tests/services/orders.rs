//! Orders of the operator over the socket beside the database.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use sidelink_services::orders::{Answer, Order, OrderError, Orders, give, socket_of};
use sidelink_services::{Handle, Network};

use crate::common::config;

fn network(folder: &std::path::Path) -> (Arc<Handle>, Orders, std::path::PathBuf) {
    let config = config(folder, 1);
    let socket = socket_of(&config.database);
    let handle = Arc::new(Network::start(config).unwrap());
    let orders = Orders::take(&socket, Arc::clone(&handle)).unwrap();
    (handle, orders, socket)
}

fn add(text: &str) -> Order {
    Order::AddSubscribers { text: text.to_owned().into() }
}

const NEW: &str = r#"
[[subscriber]]
imsi = "001010000000077"
mnc-digits = 2
k = "465b5ce8b199b49faa5f0a2ee238a6bc"
opc = "cd63cb71954a9f4e48a5994e37a02baf"
"#;

#[test]
fn an_operator_adds_revokes_and_looks() {
    let folder = tempfile::tempdir().unwrap();
    let (handle, orders, socket) = network(folder.path());
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let added = give(&socket, &add(NEW));
    assert!(matches!(added, Ok(Answer::Done { subscribers: 1 })), "{added:?}");
    let Ok(Answer::Status(status)) = give(&socket, &Order::Status) else { panic!("no status") };
    assert_eq!((status.subscribers, *status), (2, handle.status()));
    let Ok(Answer::Refused { why }) = give(&socket, &add(NEW)) else { panic!("added twice") };
    assert!(why.contains("001010000000077") && !why.contains("465b5ce8"), "{why}");
    let revoke = |imsi: &str| give(&socket, &Order::Revoke { imsi: imsi.to_owned() });
    assert!(matches!(revoke("001010000000077"), Ok(Answer::Done { .. })));
    assert!(matches!(revoke("001010000000099"), Ok(Answer::Refused { .. })));
    assert!(matches!(revoke("nobody"), Ok(Answer::Refused { .. })));
    // A second process does not take its place, and afterwards nothing is left of it.
    assert!(Orders::take(&socket, Arc::clone(&handle)).is_err());
    drop(orders);
    assert!(matches!(give(&socket, &Order::Status), Err(OrderError::NotRunning(_))));
    assert!(!socket.exists());
}

#[test]
fn what_is_no_order_is_refused_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let (_handle, _orders, socket) = network(folder.path());
    for line in ["\n", "{}\n", "{\"order\":\"burn\"}\n", "no json\n", "{\"order\":\"status\""] {
        let mut stream = UnixStream::connect(&socket).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("refused"), "{line:?}: {answer:?}");
    }
    let Ok(Answer::Refused { why }) = give(&socket, &add("[[subscriber]]\nimsi = 3\n")) else { panic!() };
    assert!(why.contains("line 2"), "{why}");
    assert!(matches!(give(&socket, &Order::Status), Ok(Answer::Status(_))));
}

#[test]
fn a_socket_that_a_crash_left_behind_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), 1);
    let socket = socket_of(&config.database);
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    let handle = Arc::new(Network::start(config).unwrap());
    let _orders = Orders::take(&socket, handle).unwrap();
    assert!(matches!(give(&socket, &Order::Status), Ok(Answer::Status(_))));
}

#[test]
fn members_are_revoked_and_admitted_by_orders() {
    use crate::group_keys::net::{self, Net};
    let (net, folder) = (Net::new(), tempfile::tempdir().unwrap());
    let config = net::config(&net, folder.path(), 1);
    let socket = socket_of(&config.database);
    let handle = Arc::new(Network::start(config).unwrap());
    let _orders = Orders::take(&socket, Arc::clone(&handle)).unwrap();
    let text = |text: &str| text.to_owned();
    let revoke = |imsi, group| Order::RevokeMember { imsi: text(imsi), group: text(group) };
    let member = "001010000000001";
    for (order, refusal) in [
        (revoke(member, "00002a"), None),
        (Order::AdmitMember { imsi: text(member), group: text("00002A") }, None),
        (revoke(member, "00002b"), Some("no group or discovery 00002b")),
        (revoke("001010000000009", "00002a"), Some("no such member of 00002a")),
        (revoke("nobody", "00002a"), Some("IMSI")),
        (revoke(member, "2a"), Some("hexadecimal")),
    ] {
        match (give(&socket, &order).unwrap(), refusal) {
            (Answer::Done { subscribers: 1 }, None) => {}
            (Answer::Refused { why }, Some(said)) => assert!(why.contains(said), "{why}"),
            (answer, refusal) => panic!("{answer:?}, expected {refusal:?}"),
        }
    }
}
