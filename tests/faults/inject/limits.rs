//! Too little memory and too little processor: a control group that lets the
//! box have 64 MiB, and a neighbour that never rests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::clock::longest_gap;
use crate::row;
use crate::scene::{RECORDED, Scene, takes_a_call};
use crate::support::process::Process;

/// What a board with 512 MB can spare beside its system, many times over.
const MEMORY: u64 = 64 << 20;

/// A control group of the memory controller, of either version.
struct Group {
    folder: PathBuf,
    peak: &'static str,
}

impl Group {
    fn with_limit(bytes: u64) -> Self {
        let name = format!("callbox-faults-{}", std::process::id());
        let (root, limit, peak) = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            ("/sys/fs/cgroup", "memory.max", "memory.peak")
        } else {
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes")
        };
        let folder = Path::new(root).join(name);
        fs::create_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}; run as root", folder.display()));
        fs::write(folder.join(limit), bytes.to_string()).unwrap();
        Self { folder, peak }
    }

    /// Runs a command inside.
    fn inside(&self) -> Vec<String> {
        let enter = format!("echo $$ > {}/cgroup.procs; exec \"$0\" \"$@\"", self.folder.display());
        vec!["sh".to_owned(), "-c".to_owned(), enter]
    }

    fn peak(&self) -> u64 {
        fs::read_to_string(self.folder.join(self.peak)).unwrap().trim().parse().unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The box is killed by its own owner, which may be a moment later.
        for _ in 0..100 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_megabytes_are_enough() {
    const CALLS: usize = 20;
    let group = Group::with_limit(MEMORY);
    let core = crate::scene::core("[default-phone]\n").await;
    let folder = TempDir::new().unwrap();
    let config = crate::scene::config(&core, &folder);
    let mut appliance = crate::support::appliance::Appliance::start_inside(&config, &[], &group.inside());
    for _ in 0..CALLS {
        takes_a_call(&mut appliance);
    }
    let peak = group.peak();
    drop(appliance);
    row(
        "memory limit of 64 MiB (control group), 20 calls",
        "64 MiB",
        format_args!(
            "{CALLS} calls, peak {:.1} MiB besides the program itself",
            peak as f64 / f64::from(1 << 20)
        ),
    );
    assert!(peak <= MEMORY);
}

/// How long a neighbour starves the box. Two minutes, ten with `FAULTS_LONG=1`.
fn starving() -> Duration {
    Duration::from_secs(if std::env::var_os("FAULTS_LONG").is_some() { 600 } else { 120 })
}

/// A program that never rests, on one of the processors.
fn glutton(folder: &Path) -> Process {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "0", "sh", "-c", "while :; do :; done"]);
    Process::start("glutton", command, folder)
}

/// The longest that the machine itself stood still for its most urgent thread: on a
/// virtual one the host may take the processor away, from whoever has it.
fn machine_stalls(folder: &Path) -> Process {
    let program = "import time, sys\n\
                   worst = 0.0\n\
                   last = time.monotonic()\n\
                   while True:\n\
                   \ttime.sleep(0.002)\n\
                   \tnow = time.monotonic()\n\
                   \tif now - last > worst:\n\
                   \t\tworst = now - last\n\
                   \t\tprint(worst, flush=True)\n\
                   \tlast = now\n";
    let mut command = Command::new("chrt");
    command.args(["--fifo", "80", "python3", "-c", program]);
    Process::start("stalls", command, folder)
}

fn missed(status: &Value) -> u64 {
    let audio = &status["audio"];
    audio["xruns"].as_u64().unwrap()
        + audio["capture"]["lost_frames"].as_u64().unwrap()
        + audio["playback"]["lost_frames"].as_u64().unwrap()
}

/// The real-time policy of each audio thread, as the kernel has it (`man 5 proc`, field 41 of stat).
fn policies(process: u32) -> Vec<(String, u32)> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap().filter_map(Result::ok);
    let policy = |task: fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("stat")).ok()?;
        let (before, rest) = stat.rsplit_once(") ")?;
        let name = before.split_once('(')?.1.to_owned();
        let policy = rest.split(' ').nth(38)?.parse().ok()?;
        ["alsa-capture", "alsa-playback", "audio-dsp"].contains(&name.as_str()).then_some((name, policy))
    };
    tasks.filter_map(policy).collect()
}

async fn starved(realtime: bool) {
    let folder = TempDir::new().unwrap();
    let heard = folder.path().join("far-end.wav");
    let script = format!("[default-phone]\ntone = 1000.0\nrecord = {heard:?}\n");
    let inside: Vec<String> = if realtime {
        Vec::new()
    } else {
        ["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice", "--"].map(str::to_owned).to_vec()
    };
    let mut scene = Scene::start_inside(&script, &[], &inside, |_| {}).await;
    let policies = policies(scene.appliance.id());
    assert_eq!(policies.len(), 3, "{policies:?}");
    assert!(policies.iter().all(|(_, policy)| (*policy == 1) == realtime), "{policies:?}");
    scene.talk().await;
    std::thread::sleep(Duration::from_secs(3));
    let stalls = machine_stalls(folder.path());
    let _glutton = glutton(folder.path());
    let before = missed(&scene.appliance.status().unwrap());
    let begin = Instant::now();
    while begin.elapsed() < starving() {
        std::thread::sleep(Duration::from_secs(5));
        let status = scene.appliance.status().unwrap();
        assert_eq!(
            (&status["call"], &status["session"]),
            (&"in-call".into(), &"registered".into()),
            "{status}"
        );
    }
    let missed = missed(&scene.appliance.status().unwrap()) - before;
    scene.appliance.must(&["hangup"]);
    scene.appliance.wait_call("idle");
    std::thread::sleep(RECORDED);
    let worst: f64 = stalls.lines().last().and_then(|line| line.parse().ok()).unwrap_or(0.0);
    let gap = longest_gap(&heard);
    let minutes = starving().as_secs() / 60;
    let (with, bound) = if realtime {
        ("with real-time scheduling", "no xrun, no lost frame")
    } else {
        ("without real-time scheduling", "call and session stay")
    };
    row(
        &format!("1 of 2 processors fully loaded for {minutes} min, {with}"),
        bound,
        format_args!(
            "{missed} xruns and lost frames; longest gap at the far end {} ms; the machine itself stood still for {:.0} ms at worst",
            gap.as_millis(),
            worst * 1000.0
        ),
    );
    if realtime {
        assert_eq!(missed, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_glutton_takes_a_processor_and_real_time_threads_hold() {
    starved(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_glutton_takes_a_processor_where_no_real_time_is_permitted() {
    starved(false).await;
}
