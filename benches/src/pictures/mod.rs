//! The book's pictures: computed once, drawn for light and for dark pages.

mod canvas;
mod images;
mod layouts;
mod letter;
mod noise;
mod rotation;
mod torus;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use svg::Document;

use canvas::{DARK, LIGHT, Palette};

/// Draws what a run found, in the colours of a page.
type Draw = Box<dyn Fn(&Palette) -> Document>;

/// Computes what a picture shows, once.
type Run = fn() -> Result<Draw>;

/// All pictures by name.
const ALL: &[(&str, Run)] = &[
    ("images", images::run),
    ("torus", torus::run),
    ("rotation", rotation::run),
    ("noise", noise::run),
    ("layouts", layouts::run),
    ("letter", letter::run),
];

/// Runs and draws the pictures with these names, or all, and writes NAME-light.svg and NAME-dark.svg to a folder.
///
/// # Errors
/// An unknown name, a wrong result, or a file that cannot be written.
pub fn write(folder: &Path, names: &[String]) -> Result<()> {
    let known: Vec<&str> = ALL.iter().map(|(name, _)| *name).collect();
    let unknown = names.iter().find(|name| !known.contains(&name.as_str()));
    ensure!(
        unknown.is_none(),
        "there is no picture {unknown:?}; there are {known:?}"
    );
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let chosen = |name: &str| names.is_empty() || names.iter().any(|other| other == name);
    for (name, run) in ALL.iter().filter(|(name, _)| chosen(name)) {
        let draw = run().with_context(|| format!("picture {name}"))?;
        for palette in [&LIGHT, &DARK] {
            let path = folder.join(format!("{name}-{}.svg", palette.name));
            svg::save(&path, &draw(palette))
                .with_context(|| format!("cannot write {}", path.display()))?;
            eprintln!("wrote {}", path.display());
        }
    }
    Ok(())
}
