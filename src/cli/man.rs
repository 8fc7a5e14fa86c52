//! The manual page, made from the arguments. `image/callbox.1` is this.

use clap::{Arg, Command};
use clap_mangen::roff::{Roff, bold, italic, roman};

/// The page in roff.
pub fn page(command: &Command) -> String {
    let mut page = Roff::new();
    page.control("SH", ["NAME"]);
    page.text([roman(format!("callbox - {}", about(command)))]);
    page.control("SH", ["SYNOPSIS"]);
    page.text([bold("callbox"), roman(" [--socket PATH] "), italic("COMMAND"), roman(" ...")]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(
        "One program reads buttons, lights lamps, keeps a session to a voice core, and carries calls between a sound \
         card and WebRTC. As a service: systemctl enable --now callbox.",
    )]);
    page.control("SH", ["OPTIONS"]);
    for argument in command.get_arguments().filter(|argument| argument.get_id() == "socket") {
        entry(&mut page, argument);
    }
    page.control("SH", ["COMMANDS"]);
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let positional = sub.get_positionals().map(|argument| format!(" {}", placeholder(argument)));
        page.control("SS", [format!("{}{}", sub.get_name(), positional.collect::<String>()).as_str()]);
        page.text([roman(about(sub))]);
        for argument in sub.get_arguments().filter(|argument| shown(argument)) {
            entry(&mut page, argument);
        }
    }
    // The library leaves an empty argument out, here the date.
    format!(".TH CALLBOX 1 \"\" callbox \"User commands\"\n{}{}", page.to_roff(), REST.trim_start())
}

/// The options of all commands stand once, at the top.
fn shown(argument: &Arg) -> bool {
    !["help", "version", "socket"].contains(&argument.get_id().as_str())
}

fn entry(page: &mut Roff, argument: &Arg) {
    page.control("TP", []);
    let value = if argument.get_action().takes_values() { placeholder(argument) } else { String::new() };
    match argument.get_long() {
        Some(long) => page.text([bold(format!("--{long}")), roman(" "), italic(value)]),
        None => page.text([italic(value)]),
    };
    let mut text = argument.get_help().map(ToString::to_string).unwrap_or_default();
    if let [default] = argument.get_default_values()
        && argument.get_action().takes_values()
    {
        text.push_str(&format!(". Default {}.", default.to_string_lossy()));
    }
    page.text([roman(text)]);
}

fn placeholder(argument: &Arg) -> String {
    match argument.get_value_names() {
        Some(names) => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        None => argument.get_id().as_str().to_uppercase(),
    }
}

fn about(command: &Command) -> String {
    command.get_about().map(ToString::to_string).unwrap_or_default()
}

/// What the arguments do not know.
const REST: &str = r#"
.SH FILES
.TP
.I /etc/callbox/callbox.toml
The configuration. Examples with every key: /usr/share/doc/callbox/examples.
.TP
.IR /etc/callbox/board ", " /usr/share/callbox/board
Board files, the first goes before the second.
.TP
.I /etc/credstore/callbox.client-secret
The secret of the voice core's token server, mode 600; handed to the service as the credential
.IR client-secret .
.TP
.I /run/callbox/control.sock
Where commands reach the appliance. Members of group callbox may use it.
.TP
.I /var/lib/callbox
What outlives a restart.
.SH ENVIRONMENT
.TP
.B CALLBOX_SOCKET
Another control socket.
.TP
.B RUST_LOG
Another log filter than the one of the configuration.
.TP
.B NO_COLOR
If set, nothing is coloured.
.SH EXIT STATUS
0 done, 1 failed at run time, 2 wrong usage or configuration.
.SH SEE ALSO
.BR systemctl (1),
.BR journalctl (1),
.BR gpioinfo (1),
.BR arecord (1)
"#;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::{Arguments, shipped};

    #[test]
    fn the_page_that_is_shipped_is_up_to_date() {
        let page = page(&shipped(&Arguments::command()));
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("image/callbox.1");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, &page).unwrap();
        }
        let shipped = std::fs::read_to_string(file).unwrap_or_default();
        assert!(shipped == page, "run `callbox man > image/callbox.1`");
    }
}
