//! Logs for the operator: one line an event on standard error, which journald keeps.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets, dynamic_filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging at `level` (`error`, `warn`, `info`, `debug`, `trace` or a
/// filter as in `RUST_LOG`, which goes before it: `info` or
/// `warn,callbox=debug`). The second call does nothing.
pub fn start(level: &str) {
    let asked = std::env::var("RUST_LOG").ok().filter(|asked| !asked.is_empty());
    let filter = asked.and_then(|asked| asked.parse().ok()).or_else(|| quiet(level).parse().ok());
    let filter = filter.unwrap_or_else(|| Targets::new().with_default(LevelFilter::WARN));
    if subscriber(filter, std::io::stderr).try_init().is_err() {
        tracing::debug!("logging runs already");
    }
}

/// Lines of what the filter lets through, and of the libraries' not too many of those.
fn subscriber<W>(filter: Targets, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    // It would tell of a log that cannot be written by `eprintln!`, which panics where it fails as well:
    // a full disk, or a journal that has died, would end the box.
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).log_internal_errors(false);
    let (brake, begin) = (Brake::default(), Instant::now());
    let brake = dynamic_filter_fn(move |about, _| {
        about.target().starts_with("callbox") || brake.lets_through(begin.elapsed().as_secs() / 60)
    });
    // The outermost is asked first: what is not to be written must not use the brake up.
    tracing_subscriber::registry().with(lines).with(brake).with(filter)
}

/// The libraries below talk a lot, and some of it holds SDP: only their warnings, and of webrtc, which warns of
/// every early ICE packet and of netlink, which warns of each kernel newer than itself, only their errors.
fn quiet(level: &str) -> String {
    let errors = ["rtc", "rtc_ice", "rtc_dtls", "rtc_srtp", "webrtc", "netlink_packet_route"];
    let errors: String = errors.iter().map(|library| format!(",{library}=error")).collect();
    format!("warn,callbox={level}{errors}")
}

/// Lines that the libraries may write together in a minute: a call that has lost its network makes
/// webrtc write an error for every packet, which would wash everything else out of the journal.
const LIBRARIES: u64 = 20;

/// Lets so many lines through in each minute.
#[derive(Default)]
struct Brake {
    /// The minute, and how many lines it has had, in the low half.
    seen: AtomicU64,
}

impl Brake {
    fn lets_through(&self, minute: u64) -> bool {
        let count = |seen: u64| {
            let lines = if seen >> 32 == minute { seen & 0xffff_ffff } else { 0 };
            (lines < LIBRARIES).then_some(minute << 32 | (lines + 1))
        };
        self.seen.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_not_written_leaves_room_for_what_is() {
        let page = Page::default();
        let writer = page.clone();
        let log = subscriber(quiet("info").parse().unwrap(), move || writer.clone());
        tracing::subscriber::with_default(log, || {
            for _ in 0..1_000 {
                tracing::warn!(target: "webrtc", "an early packet");
            }
            for _ in 0..100 {
                tracing::error!(target: "webrtc", "no network");
                tracing::info!(target: "callbox::event", "a call");
            }
        });
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        let lines = |what: &str| text.matches(what).count();
        assert_eq!([lines("early"), lines("no network"), lines("a call")], [0, LIBRARIES as usize, 100]);
    }

    #[test]
    fn a_library_that_complains_of_every_packet_is_heard_a_few_times_a_minute() {
        let brake = Brake::default();
        for minute in [0, 1, 5] {
            let written = (0..3_000).filter(|_| brake.lets_through(minute)).count();
            assert_eq!(written as u64, LIBRARIES, "minute {minute}");
        }
    }
}
