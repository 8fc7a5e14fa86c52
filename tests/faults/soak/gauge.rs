//! What a process holds: memory, descriptors and threads as the kernel counts
//! them, tasks as the box counts them (`callbox_tasks` of its metrics).

use std::fmt;
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

/// Reads what one process holds.
pub struct Gauge {
    process: u32,
    metrics: String,
    client: reqwest::Client,
}

/// What it held at one moment.
#[derive(Clone, Debug)]
pub struct Sample {
    pub calls: usize,
    pub rss_kib: i64,
    /// The share of it that is no file's: heap and stacks.
    pub anonymous_kib: i64,
    pub descriptors: usize,
    pub threads: usize,
    pub tasks: usize,
}

impl Gauge {
    /// `panel` is the address of the box's panel.
    pub fn of(process: u32, panel: &str) -> Self {
        // No connection is kept: it would be one descriptor more.
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        Self { process, metrics: format!("{panel}/metrics"), client: client.build().unwrap() }
    }

    pub async fn sample(&self, calls: usize) -> Sample {
        let page = self.client.get(&self.metrics).header("connection", "close").send().await.unwrap();
        let page = page.text().await.unwrap();
        let tasks = page.lines().find_map(|line| line.strip_prefix("callbox_tasks ")).expect("callbox_tasks");
        // That connection is gone a moment later.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let status = fs::read_to_string(format!("/proc/{}/status", self.process)).unwrap();
        let figure = |name: &str| -> i64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect(name);
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        Sample {
            calls,
            rss_kib: figure("VmRSS:"),
            anonymous_kib: figure("RssAnon:"),
            descriptors: fs::read_dir(format!("/proc/{}/fd", self.process)).unwrap().count(),
            threads: figure("Threads:") as usize,
            tasks: tasks.parse::<f64>().unwrap() as usize,
        }
    }
}

impl Sample {
    pub const HEADER: &str = "calls,seconds,rss_kib,anonymous_kib,descriptors,threads,tasks";

    /// What must be at the end as it was at the start.
    pub fn counts(&self) -> [usize; 3] {
        [self.descriptors, self.threads, self.tasks]
    }

    /// A line of the CSV file.
    pub fn line(&self, since: Duration) -> String {
        let Self { calls, rss_kib, anonymous_kib, descriptors, threads, tasks } = self;
        format!(
            "{calls},{:.1},{rss_kib},{anonymous_kib},{descriptors},{threads},{tasks}",
            since.as_secs_f64()
        )
    }

    pub fn json(&self) -> Value {
        json!({
            "calls": self.calls, "rss_kib": self.rss_kib, "anonymous_kib": self.anonymous_kib,
            "descriptors": self.descriptors, "threads": self.threads, "tasks": self.tasks,
        })
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} KiB resident ({} KiB not of files), {} descriptors, {} threads, {} tasks",
            self.rss_kib, self.anonymous_kib, self.descriptors, self.threads, self.tasks
        )
    }
}
