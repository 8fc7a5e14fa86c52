//! callbox.toml and board files: strict, with errors that name file, line and cure.
