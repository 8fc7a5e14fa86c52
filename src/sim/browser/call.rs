//! One call between the session and the pages: it rings at all of them, the
//! first that answers has it, and may hand it over to another in mid-call.
//!
//! Inputs: commands of the session, words of the pages that have a seat in this
//! call, one deadline. Outputs: events to the session, messages to pages.
//!
//! Handing over is a renegotiation of the wire contract: the new phone makes an
//! offer, which the box answers as any in mid-call. The old one keeps the call
//! until the new one is connected.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::hub::{Hub, ToCall};
use super::message::{FromPage, PhoneState, ToPage};
use crate::sim::event::PageReport;
use crate::sim::far_end::{FarCommand, FarEvent, FarReports};

/// Softer than this is no sound, dBFS.
const FAINTEST_DB: f64 = -90.0;

/// How long a phone may ring for a call that is handed over.
const ACCEPT_WITHIN: Duration = Duration::from_secs(30);

/// How long its media may take to come up.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// Reports come once a second from every page in the call.
const WORDS: usize = 64;

struct PageCall {
    hub: Arc<Hub>,
    reports: FarReports,
    to_call: ToCall,
    /// The page that made the call, or that alone is to have it.
    only: Option<u64>,
    phase: Phase,
    progress: Progress,
}

/// Which pages have the call.
enum Phase {
    /// None yet.
    Waiting,
    /// It rings at these.
    Ringing(BTreeSet<u64>),
    /// This one.
    At(u64),
    /// This one, and it rings at the other or is about to move there.
    HandingOver { from: u64, to: u64, until: Instant },
    /// None any more.
    Over,
}

/// What of the call's media was seen in the pages' reports.
enum Progress {
    Waiting,
    Connected,
    Heard,
}

/// Serves one call until it is over.
pub(super) async fn run(
    hub: Arc<Hub>,
    only: Option<u64>,
    mut commands: mpsc::Receiver<FarCommand>,
    reports: FarReports,
) {
    let (to_call, mut from_pages) = mpsc::channel(WORDS);
    let mut call =
        PageCall { hub, reports, to_call, only, phase: Phase::Waiting, progress: Progress::Waiting };
    loop {
        let until = match call.phase {
            Phase::HandingOver { until, .. } => Some(until),
            Phase::Waiting | Phase::Ringing(_) | Phase::At(_) => None,
            Phase::Over => return,
        };
        tokio::select! {
            command = commands.recv() => match command {
                Some(command) => call.command(command).await,
                None => call.end(if let Phase::Ringing(_) = call.phase { "the box gave up" } else { "the box hung up" }),
            },
            Some((page, said)) = from_pages.recv() => call.said(page, said).await,
            () = tokio::time::sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                call.keep("there was no answer");
            }
        }
    }
}

impl PageCall {
    async fn command(&mut self, command: FarCommand) {
        match (&self.phase, command) {
            (Phase::Waiting, command @ FarCommand::Offered { .. }) => {
                let pages = self.hub.seat(self.only, &self.to_call, PhoneState::Ringing);
                if pages.is_empty() {
                    return self.fail().await;
                }
                let offer = ToPage::of(command);
                pages.iter().for_each(|page| self.pass(*page, offer.clone()));
                self.phase = Phase::Ringing(pages.into_iter().collect());
            }
            (Phase::Waiting, command @ FarCommand::Call) => {
                let page = self
                    .only
                    .or_else(|| self.hub.newest_free())
                    .filter(|page| self.take(*page, PhoneState::InCall));
                let Some(page) = page else { return self.fail().await };
                self.pass(page, ToPage::of(command));
                self.phase = Phase::At(page);
            }
            (Phase::Ringing(pages), command) => {
                if let Some(newest) = pages.last() {
                    self.pass(*newest, ToPage::of(command));
                }
            }
            (Phase::HandingOver { to, .. }, command @ FarCommand::Answered { .. }) => {
                self.pass(*to, ToPage::of(command));
            }
            (Phase::HandingOver { .. }, FarCommand::Refused) => self.keep("the call is changing; try again"),
            (Phase::At(page) | Phase::HandingOver { from: page, .. }, command) => {
                self.pass(*page, ToPage::of(command));
            }
            (Phase::Waiting | Phase::Over, _) => {}
        }
    }

    async fn said(&mut self, page: u64, said: FromPage) {
        match said {
            FromPage::Ringing => {
                if let Phase::Ringing(_) = self.phase {
                    self.reports.tell(FarEvent::Ringing).await;
                }
            }
            FromPage::Answer { sdp } => self.answered(page, sdp).await,
            FromPage::Offer { sdp } => match &mut self.phase {
                Phase::HandingOver { to, until, .. } if *to == page => {
                    *until = Instant::now() + CONNECT_WITHIN;
                    self.reports.tell(FarEvent::Offer { sdp }).await;
                }
                Phase::At(here) if *here == page => self.reports.tell(FarEvent::Offer { sdp }).await,
                Phase::Waiting
                | Phase::Ringing(_)
                | Phase::At(_)
                | Phase::HandingOver { .. }
                | Phase::Over => {}
            },
            FromPage::HandOver { to } => self.hand_over(page, to),
            FromPage::Report { report } => self.report(page, report).await,
            FromPage::Bye => self.bye(page).await,
            // The hub's own.
            FromPage::Name { .. } | FromPage::Call | FromPage::Trouble { .. } => {}
        }
    }

    /// The first that answers has the call; later it answers offers in mid-call.
    async fn answered(&mut self, page: u64, sdp: String) {
        match &mut self.phase {
            Phase::Ringing(pages) if pages.contains(&page) => {
                pages.remove(&page);
                let others = std::mem::take(pages);
                self.phase = Phase::At(page);
                let why = format!("answered at {}", self.hub.name(page));
                others.iter().for_each(|other| self.hub.free(*other, &why));
                self.hub.settle(page);
                self.reports.tell(FarEvent::Answer { sdp }).await;
            }
            Phase::At(here) | Phase::HandingOver { from: here, .. } if *here == page => {
                self.reports.tell(FarEvent::Answer { sdp }).await;
            }
            Phase::Waiting | Phase::Ringing(_) | Phase::At(_) | Phase::HandingOver { .. } | Phase::Over => {}
        }
    }

    fn hand_over(&mut self, from: u64, to: u64) {
        let Phase::At(here) = self.phase else { return };
        if here != from {
            return;
        }
        if !self.take(to, PhoneState::Ringing) {
            return self.hub.tell(from, ToPage::Kept { why: "that phone is not free".to_owned() });
        }
        self.hub.tell(to, ToPage::HandOver { from: self.hub.name(from) });
        self.phase = Phase::HandingOver { from, to, until: Instant::now() + ACCEPT_WITHIN };
    }

    async fn report(&mut self, page: u64, report: PageReport) {
        match self.phase {
            Phase::HandingOver { from, to, .. } if page == to => {
                if report.state == "connected" {
                    self.phase = Phase::At(to);
                    self.hub.free(from, &format!("handed over to {}", self.hub.name(to)));
                    self.hub.settle(to);
                }
            }
            Phase::At(here) if page == here => {
                if let Some(event) = self.progress.advance(report) {
                    self.reports.tell(event).await;
                }
            }
            Phase::Waiting | Phase::Ringing(_) | Phase::At(_) | Phase::HandingOver { .. } | Phase::Over => {}
        }
    }

    async fn bye(&mut self, page: u64) {
        match &mut self.phase {
            Phase::Ringing(pages) if pages.contains(&page) => {
                pages.remove(&page);
                let nobody = pages.is_empty();
                self.hub.free(page, "");
                if nobody {
                    self.over().await;
                }
            }
            Phase::HandingOver { to, .. } if *to == page => {
                let name = self.hub.name(page);
                self.keep(&if name.is_empty() {
                    "that phone is gone".to_owned()
                } else {
                    format!("{name} declined")
                });
            }
            Phase::At(here) | Phase::HandingOver { from: here, .. } if *here == page => self.over().await,
            Phase::Waiting | Phase::Ringing(_) | Phase::At(_) | Phase::HandingOver { .. } | Phase::Over => {}
        }
    }

    /// The call stays where it was.
    fn keep(&mut self, why: &str) {
        if let Phase::HandingOver { from, to, .. } = self.phase {
            self.phase = Phase::At(from);
            self.hub.free(to, "");
            self.hub.tell(from, ToPage::Kept { why: why.to_owned() });
        }
    }

    async fn fail(&mut self) {
        let why = if self.hub.somebody() {
            "the browser page has a call already"
        } else {
            "no browser page is open"
        };
        self.reports.tell(FarEvent::Failed(why.to_owned())).await;
        self.phase = Phase::Over;
    }

    /// A person hung up.
    async fn over(&mut self) {
        self.end("");
        self.reports.tell(FarEvent::HungUp).await;
    }

    fn end(&mut self, why: &str) {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Ringing(pages) => pages.iter().for_each(|page| self.hub.free(*page, why)),
            Phase::At(page) => self.hub.free(page, why),
            Phase::HandingOver { from, to, .. } => {
                [from, to].iter().for_each(|page| self.hub.free(*page, why))
            }
            Phase::Waiting | Phase::Over => {}
        }
    }

    /// Whether that page had no call, and now has this one.
    fn take(&self, page: u64, state: PhoneState) -> bool {
        !self.hub.seat(Some(page), &self.to_call, state).is_empty()
    }

    fn pass(&self, page: u64, message: Option<ToPage>) {
        if let Some(message) = message {
            self.hub.tell(page, message);
        }
    }
}

impl Progress {
    fn advance(&mut self, report: PageReport) -> Option<FarEvent> {
        match self {
            Self::Waiting if report.state == "connected" && !report.codec.is_empty() => {
                *self = Self::Connected;
                Some(FarEvent::Connected { codec: report.codec })
            }
            Self::Connected if report.level_db > FAINTEST_DB => {
                *self = Self::Heard;
                Some(FarEvent::FirstAudio)
            }
            Self::Waiting | Self::Connected | Self::Heard => None,
        }
    }
}
