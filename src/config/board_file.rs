//! Finds board files by name and lays each over the one it inherits from.

use std::path::{Path, PathBuf};

use super::board::Board;
use super::board_draft::Draft;
use super::diagnostic::{Diagnostic, Place, Problem, quoted};
use super::document;
use super::value;

/// Boards that work with no file at all.
const BUILT_IN: [(&str, &str); 5] = [
    ("desktop-mock", include_str!("../../board/desktop-mock.toml")),
    ("rpi", include_str!("../../board/rpi.toml")),
    ("rpi4-doorstation", include_str!("../../board/rpi4-doorstation.toml")),
    ("rpi4-headless", include_str!("../../board/rpi4-headless.toml")),
    ("rpi4-pushbox", include_str!("../../board/rpi4-pushbox.toml")),
];

/// More than anybody can follow by eye.
const DEEPEST: usize = 8;

/// Finds boards by name.
#[derive(Clone, Debug, Default)]
pub struct BoardLoader {
    folders: Vec<PathBuf>,
}

impl BoardLoader {
    /// Looks in these folders, the first first, then among the built-in boards.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders }
    }

    /// As the appliance looks: `board/` beside the configuration, then
    /// `/etc/callbox/board`, `/usr/share/callbox/board`, then the built-in ones.
    pub fn beside(config: &Path) -> Self {
        let beside = config.parent().unwrap_or(Path::new("")).join("board");
        Self::new(vec![beside, "/etc/callbox/board".into(), "/usr/share/callbox/board".into()])
    }

    /// Loads a board by its name, or by a path, which holds a `/` or ends in `.toml`.
    ///
    /// # Errors
    /// Everything that is wrong with the file and those it inherits from.
    pub fn load(&self, name_or_path: &str) -> Result<Board, Vec<Diagnostic>> {
        let origin = Place::start_of(name_or_path);
        self.load_from(name_or_path, &origin, Path::new(""))
    }

    /// [`BoardLoader::load`]; a board that is not found is reported at `origin`,
    /// a relative path counts from `base`.
    pub(super) fn load_from(
        &self,
        name_or_path: &str,
        origin: &Place,
        base: &Path,
    ) -> Result<Board, Vec<Diagnostic>> {
        let mut layers = Vec::new();
        self.collect(name_or_path, origin, base, &mut layers)?;
        let name = layers.first().map(|(name, _)| name.clone()).unwrap_or_default();
        let mut merged = Draft::default();
        for (_, layer) in layers.into_iter().rev() {
            merged.lay_over(layer);
        }
        merged.finish(name)
    }

    /// The names of all boards that [`BoardLoader::load`] would find.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
        for entry in self.folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten().flatten() {
            if let Some(name) = entry.file_name().to_str().and_then(|name| name.strip_suffix(".toml")) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        names.dedup();
        names
    }

    fn collect(
        &self,
        name_or_path: &str,
        origin: &Place,
        base: &Path,
        layers: &mut Vec<(String, Draft)>,
    ) -> Result<(), Vec<Diagnostic>> {
        let (file, text) = self.find(name_or_path, origin, base).map_err(|found| vec![found])?;
        let chain: Vec<&str> = layers.iter().map(|(_, draft)| draft.file.as_str()).collect();
        if chain.contains(&file.as_str()) {
            let what = format!("{} inherits itself by way of {}", quoted(name_or_path), chain.join(", "));
            return Err(vec![
                origin.diagnose(Problem::new(what, "inherit from a board that does not lead back here")),
            ]);
        }
        if chain.len() >= DEEPEST {
            let what = format!("boards inherit more than {DEEPEST} deep");
            return Err(vec![origin.diagnose(Problem::new(what, "inherit from a simpler board"))]);
        }
        let folder = Path::new(&file).parent().unwrap_or(Path::new("")).to_owned();
        let draft = Draft::read(&file, &text, &folder)?;
        let parent = draft.inherit.clone();
        let name = Path::new(&file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        layers.push((name.unwrap_or_default(), draft));
        match parent {
            Some((parent, place)) => self.collect(&parent, &place, &folder, layers),
            None => Ok(()),
        }
    }

    /// A file's name for people, and its text.
    fn find(&self, name_or_path: &str, origin: &Place, base: &Path) -> Result<(String, String), Diagnostic> {
        let cure = "name one of the boards, or the path of a board file";
        if name_or_path.contains('/') || name_or_path.ends_with(".toml") {
            let path = base.join(name_or_path);
            if path.is_file() {
                return Ok((path.display().to_string(), document::read(&path, cure)?));
            }
            let what = format!("there is no board file {}", quoted(&path.display().to_string()));
            return Err(origin.diagnose(Problem::new(what, cure)));
        }
        for folder in &self.folders {
            let path = folder.join(format!("{name_or_path}.toml"));
            if path.is_file() {
                return Ok((path.display().to_string(), document::read(&path, cure)?));
            }
        }
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == name_or_path) {
            return Ok((format!("built-in/{name}.toml"), (*text).to_owned()));
        }
        let names = self.names();
        let cure = match value::nearest(name_or_path, names.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean {}?", quoted(nearest)),
            None => format!("write one of {}, or the path of a board file", names.join(", ")),
        };
        Err(origin.diagnose(Problem::new(format!("there is no board {}", quoted(name_or_path)), cure)))
    }
}
