//! The arguments, as `callbox help` shows them.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::appliance::action::VolumeChange;

/// Firmware for a door intercom, a push-to-call box or a headless field device.
#[derive(Debug, Parser)]
#[command(name = "callbox", version, about, propagate_version = true, arg_required_else_help = true)]
pub struct Arguments {
    /// The appliance's control socket [default: $CALLBOX_SOCKET, else
    /// /run/callbox/control.sock, else $XDG_RUNTIME_DIR/callbox.sock]
    #[arg(long, global = true, value_name = "PATH")]
    pub socket: Option<PathBuf>,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the appliance until SIGTERM or ctrl-c.
    Run {
        /// The configuration.
        #[arg(long, value_name = "FILE", default_value = "/etc/callbox/callbox.toml")]
        config: PathBuf,
    },
    /// Try it without hardware: a box and a voice core in one go.
    #[cfg(feature = "sim")]
    Demo(crate::demo::DemoArguments),
    /// Read configuration and board, open nothing.
    Check {
        /// The configuration.
        #[arg(long, value_name = "FILE", default_value = "/etc/callbox/callbox.toml")]
        config: PathBuf,
    },
    /// Show what the running appliance is doing.
    Status {
        /// One JSON object; with --watch, one a change.
        #[arg(long)]
        json: bool,
        /// Go on: on a terminal a screen until q or ctrl-c, elsewhere a line a change.
        #[arg(long)]
        watch: bool,
    },
    /// Push a button of the mock board in.
    Press {
        /// The button's name from the board file.
        button: String,
        /// Let it go after this many milliseconds; without it, it stays in until `release`.
        #[arg(long = "for", value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
        for_ms: Option<u64>,
    },
    /// Let a button of the mock board go.
    Release {
        /// The button's name from the board file.
        button: String,
    },
    /// Call a contact or a number; of several one after the other.
    Call {
        /// Names from [contacts], or numbers such as +4722222222.
        #[arg(required = true)]
        who: Vec<String>,
        /// All at once; the first to answer has the call.
        #[arg(long)]
        all: bool,
    },
    /// Answer the call that rings.
    Answer,
    /// Hang up, cancel or reject.
    Hangup,
    /// Hold the call and go to the one that waits, or back to the one that is held.
    Swap,
    /// Join the calls that are held with the one that talks.
    Merge,
    /// Mute the microphone.
    Mute {
        /// Open it again.
        #[arg(long)]
        off: bool,
    },
    /// Talk, where push-to-talk is set up; for a minute at most.
    Talk {
        /// Listen again.
        #[arg(long)]
        off: bool,
    },
    /// Make the loudspeaker louder or quieter.
    Volume {
        /// up, down, or 0 to 100 percent of full.
        #[arg(value_parser = volume)]
        change: VolumeChange,
    },
    /// Move the call to the mobile phone.
    ToPhone,
    /// Take over the call that the number has elsewhere.
    TakeOver,
    /// Send DTMF digits in the call.
    Dtmf {
        /// 0 to 9, *, #, A to D.
        #[arg(value_parser = digits)]
        digits: String,
    },
    /// Open the door for a moment, where the configuration permits it.
    OpenDoor {
        /// Another strike than the one that codes open.
        #[arg(long, value_name = "NAME")]
        output: Option<String>,
    },
    /// End the tamper alarm, once the case is closed.
    ResetTamper,
    /// Show the event log.
    Events {
        /// Go on with new entries until ctrl-c.
        #[arg(long)]
        follow: bool,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Tell what works and what does not: lines, sound, core, token, clock.
    Selftest {
        /// One JSON object.
        #[arg(long)]
        json: bool,
        /// Only this: switch an output or lamp to and fro, and see each edge at
        /// a button or input that a jumper wire ties it to. While the
        /// appliance runs it has the lines itself.
        #[arg(long = "loop", num_args = 2, value_names = ["OUT", "IN"])]
        wire: Vec<String>,
        /// The configuration to test with where no appliance runs.
        #[arg(long, value_name = "FILE", default_value = "/etc/callbox/callbox.toml")]
        config: PathBuf,
    },
    /// List GPIO chips, sound devices and network addresses of this machine.
    Devices,
    /// Print the manual page, as `man -l` reads it.
    Man,
    /// Print the reference of all keys of the configuration, Markdown.
    Reference,
    /// Switch every output of the board off, for after a process that was killed.
    OutputsOff {
        /// The configuration whose board is meant.
        #[arg(long, value_name = "FILE", default_value = "/etc/callbox/callbox.toml")]
        config: PathBuf,
    },
    /// Install an update of the appliance image, and start from it when no call is up.
    Update {
        /// A bundle: its file, or where to fetch it, http:// or https://.
        #[arg(value_name = "FILE|URL")]
        bundle: String,
        /// Certificates to trust for https instead of the public ones, PEM.
        #[arg(long, value_name = "FILE")]
        ca_file: Option<PathBuf>,
        /// Leave the restart to somebody else.
        #[arg(long)]
        no_restart: bool,
    },
    /// Say whether an update may be installed now; RAUC's pre-install handler.
    #[command(hide = true)]
    UpdateAllowed {
        /// What the bundle is for.
        compatible: String,
        /// Its version; `version` itself is the program's own flag.
        #[arg(value_name = "VERSION")]
        bundle_version: String,
    },
    /// Take a set-up file apart into a folder that can be /etc/callbox.
    #[command(hide = true)]
    Provision {
        /// The set-up.
        file: PathBuf,
        /// A new folder.
        #[arg(long, value_name = "FOLDER")]
        into: PathBuf,
    },
    /// Print the script with which a shell completes commands and switches.
    Completions {
        /// bash, zsh, fish, elvish or powershell.
        #[arg(hide_possible_values = true)]
        shell: clap_complete::Shell,
    },
    /// Run the simulated voice core alone.
    #[cfg(feature = "sim")]
    SimCore(Box<crate::sim::SimCoreArgs>),
}

/// The arguments of the binary that is shipped, whatever this one has beside them.
pub fn shipped(command: &clap::Command) -> clap::Command {
    let for_developers = ["demo", "sim-core"];
    let subcommands = command.get_subcommands().filter(|sub| !for_developers.contains(&sub.get_name()));
    clap::Command::new("callbox")
        .about(command.get_about().cloned().unwrap_or_default())
        .args(command.get_arguments().cloned())
        .subcommands(subcommands.cloned())
}

fn volume(text: &str) -> Result<VolumeChange, String> {
    match text {
        "up" => Ok(VolumeChange::Up),
        "down" => Ok(VolumeChange::Down),
        percent => match percent.parse() {
            Ok(percent @ 0..=100) => Ok(VolumeChange::Percent(percent)),
            Ok(_) | Err(_) => Err("use up, down, or 0 to 100".to_owned()),
        },
    }
}

fn digits(text: &str) -> Result<String, String> {
    let valid = !text.is_empty() && text.bytes().all(|digit| b"0123456789*#ABCDabcd".contains(&digit));
    if valid { Ok(text.to_owned()) } else { Err("use 0 to 9, *, #, A to D".to_owned()) }
}
