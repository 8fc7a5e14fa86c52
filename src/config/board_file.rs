//! Finds board files by name and lays each over those it inherits from.

use std::path::{Path, PathBuf};

use super::board::Board;
use super::board_draft::Draft;
use super::board_rules;
use super::diagnostic::{Diagnostic, Place, Problem, quoted};
use super::document;
use super::value;

/// Boards that work with no file at all.
const BUILT_IN: [(&str, &str); 24] = [
    ("desktop-mock", include_str!("../../board/desktop-mock.toml")),
    ("generic", include_str!("../../board/generic.toml")),
    ("generic-doorstation", include_str!("../../board/generic-doorstation.toml")),
    ("generic-headless", include_str!("../../board/generic-headless.toml")),
    ("generic-pushbox", include_str!("../../board/generic-pushbox.toml")),
    ("mock-doorstation", include_str!("../../board/mock-doorstation.toml")),
    ("mock-headless", include_str!("../../board/mock-headless.toml")),
    ("mock-pushbox", include_str!("../../board/mock-pushbox.toml")),
    ("rpi3", include_str!("../../board/rpi3.toml")),
    ("rpi3-doorstation", include_str!("../../board/rpi3-doorstation.toml")),
    ("rpi3-headless", include_str!("../../board/rpi3-headless.toml")),
    ("rpi3-pushbox", include_str!("../../board/rpi3-pushbox.toml")),
    ("rpi4", include_str!("../../board/rpi4.toml")),
    ("rpi4-doorstation", include_str!("../../board/rpi4-doorstation.toml")),
    ("rpi4-headless", include_str!("../../board/rpi4-headless.toml")),
    ("rpi4-pushbox", include_str!("../../board/rpi4-pushbox.toml")),
    ("rpi5", include_str!("../../board/rpi5.toml")),
    ("rpi5-doorstation", include_str!("../../board/rpi5-doorstation.toml")),
    ("rpi5-headless", include_str!("../../board/rpi5-headless.toml")),
    ("rpi5-pushbox", include_str!("../../board/rpi5-pushbox.toml")),
    ("rpizero2w", include_str!("../../board/rpizero2w.toml")),
    ("rpizero2w-doorstation", include_str!("../../board/rpizero2w-doorstation.toml")),
    ("rpizero2w-headless", include_str!("../../board/rpizero2w-headless.toml")),
    ("rpizero2w-pushbox", include_str!("../../board/rpizero2w-pushbox.toml")),
];

/// What boards are made of: found by `inherit` only, since none is whole.
const PARTS: [(&str, &str); 7] = [
    ("door-contact", include_str!("../../board/parts/door-contact.toml")),
    ("doorstation", include_str!("../../board/parts/doorstation.toml")),
    ("headless", include_str!("../../board/parts/headless.toml")),
    ("mock", include_str!("../../board/parts/mock.toml")),
    ("pushbox", include_str!("../../board/parts/pushbox.toml")),
    ("rpi", include_str!("../../board/parts/rpi.toml")),
    ("tamper", include_str!("../../board/parts/tamper.toml")),
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
        let merged = self.collect(name_or_path, origin, base, &mut Vec::new())?;
        let name = Path::new(&merged.file).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        board_rules::finish(merged, name)
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

    /// A file over all that it inherits from. `above` are the files that led here.
    fn collect(
        &self,
        name_or_path: &str,
        origin: &Place,
        base: &Path,
        above: &mut Vec<String>,
    ) -> Result<Draft, Vec<Diagnostic>> {
        let (file, text) = self.find(name_or_path, origin, base, above).map_err(|found| vec![found])?;
        if above.contains(&file) {
            let what = format!("{} inherits itself by way of {}", quoted(name_or_path), above.join(", "));
            return Err(vec![
                origin.diagnose(Problem::new(what, "inherit from a board that does not lead back here")),
            ]);
        }
        if above.len() >= DEEPEST {
            let what = format!("boards inherit more than {DEEPEST} deep");
            return Err(vec![origin.diagnose(Problem::new(what, "inherit from a simpler board"))]);
        }
        let folder = Path::new(&file).parent().unwrap_or(Path::new("")).to_owned();
        let draft = Draft::read(&file, &text, &folder)?;
        let mut merged = Draft::default();
        above.push(file);
        for (below, place) in &draft.inherit {
            merged.lay_over(self.collect(below, place, &folder, above)?);
        }
        above.pop();
        merged.lay_over(draft);
        Ok(merged)
    }

    /// A file's name for people, and its text. Only those who inherit find parts.
    fn find(
        &self,
        name_or_path: &str,
        origin: &Place,
        base: &Path,
        above: &[String],
    ) -> Result<(String, String), Diagnostic> {
        let cure = "name one of the boards, or the path of a board file";
        if name_or_path.contains('/') || name_or_path.ends_with(".toml") {
            let path = base.join(name_or_path);
            if path.is_file() {
                return Ok((path.display().to_string(), document::read(&path, cure)?));
            }
            let what = format!("there is no board file {}", quoted(&path.display().to_string()));
            return Err(origin.diagnose(Problem::new(what, cure)));
        }
        let inherited = !above.is_empty();
        let in_parts = self.folders.iter().filter(|_| inherited).map(|folder| folder.join("parts"));
        for folder in self.folders.iter().cloned().chain(in_parts) {
            let path = folder.join(format!("{name_or_path}.toml"));
            if path.is_file() {
                return Ok((path.display().to_string(), document::read(&path, cure)?));
            }
        }
        let parts = PARTS.iter().filter(|_| inherited);
        if let Some((name, text)) = BUILT_IN.iter().chain(parts).find(|(name, _)| *name == name_or_path) {
            return Ok((format!("built-in/{name}.toml"), (*text).to_owned()));
        }
        let mut names = self.names();
        if inherited {
            names.extend(PARTS.iter().map(|(name, _)| (*name).to_owned()));
        }
        let cure = match value::nearest(name_or_path, names.iter().map(String::as_str)) {
            Some(nearest) => format!("did you mean {}?", quoted(nearest)),
            None => format!("write one of {}, or the path of a board file", names.join(", ")),
        };
        Err(origin.diagnose(Problem::new(format!("there is no board {}", quoted(name_or_path)), cure)))
    }
}
