//! `kill -9` in every state of a call: nothing that is left behind may keep the
//! next process from its work, and nobody may go on holding a dead telephone.
//! That the kernel lets go of the strike is seen in the guest (tests/vm).

use std::time::{Duration, Instant};

use callbox::sim::{Change, SimEvent};

use crate::row;
use crate::scene::Scene;

const SCRIPT: &str = "[[phone]]\nnumber = \"+4700000001\"\nmanual = true\n";

/// From the start of the next process: config, token, TLS, stream.
const REGISTERED: Duration = Duration::from_secs(3);

/// From there to the end of what the core still had of the call.
const ENDED: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Idle,
    Calling,
    RingingHere,
    Connecting,
    InCall,
    InCallFromThere,
    Renegotiating,
    DoorOpen,
}

const ALL: [State; 8] = [
    State::Idle,
    State::Calling,
    State::RingingHere,
    State::Connecting,
    State::InCall,
    State::InCallFromThere,
    State::Renegotiating,
    State::DoorOpen,
];

/// Leads the box there; whether the core keeps the call when its stream breaks.
async fn lead(scene: &mut Scene, state: State) -> bool {
    scene.look_away();
    if state == State::Idle {
        return false;
    }
    if [State::RingingHere, State::InCallFromThere].contains(&state) {
        scene.handle().call_box("+4700000002").await.unwrap();
        scene.appliance.wait_call("incoming");
        if state == State::RingingHere {
            return false;
        }
        scene.appliance.must(&["answer"]);
        scene.appliance.wait_call("in-call");
        return true;
    }
    scene.appliance.must(&["press", "call", "--for", "100"]);
    scene.appliance.wait_call("ringing");
    if state == State::Calling {
        return false;
    }
    scene.handle().answer().await.unwrap();
    if state == State::Connecting {
        // Wherever ICE and DTLS are: they take some 30 ms.
        scene.sees("Answer", |event| matches!(event, SimEvent::AnswerSent { .. })).await;
        return true;
    }
    scene.appliance.wait_call("in-call");
    match state {
        State::Renegotiating => drop(scene.handle().renegotiate(Change::Hold).await.unwrap()),
        State::DoorOpen => {
            scene.appliance.must(&["open-door"]);
            scene.appliance.wait_status(5, "open door", |status| status["outputs"]["strike"] == true);
        }
        State::Idle
        | State::Calling
        | State::RingingHere
        | State::Connecting
        | State::InCall
        | State::InCallFromThere => {}
    }
    true
}

async fn every_state(mode: &'static str) {
    let (mut slowest, mut ended) = (Duration::ZERO, Duration::ZERO);
    for state in ALL {
        let kept = tempfile::tempdir().unwrap();
        let state_dir = kept.path().join("state").display().to_string();
        let mut scene = Scene::start(SCRIPT, &[], |config| {
            config.mode = mode;
            config.more =
                format!("[door]\nallow-command = true\npulse = \"3s\"\n[state]\ndir = {state_dir:?}\n");
        })
        .await;
        let has_call = lead(&mut scene, state).await;
        scene.appliance.kill();
        let started = Instant::now();
        scene.look_away();
        scene.appliance.start_again();
        let (at, _) = scene.sees("registration", |event| matches!(event, SimEvent::Registered { .. })).await;
        let took = at - started;
        if has_call {
            let (gone, _) = scene.sees("Bye", |event| matches!(event, SimEvent::ByeReceived { .. })).await;
            println!("{mode} {state:?}: registered after {took:?}, the call ended {:?} later", gone - at);
            ended = ended.max(gone - at);
        } else {
            println!("{mode} {state:?}: registered after {took:?}");
        }
        slowest = slowest.max(took);
        let status = scene.appliance.wait_ready();
        assert_eq!(status["busy_elsewhere"], false, "{state:?}: {status}");
        assert_eq!(status["outputs"]["strike"], false, "{state:?}: {status}");
        assert!(status["door"]["tampered"] != true, "{state:?}: {status}");
        scene.handle().hang_up().await.unwrap_err();
        lead(&mut scene, State::InCall).await;
        scene.appliance.must(&["hangup"]);
        scene.appliance.wait_call("idle");
    }
    row(
        &format!("`kill -9` in {} states of a call ({mode}): the next process is registered", ALL.len()),
        &format!("{} s", REGISTERED.as_secs()),
        format_args!("{:.2} s at most", slowest.as_secs_f64()),
    );
    row(
        &format!("`kill -9` in a call ({mode}): the core's call is ended after that"),
        &format!("{} s", ENDED.as_secs()),
        format_args!("{:.3} s at most", ended.as_secs_f64()),
    );
    assert!(slowest <= REGISTERED && ended <= ENDED, "{slowest:?} {ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_every_state_of_a_call_on_pipe() {
    every_state("pipe").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_in_every_state_of_a_call_on_multi_pipe() {
    every_state("multi-pipe").await;
}
