//! `callbox demo`: a box with a mock board and a simulated voice core in one
//! process, to try it without hardware, network or account.

mod board;
mod screen;
mod timeline;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{broadcast, mpsc};

use crate::appliance::action::Action;
use crate::appliance::status::CallStatus;
use crate::boot;
use crate::config::Config;
use crate::control::path::candidates;
use crate::control::server::ControlSocket;
use crate::handle::Handle;
use crate::panel::{Panel, PanelError};
use crate::settings;
use crate::sim::{SimCore, SimError, SimHandle};
use crate::system::signals;
use board::DemoBoard;
use screen::Screen;
use timeline::Timeline;

/// The panel's port, unless it is taken.
const PANEL_PORT: u16 = 8088;

/// The phone page's, likewise.
const PHONE_PORT: u16 = 8090;

/// Redraws of the level bars a second are worth no more than this.
const REDRAW: Duration = Duration::from_millis(100);

/// How long the one call lasts that is made when nobody is at the keyboard.
const UNATTENDED_CALL: Duration = Duration::from_secs(8);

/// How long an unattended call may take to be answered.
const UNATTENDED_PATIENCE: Duration = Duration::from_secs(20);

/// Options of the demo.
#[derive(Debug, clap::Args)]
pub struct DemoArguments {
    /// Use recorded speech and a WAV file even if there is a sound card.
    #[arg(long)]
    pub no_sound_card: bool,
    /// What the box's microphone hears where there is no sound card.
    #[arg(long, value_name = "WAV")]
    pub speech: Option<PathBuf>,
    /// Where the box's loudspeaker goes where there is no sound card.
    #[arg(long, value_name = "WAV", default_value = "callbox-demo.wav")]
    pub recording: PathBuf,
    /// Where the page that is a phone is served [default: 127.0.0.1:8090, or a free port]
    #[arg(long, value_name = "ADDR:PORT")]
    pub browser: Option<SocketAddr>,
    /// Go on until ctrl-c even if nobody is at the keyboard.
    #[arg(long)]
    pub serve: bool,
    /// Where the web panel listens, on this machine [default: 127.0.0.1:8088, or a free port]
    #[arg(long, value_name = "ADDR:PORT")]
    pub panel: Option<SocketAddr>,
}

/// Runs the demo until `q`, ctrl-c or, with nobody at the keyboard, the end of one call.
pub async fn run(arguments: DemoArguments, socket: Option<PathBuf>) -> u8 {
    match demo(arguments, socket).await {
        Ok(()) => 0,
        Err(why) => {
            eprintln!("callbox demo: {why}");
            1
        }
    }
}

async fn demo(arguments: DemoArguments, socket: Option<PathBuf>) -> Result<(), String> {
    let start = Instant::now();
    crate::system::logging::start("warn");
    println!("callbox {}: a box and a voice core in one process", env!("CARGO_PKG_VERSION"));
    let attended = std::io::stdin().is_terminal();
    let board = DemoBoard::prepare(&arguments)?;
    let core = core(&arguments, &board).await?;
    let config = board.config(core.endpoint(), core.token_url(), core.ca_pem())?;
    let running = boot::start(&config, start).map_err(|error| error.to_string())?;
    let handle = running.handle.clone();
    let control = match ControlSocket::bind(&board.socket_places(candidates(socket))).await {
        Ok(control) => {
            println!("control socket   {}", control.path().display());
            Some(tokio::spawn(control.serve(handle.clone())))
        }
        Err(error) => {
            println!("control socket   {error}");
            None
        }
    };
    let panel = panel(&arguments, &board, &config, &handle).await?;
    println!("panel            {}", panel.url());
    let panel = tokio::spawn(panel.serve());
    println!("voice core       {}", core.endpoint());
    println!("sound            {}", board.sound());
    if let Some(url) = core.browser_url() {
        println!("phone            {url}");
    }
    println!("\nOpen the panel in one tab and the phone in another, press the drawn button, answer.");
    println!(
        "In a call the door opens with {}. Without a phone the far end answers and echoes.",
        board::DOOR_CODE
    );
    if attended {
        println!("\n  Enter  press the call button    h Enter  hang up    i Enter  the core calls the box");
        println!("  a Enter  answer                 m Enter  mute       q Enter  quit\n");
        attend(&handle, core.handle()).await;
    } else if arguments.serve {
        signals::asked_to_end().await;
    } else {
        println!("\nNobody is at the keyboard: one call is made, then the demo ends.\n");
        unattended(&handle).await?;
    }
    if let Some(control) = control {
        control.abort();
    }
    panel.abort();
    let end = running.end().await;
    core.stop().await;
    end.map_err(|died| died.to_string())?;
    if let Some(recording) = board.recording() {
        println!("what the loudspeaker played is in {}", recording.display());
    }
    Ok(())
}

/// The voice core, its phone page at the usual port or at any that is free.
async fn core(arguments: &DemoArguments, board: &DemoBoard) -> Result<SimCore, String> {
    let usual = SocketAddr::from(([127, 0, 0, 1], PHONE_PORT));
    let wanted = arguments.browser.unwrap_or(usual);
    if !wanted.ip().is_loopback() {
        return Err(format!("--browser {wanted}: the demo's phones are for this machine alone"));
    }
    let core = match SimCore::start(board.sim_settings(wanted)?).await {
        Err(SimError::Listen { .. }) if arguments.browser.is_none() => {
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            SimCore::start(board.sim_settings(any)?).await
        }
        started => started,
    };
    core.map_err(|error| error.to_string())
}

/// The box in a browser, at the usual port or at any that is free.
async fn panel(
    arguments: &DemoArguments,
    board: &DemoBoard,
    config: &Config,
    handle: &Handle,
) -> Result<Panel, String> {
    let bind = |listen| {
        let settings = settings::panel(config, listen, board.config_file(), None);
        Panel::bind(config, settings, handle.clone())
    };
    let usual = SocketAddr::from(([127, 0, 0, 1], PANEL_PORT));
    let panel = match arguments.panel {
        Some(given) if given.ip().is_loopback() => bind(given).await,
        Some(given) => return Err(format!("--panel {given}: the demo's panel is for this machine alone")),
        None => match bind(usual).await {
            Err(PanelError::Listen(..)) => bind(SocketAddr::from(([127, 0, 0, 1], 0))).await,
            bound => bound,
        },
    };
    panel.map_err(|error| error.to_string())
}

/// Keys in, time line and level bars out, until `q` or ctrl-c.
async fn attend(handle: &Handle, core: SimHandle) {
    let (keys, mut pressed) = mpsc::channel(8);
    tokio::spawn(read_keys(keys));
    let (past, mut events) = handle.log().follow();
    let mut timeline = Timeline::new();
    let mut screen = Screen::new();
    for entry in past {
        screen.line(&timeline.line(&entry));
    }
    let mut redraw = tokio::time::interval(REDRAW);
    let mut muted = false;
    loop {
        tokio::select! {
            key = pressed.recv() => match key.as_deref().map(str::trim) {
                Some("") => push(handle).await,
                Some("h") => report(&mut screen, handle.act(Action::HangUp).await),
                Some("a") => report(&mut screen, handle.act(Action::Answer).await),
                Some("m") => {
                    muted = !muted;
                    report(&mut screen, handle.act(Action::Mute { on: Some(muted) }).await);
                }
                Some("i") => report(&mut screen, core.call_box(board::CALLER).await.map(drop)),
                Some("q") | None => return,
                Some(other) => screen.line(&format!("no key {other:?}: Enter, h, a, i, m or q")),
            },
            event = events.recv() => match event {
                Ok(entry) => screen.line(&timeline.line(&entry)),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    screen.line(&format!("({missed} entries missed)"));
                }
                Err(broadcast::error::RecvError::Closed) => return,
            },
            _ = redraw.tick() => screen.status(&handle.snapshot()),
            () = signals::asked_to_end() => return,
        }
    }
}

/// One call from the press to the hang-up, checked.
async fn unattended(handle: &Handle) -> Result<(), String> {
    let (past, events) = handle.log().follow();
    let printing = tokio::spawn(print_events(past, events));
    let mut status = handle.watch();
    let registered =
        status.wait_for(|status| status.session == crate::appliance::status::SessionStatus::Registered);
    in_time(registered).await.map_err(|why| format!("not registered: {why}"))?;
    push(handle).await;
    let answered = in_time(status.wait_for(|status| status.call == CallStatus::InCall)).await;
    answered.map_err(|why| format!("no call: {why}"))?;
    tokio::time::sleep(UNATTENDED_CALL).await;
    let audio = handle.snapshot().audio;
    handle.act(Action::HangUp).await.map_err(|why| why.to_string())?;
    in_time(status.wait_for(|status| status.call == CallStatus::Idle))
        .await
        .map_err(|why| format!("not idle: {why}"))?;
    println!(
        "\nplayout delay {:.0} ms, jitter {:.1} ms, {:.1} % made up, {} xruns",
        audio.playout_delay_ms,
        audio.jitter_ms,
        audio.concealed_ratio * 100.0,
        audio.xruns,
    );
    printing.abort();
    Ok(())
}

async fn print_events(
    past: Vec<std::sync::Arc<crate::system::event_log::Entry>>,
    mut events: broadcast::Receiver<std::sync::Arc<crate::system::event_log::Entry>>,
) {
    let mut timeline = Timeline::new();
    for entry in past {
        println!("{}", timeline.line(&entry));
    }
    while let Ok(entry) = events.recv().await {
        println!("{}", timeline.line(&entry));
    }
}

async fn in_time<T, E: std::fmt::Display>(wait: impl Future<Output = Result<T, E>>) -> Result<(), String> {
    match tokio::time::timeout(UNATTENDED_PATIENCE, wait).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("nothing happened for {} s", UNATTENDED_PATIENCE.as_secs())),
    }
}

/// A finger on the button for as long as a finger takes.
async fn push(handle: &Handle) {
    let Some(buttons) = handle.buttons().cloned() else { return };
    if let Err(error) = buttons.press(board::BUTTON).await {
        tracing::error!(%error, "demo button");
    }
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(150)).await;
        if let Err(error) = buttons.release(board::BUTTON).await {
            tracing::error!(%error, "demo button");
        }
    });
}

fn report<E: std::fmt::Display>(screen: &mut Screen, result: Result<(), E>) {
    if let Err(error) = result {
        screen.line(&error.to_string());
    }
}

async fn read_keys(keys: mpsc::Sender<String>) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if keys.send(line).await.is_err() {
            return;
        }
    }
}
