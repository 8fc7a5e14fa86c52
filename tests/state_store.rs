//! What must outlive a restart. The plug may be pulled while it is written,
//! the card may be full, read-only or rotten; a tamper alarm must not be lost
//! by any of it, and the box must go on.
// Helpers outside of test functions may panic too: that is how they fail a test.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use callbox::appliance::event::SystemEvent;
use callbox::appliance::fault::Fault;
use callbox::appliance::memory::{KeptVolume, Memory};
use callbox::system::state_store::StateStore;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

/// Tells the child where to write.
const DIR: &str = "CALLBOX_TEST_STATE";

fn numbered(n: u32) -> Memory {
    let volume = KeptVolume { percent: (n % 101) as u8, configured: 100 };
    Memory { tampered: n % 2 == 1, wrong_codes: n, volume: Some(volume), ..Memory::default() }
}

fn store(dir: &TempDir) -> StateStore {
    StateStore::new(dir.path().join("state"))
}

fn file(dir: &TempDir, name: &str) -> std::path::PathBuf {
    dir.path().join("state").join(name)
}

#[test]
fn what_was_kept_is_there_again_and_nothing_is_at_first() {
    let dir = TempDir::new().unwrap();
    let kept = store(&dir).load();
    assert_eq!((kept.memory, kept.trouble), (Memory::default(), None));
    for n in [7, 8] {
        store(&dir).save(&numbered(n)).unwrap();
        let kept = store(&dir).load();
        assert_eq!((kept.memory, kept.trouble), (numbered(n), None));
    }
    let names: Vec<_> =
        fs::read_dir(dir.path().join("state")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["memory.json"], "nothing is left over");
}

#[test]
fn a_memory_of_another_version_is_read_as_far_as_it_goes() {
    let dir = TempDir::new().unwrap();
    store(&dir).save(&Memory::default()).unwrap();
    fs::write(file(&dir, "memory.json"), r#"{"tampered":true,"brightness":40}"#).unwrap();
    let kept = store(&dir).load();
    assert_eq!((kept.memory, kept.trouble), (Memory { tampered: true, ..Memory::default() }, None));
}

/// Whatever a write that was cut short left beside the old memory.
#[test]
fn what_a_write_that_was_cut_short_leaves_does_no_harm() {
    let whole = serde_json::to_vec(&numbered(9)).unwrap();
    for cut in 0..=whole.len() {
        let dir = TempDir::new().unwrap();
        store(&dir).save(&numbered(1)).unwrap();
        fs::write(file(&dir, "memory.json.next"), &whole[..cut]).unwrap();
        assert_eq!(store(&dir).load().memory, numbered(1));
        store(&dir).save(&numbered(2)).unwrap();
        assert_eq!(store(&dir).load().memory, numbered(2));
    }
}

/// A rotten file is put aside, and since nobody knows what it said, the box
/// counts as tampered with.
#[test]
fn a_rotten_memory_is_put_aside_and_the_worst_is_assumed() {
    let whole = serde_json::to_vec(&numbered(8)).unwrap();
    let rotten = [&b""[..], b"\0\0\0\0", &whole[..whole.len() - 1], b"{\"tampered\":1}", b"[]]", b"\xff\xfe"];
    for text in rotten {
        let dir = TempDir::new().unwrap();
        store(&dir).save(&numbered(8)).unwrap();
        fs::write(file(&dir, "memory.json"), text).unwrap();
        let kept = store(&dir).load();
        assert!(kept.memory.tampered, "{text:?}");
        assert!(kept.trouble.unwrap().contains("memory.json"), "{text:?}");
        assert_eq!(fs::read(file(&dir, "memory.json.unreadable")).unwrap(), text);
        store(&dir).save(&numbered(2)).unwrap();
        assert_eq!(store(&dir).load().memory, numbered(2));
    }
    // Not even a file.
    let dir = TempDir::new().unwrap();
    fs::create_dir_all(file(&dir, "memory.json")).unwrap();
    assert!(store(&dir).load().memory.tampered);
}

fn child(dir: &Path, before: &str) -> Command {
    let mut command = Command::new("unshare");
    // Whoever is not root may mount in a namespace of its own.
    if !rustix_is_root() {
        command.arg("--map-root-user");
    }
    let this = std::env::current_exe().unwrap();
    let run = format!("{before} exec {:?} --ignored --exact --nocapture --quiet writes_for_ever", this);
    command
        .args(["--mount", "sh", "-ec", &run])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    command
}

fn rustix_is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

#[test]
#[ignore = "runs as a child of the tests that kill it or give it a bad disk"]
fn writes_for_ever() {
    let store = StateStore::new(std::env::var_os(DIR).unwrap().into());
    let first = store.load().memory.wrong_codes;
    for n in first + 1.. {
        match store.save(&numbered(n)) {
            Ok(()) => println!("kept {n}"),
            Err(error) => {
                println!("failed {:?}; there is {}", error.kind(), store.load().memory.wrong_codes);
                return;
            }
        }
        std::io::stdout().flush().unwrap();
    }
}

#[test]
fn a_process_killed_at_any_moment_leaves_what_it_kept_last_or_the_next() {
    let dir = TempDir::new().unwrap();
    let seed = rand::rng().random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut kept = 0;
    for round in 0..25 {
        let mut child = child(&dir.path().join("state"), "").spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let kept_one = |line: &String| line.strip_prefix("kept ").and_then(|n| n.parse::<u32>().ok());
        let first = lines.by_ref().map(Result::unwrap).find_map(|line| kept_one(&line)).unwrap();
        std::thread::sleep(Duration::from_micros(random.random_range(0..6000)));
        child.kill().unwrap();
        child.wait().unwrap();
        let told = lines.map_while(Result::ok).filter_map(|line| kept_one(&line)).last().unwrap_or(first);
        let found = store(&dir).load();
        assert_eq!(found.trouble, None, "round {round}");
        assert!((told..=told + 1).contains(&found.memory.wrong_codes), "{told}, {found:?}");
        assert_eq!(found.memory, numbered(found.memory.wrong_codes));
        kept = found.memory.wrong_codes;
    }
    assert!(kept >= 25);
}

#[test]
fn a_full_and_a_read_only_disk_keep_the_old_memory() {
    for (prepare, kind) in [
        (
            "mount -t tmpfs -o size=16k none $D; printf '{\"wrong-codes\":41}' > $D/memory.json; \
          head -c 100000 /dev/zero > $D/full 2>/dev/null || true;",
            "StorageFull",
        ),
        (
            "mount -t tmpfs none $D; printf '{\"wrong-codes\":41}' > $D/memory.json; mount -o remount,ro $D;",
            "ReadOnlyFilesystem",
        ),
    ] {
        let dir = TempDir::new().unwrap();
        let prepare = prepare.replace("$D", &format!("${DIR}"));
        let output = child(dir.path(), &prepare).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains(&format!("failed {kind}; there is 41")), "{said}");
    }
}

async fn until(events: &mut mpsc::Receiver<SystemEvent>, wanted: impl Fn(&SystemEvent) -> bool) {
    let found = async { while !wanted(&events.recv().await.unwrap()) {} };
    tokio::time::timeout(Duration::from_secs(60), found).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_takes_nothing_is_a_fault_until_it_does() {
    let dir = TempDir::new().unwrap();
    // A file where the folder should be.
    fs::write(dir.path().join("state"), "").unwrap();
    let (memory, remembered) = watch::channel(Memory::default());
    let (system, mut events) = mpsc::channel(8);
    let keeping = tokio::spawn(store(&dir).keep(remembered, system));
    let raised = |event: &SystemEvent| match event {
        SystemEvent::FaultRaised { fault: Fault::StateNotKept, detail } => detail.contains("[state] dir"),
        _ => false,
    };
    until(&mut events, raised).await;
    memory.send_replace(numbered(2));
    until(&mut events, raised).await;
    fs::remove_file(dir.path().join("state")).unwrap();
    until(&mut events, |event| *event == SystemEvent::FaultCleared(Fault::StateNotKept)).await;
    assert_eq!(store(&dir).load().memory, numbered(2));
    // The end: the last one is on the disk before the task is over.
    memory.send_replace(numbered(3));
    drop(memory);
    keeping.await.unwrap();
    assert_eq!(store(&dir).load().memory, numbered(3));
    assert!(events.recv().await.is_none(), "no more to tell");
}
