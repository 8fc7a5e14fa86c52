//! The door with everything real but its strike: a call over gRPC, digits over
//! DTLS-SRTP (RFC 4733), and a restart that must not forget what happened.

// Helpers outside of test functions may panic too: that is how they fail a test.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::time::{Duration, Instant};

use callbox::appliance::action::Action;
use callbox::appliance::command::Refusal;
use callbox::appliance::door::DoorState;
use callbox::appliance::memory::Memory;
use callbox::appliance::status::{CallStatus, SessionStatus, Status};
use callbox::boot::{self, Running};
use callbox::config::{BoardLoader, Config};
use callbox::sim::{Script, SimCore, SimSettings};
use callbox::system::state_store::StateStore;

/// Nothing on one machine takes this long unless it never comes.
const SOON: Duration = Duration::from_secs(20);

fn start(core: &SimCore, folder: &Path, allow_command: bool) -> Running {
    let text = format!(
        "[core]\nendpoint = {:?}\n[auth]\nmethod = \"none\"\n[board]\nfile = \"desktop-mock\"\n\
         [audio]\ncapture = \"synth:silence\"\nplayback = \"synth:silence\"\n[media]\nloopback = true\n\
         [contacts]\nfamily = \"+4722222222\"\n\
         [[button]]\nname = \"call\"\npress = {{ action = \"call\", to = [\"family\"] }}\n\
         [door]\ncodes = [\"12*\"]\npulse = \"1s\"\nwrong-codes = 2\nallow-command = {allow_command}\n\
         [state]\ndir = \"state\"\n",
        core.endpoint()
    );
    let file = folder.join("callbox.toml").display().to_string();
    let config = Config::parse(&text, &file, &BoardLoader::new(Vec::new())).unwrap();
    boot::start(&config, Instant::now()).unwrap()
}

async fn until(running: &Running, what: &str, wanted: impl Fn(&Status) -> bool) -> Status {
    let mut status = running.handle.watch();
    match tokio::time::timeout(SOON, status.wait_for(|status| wanted(status))).await {
        Ok(status) => status.unwrap().clone(),
        Err(_) => panic!("never {what}: {:?}", *running.handle.watch().borrow()),
    }
}

async fn talk(running: &Running) {
    until(running, "registered", |status| status.session == SessionStatus::Registered).await;
    // The peer connection may still be in the making.
    let call =
        Action::Call { to: vec!["family".to_owned()], ring: callbox::appliance::action::Ring::InOrder };
    let calling = async {
        while running.handle.act(call.clone()).await == Err(Refusal::MediaNotReady) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, calling).await.unwrap();
    until(running, "in a call", |status| status.call == CallStatus::InCall).await;
}

fn strike(status: &Status) -> bool {
    status.outputs[&"strike".into()]
}

fn counter(status: &Status, name: &str) -> u64 {
    status.counters.get(name).copied().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn digits_of_the_far_end_open_the_door_and_a_restart_keeps_a_lock_out() {
    let folder = tempfile::tempdir().unwrap();
    let script = Script::parse("[default-phone]\n", "script").unwrap();
    let core = SimCore::start(SimSettings::plain(script)).await.unwrap();

    let running = start(&core, folder.path(), false);
    assert_eq!(running.handle.act(Action::OpenDoor { output: None }).await, Err(Refusal::NotPermitted));
    talk(&running).await;
    core.handle().digits("912*").await.unwrap();
    let opened = until(&running, "open", strike).await;
    assert_eq!(opened.door.unwrap().state, DoorState::Released);
    let shut = until(&running, "shut again", |status| !strike(status)).await;
    assert_eq!((counter(&shut, "door-opened-by-code"), counter(&shut, "digits-received")), (1, 4));
    assert!(running.handle.log().follow().0.iter().all(|entry| !entry.record.text.contains("12*")));
    core.handle().digits("000000").await.unwrap();
    let locked = |status: &Status| status.door.as_ref().is_some_and(|door| door.locked_until.is_some());
    until(&running, "locked out", locked).await;
    running.end().await.unwrap();
    let state = StateStore::new(folder.path().join("state"));
    assert_eq!(state.load().memory, Memory { wrong_codes: 2, ..Memory::default() });

    // Codes are still locked out; whoever may open by command still may.
    let running = start(&core, folder.path(), true);
    assert!(locked(&running.handle.snapshot().appliance));
    talk(&running).await;
    core.handle().digits("12*").await.unwrap();
    let barred = until(&running, "deaf", |status| counter(status, "door-digits-barred") == 3).await;
    assert!(!strike(&barred));
    running.handle.act(Action::OpenDoor { output: None }).await.unwrap();
    until(&running, "open", strike).await;
    running.end().await.unwrap();
    core.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_that_cannot_be_read_is_told_and_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("memory.json"), "{").unwrap();
    let script = Script::parse("[default-phone]\n", "script").unwrap();
    let core = SimCore::start(SimSettings::plain(script)).await.unwrap();
    let running = start(&core, folder.path(), true);
    let (events, _) = running.handle.log().follow();
    assert!(events.iter().any(|entry| entry.record.text.contains("memory.json")), "{events:?}");
    // This board has no tamper contact, so nobody can have set it off.
    assert_eq!(running.handle.act(Action::OpenDoor { output: None }).await, Ok(()));
    running.end().await.unwrap();
    assert!(state.join("memory.json.unreadable").exists());
}
