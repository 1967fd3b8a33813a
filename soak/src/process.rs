//! The server as a process: started, watched, killed, started again.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// What stays the same from one start to the next.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) circuits: PathBuf,
    /// Where its data and its log are.
    pub(crate) folder: PathBuf,
    pub(crate) queue: usize,
    pub(crate) key_memory_mb: usize,
}

/// A server; killed when dropped.
pub(crate) struct Process {
    settings: Settings,
    child: Child,
    address: SocketAddr,
}

impl Process {
    /// Starts one on a free port of the loopback interface, and waits until it listens.
    pub(crate) fn start(settings: Settings) -> Result<Self> {
        let (child, address) = spawn(&settings, SocketAddr::from(([127, 0, 0, 1], 0)))?;
        Ok(Self {
            settings,
            child,
            address,
        })
    }

    /// Where it is, and will be after a restart.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// SIGKILL: it has no chance to write anything any more.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill().context("cannot kill the server")?;
        self.child.wait().context("the server does not end")?;
        Ok(())
    }

    /// Starts it again after it was killed, on the same data and address.
    pub(crate) fn restart(&mut self) -> Result<()> {
        (self.child, _) = spawn(&self.settings, self.address)?;
        Ok(())
    }

    /// Fails, with the end of its log, if it is not there any more.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("the server has ended by itself: {status}"),
        }
    }

    /// The most memory it ever had, in megabytes; none where the system does not say.
    pub(crate) fn peak_memory_mb(&self) -> Option<f64> {
        memory_mb(&self.child.id().to_string(), "VmHWM")
    }

    /// The memory it has now.
    pub(crate) fn memory_mb(&self) -> Option<f64> {
        memory_mb(&self.child.id().to_string(), "VmRSS")
    }

    /// The lines of its log, over all starts, that no healthy server writes.
    pub(crate) fn complaints(&self) -> Result<Vec<String>> {
        let log = fs::read(self.settings.folder.join("server.log"))?;
        let log = String::from_utf8_lossy(&log);
        let complaint = |line: &&str| {
            line.contains(" ERROR ") || line.contains("panicked") || line.contains("damaged")
        };
        Ok(log.lines().filter(complaint).map(str::to_owned).collect())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(settings: &Settings, listen: SocketAddr) -> Result<(Child, SocketAddr)> {
    let log = settings.folder.join("server.log");
    let log = OpenOptions::new().create(true).append(true).open(log)?;
    let program = std::env::current_exe().context("this program has no path")?;
    let mut child = Command::new(program)
        .arg("serve")
        .arg("--circuits")
        .arg(&settings.circuits)
        .arg("--data-dir")
        .arg(settings.folder.join("data"))
        .args(["--listen", &listen.to_string()])
        .args(["--queue", &settings.queue.to_string()])
        .args(["--key-memory-mb", &settings.key_memory_mb.to_string()])
        // Held for as long as this process lives; its end tells the server to stop.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .context("cannot start the server")?;
    let stdout = child.stdout.take().context("it is piped")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    match line.trim().parse() {
        Ok(address) => Ok((child, address)),
        Err(_) => {
            let _ = child.kill();
            let log = fs::read_to_string(settings.folder.join("server.log"))?;
            anyhow::bail!(
                "the server does not start; its log ends with: {}",
                tail(&log)
            )
        }
    }
}

fn tail(log: &str) -> &str {
    log.trim_end().lines().last().unwrap_or("nothing")
}

/// A line of `/proc/PID/status`, in megabytes.
pub(crate) fn memory_mb(process: &str, line: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let value = status
        .lines()
        .find_map(|l| l.strip_prefix(line)?.strip_prefix(':'))?;
    let kilobytes: f64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}
