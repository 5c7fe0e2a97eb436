//! A PostgreSQL of the test's own: a cluster in a temporary folder, on a Unix socket alone. It ends with its test.

#![allow(dead_code, reason = "the tests of the store and those of the services need different parts")]

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

const SOCKET: &str = ".s.PGSQL.5432";

pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    programs: PathBuf,
    /// Whom it runs as: PostgreSQL refuses root.
    user: Option<(u32, u32)>,
    server: Option<Child>,
}

/// Folder of `initdb`, which Debian does not put into PATH.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok();
    let versions = versions.into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions.chain(std::env::split_paths(&path)).find(|folder| folder.join("initdb").exists())
}

/// User and group of a name in /etc/passwd.
fn ids(name: &str) -> Option<(u32, u32)> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2).map(|field| field.parse().ok());
    Some((fields.next()??, fields.next()??))
}

impl Cluster {
    /// Starts one; none, and a line that says so, where there is no PostgreSQL.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("SKIPPED: no postgresql (apt-get install postgresql)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let is_root = std::fs::metadata(folder.path()).unwrap().uid() == 0;
        let user = if is_root { ids("postgres").or_else(|| ids("nobody")) } else { None };
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let mut cluster = Self { folder, programs, user, server: None };
        for part in ["data", "socket"] {
            std::fs::create_dir(cluster.path(part)).unwrap();
            if let Some((user, group)) = user {
                chown(cluster.path(part), Some(user), Some(group)).unwrap();
            }
        }
        let mut initdb = cluster.program(&cluster.programs.join("initdb"));
        initdb.args(["-N", "-E", "UTF8", "--locale=C", "-U", "postgres", "-A", "trust", "-D"]);
        let made = initdb.arg(cluster.path("data")).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        // One user needs a password.
        let access = "local all locked scram-sha-256\nlocal all all trust\n";
        std::fs::write(cluster.path("data/pg_hba.conf"), access).unwrap();
        cluster.run();
        Some(cluster)
    }

    fn path(&self, part: &str) -> PathBuf {
        self.folder.path().join(part)
    }

    /// Folder of its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path("socket")
    }

    fn program(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    /// Starts its server, and waits until it answers.
    pub(crate) fn run(&mut self) {
        // It dies with the thread of its test, whatever ends that.
        let mut server = self.program(Path::new("setpriv"));
        server.args(["--pdeathsig", "KILL", "--"]).arg(self.programs.join("postgres"));
        server.arg("-D").arg(self.path("data")).arg("-k").arg(self.socket()).args(["-h", ""]);
        let log = std::fs::File::create(self.path("log")).unwrap();
        self.server = Some(server.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        let began = Instant::now();
        while self.psql("postgres", "SELECT 1").is_none() {
            let log = std::fs::read_to_string(self.path("log")).unwrap();
            assert!(began.elapsed() < Duration::from_secs(60), "PostgreSQL does not start: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops its server at once, as a crash would.
    pub(crate) fn stop(&mut self) {
        let mut stop = self.program(&self.programs.join("pg_ctl"));
        stop.args(["stop", "-m", "immediate", "-w", "-D"]).arg(self.path("data"));
        let stopped = stop.output().unwrap();
        assert!(stopped.status.success(), "{stopped:?}");
        self.server.take().unwrap().wait().unwrap();
    }

    /// What a statement gives, a row a line, with tabs; none where it fails.
    pub(crate) fn psql(&self, database: &str, statement: &str) -> Option<String> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"]);
        let output = psql.arg(self.socket()).args(["-d", database, "-c", statement]).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// Makes a database and gives its address.
    pub(crate) fn database(&self, name: &str) -> String {
        self.psql("postgres", &format!("CREATE DATABASE {name}")).unwrap();
        address(name, &self.socket())
    }
}

/// Address of a database by its socket.
pub(crate) fn address(name: &str, socket: &Path) -> String {
    format!("postgres:///{name}?user=postgres&host={}", socket.display())
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let mut stop = self.program(&self.programs.join("pg_ctl"));
            let _ = stop.args(["stop", "-m", "immediate", "-w", "-D"]).arg(self.path("data")).output();
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

/// What lies between a client and its server.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Open = 0,
    /// The next COMMIT is made, and the connection breaks before its answer.
    LosesAnswer = 1,
    /// Nothing gets through to the server.
    Frozen = 2,
}

/// A way to a server of which tests decide.
#[derive(Clone)]
pub(crate) struct Proxy(Arc<AtomicU8>);

impl Proxy {
    /// Takes connections in a folder for the server whose socket is in another.
    pub(crate) fn start(folder: &Path, server: PathBuf) -> Self {
        let way = Self(Arc::new(AtomicU8::new(Way::Open as u8)));
        let listener = UnixListener::bind(folder.join(SOCKET)).unwrap();
        let ways = way.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = UnixStream::connect(server.join(SOCKET)) else { continue };
                let (ways, clients, servers) =
                    (ways.clone(), client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || ways.to_server(client, server));
                std::thread::spawn(move || to_client(servers, clients));
            }
        });
        way
    }

    pub(crate) fn set(&self, way: Way) {
        self.0.store(way as u8, Ordering::SeqCst);
    }

    fn to_server(&self, mut client: UnixStream, mut server: UnixStream) {
        let mut octets = [0; 65536];
        while let Ok(length @ 1..) = client.read(&mut octets) {
            let way = self.0.load(Ordering::SeqCst);
            if way == Way::Frozen as u8 {
                continue;
            }
            if way == Way::LosesAnswer as u8 && octets[..length].windows(6).any(|text| text == b"COMMIT") {
                self.set(Way::Open);
                let _ = client.shutdown(std::net::Shutdown::Both);
                server.write_all(&octets[..length]).unwrap();
                // The server ends the commit before it reads on and finds the end.
                let _ = server.shutdown(std::net::Shutdown::Write);
                return;
            }
            if server.write_all(&octets[..length]).is_err() {
                break;
            }
        }
        let _ = client.shutdown(std::net::Shutdown::Both);
        let _ = server.shutdown(std::net::Shutdown::Both);
    }
}

fn to_client(mut server: UnixStream, mut client: UnixStream) {
    let mut octets = [0; 65536];
    while let Ok(length @ 1..) = server.read(&mut octets) {
        if client.write_all(&octets[..length]).is_err() {
            break;
        }
    }
    let _ = client.shutdown(std::net::Shutdown::Both);
}
