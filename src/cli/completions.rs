//! Scripts that complete commands, made from the arguments. Those in
//! `image/completions` are these.

use clap::Command;
use clap_complete::Shell;

/// The script for a shell.
pub fn script(shell: Shell, mut command: Command) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "callbox", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::{Arguments, shipped};

    #[test]
    fn the_scripts_that_are_shipped_are_up_to_date() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("image/completions");
        for (shell, name) in
            [(Shell::Bash, "callbox.bash"), (Shell::Zsh, "_callbox"), (Shell::Fish, "callbox.fish")]
        {
            let script = script(shell, shipped(&Arguments::command()));
            let file = folder.join(name);
            if std::env::var_os("BLESS").is_some() {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&file, &script).unwrap();
            }
            let kept = std::fs::read_to_string(file).unwrap_or_default();
            assert!(kept == script, "{name}: run BLESS=1 cargo test --lib up_to_date");
        }
    }
}
