//! `./test` beside other users of the package manager, and its last line.
#![cfg(unix)]
#![allow(clippy::disallowed_methods)]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs `./test --prepare` where nothing is installed, with an `apt-get` that does what `script` says.
fn prepare(name: &str, script: &str) -> (Output, PathBuf) {
    let folder = std::env::temp_dir().join(format!("sidelink-script-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for tool in ["bash", "dirname", "env", "grep", "cat", "rm", "mktemp", "true"] {
        let found = std::env::split_paths(&std::env::var_os("PATH").unwrap())
            .map(|place| place.join(tool))
            .find(|place| place.is_file())
            .unwrap();
        let _ = symlink(found, folder.join(tool));
    }
    for (program, text) in [
        ("apt-get", format!("#!/bin/sh\nlog={}/calls\necho \"$@\" >>$log\n{script}\n", folder.display())),
        ("sleep", "#!/bin/sh\n".to_owned()),
        ("id", "#!/bin/sh\necho 0\n".to_owned()),
        ("cargo", "#!/bin/sh\n".to_owned()),
    ] {
        std::fs::write(folder.join(program), text).unwrap();
        std::fs::set_permissions(folder.join(program), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let test = Path::new(env!("CARGO_MANIFEST_DIR")).join("../test");
    let output = Command::new("bash")
        .arg(test)
        .arg("--prepare")
        .env_clear()
        .env("PATH", &folder)
        .env("SIDELINK_PYTHON", "none")
        .output()
        .unwrap();
    (output, folder)
}

#[test]
fn the_lock_of_the_package_manager_is_waited_for() {
    // held for the first three calls
    let script = "[ $(grep -c . $log) -gt 3 ] && exit 0\n\
                  echo 'E: Could not get lock /var/lib/apt/lists/lock. It is held by process 17 (packagekitd)' >&2\nexit 100";
    let (output, folder) = prepare("held", script);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let waits: Vec<_> =
        said.lines().filter(|line| line.contains("waiting for the package manager")).collect();
    assert!(waits.len() == 1 && waits[0].contains("process 17 (packagekitd)"), "{said}");
    let calls = std::fs::read_to_string(folder.join("calls")).unwrap();
    let calls: Vec<_> = calls.lines().collect();
    assert!(calls[0].starts_with("update") && calls[3].starts_with("update"), "{calls:?}");
    assert!(calls[1].contains("DPkg::Lock::Timeout=60") && calls[4].starts_with("install"), "{calls:?}");
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn another_failure_is_not_waited_for() {
    let (output, folder) = prepare("broken", "echo 'E: Unable to locate package tshark' >&2\nexit 100");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("Unable to locate") && said.contains("--offline"),
        "{said}"
    );
    assert_eq!(std::fs::read_to_string(folder.join("calls")).unwrap().lines().count(), 1);
    let _ = std::fs::remove_dir_all(folder);
}

/// A cargo with nextest (or without) of which one test passes, one is ignored, and two were skipped.
const CARGO: &str = r#"#!/bin/sh
case "$1 $2" in
"nextest --version") [ "$WITH_NEXTEST" = yes ] ;;
"nextest run")
    mkdir -p target/nextest/default
    cat >target/nextest/default/junit.xml <<'END'
<testcase name="a"><system-err>SKIPPED: no tshark (set SIDELINK_TSHARK)</system-err></testcase>
<testcase name="b">
    <system-err>running 1 test
SKIPPED: no ../shared (&quot;x&quot;)
SKIPPED: no ../shared (&quot;y&quot;)
</system-err>
</testcase>
<testcase name="c"><system-err>SKIPPED: no tshark (apt-get install tshark)</system-err></testcase>
END
    printf '     \033[32mSummary\033[0m [   0.017s] 4 tests run: 4 passed (1 slow), 11 \033[33mskipped\033[0m\n' >&2
    exit $STATUS
    ;;
"test --workspace")
    case "$*" in *--doc*) exit 0 ;; *" -- --show-output") ;; *) exit 3 ;; esac
    cat <<'END'
successes:

---- a stdout ----
SKIPPED: no tshark (set SIDELINK_TSHARK)

---- b stdout ----
SKIPPED: no tshark (set SIDELINK_TSHARK)

test result: ok. 4 passed; 0 failed; 11 ignored; 0 measured
END
    exit $STATUS
    ;;
esac
"#;

/// What `./test --offline` prints with [`CARGO`], and its status.
fn run(nextest: &str, status: u8) -> (String, Option<i32>) {
    let name = format!("sidelink-summary-{nextest}-{status}-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(folder.join(".ci")).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for file in ["test", ".ci/skipped"] {
        std::fs::copy(root.join(file), folder.join(file)).unwrap();
    }
    std::fs::create_dir_all(folder.join("bin")).unwrap();
    for (program, text) in [("cargo", CARGO), ("pkg-config", "#!/bin/sh\n")] {
        std::fs::write(folder.join("bin").join(program), text).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.join("bin").join(program), executable).unwrap();
    }
    let path = format!("{}:{}", folder.join("bin").display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["test", "--offline"])
        .current_dir(&folder)
        .env("PATH", path)
        .env("WITH_NEXTEST", nextest)
        .env("STATUS", status.to_string())
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    let _ = std::fs::remove_dir_all(folder);
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

#[test]
fn the_last_line_counts_what_was_skipped_and_why() {
    let last =
        "4 tests run: 4 passed (1 slow), 11 long ones not run, 3 skipped: no tshark (2), no ../shared (1)\n";
    assert_eq!(run("yes", 0), (last.to_owned(), Some(0)));
    assert_eq!(run("yes", 100), (last.to_owned(), Some(100)), "failures stay failures");
    let (said, status) = run("no", 101);
    assert_eq!(said.lines().last(), Some("4 passed, 0 failed, 11 not run, 2 skipped: no tshark (2)"));
    assert!(status == Some(101) && !said.contains("SKIPPED"), "{status:?} {said}");
}

/// Every place that skips says it in the form that `.ci/skipped` counts.
#[test]
fn what_is_skipped_says_what_is_missing() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..")];
    let (mark, mut count, mut wrong) = (["SKIPPED", ": "].concat(), 0, Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with("target") && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") && name != "script.rs" {
                let text = std::fs::read_to_string(&path).unwrap();
                for (line, text) in text.lines().enumerate().filter(|(_, text)| text.contains(&mark)) {
                    let form = text
                        .split(&mark)
                        .nth(1)
                        .is_some_and(|rest| rest.starts_with("no ") && rest.contains(" ("));
                    count += 1;
                    if !form {
                        wrong.push(format!("{}:{}: {text}", path.display(), line + 1));
                    }
                }
            }
        }
    }
    assert!(count > 10, "{count} places");
    assert!(wrong.is_empty(), "not \"{mark}no WHAT (what to do)\": {wrong:#?}");
}
