//! The pages that are open, by what they are called, and the call that each has.
//!
//! A page has at most one call; a call that rings has several pages.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use tokio::sync::{broadcast, mpsc, watch};

use super::message::{FromPage, Listed, PhoneState, ToPage};
use crate::sim::core::Shared;
use crate::sim::event::{Seen, SimEvent};

/// More pages than anybody can look at.
const MOST_PAGES: usize = 16;

/// Characters of a name.
const LONGEST_NAME: usize = 24;

/// Where a call listens to its pages.
pub(super) type ToCall = mpsc::Sender<(u64, FromPage)>;

pub(super) struct Hub {
    /// A line for whoever sits at a page.
    pub note: String,
    /// Set once, at the core's start.
    pub core: OnceLock<Weak<Shared>>,
    seen: broadcast::Sender<Seen>,
    pages: Mutex<Pages>,
    listed: watch::Sender<Vec<Listed>>,
}

#[derive(Default)]
struct Pages {
    /// Counts pages and is never used twice: what comes late finds nobody.
    last: u64,
    open: BTreeMap<u64, Page>,
}

struct Page {
    name: String,
    line: mpsc::Sender<ToPage>,
    seat: Option<Seat>,
}

/// A page's part in a call.
struct Seat {
    call: ToCall,
    state: PhoneState,
}

impl Hub {
    pub fn new(note: String, seen: broadcast::Sender<Seen>) -> Self {
        let (listed, _) = watch::channel(Vec::new());
        Self { note, core: OnceLock::new(), seen, pages: Mutex::default(), listed }
    }

    pub fn see(&self, what: SimEvent) {
        // Nobody needs to look.
        let _ = self.seen.send(Seen { at: Instant::now(), terminal: None, what });
    }

    /// All phones, now and at every change.
    pub fn listed(&self) -> watch::Receiver<Vec<Listed>> {
        self.listed.subscribe()
    }

    /// A page is opened. `None` if there are too many.
    pub fn enter(&self, line: mpsc::Sender<ToPage>) -> Option<u64> {
        let mut pages = self.lock();
        if pages.open.len() >= MOST_PAGES {
            return None;
        }
        pages.last += 1;
        let number = pages.last;
        let name = pages.free_name(number, &format!("Phone {number}"));
        pages.open.insert(number, Page { name, line, seat: None });
        self.list(pages);
        self.see(SimEvent::PageOpened);
        Some(number)
    }

    /// It is gone, which its call takes for a hang-up.
    pub fn leave(&self, number: u64) {
        let mut pages = self.lock();
        let gone = pages.open.remove(&number);
        self.list(pages);
        if let Some(Seat { call, .. }) = gone.and_then(|page| page.seat) {
            tell_call(&call, number, FromPage::Bye);
        }
        self.see(SimEvent::PageClosed);
    }

    /// Renames a page; a name that is no name changes nothing.
    pub fn rename(&self, number: u64, wish: &str) {
        let wish: String = wish.trim().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        if wish.is_empty() {
            return;
        }
        let mut pages = self.lock();
        let name = pages.free_name(number, &wish);
        if let Some(page) = pages.open.get_mut(&number) {
            page.name = name;
        }
        self.list(pages);
    }

    pub fn name(&self, number: u64) -> String {
        self.lock().open.get(&number).map(|page| page.name.clone()).unwrap_or_default()
    }

    /// True if there is a page at all.
    pub fn somebody(&self) -> bool {
        !self.lock().open.is_empty()
    }

    /// Gives this call to every page that has none, or to that one alone.
    /// Answers which have it now, the oldest first.
    pub fn seat(&self, only: Option<u64>, call: &ToCall, state: PhoneState) -> Vec<u64> {
        let mut pages = self.lock();
        let mut seated = Vec::new();
        for (number, page) in &mut pages.open {
            if page.seat.is_none() && only.is_none_or(|only| only == *number) {
                page.seat = Some(Seat { call: call.clone(), state });
                seated.push(*number);
            }
        }
        self.list(pages);
        seated
    }

    /// The newest page without a call.
    pub fn newest_free(&self) -> Option<u64> {
        let pages = self.lock();
        pages.open.iter().rev().find(|(_, page)| page.seat.is_none()).map(|(number, _)| *number)
    }

    /// A page that rang is in the call now.
    pub fn settle(&self, number: u64) {
        let mut pages = self.lock();
        if let Some(seat) = pages.open.get_mut(&number).and_then(|page| page.seat.as_mut()) {
            seat.state = PhoneState::InCall;
        }
        self.list(pages);
    }

    /// The page's call is over, and it is told so.
    pub fn free(&self, number: u64, why: &str) {
        let mut pages = self.lock();
        if let Some(page) = pages.open.get_mut(&number) {
            page.seat = None;
        }
        self.list(pages);
        self.tell(number, ToPage::Bye { why: why.to_owned() });
    }

    /// A page that is gone says so itself; one that is many messages behind is as good as gone.
    pub fn tell(&self, number: u64, message: ToPage) {
        let line = self.lock().open.get(&number).map(|page| page.line.clone());
        if line.is_some_and(|line| line.try_send(message).is_err()) {
            tracing::debug!(number, "a page takes no more messages");
        }
    }

    /// What a page says of its call. What comes late for a call that is over is of no use.
    pub fn heard(&self, number: u64, said: FromPage) {
        let pages = self.lock();
        if let Some(seat) = pages.open.get(&number).and_then(|page| page.seat.as_ref()) {
            tell_call(&seat.call, number, said);
        }
    }

    fn list(&self, pages: MutexGuard<'_, Pages>) {
        let listed = pages.open.iter().map(|(number, page)| Listed {
            phone: *number,
            name: page.name.clone(),
            state: page.seat.as_ref().map_or(PhoneState::Ready, |seat| seat.state),
        });
        self.listed.send_replace(listed.collect());
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// The name, with a number behind it if another page has it.
    fn free_name(&self, number: u64, wish: &str) -> String {
        let taken = |name: &str| self.open.iter().any(|(other, page)| *other != number && page.name == name);
        let with_number = (2..).map(|n| format!("{wish} {n}"));
        std::iter::once(wish.to_owned()).chain(with_number).find(|name| !taken(name)).unwrap_or_default()
    }
}

fn tell_call(call: &ToCall, number: u64, said: FromPage) {
    // A call that is over hears nothing, and one that is so far behind will not miss a report.
    if call.try_send((number, said)).is_err() {
        tracing::debug!(number, "a call does not listen to its page");
    }
}
