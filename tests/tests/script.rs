//! `./test` beside other users of the package manager.
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
