//! A board's file, alone and over the parts that it may inherit from.

use std::fs;

use callbox::config::BoardLoader;

use super::terminal::folder;

pub fn run(data: &[u8]) {
    let boards = folder().join("boards");
    fs::create_dir_all(&boards).unwrap();
    fs::write(boards.join("fuzz.toml"), data).unwrap();
    match BoardLoader::new(vec![boards]).load("fuzz") {
        Ok(board) => {
            // A strike has a limit: the board's, or the appliance's own.
            assert!(board.outputs.values().all(|output| output.max_on.is_none_or(|limit| !limit.is_zero())));
        }
        Err(found) => {
            assert!(!found.is_empty(), "refused without a reason");
            assert!(found.iter().all(|one| one.place.line >= 1 && !one.cure.is_empty()), "{found:?}");
        }
    }
}
