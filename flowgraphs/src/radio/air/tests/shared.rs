//! A medium that two processes share: this test program starts itself again as the other.

use super::*;
use std::process::{Child, Command};

const NAME: &str = "SIDELINK_TEST_AIR";
const ROLE: &str = "SIDELINK_TEST_ROLE";

/// Not a test of its own: the other process. It answers what it hears, or dies without a word.
#[test]
#[ignore = "the tests below start it"]
fn other_process() {
    let air = Air::open(&std::env::var(NAME).unwrap()).unwrap();
    let mut port = air.attach_named("other").unwrap().start().unwrap();
    port.transmit.transmit(3000, &burst(500)).unwrap();
    port.transmit.advance(6000).unwrap();
    if std::env::var(ROLE).unwrap() == "abort" {
        // No destructor runs.
        std::process::abort();
    }
    let heard = take(&mut *port.receive, 6000, 500);
    let at = heard.iter().position(|s| s.norm() > 0.5).unwrap() as u64;
    port.transmit.transmit(at + 6000, &burst(1)).unwrap();
    port.transmit.advance(20_000).unwrap();
}

fn spawn(name: &str, role: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "radio::air::tests::shared::other_process", "--ignored"]);
    command.env(NAME, name).env(ROLE, role);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap()
}

fn medium(role: &str, config: AirConfig) -> (String, Air) {
    let name = format!("test-{}-{role}", std::process::id());
    let air = Air::create(&name, AirConfig { wait_for: 2, ..config }).unwrap();
    (name, air)
}

#[test]
fn two_processes_hear_each_other() {
    let (name, air) = medium("talk", config());
    let path = path_of(&name).unwrap();
    assert!(Air::create(&name, config()).is_err_and(|e| e.to_string().contains("another name")));
    let mut port = {
        let radio = air.attach(PortConfig::named("this")).unwrap();
        let mut child = spawn(&name, "talk");
        let mut port = radio.start().unwrap();
        port.transmit.transmit(2500, &burst(100)).unwrap();
        port.transmit.advance(30_000).unwrap();
        let heard = take(&mut *port.receive, 9000, 900);
        assert_eq!(heard[3000..3500], burst(500));
        assert_eq!(heard.iter().skip(3500).position(|s| s.norm() > 0.5), Some(5000));
        assert!(child.wait().unwrap().success());
        port
    };
    let mut into = vec![Sample::default(); 5000];
    while port.receive.receive(&mut into, PATIENCE).is_ok() {}
    drop((port, air));
    assert!(!path.exists());
}

#[test]
fn a_dead_process_keeps_nobody_waiting() {
    let (name, air) = medium("abort", config());
    let radio = air.attach(PortConfig::named("this")).unwrap();
    let mut child = spawn(&name, "abort");
    let mut port = radio.start().unwrap();
    port.transmit.advance(30_000).unwrap();
    // Beyond what it had promised: its end is noticed.
    let mut heard = Vec::new();
    let mut into = vec![Sample::default(); 2000];
    let ended = loop {
        match port.receive.receive(&mut into, PATIENCE) {
            Ok(got) => heard.extend_from_slice(&into[..got.count]),
            Err(error) => break error,
        }
    };
    assert!(matches!(ended, RadioError::Ended), "{ended}");
    assert_eq!(heard[3000..3500], burst(500));
    assert!(!child.wait().unwrap().success());
}

#[test]
fn what_all_have_left_is_made_anew() {
    let name = format!("test-{}-anew", std::process::id());
    let path = path_of(&name).unwrap();
    std::fs::write(&path, [7; 100_000]).unwrap();
    assert!(Air::open(&name).is_err_and(|e| e.to_string().contains("no virtual air")));
    assert!(Air::create(&name, config()).is_err_and(|e| e.to_string().contains("delete")));
    std::fs::remove_file(&path).unwrap();
    assert!(Air::open(&name).is_err());
    assert!(Air::open("../x").is_err_and(|e| e.to_string().contains("letters")));
    let air = Air::create(&name, config()).unwrap();
    let other = Air::open(&name).unwrap();
    drop(air);
    // Its maker is gone, nobody else is in it.
    assert!(other.medium.is_abandoned());
    drop(other);
    assert!(!path.exists());
}
