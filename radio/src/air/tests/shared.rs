//! A medium that two processes share: this test program starts itself again as the other.

use super::*;
use std::process::{Child, Command};

const NAME: &str = "SIDELINK_TEST_AIR";
const ROLE: &str = "SIDELINK_TEST_ROLE";

/// The other process, not a test of its own. It replies to what it receives, or dies at once.
#[test]
#[ignore = "the tests below start it"]
fn other_process() {
    let name = std::env::var(NAME).unwrap();
    if std::env::var(ROLE).unwrap() == "make" {
        let air = Air::make(Path::new(&name), config()).unwrap().ok().unwrap();
        let _port = air.attach_named("other").unwrap();
        std::process::abort();
    }
    let air = Air::open(&name).unwrap();
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
    command.args(["--exact", "air::tests::shared::other_process", "--ignored"]);
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
    // Beyond its promise: its end is noticed.
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
    #[cfg(unix)]
    {
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, private).unwrap();
    }
    assert!(Air::open(&name).is_err_and(|e| e.to_string().contains("no virtual air")));
    assert!(Air::create(&name, config()).is_err_and(|e| e.to_string().contains("delete")));
    std::fs::remove_file(&path).unwrap();
    assert!(Air::open(&name).is_err());
    assert!(Air::open("../x").is_err_and(|e| e.to_string().contains("letters")));
    let air = Air::create(&name, config()).unwrap();
    let other = Air::open(&name).unwrap();
    drop(air);
    // Its maker is gone, and no other process uses it.
    assert!(other.medium.is_abandoned());
    drop(other);
    assert!(!path.exists());
}

/// A folder of media that no other test or program cleans up.
struct Media(PathBuf);

impl Media {
    fn new(test: &str) -> Self {
        let path = folder().join(format!("sidelink-test-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{PREFIX}{name}"))
    }

    /// Returns the medium of a process that made it, attached to it and died.
    fn dead(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        assert!(!spawn(path.to_str().unwrap(), "make").wait().unwrap().success());
        assert!(path.exists(), "nobody was left to remove it");
        path
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_medium_of_a_process_that_died_is_removed_by_whoever_makes_the_next_one() {
    let media = Media::new("dead");
    let alive = Air::make(&media.path("alive"), config()).unwrap().ok().unwrap();
    let radio = alive.attach(PortConfig::named("a")).unwrap();
    let dead = media.dead("dead");
    let error = Air::find(&dead).err().unwrap();
    assert!(Words(&error).to_string().contains("have died"));
    std::fs::write(media.path("foreign"), [7; 100_000]).unwrap();
    let another = media.dead("another");
    // finding that one is dead removes it; the next user removes those of other names
    assert!(!dead.exists() && another.exists());
    let next = Air::make(&media.path("next"), config()).unwrap().ok().unwrap();
    assert!(!another.exists());
    assert!(media.path("alive").exists() && media.path("foreign").exists());
    drop((next, radio, alive));
}

#[test]
fn the_name_of_a_medium_in_which_all_died_is_free_again() {
    let media = Media::new("dead-name");
    let path = media.dead("dead");
    let air = Air::make(&path, AirConfig { seed: 77, ..config() }).unwrap().ok().unwrap();
    assert_eq!(air.config().seed, 77);
    assert!(!air.has_port("other"));
}

/// A medium is refused before use if its owner or others wrote what no configuration allows, or truncated it.
#[test]
fn what_stands_in_a_medium_is_checked() {
    let every = |period, length| Some(Every { period, length });
    let silent = |silent| PortConfig { silent, ..PortConfig::named("a") };
    for (at, (broken, words)) in [
        (AirConfig { stall: -1.0, ..config() }, "stall -1"),
        (
            AirConfig {
                interference: vec![Interference { gain: 0.0, every: every(0.0, 0.0), position: [0.0; 2] }],
                ..config()
            },
            "interference",
        ),
        (AirConfig { port: vec![silent(vec![[2.0, 1.0]])], ..config() }, "silent"),
        (AirConfig { memory: 10.0, ..config() }, ""),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("test-{}-broken-{at}", std::process::id());
        let path = path_of(&name).unwrap();
        let medium = Medium::create(&path, broken).unwrap();
        if words.is_empty() {
            assert!(Air::open(&name).is_ok());
            std::fs::File::options().write(true).open(&path).unwrap().set_len(3 * 4096).unwrap();
        }
        let words = if words.is_empty() { "cut off" } else { words };
        let error = Air::open(&name).err().unwrap().to_string();
        assert!(error.contains(words), "{words}: {error}");
        if words != "cut off" {
            let error = Air::open_or_create(&name, &config()).err().unwrap().to_string();
            assert!(error.contains(words) && error.contains("another name"), "{words}: {error}");
        }
        std::fs::remove_file(&path).unwrap();
        // It maps words that no longer exist.
        std::mem::forget(medium);
    }
}

/// Sizes that differ from those of its own configuration.
#[cfg(unix)]
#[test]
fn the_sizes_of_a_medium_are_those_of_its_configuration() {
    use std::os::unix::fs::FileExt;
    let (name, air) = medium("sizes", config());
    let file = std::fs::File::options().write(true).open(path_of(&name).unwrap()).unwrap();
    assert!(Air::open(&name).is_ok());
    // The samples that a slot remembers: the third word behind the first page.
    file.write_all_at(&1024_u64.to_ne_bytes(), 4096 + 16).unwrap();
    assert!(Air::open(&name).is_err_and(|e| e.to_string().contains("no virtual air")));
    drop(air);
}

#[cfg(unix)]
#[test]
fn an_air_that_others_may_use_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let (name, air) = medium("open-to-all", config());
    let path = path_of(&name).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    for error in [Air::open(&name).err().unwrap(), Air::open_or_create(&name, &config()).err().unwrap()] {
        let error = error.to_string();
        assert!(error.contains("mode 0666") && error.contains("another name"), "{error}");
    }
    drop(air);
}

/// The port configuration of another process is checked as well: an invalid port counts as absent.
#[test]
fn a_port_that_makes_no_sense_is_not_there() {
    let medium = Medium::new(config()).unwrap();
    let broken = PortConfig { silent: vec![[2.0, 1.0]], ..PortConfig::named("broken") };
    let slot = medium.attach(&broken).unwrap();
    assert_eq!((medium.port(slot), medium.find("broken")), (None, None));
    let good = medium.attach(&PortConfig::named("good")).unwrap();
    assert_eq!(medium.find("good"), Some(good));
}
