//! The command line: arguments, exit codes, what people read.

mod args;
mod check;
mod completions;
mod devices;
mod jumper;
mod man;
mod out;
mod outputs_off;
#[cfg(feature = "panel")]
mod panel;
mod provision;
mod remote;
mod run;
mod selftest;
mod update;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Arguments, Command};

/// Done.
const DONE: u8 = 0;
/// Failed at run time.
const FAILED: u8 = 1;
/// Wrong usage or configuration.
const USAGE: u8 = 2;

/// The whole program. Exit code 0 done, 1 failed at run time, 2 wrong usage
/// or configuration.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("callbox: cannot start: {error}");
            return ExitCode::from(FAILED);
        }
    };
    let code = runtime.block_on(perform(arguments));
    // A thread that waits for the keyboard must not hold up the end.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    ExitCode::from(code)
}

async fn perform(arguments: Arguments) -> u8 {
    let socket = arguments.socket;
    match arguments.command {
        Command::Run { config } => run::run(&config, socket).await,
        #[cfg(feature = "sim")]
        Command::Demo(demo) => crate::demo::run(demo, socket).await,
        Command::Check { config } => check::check(&config),
        Command::Status { json, watch: false } => remote::status(socket, json).await,
        Command::Status { json, watch: true } => watch::watch(socket, json).await,
        Command::Press { button, for_ms } => remote::press(socket, button, for_ms).await,
        Command::Release { button } => remote::release(socket, button).await,
        Command::Call { who, all } => remote::call(socket, who, all).await,
        Command::Answer => remote::answer(socket).await,
        Command::Hangup => remote::hang_up(socket).await,
        Command::Swap => remote::swap(socket).await,
        Command::Merge => remote::merge(socket).await,
        Command::Mute { off } => remote::mute(socket, !off).await,
        Command::Talk { off } => remote::talk(socket, !off).await,
        Command::Volume { change } => remote::volume(socket, change).await,
        Command::ToPhone => remote::to_phone(socket).await,
        Command::TakeOver => remote::take_over(socket).await,
        Command::Dtmf { digits } => remote::dtmf(socket, digits).await,
        Command::OpenDoor { output } => remote::open_door(socket, output).await,
        Command::ResetTamper => remote::reset_tamper(socket).await,
        Command::Events { follow, json } => remote::events(socket, follow, json).await,
        Command::Selftest { json, wire, config } => match wire.as_slice() {
            [from, to] => jumper::selftest(&config, from, to, json),
            _ => selftest::selftest(socket, &config, json).await,
        },
        Command::Devices => devices::devices(),
        Command::Man => print(&man::page(&args::shipped(&Arguments::command()))),
        Command::Reference => print(&crate::config::reference::markdown()),
        Command::OutputsOff { config } => outputs_off::outputs_off(&config),
        Command::Update { bundle, ca_file, no_restart } => {
            update::update(socket, &bundle, ca_file.as_deref(), !no_restart).await
        }
        Command::UpdateAllowed { compatible, bundle_version } => {
            update::allowed(socket, compatible, bundle_version).await
        }
        Command::Provision { file, into } => provision::provision(&file, &into),
        Command::Completions { shell } => completions::completions(shell),
        #[cfg(feature = "sim")]
        Command::SimCore(arguments) => match crate::sim::run_cli(*arguments).await {
            Ok(()) => DONE,
            Err(error) => {
                eprintln!("callbox sim-core: {error}");
                if error.is_usage() { USAGE } else { FAILED }
            }
        },
    }
}

/// Prints a whole text. A reader that has gone wants no more of it.
fn print(text: &str) -> u8 {
    let _ = out::line(text.trim_end());
    DONE
}
