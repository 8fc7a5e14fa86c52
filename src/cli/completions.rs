//! `callbox completions`: what a shell needs to complete commands and switches.

use clap::CommandFactory;
use clap_complete::Shell;

use super::DONE;
use super::args::Arguments;
use super::out;

/// Prints the script for `shell`.
pub(super) fn completions(shell: Shell) -> u8 {
    // A reader that has had enough, as `| head -1`, is no failure.
    let _ = out::line(script(shell));
    DONE
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "callbox", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_learns_every_command() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for command in Arguments::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }
}
