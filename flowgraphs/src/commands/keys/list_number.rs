//! Numbers of revocation lists: each higher than the one before it, whatever the time of the clock.

use crate::config::ConfigError;
use sidelink_security::direct::signed::Root;
use sidelink_store::credential::{CERTIFICATE, CRL, read_pem};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Returns the path with a suffix: `ca` and `.key`.
pub(super) fn with(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(extension);
    name.into()
}

/// Returns the file beside an issuer's key that holds the number of its last list.
pub(super) fn place(issuer: &Path) -> PathBuf {
    with(issuer, ".crlnumber")
}

/// Takes the next number for a list of `issuer`: seconds of UTC, or one more than the last number if UTC is not higher.
/// It is durable before the list is made, and two processes never get the same. `output` is the list that is replaced:
/// its number counts as well, for issuers that have no file of numbers yet.
///
/// # Errors
/// The file of numbers holds none, the disk fails, or the numbers are used up.
pub(super) fn next(issuer: &Path, output: &Path, now: u32) -> Result<u32, ConfigError> {
    let path = place(issuer);
    let failed = |e: io::Error| {
        let what = format!("cannot keep the number of the revocation list: {e}");
        ConfigError::new(what, path.display().to_string(), "make its folder writable; no list was made")
    };
    // The key is never replaced: its lock is the same for all processes.
    let key = File::open(with(issuer, ".key")).map_err(failed)?;
    key.lock().map_err(failed)?;
    let last = kept(&path)?.max(replaced(issuer, output));
    let next = last.checked_add(1).ok_or_else(|| {
        let remedy = "make a new issuer";
        ConfigError::new("the numbers of revocation lists are used up", path.display().to_string(), remedy)
    })?;
    let next = next.max(now);
    keep(&path, next).map_err(failed)?;
    Ok(next)
}

/// Returns the number in the file; 0 without one.
fn kept(path: &Path) -> Result<u32, ConfigError> {
    let wrong = |what: String| {
        let remedy = "put the number of the newest list into it";
        ConfigError::new(what, path.display().to_string(), remedy)
    };
    match fs::read_to_string(path) {
        Ok(text) => text.trim().parse().map_err(|_| wrong("no number of a revocation list".to_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(e) => Err(wrong(format!("cannot read it: {e}"))),
    }
}

/// Returns the number of the issuer's own list at `output`; 0 if there is none.
fn replaced(issuer: &Path, output: &Path) -> u32 {
    let own = read_pem(&with(issuer, ".pem"), CERTIFICATE).ok();
    let root = own.and_then(|own| Root::from_der(own.first()?).ok());
    let (Some(mut root), true) = (root, output.is_file()) else { return 0 };
    for list in read_pem(output, CRL).unwrap_or_default() {
        // Of another issuer, or older than one before it in the file: ignored.
        let _ = root.install_crl(&list);
    }
    root.crl_number()
}

fn keep(path: &Path, number: u32) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let mut file = File::create(&part)?;
    writeln!(file, "{number}")?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::keys::certificates::make_issuer;
    use sidelink_security::counter::UtcTime;
    use sidelink_store::credential::{read_issuer, to_pem};

    struct Issuer(PathBuf);

    impl Drop for Issuer {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    impl Issuer {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("sidelink-list-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            make_issuer("ca", &folder.join("ca"), 10).unwrap();
            Self(folder)
        }

        fn next(&self, now: u32) -> Result<u32, ConfigError> {
            next(&self.0.join("ca"), &self.0.join("list"), now)
        }
    }

    #[test]
    fn numbers_rise_within_a_second_and_after_a_clock_set_back() {
        let issuer = Issuer::new("rise");
        let numbers = [1000, 1000, 1000, 10, 2000].map(|now| issuer.next(now).unwrap());
        assert_eq!(numbers, [1000, 1001, 1002, 1003, 2000]);
        assert_eq!(fs::read_to_string(issuer.0.join("ca.crlnumber")).unwrap(), "2000\n");
    }

    /// A list from before there was a file of numbers; one of another issuer does not count.
    #[test]
    fn the_list_that_is_replaced_counts() {
        let issuer = Issuer::new("replaced");
        let path = &issuer.0;
        let list = |issuer: &sidelink_security::direct::signed::issue::Issuer, number| {
            fs::write(path.join("list"), to_pem(CRL, &issuer.revoke(number, &[], UtcTime::from_millis(0))))
                .unwrap();
        };
        list(&sidelink_security::direct::signed::issue::Issuer::new("ca", &[7; 32]), 9000);
        assert_eq!(issuer.next(10).unwrap(), 10);
        list(&read_issuer(&path.join("ca.key"), "ca").unwrap(), 5000);
        assert_eq!(issuer.next(11).unwrap(), 5001);
    }

    #[test]
    fn a_damaged_file_and_the_end_of_the_numbers_are_told() {
        let issuer = Issuer::new("damaged");
        let path = issuer.0.join("ca.crlnumber");
        for (text, words) in [("", "no number"), ("twelve", "no number"), ("4294967295", "used up")] {
            fs::write(&path, text).unwrap();
            let error = issuer.next(10).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(issuer.next(10).unwrap_err().to_string().contains("cannot read it"));
    }
}
