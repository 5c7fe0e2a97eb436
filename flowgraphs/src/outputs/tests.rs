use super::*;
use std::io::Write;
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn refused(result: Result<Place, ConfigError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn no_output_is_an_input_by_any_name() {
    let folder = Folder::new();
    let input = folder.put("in.toml", "x");
    let pair = [folder.put("r.sigmf-meta", "{}"), folder.put("r.sigmf-data", "x")];
    fs::hard_link(&input, folder.path("hard.json")).unwrap();
    std::os::unix::fs::symlink(&input, folder.path("soft.json")).unwrap();
    // Even with force; and the unfinished file counts as a name too.
    fs::hard_link(&input, folder.path("out.json.part")).unwrap();
    for named in ["r", "r.sigmf-meta", "r.sigmf-data"] {
        let mut outputs = Outputs::new(Existing::Replace);
        outputs.reads([&input]);
        outputs.reads_recordings([&folder.path(named)]);
        for name in ["in.toml", "hard.json", "soft.json", "out.json", "r.sigmf-meta", "r.sigmf-data"] {
            let message = refused(outputs.claim("-F json", &folder.path(name)));
            assert!(message.starts_with("-F json would overwrite an input; "), "{name}: {message}");
        }
        let message = refused(outputs.claim("-F json", &folder.path("soft.json")));
        assert!(message.contains("soft.json is ") && message.contains("in.toml"), "{message}");
        let message = outputs.claim_recording("-w", &folder.path("r")).unwrap_err().to_string();
        assert!(message.starts_with("-w would overwrite an input"), "{message}");
        outputs.claim("-F json", &folder.path("other.json")).unwrap();
    }
    assert_eq!(fs::read_to_string(pair[0].clone()).unwrap(), "{}");
}

#[test]
fn no_output_is_a_recording_that_exists_but_by_force() {
    let folder = Folder::new();
    for name in ["a.sigmf", "a.cf32", "a.wav", "b.sigmf-meta", "b.sigmf-data", "g001_433.92M_250k.cu8"] {
        folder.put(name, "x");
    }
    folder.put("old.json", "{}");
    folder.put("empty.cf32", "");
    for (name, taken) in [
        ("a.sigmf", true),
        ("a.cf32", true),
        ("a.wav", true),
        ("b.sigmf-data", true),
        ("g001_433.92M_250k.cu8", true),
        ("empty.cf32", false),
        ("old.json", false),
        ("new.pcap", false),
    ] {
        let claim = |existing| Outputs::new(existing).claim("--pcap", &folder.path(name));
        assert_eq!(claim(Existing::Keep).is_err(), taken, "{name}");
        assert!(claim(Existing::Replace).is_ok(), "{name}");
    }
    let message = refused(Outputs::new(Existing::Keep).claim("--pcap", &folder.path("a.sigmf")));
    assert!(
        message.contains("--pcap out.pcap") && message.ends_with("or replace it with --force"),
        "{message}"
    );
    for (name, taken) in [("a.sigmf", true), ("b", true), ("b.sigmf-meta", true), ("c", false)] {
        let claim = |existing| Outputs::new(existing).claim_recording("-w", &folder.path(name));
        assert_eq!(claim(Existing::Keep).is_err(), taken, "{name}");
        assert!(claim(Existing::Replace).is_ok(), "{name}");
    }
}

#[test]
fn no_two_outputs_are_the_same() {
    let folder = Folder::new();
    let mut outputs = Outputs::new(Existing::Keep);
    outputs.claim("--pcap", &folder.path("x")).unwrap();
    fs::create_dir(folder.path("f")).unwrap();
    let message = refused(outputs.claim("-F json", &folder.path("f/../x")));
    assert!(message.starts_with("--pcap and -F json both write to the same place"), "{message}");
    outputs.claim_recording("--record", &folder.path("r")).unwrap();
    refused(outputs.claim("-F json", &folder.path("r.sigmf-data")));
    let old = folder.put("old", "");
    fs::hard_link(&old, folder.path("other")).unwrap();
    outputs.claim("-F json", &old).unwrap();
    assert!(refused(outputs.claim("-F json", &folder.path("other"))).starts_with("-F json writes twice"));
    // A device may have several writers.
    outputs.claim("-F json", Path::new("/dev/null")).unwrap();
    assert_eq!(outputs.claim("-F table", Path::new("/dev/zero")).unwrap(), Place::Stream("/dev/zero".into()));
}

#[test]
fn standard_output_has_one_owner_and_people_make_way() {
    let mut outputs = Outputs::new(Existing::Keep);
    assert_eq!(outputs.for_people("-F table").unwrap(), Place::Standard);
    assert!(refused(outputs.for_people("-F json")).contains("standard output"));
    let mut outputs = Outputs::new(Existing::Keep);
    assert_eq!(outputs.claim("--pcap", Path::new("-")).unwrap(), Place::Standard);
    assert_eq!(outputs.for_people("-F table").unwrap(), Place::StandardError);
    refused(outputs.for_people("-F json"));
    refused(outputs.claim("-w", Path::new("-")));
}

#[test]
fn a_folder_that_is_not_there_is_told_at_once() {
    let folder = Folder::new();
    let mut outputs = Outputs::new(Existing::Keep);
    let message = refused(outputs.claim("--pcap", &folder.path("no/such/x.pcap")));
    assert!(message.starts_with("the folder of --pcap is not there; "), "{message}");
    assert!(message.contains("mkdir -p"), "{message}");
    assert!(outputs.claim_recording("--record", &folder.path("no/x")).is_err());
    assert!(refused(outputs.claim("--pcap", folder.0.path())).starts_with("--pcap names a folder"));
}

#[test]
fn a_file_has_its_name_when_it_is_whole() {
    let folder = Folder::new();
    let place = |name: &str| Outputs::new(Existing::Keep).claim("-F json", &folder.path(name)).unwrap();
    folder.put("a", "old");
    let mut out = place("a").create().unwrap();
    out.write_all(b"new").unwrap();
    out.flush().unwrap();
    assert_eq!(fs::read_to_string(folder.path("a")).unwrap(), "old");
    out.finish().unwrap();
    assert_eq!(fs::read_to_string(folder.path("a")).unwrap(), "new");
    // A file that was begun is kept under another name, one that was not begun is removed.
    place("b").create().unwrap().write_all(b"half").unwrap();
    drop(place("c").create().unwrap());
    place("d").live().unwrap().write_all(b"live").unwrap();
    std::os::unix::fs::symlink(folder.path("a"), folder.path("link")).unwrap();
    let mut out = place("link").create().unwrap();
    out.write_all(b"through").unwrap();
    out.finish().unwrap();
    assert_eq!(folder.names(), ["a", "b.part", "d", "link"]);
    assert_eq!(fs::read_to_string(folder.path("a")).unwrap(), "through");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_names_the_file() {
    let folder = Folder::new();
    let path = folder.path("full.json");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let mut out = Outputs::new(Existing::Keep).claim("-F json", &path).unwrap().create().unwrap();
    out.write_all(b"x").unwrap();
    let message = out.finish().unwrap_err().to_string();
    assert!(message.contains("full.json: cannot write it: No space left"), "{message}");
}

#[test]
fn what_belongs_to_a_secret_is_never_replaced() {
    let folder = Folder::new();
    let old = folder.put("alice.key", "");
    for existing in [Existing::Keep, Existing::Replace] {
        let message = refused(Outputs::new(existing).claim_fresh("-o", &old));
        assert!(message.starts_with("-o would replace a file that exists"), "{message}");
    }
    // a dangling link is an existing name
    std::os::unix::fs::symlink(folder.path("nowhere"), folder.path("link")).unwrap();
    refused(Outputs::new(Existing::Keep).claim_fresh("-o", &folder.path("link")));
    let place = Outputs::new(Existing::Keep).claim_fresh("-o", &folder.path("new.key")).unwrap();
    assert_eq!(place, Place::File(folder.path("new.key")));
}

#[test]
fn a_folder_of_new_files_is_new_or_lacks_them() {
    let folder = Folder::new();
    let names = ["a.toml", "README"].map(str::to_owned);
    let claim = |path: &Path| Outputs::new(Existing::Keep).claim_folder("-w", path, &names);
    claim(&folder.path("lab")).unwrap();
    claim(&folder.path("lab/")).unwrap();
    let message = claim(&folder.path("no/lab")).unwrap_err().to_string();
    assert!(message.starts_with("the folder of -w is not there"), "{message}");
    folder.put("other", "");
    claim(folder.0.path()).unwrap();
    folder.put("README", "mine");
    let message = claim(folder.0.path()).unwrap_err().to_string();
    assert!(message.starts_with("-w would replace a file that exists") && message.contains("README"));
    let message = claim(Path::new("-")).unwrap_err().to_string();
    assert!(message.starts_with("-w - names no folder"), "{message}");
    let message = claim(&folder.path("README")).unwrap_err().to_string();
    assert!(message.starts_with("-w names a file"), "{message}");
}

#[test]
fn a_probe_leaves_nothing_behind() {
    let folder = Folder::new();
    let old = folder.put("old.svg", "old");
    for path in [&old, &folder.path("new.svg")] {
        Outputs::new(Existing::Keep).claim("--plot", path).unwrap().probe().unwrap();
    }
    assert_eq!(folder.names(), ["old.svg"]);
    assert_eq!(fs::read_to_string(&old).unwrap(), "old");
    // a folder exists with the unfinished name
    fs::create_dir(folder.path("new.svg.part")).unwrap();
    let message = Place::File(folder.path("new.svg")).probe().unwrap_err().to_string();
    assert!(message.contains("new.svg: cannot write it"), "{message}");
}
