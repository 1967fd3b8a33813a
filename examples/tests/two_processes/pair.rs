//! The two real programs, started as a user would.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A running `cipherformer-server`; killed when dropped.
pub(crate) struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Starts a server of the shipped circuits on a free loopback port and waits until it is ready.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(&circuits(), data)
    }

    /// The same with another folder of circuits.
    pub(crate) fn start_with(circuits: &Path, data: &Path) -> Self {
        let mut child = Command::new(program("cipherformer-server"))
            .arg("--circuits")
            .arg(circuits)
            .arg("--data-dir")
            .arg(data)
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server can be started");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut lines = stdout.lines().map_while(Result::ok);
        let url = lines.find_map(|line| Some(line.strip_prefix("listening on ")?.to_owned()));
        let url = url.expect("the server says where it listens");
        // Nobody may find the pipe full or closed.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `cipherformer-client --home HOME` with these arguments and this standard input.
pub(crate) fn client<S: AsRef<OsStr>>(home: &Path, arguments: &[S], input: &[u8]) -> Output {
    let mut child = Command::new(program("cipherformer-client"))
        .arg("--home")
        .arg(home)
        .args(arguments)
        .env_remove("CIPHERFORMER_SERVER")
        .env_remove("CIPHERFORMER_PASSPHRASE_FILE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the client can be started");
    let mut stdin = child.stdin.take().expect("it is piped");
    // The client may end without reading it.
    let _ = stdin.write_all(input);
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

/// The folder of circuits that the repository ships.
pub(crate) fn circuits() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../circuits")
}

/// Programs of the workspace lie beside the folder of this test.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let folder = test.parent().and_then(Path::parent);
    let path = folder.expect("target/PROFILE/deps").join(name);
    let path = path.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        path.exists(),
        "{} is not built; run `cargo test --release --workspace`, which builds the programs of every \
         package that has integration tests, or `cargo build --release --workspace` first",
        path.display()
    );
    path
}
