//! `ui`: a page for the browser of this computer.

use std::process::ExitCode;

use cipherformer_client::{Endpoint, KeyHome, Ui};

use super::arguments::Ui as Options;
use super::{interrupted, print};

pub(crate) async fn run(
    server: Endpoint,
    home: KeyHome,
    options: &Options,
) -> anyhow::Result<ExitCode> {
    let ui = Ui::bind(&server, home, options.port).await?;
    print(ui.address())?;
    eprintln!(
        "open this address in a browser on this computer, and show it to nobody: who knows it can use your keys \
         through the page; Ctrl-C ends it"
    );
    ui.serve(interrupted()).await;
    Ok(ExitCode::SUCCESS)
}
