use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use sidelink_network::prose_function::Role;

use super::*;

const WHOLE: &str = r#"
database = "network.db"

[limits]
connections = 10
head-ms = 100

[hss]
subscribers = "subscribers.toml"
burst = 100

[bsf]
name = "bsf.mnc001.mcc001.pub.3gppnetwork.org"
listen = "127.0.0.1:0"
digest = "AKAv1-SHA-256"
key-lifetime-s = 60

[prose-function]
name = "ProSeFunction.mnc001.mcc001.pub.3gppnetwork.org"
listen = "[::1]:0"
mcc = "001"
mnc = "01"
application-ids = ["mcc001.mnc001.ProSeApp.Food"]
restricted-mic = "prose-function"
encrypted-bits = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"
validity-min = 30

[[prose-function.applications]]
os-id = "07070707070707070707070707070707"
os-app-id = "org.example"
roles = ["open-announce", "open-monitor"]

[[prose-function.permissions]]
target = "user1"
watcher = "user2"
"#;

const SUBSCRIBERS: &str = r#"
[[subscriber]]
imsi = "001010000000001"
mnc-digits = 2
k = "465b5ce8b199b49faa5f0a2ee238a6bc"
opc = "cd63cb71954a9f4e48a5994e37a02baf"
prose = { roles = ["open-announce"], application-ids = ["mcc001.mnc001.ProSeApp.Food"], rpauids = ["user1"] }

[[subscriber]]
imsi = "001010000000002"
mnc-digits = 2
k = "465b5ce8b199b49faa5f0a2ee238a6bc"
op = "cdc202d5123e20f62b6d676ac72cb318"
"#;

struct Files(tempfile::TempDir);

impl Files {
    fn new(config: &str, subscribers: &str) -> Self {
        let folder = crate::store::tests::folder();
        std::fs::write(folder.path().join("network.toml"), config).unwrap();
        let files = Self(folder);
        files.keys(subscribers, 0o600);
        files
    }

    fn keys(&self, text: &str, mode: u32) {
        let path = self.0.path().join("subscribers.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn load(&self) -> Result<Config, ConfigError> {
        Config::load(&self.0.path().join("network.toml"))
    }
}

#[test]
fn a_database_is_a_file_or_a_server_of_this_machine() {
    let parse = |text| Database::parse(text, Path::new("/lab"));
    let fault = |text| parse(text).unwrap_err().to_string();
    assert!(matches!(parse("a.db"), Ok(Database::File(path)) if path == Path::new("/lab/a.db")));
    for text in
        ["postgres://a@localhost/n", "postgresql://127.0.0.1:5433/n", "postgres:///n?host=/run/postgresql"]
    {
        let database = parse(text).unwrap();
        assert!(matches!(&database, Database::Postgres { address, .. } if address.name() == "n"), "{text}");
        assert_eq!(database.socket(), Path::new("/lab/n.sock"));
    }
    assert_eq!(parse("postgres://localhost/..%2Fa").unwrap().socket(), Path::new("/lab/___a.sock"));
    for (text, what) in [
        ("mysql://localhost/n", "neither a file"),
        ("postgres://a:b:s3cr3t@localhost:port/n", "no address"),
        ("postgres:///n", "no host"),
        ("postgres://localhost", "names no database"),
        ("postgres://s3cr3t:s3cr3t@db.example/n", "not on this machine"),
        ("postgres://localhost,192.0.2.1/n", "not on this machine"),
        ("postgres://localhost/n?hostaddr=192.0.2.1", "not on this machine"),
    ] {
        let fault = fault(text);
        assert!(fault.contains(what) && fault.contains("database") && !fault.contains("s3cr3t"), "{fault}");
    }
}

#[test]
fn a_configuration_with_a_password_is_for_its_owner_alone() {
    let config = WHOLE.replace("\"network.db\"", "\"postgres://a:s3cr3t@localhost/n\"");
    let files = Files::new(&config, SUBSCRIBERS);
    let file = files.0.path().join("network.toml");
    let mode = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o640);
    let fault = files.load().unwrap_err().to_string();
    assert!(
        fault.contains("a password; ") && fault.contains("chmod 600") && !fault.contains("s3cr3t"),
        "{fault}"
    );
    mode(0o600);
    let config = files.load().unwrap();
    assert!(!format!("{config:?}").contains("s3cr3t"));
}

const SBI: &str = r#"
[sbi]
listen = "127.0.0.1:0"
token-file = "token"

[sbi.ausf]
mcc = "001"
mnc = "01"
serving-networks = [{ mcc = "002", mnc = "001" }]

[sbi.pkmf]
name = "pkmf.mnc001.mcc001.pub.3gppnetwork.org"
ua-protocol = "0100000007"
mcc = "001"
mnc = "01"
"#;

#[test]
fn interfaces_are_for_this_machine_and_for_who_has_the_token() {
    let files = Files::new(&format!("{WHOLE}{SBI}"), SUBSCRIBERS);
    let token = files.0.path().join("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef\n").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = files.load().unwrap();
    let sbi = config.sbi.as_ref().unwrap();
    let ausf = sbi.ausf.as_ref().unwrap();
    assert_eq!((ausf.serving_networks.len(), ausf.routing_indicator.as_str()), (2, "0"));
    assert_eq!(sbi.pkmf.as_ref().unwrap().naf_id.protocol, [1, 0, 0, 0, 7]);
    assert!(!format!("{config:?}").contains("0123456789abcdef"));
    let fault = |from: &str, to: &str| {
        let changed = format!("{WHOLE}{SBI}").replace(from, to);
        std::fs::write(files.0.path().join("network.toml"), changed).unwrap();
        files.load().unwrap_err().to_string()
    };
    for (from, to, says) in [
        ("[sbi]\nlisten = \"127.0.0.1:0\"", "[sbi]\nlisten = \"192.0.2.1:0\"", "not on this machine"),
        ("\"token\"", "\"none\"", "cannot read it"),
        ("mnc = \"01\"\nserving", "mnc = \"01\"\nrouting-indicator = \"12345\"\nserving", "1 to 4 digits"),
        ("\"0100000007\"", "\"01\"", "10 digits"),
        ("[hss]\nsubscribers = \"subscribers.toml\"\nburst = 100\n", "", "hss"),
    ] {
        let fault = fault(from, to);
        assert!(fault.contains(says), "{to}: {fault}");
    }
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(fault("x", "x").contains("chmod 600"));
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_database_or_a_fault(text: String) {
        let _ = Database::parse(&text, Path::new(""));
        let _ = Database::parse(&format!("postgres://{text}"), Path::new(""));
    }
}

#[test]
fn a_whole_configuration_is_what_it_says() {
    let files = Files::new(WHOLE, SUBSCRIBERS);
    let config = files.load().unwrap();
    assert!(matches!(&config.database, Database::File(path) if *path == files.0.path().join("network.db")));
    assert_eq!((config.limits.connections, config.limits.head.as_millis()), (10, 100));
    assert_eq!(config.limits.body, Limits::default().body);
    assert_eq!(config.hss.unwrap().rate.burst, 100);
    let bsf = config.bsf.unwrap();
    assert_eq!((bsf.bsf.algorithm.name(), bsf.bsf.key_lifetime), ("AKAv1-SHA-256", 60_000));
    let function = config.prose_function.unwrap();
    assert_eq!(function.name.as_str(), "prosefunction.mnc001.mcc001.pub.3gppnetwork.org");
    assert_eq!(function.prose_function.applications.len(), 2);
    assert_eq!(function.prose_function.restricted.encrypted, Some([0x0f; 23]));
    assert_eq!(function.prose_function.validity.value(), 30);
    let [first, second] = &config.subscribers[..] else { panic!("two subscribers") };
    assert_eq!(first.impi.as_str(), "001010000000001@ims.mnc001.mcc001.3gppnetwork.org");
    let subscription = first.subscription.as_ref().unwrap();
    assert_eq!(subscription.rights, [(subscription.registered.unwrap(), Role::OpenAnnounce)]);
    assert!(second.subscription.is_none());
    // K and OP of test set 1 of TS 35.208 give the OPc that the first one has.
    assert_eq!(first.credentials.milenage().opc(), second.credentials.milenage().opc());
}

/// As it stands, and with all that is commented out, but certificates, whose files have to be there (`#` without a blank).
#[test]
fn the_example_is_right() {
    let path = "../flowgraphs/src/commands/network/example/network.toml";
    let example = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let config = Files::new(&example, SUBSCRIBERS).load().unwrap();
    assert_eq!(config.subscribers.len(), 2);
    let lines = example.lines().map(|line| {
        line.strip_prefix("# ").filter(|l| l.contains(" = ") || l.starts_with('[')).unwrap_or(line)
    });
    let whole = lines.collect::<Vec<_>>().join("\n").replace("\"token\"", "\"subscribers.toml\"");
    let whole = whole.replace("\"nas.secret\"", "\"subscribers.toml\"");
    let whole = whole.replace("\"configuration.xml\"", "\"subscribers.toml\"");
    // The whole has a token in the place of subscribers: all but those can be read.
    let whole = whole.replacen("subscribers = ", "# ", 1);
    let config = Files::new(&whole, &"x".repeat(64)).load().unwrap();
    assert_eq!((config.limits, config.peers.unwrap().bsf.is_some()), (Limits::default(), true));
    assert_eq!(config.hss.unwrap().rate, hss::Config::default().rate);
    assert_eq!(config.bsf.unwrap().bsf.key_lifetime, 86_400_000);
    let (aaa, usual) = (config.aaa.unwrap(), sidelink_network::aaa::Config::without_pseudonyms("WLAN"));
    assert_eq!(
        (aaa.aaa.network_name, aaa.aaa.context_lifetime),
        (usual.network_name, usual.context_lifetime)
    );
    assert_eq!(aaa.aaa.reauthentications, usual.reauthentications);
    assert_eq!((config.pkmf.unwrap().pkmf.services.len(), config.auc.is_some()), (2, true));
    let (naf, usual) = (config.group_naf.unwrap().naf, sidelink_network::group_naf::Config::new);
    let usual = usual(naf.naf_id.clone());
    assert_eq!((naf.key_lifetime, naf.push_lifetime), (usual.key_lifetime, usual.push_lifetime));
    assert_eq!((naf.user, naf.vectors), (usual.user, usual.vectors));
    assert!(config.sbi.is_some() && config.prose_function.unwrap().configuration.is_some());
}

#[test]
fn a_fault_says_what_where_and_what_to_do() {
    for (find, put, what, place) in [
        ("head-ms = 100", "head-ms = 0", "a limit is 0", "[limits]"),
        ("connections = 10", "connections = 0", "a limit is 0", "[limits]"),
        ("burst = 100", "bursts = 100", "unknown field", "line 10"),
        ("listen = \"127.0.0.1:0\"", "listen = \"0.0.0.0:0\"", "others can reach 0.0.0.0:0", "[bsf]"),
        ("listen = \"[::1]:0\"", "listen = \"[::]:0\"", "others can reach", "[prose-function]"),
        ("mnc = \"01\"", "mnc = \"1\"", "PLMN", "mcc, mnc"),
        ("validity-min = 30", "validity-min = 0", "Minutes", "validity-min"),
        ("os-id = \"07", "os-id = \"", "hexadecimal", "os-id"),
        ("name = \"bsf.", "name = \"b sf.", "a name has", "[bsf]"),
        ("[hss]\nsubscribers = \"subscribers.toml\"\nburst = 100\n", "", "there is no hss", "[bsf]"),
        (
            "[bsf]\nname = \"bsf.mnc001.mcc001.pub.3gppnetwork.org\"\nlisten = \"127.0.0.1:0\"\ndigest = \"AKAv1-SHA-256\"\nkey-lifetime-s = 60\n",
            "",
            "there is no bsf",
            "[prose-function]",
        ),
        ("target = \"user1\"", "target = \"\"", "Rpauid", "permissions"),
    ] {
        assert!(WHOLE.contains(find), "{find}");
        let error = Files::new(&WHOLE.replacen(find, put, 1), SUBSCRIBERS).load().unwrap_err();
        let text = error.to_string();
        assert!(text.contains(what) && text.contains(place) && text.contains("network.toml"), "{text}");
    }
    let without = WHOLE.replace("[bsf]", "[limits2]");
    assert!(Files::new(&without, SUBSCRIBERS).load().unwrap_err().to_string().contains("limits2"));
    let nothing = Config::parse("database = \"a\"", Path::new("")).unwrap_err();
    assert!(nothing.to_string().contains("nothing is to run"), "{nothing}");
    let error = Config::load(Path::new("/no/such/network.toml")).unwrap_err();
    assert!(error.to_string().contains("cannot read it"), "{error}");
    let reach = WHOLE.replace("listen = \"127.0.0.1:0\"", "listen = \"0.0.0.0:0\"\nreach = \"network\"");
    assert!(Files::new(&reach, SUBSCRIBERS).load().is_ok());
}

#[test]
fn functions_of_other_processes_are_neighbours_with_a_token() {
    let apart = WHOLE.replace("[hss]\nsubscribers = \"subscribers.toml\"\nburst = 100\n", "");
    let peers =
        "[peers]\ntoken-file = \"subscribers.toml\"\nlisten = \"127.0.0.1:0\"\nhss = \"127.0.0.1:7\"\n";
    let token = "0123456789abcdef0123456789abcdef\n";
    let config = Files::new(&format!("{apart}\n{peers}"), token).load().unwrap().peers.unwrap();
    assert_eq!(config.hss.unwrap().address().port(), 7);
    assert!(config.listen.is_some() && config.bsf.is_none());
    for (peers, token, what) in [
        (peers.replace("127.0.0.1:7", "192.0.2.1:7"), token, "in the clear"),
        (peers.replace("127.0.0.1:0", "0.0.0.0:0"), token, "in the clear"),
        (peers.to_owned(), "short", "it holds no token"),
        (peers.replace("hss = \"127.0.0.1:7\"\n", ""), token, "there is no hss"),
    ] {
        let error = Files::new(&format!("{apart}\n{peers}"), token).load().unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    let files = Files::new(&format!("{apart}\n{peers}"), token);
    files.keys(token, 0o644);
    assert!(files.load().unwrap_err().to_string().contains("others can read it"));
}

#[test]
fn keys_are_in_a_file_of_their_owner_and_in_no_message() {
    let files = Files::new(WHOLE, SUBSCRIBERS);
    for mode in [0o640, 0o604, 0o622] {
        files.keys(SUBSCRIBERS, mode);
        let text = files.load().unwrap_err().to_string();
        assert!(text.contains("others can read it") && text.contains("chmod 600"), "{text}");
    }
    for (find, put) in [
        ("k = \"465b5ce8b199b49faa5f0a2ee238a6bc\"", "k = \"465b5ce8b199b49faa5f0a2ee238a6bcff\""),
        ("k = \"465b5ce8b199b49faa5f0a2ee238a6bc\"", "k = \"zz5b5ce8b199b49faa5f0a2ee238a6bc\""),
        ("opc = \"cd63cb71954a9f4e48a5994e37a02baf\"", ""),
        ("k = \"465b5ce8b199b49faa5f0a2ee238a6bc\"", "k = 465b5ce8b199b49faa5f0a2ee238a6bc"),
        ("mnc-digits = 2", "mnc-digits = 4"),
        ("imsi = \"001010000000001\"", "imsi = \"1\""),
        ("roles = [\"open-announce\"]", "roles = [\"fly\"]"),
    ] {
        files.keys(&SUBSCRIBERS.replacen(find, put, 1), 0o600);
        let error = files.load().unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("subscribers.toml") && !text.contains("5b5ce8"), "{text}");
    }
    files.keys(SUBSCRIBERS, 0o600);
    let shown = format!("{:?}", files.load().unwrap());
    assert!(!shown.contains("465b") && !shown.contains("70, 91"), "{shown}");
}

proptest! {
    #[test]
    fn any_text_is_a_configuration_or_a_fault(text: String) {
        let _ = Config::parse(&text, Path::new("/no/such/folder"));
    }
}

#[test]
fn another_database_may_be_given_with_the_same_checks() {
    let files = Files::new(WHOLE, SUBSCRIBERS);
    let path = files.0.path().join("network.toml");
    let load = |database| Config::load_with(&path, Some(database));
    let Database::Postgres { address, folder } = load("postgres://a@localhost/n").unwrap().database else {
        panic!("a server")
    };
    assert_eq!((address.name(), folder.as_path()), ("n", files.0.path()));
    assert_eq!(load("other.db").unwrap().database.file(), Some(Path::new("other.db")));
    assert_eq!(Config::load(&path).unwrap().database.file(), Some(&*files.0.path().join("network.db")));
    for (database, what) in [
        ("postgres://a:s3cr3t@localhost/n", "among the processes"),
        ("postgres://a@192.0.2.1/n", "not on this machine"),
        ("mysql://a@localhost/n", "neither a file"),
        ("postgres://localhost", "names no database"),
    ] {
        let fault = load(database).unwrap_err().to_string();
        assert!(fault.contains(what) && fault.contains("database") && !fault.contains("s3cr3t"), "{fault}");
    }
    // It may be the only one.
    let without = Files::new(&WHOLE.replace("database = \"network.db\"", ""), SUBSCRIBERS);
    let path = without.0.path().join("network.toml");
    assert!(Config::load_with(&path, Some("other.db")).is_ok());
    let fault = Config::load(&path).unwrap_err().to_string();
    assert!(fault.contains("there is no database") && fault.contains("network.toml"), "{fault}");
}
