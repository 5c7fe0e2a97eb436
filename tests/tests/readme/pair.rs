//! `sidelink ue --example=..`: two processes on an air of their own find each other, talk and set up a link.

use super::shell::{Folder, Terminal};
use libtest_mimic::{Failed, Trial};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What both UEs must have printed, and how long they run, in seconds of air.
struct Case {
    example: &'static str,
    seconds: u32,
    alice: &'static [&'static str],
    bob: &'static [&'static str],
}

const CASES: [Case; 4] = [
    Case {
        example: "pair",
        seconds: 8,
        alice: &[
            "discovered \"bob is near\" (verified)",
            "link 0000b2 (bob): up as UE_1",
            "\"bob to alice alone",
        ],
        bob: &[
            "discovered \"alice is near\" (verified)",
            "from 0000a1 (alice) to 0001a2 (fire): \"alice to all",
            "link 0000a1 (alice): up as UE_2",
            "from 0000a1 (alice) by link: \"alice to bob alone",
        ],
    },
    Case { example: "link", seconds: 8, alice: &["up as UE_1"], bob: &["\"alice to bob alone"] },
    Case { example: "group", seconds: 6, alice: &["\"bob to all"], bob: &["\"alice to all"] },
    Case { example: "v2x", seconds: 4, alice: &["(cars): \"bob drives"], bob: &["\"alice drives"] },
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials: Vec<_> = CASES
        .iter()
        .map(|case| Trial::test(format!("a ready {} runs in two processes", case.example), || run(case)))
        .collect();
    trials.push(Trial::test("ip goes over the air of a pair", ip_goes_over_the_air));
    trials.push(Trial::test("nothing is overwritten by an example", nothing_is_overwritten));
    trials
}

/// The command of one of them: in lock-step, so that nothing hangs on the speed of this machine.
fn ue(name: &str, example: &str, seconds: u32) -> String {
    let medium = format!("pair-{}-{example}", std::process::id());
    format!("exec sidelink ue -c {name}.toml -T {seconds} -a driver=air,medium={medium},config=air.toml")
}

/// An air in lock-step of which the time is now, when keys and certificates are valid.
fn air(example: &str) -> Result<String, Failed> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let (rate, prb) = if example == "v2x" { ("15.36M", 50) } else { ("7.68M", 25) };
    Ok(format!(
        "[air]\nrate = \"{rate}\"\nprb = {prb}\npace = \"free\"\nwait-for = 2\nsnr = 20\nutc = {now}\n"
    ))
}

fn make(folder: &Folder, example: &str) -> Result<std::path::PathBuf, Failed> {
    let script = format!("sidelink ue --example={example} -w lab");
    let told = Terminal::open(folder, &folder.work(), &script)?.wait()?;
    let lab = folder.work().join("lab");
    let readme = std::fs::read_to_string(lab.join("README"))?;
    if readme.lines().count() != 3 || !told.ends_with(&readme) {
        return Err(format!("no README of three lines that is told too: {told}").into());
    }
    for entry in std::fs::read_dir(&lab)? {
        let path = entry?.path();
        let secret = path.extension().is_some_and(|e| e == "keys" || e == "key");
        let mode = std::fs::metadata(&path)?.permissions().mode() & 0o777;
        if secret && mode != 0o600 {
            return Err(format!("{}: mode {mode:o}", path.display()).into());
        }
    }
    Ok(lab)
}

fn run(case: &Case) -> Result<(), Failed> {
    let folder = Folder::new(&format!("pair-{}", case.example))?;
    let lab = make(&folder, case.example)?;
    std::fs::write(lab.join("air.toml"), air(case.example)?)?;
    let open = |name| Terminal::open(&folder, &lab, &ue(name, case.example, case.seconds));
    let (alice, bob) = (open("alice")?, open("bob")?);
    contains("alice", &alice.wait()?, case.alice)?;
    contains("bob", &bob.wait()?, case.bob)
}

fn contains(name: &str, printed: &str, wanted: &[&str]) -> Result<(), Failed> {
    match wanted.iter().find(|wanted| !printed.contains(**wanted)) {
        Some(missing) => Err(format!("{name} did not print {missing:?}, but:\n{printed}").into()),
        None => Ok(()),
    }
}

/// A datagram sent to alice's port comes out at bob's, through a group and through a link.
fn ip_goes_over_the_air() -> Result<(), Failed> {
    for example in ["pair", "link"] {
        let folder = Folder::new(&format!("ip-{example}"))?;
        let lab = make(&folder, example)?;
        let outlet = std::net::UdpSocket::bind("127.0.0.1:0")?;
        let inlet = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        change(&lab.join("alice.toml"), "127.0.0.1:5001", &inlet.to_string())?;
        change(&lab.join("alice.toml"), "127.0.0.1:5002", "127.0.0.1:9")?;
        change(&lab.join("bob.toml"), "127.0.0.1:5003", "127.0.0.1:0")?;
        change(&lab.join("bob.toml"), "127.0.0.1:5004", &outlet.local_addr()?.to_string())?;
        let medium = format!("ip-{}-{example}", std::process::id());
        let command = |name: &str| format!("exec sidelink ue -c {name}.toml -a driver=air,medium={medium}");
        let (mut alice, mut bob) = (
            Terminal::open(&folder, &lab, &command("alice"))?,
            Terminal::open(&folder, &lab, &command("bob"))?,
        );
        // sent until it comes: the link needs a second, and a real-time air may lose what it carries
        outlet.set_read_timeout(Some(std::time::Duration::from_millis(500)))?;
        let mut datagram = [0; 16];
        let came = (0..40).any(|_| {
            let _ = outlet.send_to(b"over the air", inlet);
            outlet.recv(&mut datagram).is_ok_and(|length| &datagram[..length] == b"over the air")
        });
        let printed = alice.end() + &bob.end();
        if !came {
            return Err(format!("nothing came out of the {example}:\n{printed}").into());
        }
    }
    Ok(())
}

fn change(path: &Path, from: &str, to: &str) -> Result<(), Failed> {
    let text = std::fs::read_to_string(path)?;
    if !text.contains(from) {
        return Err(format!("{} does not say {from}", path.display()).into());
    }
    Ok(std::fs::write(path, text.replace(from, to))?)
}

fn nothing_is_overwritten() -> Result<(), Failed> {
    let folder = Folder::new("overwritten")?;
    let lab = make(&folder, "group")?;
    let before = std::fs::read(lab.join("alice.keys"))?;
    let again = Terminal::open(&folder, &folder.work(), "sidelink ue --example=group -w lab")?.wait();
    let refusal = again.err().ok_or("a second pair was written over the first")?;
    contains("the second", &refusal, &["lab/alice.toml", "nothing is overwritten"])?;
    for wrong in ["sidelink ue --example=pair", "sidelink ue --example -w lab"] {
        let refusal = Terminal::open(&folder, &folder.work(), wrong)?.wait().err().ok_or(wrong)?;
        contains(wrong, &refusal, &["-w"])?;
    }
    if std::fs::read(lab.join("alice.keys"))? == before { Ok(()) } else { Err("the keys are others".into()) }
}
