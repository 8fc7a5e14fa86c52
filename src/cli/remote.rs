//! Commands that ask a running appliance over its control socket.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::{DONE, FAILED, out};
use crate::appliance::action::{Action, Ring, VolumeChange};
use crate::appliance::id::OutputName;
use crate::control::client::{Client, ClientError};
use crate::control::path::candidates;
use crate::control::protocol::{Answer, Request};

/// Longer than the appliance takes for anything.
const PATIENCE: Duration = Duration::from_secs(15);

/// `callbox status`.
pub async fn status(socket: Option<PathBuf>, json: bool) -> u8 {
    match fetch_status(socket).await {
        Ok(status) => {
            let text = if json { format!("{status:#}") } else { readable(&status) };
            // A reader that has gone wants no more.
            let _ = out::line(text.trim_end());
            DONE
        }
        Err(why) => fail(&why),
    }
}

/// The running appliance's status.
pub async fn fetch_status(socket: Option<PathBuf>) -> Result<Value, String> {
    match ask(socket, &Request::Status).await? {
        Answer::Status { status } => Ok(status),
        Answer::Refused { why } => Err(why),
        Answer::Done | Answer::Event { .. } => Err("the appliance answered something else".to_owned()),
    }
}

/// `callbox press BUTTON [--for MS]`.
pub async fn press(socket: Option<PathBuf>, button: String, for_ms: Option<u64>) -> u8 {
    perform(socket, Request::Press { button, for_ms }).await
}

/// `callbox release BUTTON`.
pub async fn release(socket: Option<PathBuf>, button: String) -> u8 {
    perform(socket, Request::Release { button }).await
}

/// `callbox call WHO...`.
pub async fn call(socket: Option<PathBuf>, who: Vec<String>, all: bool) -> u8 {
    let ring = if all { Ring::All } else { Ring::InOrder };
    act(socket, Action::Call { to: who, ring }).await
}

/// `callbox answer`.
pub async fn answer(socket: Option<PathBuf>) -> u8 {
    act(socket, Action::Answer).await
}

/// `callbox swap`.
pub async fn swap(socket: Option<PathBuf>) -> u8 {
    act(socket, Action::Swap).await
}

/// `callbox merge`.
pub async fn merge(socket: Option<PathBuf>) -> u8 {
    act(socket, Action::Merge).await
}

/// `callbox hangup`.
pub async fn hang_up(socket: Option<PathBuf>) -> u8 {
    act(socket, Action::HangUp).await
}

/// `callbox mute [--off]`.
pub async fn mute(socket: Option<PathBuf>, on: bool) -> u8 {
    act(socket, Action::Mute { on: Some(on) }).await
}

/// `callbox talk [--off]`.
pub async fn talk(socket: Option<PathBuf>, on: bool) -> u8 {
    act(socket, Action::Talk { on: Some(on) }).await
}

/// `callbox volume up|down|PERCENT`.
pub async fn volume(socket: Option<PathBuf>, change: VolumeChange) -> u8 {
    act(socket, Action::Volume { change }).await
}

/// `callbox to-phone`.
pub async fn to_phone(socket: Option<PathBuf>) -> u8 {
    act(socket, Action::ToPhone).await
}

/// `callbox take-over`.
pub async fn take_over(socket: Option<PathBuf>) -> u8 {
    act(socket, Action::TakeOver).await
}

/// `callbox dtmf DIGITS`.
pub async fn dtmf(socket: Option<PathBuf>, digits: String) -> u8 {
    act(socket, Action::Dtmf { digits }).await
}

/// `callbox open-door [--output NAME]`.
pub async fn open_door(socket: Option<PathBuf>, output: Option<String>) -> u8 {
    act(socket, Action::OpenDoor { output: output.map(OutputName) }).await
}

/// `callbox reset-tamper`.
pub async fn reset_tamper(socket: Option<PathBuf>) -> u8 {
    act(socket, Action::ResetTamper).await
}

/// `callbox events [--follow] [--json]`.
pub async fn events(socket: Option<PathBuf>, follow: bool, json: bool) -> u8 {
    let mut client = match Client::send(&candidates(socket), &Request::Events { follow }).await {
        Ok(client) => client,
        Err(error) => return fail(&error.to_string()),
    };
    loop {
        match client.next().await {
            Ok(Some(Answer::Event { event })) => {
                let readable = || format!("{}  {}", text(&event["time"]), text(&event["text"]));
                if !out::line(if json { event.to_string() } else { readable() }) {
                    return DONE;
                }
            }
            Ok(Some(Answer::Done) | None) => return DONE,
            Ok(Some(Answer::Refused { why })) => return fail(&why),
            Ok(Some(Answer::Status { .. })) => return fail("the appliance answered something else"),
            Err(error) => return fail(&error.to_string()),
        }
    }
}

/// Whether an appliance runs here: one whose socket takes a connection, be it well or not.
pub async fn is_running(socket: Option<PathBuf>) -> bool {
    !matches!(Client::send(&candidates(socket), &Request::Status).await, Err(ClientError::NotRunning(_)))
}

/// Asks for an action: why it was refused, if it was.
///
/// # Errors
/// None answers, or something else.
pub async fn do_action(socket: Option<PathBuf>, action: Action) -> Result<Option<String>, String> {
    match ask(socket, &Request::Do { action }).await? {
        Answer::Done => Ok(None),
        Answer::Refused { why } => Ok(Some(why)),
        Answer::Status { .. } | Answer::Event { .. } => {
            Err("the appliance answered something else".to_owned())
        }
    }
}

async fn act(socket: Option<PathBuf>, action: Action) -> u8 {
    perform(socket, Request::Do { action }).await
}

async fn perform(socket: Option<PathBuf>, request: Request) -> u8 {
    match ask(socket, &request).await {
        Ok(Answer::Done) => DONE,
        Ok(Answer::Refused { why }) | Err(why) => fail(&why),
        Ok(Answer::Status { .. } | Answer::Event { .. }) => fail("the appliance answered something else"),
    }
}

async fn ask(socket: Option<PathBuf>, request: &Request) -> Result<Answer, String> {
    let answer = async { Client::send(&candidates(socket), request).await?.next().await };
    let Ok(answer) = tokio::time::timeout(PATIENCE, answer).await else {
        return Err(format!("the appliance has not answered for {} s", PATIENCE.as_secs()));
    };
    match answer {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err("the appliance ended the connection without an answer".to_owned()),
        Err(error @ (ClientError::NotRunning(_) | ClientError::Io(_) | ClientError::Garbled(_))) => {
            Err(error.to_string())
        }
    }
}

fn fail(why: &str) -> u8 {
    eprintln!("callbox: {why}");
    FAILED
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}

/// Status for people: one fact a line.
fn readable(status: &Value) -> String {
    let mut lines = vec![
        format!("session  {} {}", text(&status["session"]), text(&status["session_detail"])),
        format!("call     {} {}", text(&status["call"]), text(&status["peer"])),
        format!(
            "sound    microphone {:.0} dB, loudspeaker {:.0} dB, {} xruns",
            status["audio"]["capture_level_db"].as_f64().unwrap_or(f64::NAN),
            status["audio"]["playback_level_db"].as_f64().unwrap_or(f64::NAN),
            status["audio"]["xruns"],
        ),
        sound_of(status),
        format!("lamps    {}", pairs(&status["leds"])),
        format!("outputs  {}", pairs(&status["outputs"])),
    ];
    if status["door"].is_object() {
        lines.push(format!("door     {}", door(&status["door"])));
    }
    if status["inputs"].as_object().is_some_and(|inputs| !inputs.is_empty()) {
        lines.push(format!("inputs   {}", pairs(&status["inputs"])));
    }
    let calls = status["calls"].as_array().map_or(&[][..], Vec::as_slice);
    // One is on the line above already.
    for call in calls.iter().filter(|_| calls.len() > 1) {
        let held = if call["held"] == true { ", held" } else { "" };
        lines.push(format!("         {} {}{held}", text(&call["state"]), text(&call["peer"])));
    }
    for fault in status["faults"].as_array().into_iter().flatten() {
        lines.push(format!("FAULT    {}: {}", text(&fault["fault"]), text(&fault["detail"])));
    }
    let update = &status["update"];
    if update.is_object() {
        let word = |name: &str| text(&update[name]);
        lines.push(format!(
            "image    {} in slot {}, {} {}",
            word("version"),
            word("slot"),
            word("state"),
            word("detail")
        ));
    }
    for hook in status["webhooks"].as_array().into_iter().flatten() {
        let trouble = hook["trouble"].as_str().map_or("well".to_owned(), |why| format!("TROUBLE: {why}"));
        let (server, waiting, dropped) = (text(&hook["server"]), &hook["waiting"], &hook["dropped"]);
        lines.push(format!("webhook  {server} {trouble}, {waiting} waiting, {dropped} dropped"));
    }
    lines.push(format!("version  {}, up {} s", text(&status["version"]), status["uptime_s"]));
    lines.iter().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// Volume, who may talk, and the last self-test.
pub(super) fn sound_of(status: &Value) -> String {
    let flag =
        |name: &str, word: &str| if status[name] == true { format!(", {word}") } else { String::new() };
    let note = status["audio"]["volume_note"].as_str().map(|note| format!(" ({note})")).unwrap_or_default();
    let selftest = &status["audio"]["selftest"];
    let tested = match selftest["result"].as_str() {
        Some("passed") => format!(", self-test passed with a delay of {} ms", selftest["delay_ms"]),
        Some(result) => format!(", self-test {result}"),
        None => String::new(),
    };
    let (muted, talk) = (flag("muted", "muted"), flag("talk_allowed", "talk allowed"));
    format!("volume   {} %{note}{muted}{talk}{tested}", status["volume"])
}

pub(super) fn door(door: &Value) -> String {
    let open = match door["open"].as_bool() {
        Some(true) if door["held"] == true => ", open for too long",
        Some(true) => ", open",
        Some(false) => ", closed",
        None => "",
    };
    let locked = door["locked_for_s"].as_u64().map(|left| format!(", codes count again in {left} s"));
    format!("{}{open}{}", text(&door["state"]), locked.unwrap_or_default())
}

pub(super) fn pairs(map: &Value) -> String {
    let shown = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Bool(on) => if *on { "on" } else { "off" }.to_owned(),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    let entries = map.as_object().into_iter().flatten();
    entries.map(|(name, value)| format!("{name}={}", shown(value))).collect::<Vec<_>>().join(" ")
}
