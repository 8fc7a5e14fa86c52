//! Where the control socket is.

use std::path::PathBuf;

/// Where systemd's `RuntimeDirectory=callbox` puts it.
const SYSTEM: &str = "/run/callbox/control.sock";

/// The places in the order to try them: only the given one if there is one
/// (`--socket`), else `CALLBOX_SOCKET`, else the system's, else the user's.
pub fn candidates(given: Option<PathBuf>) -> Vec<PathBuf> {
    choose(given, |name| std::env::var_os(name).map(PathBuf::from))
}

fn choose(given: Option<PathBuf>, variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    if let Some(path) = given.or_else(|| variable("CALLBOX_SOCKET")) {
        return vec![path];
    }
    let user = variable("XDG_RUNTIME_DIR").map(|dir| dir.join("callbox.sock"));
    std::iter::once(PathBuf::from(SYSTEM)).chain(user).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_given_path_goes_before_the_environment_and_that_before_the_usual_places() {
        let set = |name: &str| Some(PathBuf::from(format!("/{name}")));
        assert_eq!(choose(Some("/given".into()), set), [PathBuf::from("/given")]);
        assert_eq!(choose(None, set), [PathBuf::from("/CALLBOX_SOCKET")]);
        let only_user = |name: &str| (name == "XDG_RUNTIME_DIR").then(|| PathBuf::from("/u"));
        assert_eq!(choose(None, only_user), [PathBuf::from(SYSTEM), PathBuf::from("/u/callbox.sock")]);
        assert_eq!(choose(None, |_| None), [PathBuf::from(SYSTEM)]);
    }
}
