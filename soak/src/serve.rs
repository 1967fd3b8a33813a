//! The server that is pressed: this program in another role.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;

use anyhow::Result;
use cipherformer_server::{Config, LogFormat, Server, runtime, subscriber};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// How the server is set up.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Serve {
    /// Folder of circuits
    #[arg(long)]
    pub(crate) circuits: PathBuf,
    /// Folder for what it stores
    #[arg(long)]
    pub(crate) data_dir: PathBuf,
    /// Where it listens
    #[arg(long)]
    pub(crate) listen: SocketAddr,
    /// Evaluations that may wait
    #[arg(long)]
    pub(crate) queue: usize,
    /// Memory for expanded keys
    #[arg(long)]
    pub(crate) key_memory_mb: usize,
}

/// Serves until it is killed, or nobody holds its standard input any more: it must not outlive a run.
pub(crate) fn run(serve: &Serve) -> Result<()> {
    let filter = EnvFilter::new("info");
    subscriber(LogFormat::Text, filter, false, io::stderr).init();
    let mut config = Config::loopback(&serve.circuits, &serve.data_dir);
    config.listen = serve.listen;
    config.queue = serve.queue;
    config.key_memory_mb = serve.key_memory_mb;
    // A run holds more keys and sessions, for longer, than one owner without a name usually does.
    config.session_minutes = 120;
    runtime(&config)?.block_on(listen(&config))
}

async fn listen(config: &Config) -> Result<()> {
    let server = Server::open(config)?;
    let listener = Server::listen(config).await?;
    writeln!(io::stdout(), "{}", listener.address())?;
    io::stdout().flush()?;
    let (let_go, orphaned) = oneshot::channel();
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        let _ = let_go.send(());
    });
    let done = server.serve(listener, async {
        let _ = orphaned.await;
    });
    Ok(done.await?)
}
