//! Calls over several pages, without any browser: what pages would say is said here.

use std::sync::Arc;

use tokio::sync::{broadcast, mpsc};

use super::call;
use super::hub::Hub;
use super::message::{FromPage, PhoneState, ToPage};
use crate::sim::event::PageReport;
use crate::sim::far_end::{FarCommand, FarEvent, FarReports};

/// A page without a browser.
struct Phone {
    number: u64,
    line: mpsc::Receiver<ToPage>,
}

struct Rig {
    hub: Arc<Hub>,
    core: mpsc::Sender<FarCommand>,
    far: mpsc::Receiver<(u64, FarEvent)>,
}

impl Rig {
    /// This many pages, and a call that has not begun.
    fn new(pages: usize) -> (Self, Vec<Phone>) {
        let (seen, _) = broadcast::channel(4);
        let hub = Arc::new(Hub::new(String::new(), seen));
        let phones = (0..pages).map(|_| Phone::open(&hub)).collect();
        (Self::call(&hub, None), phones)
    }

    fn call(hub: &Arc<Hub>, only: Option<u64>) -> Self {
        let (core, commands) = mpsc::channel(16);
        let (listener, far) = mpsc::channel(16);
        tokio::spawn(call::run(hub.clone(), only, commands, FarReports::new(1, listener)));
        Self { hub: hub.clone(), core, far }
    }

    async fn order(&self, command: FarCommand) {
        self.core.send(command).await.unwrap();
    }

    async fn event(&mut self) -> FarEvent {
        self.far.recv().await.expect("an event").1
    }

    fn states(&self) -> Vec<PhoneState> {
        self.hub.listed().borrow().iter().map(|phone| phone.state).collect()
    }

    /// A call of the box, answered at the first phone.
    async fn answered(pages: usize) -> (Self, Vec<Phone>) {
        let (mut rig, mut phones) = Self::new(pages);
        rig.order(offered()).await;
        for phone in &mut phones {
            assert!(matches!(phone.hears().await, ToPage::Offer { dialled, .. } if dialled == "+47"));
        }
        rig.hub.heard(phones[0].number, FromPage::Answer { sdp: "first".into() });
        assert!(matches!(rig.event().await, FarEvent::Answer { sdp } if sdp == "first"));
        for phone in &mut phones[1..] {
            assert!(matches!(phone.hears().await, ToPage::Bye { why } if why == "answered at Phone 1"));
        }
        (rig, phones)
    }
}

impl Phone {
    fn open(hub: &Hub) -> Self {
        let (to_page, line) = mpsc::channel(16);
        Self { number: hub.enter(to_page).unwrap(), line }
    }

    async fn hears(&mut self) -> ToPage {
        self.line.recv().await.expect("a message")
    }
}

fn offered() -> FarCommand {
    FarCommand::Offered { sdp: "box".into(), from: "+47".into() }
}

fn report(state: &str) -> FromPage {
    let (phone, state) = (String::new(), state.to_owned());
    let report = PageReport { phone, level_db: -20.0, hz: 440.0, state, codec: "audio/opus".into() };
    FromPage::Report { report }
}

#[tokio::test]
async fn a_call_rings_everywhere_and_the_first_that_answers_has_it() {
    let (mut rig, mut phones) = Rig::answered(3).await;
    assert_eq!(rig.states(), [PhoneState::InCall, PhoneState::Ready, PhoneState::Ready]);
    // An answer that comes late changes nothing.
    rig.hub.heard(phones[1].number, FromPage::Answer { sdp: "late".into() });
    rig.hub.heard(phones[0].number, report("connected"));
    assert!(matches!(rig.event().await, FarEvent::Connected { codec } if codec == "audio/opus"));
    rig.hub.heard(phones[0].number, FromPage::Bye);
    assert!(matches!(phones[0].hears().await, ToPage::Bye { .. }));
    assert!(matches!(rig.event().await, FarEvent::HungUp));
    assert_eq!(rig.states(), [PhoneState::Ready; 3]);
}

#[tokio::test]
async fn the_call_is_rejected_when_all_have_declined() {
    let (mut rig, phones) = Rig::new(2);
    rig.order(offered()).await;
    while rig.states() != [PhoneState::Ringing; 2] {
        tokio::task::yield_now().await;
    }
    rig.hub.heard(phones[1].number, FromPage::Bye);
    rig.hub.heard(phones[0].number, FromPage::Ringing);
    assert!(matches!(rig.event().await, FarEvent::Ringing));
    // The other one closes its page.
    rig.hub.leave(phones[0].number);
    assert!(matches!(rig.event().await, FarEvent::HungUp));
}

#[tokio::test]
async fn without_a_free_page_there_is_no_call() {
    let (mut rig, _) = Rig::new(0);
    rig.order(offered()).await;
    assert!(matches!(rig.event().await, FarEvent::Failed(why) if why == "no browser page is open"));
    let (rig, _phones) = Rig::answered(1).await;
    let mut second = Rig::call(&rig.hub, None);
    second.order(offered()).await;
    assert!(matches!(second.event().await, FarEvent::Failed(why) if why.contains("has a call already")));
}

#[tokio::test]
async fn the_page_that_calls_has_the_call() {
    let (idle, mut phones) = Rig::new(2);
    let first = phones[0].number;
    let mut rig = Rig::call(&idle.hub, Some(first));
    rig.order(FarCommand::Call).await;
    assert!(matches!(phones[0].hears().await, ToPage::MakeOffer));
    rig.hub.heard(first, FromPage::Offer { sdp: "page".into() });
    assert!(matches!(rig.event().await, FarEvent::Offer { sdp } if sdp == "page"));
    rig.order(FarCommand::Answered { sdp: "box".into() }).await;
    assert!(matches!(phones[0].hears().await, ToPage::Answer { sdp } if sdp == "box"));
    assert_eq!(rig.states(), [PhoneState::InCall, PhoneState::Ready]);
}

#[tokio::test]
async fn a_call_is_handed_over_and_the_old_phone_keeps_it_until_the_new_one_is_up() {
    let (mut rig, mut phones) = Rig::answered(2).await;
    let (from, to) = (phones[0].number, phones[1].number);
    rig.hub.heard(from, FromPage::HandOver { to });
    assert!(matches!(phones[1].hears().await, ToPage::HandOver { from } if from == "Phone 1"));
    assert_eq!(rig.states(), [PhoneState::InCall, PhoneState::Ringing]);
    rig.hub.heard(to, FromPage::Offer { sdp: "second".into() });
    assert!(matches!(rig.event().await, FarEvent::Offer { sdp } if sdp == "second"));
    rig.order(FarCommand::Answered { sdp: "box".into() }).await;
    assert!(matches!(phones[1].hears().await, ToPage::Answer { .. }));
    // The old phone is in the call all the while.
    rig.hub.heard(to, report("connecting"));
    rig.order(FarCommand::Digits("5".into())).await;
    assert!(matches!(phones[0].hears().await, ToPage::Digits { .. }));
    rig.hub.heard(to, report("connected"));
    assert!(matches!(phones[0].hears().await, ToPage::Bye { why } if why == "handed over to Phone 2"));
    assert_eq!(rig.states(), [PhoneState::Ready, PhoneState::InCall]);
    // What the old phone says now is of no call.
    rig.hub.heard(from, FromPage::Bye);
    rig.order(FarCommand::Reoffered { sdp: "again".into() }).await;
    assert!(matches!(phones[1].hears().await, ToPage::Reoffer { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_takes_over_stays() {
    let (mut rig, mut phones) = Rig::answered(2).await;
    let (from, to) = (phones[0].number, phones[1].number);
    let declined = async |rig: &Rig, phones: &mut Vec<Phone>, why: &str| {
        assert!(matches!(phones[0].hears().await, ToPage::Kept { why: said } if said == why), "{why}");
        assert_eq!(rig.states()[0], PhoneState::InCall);
    };
    rig.hub.heard(from, FromPage::HandOver { to });
    phones[1].hears().await;
    rig.hub.heard(to, FromPage::Bye);
    declined(&rig, &mut phones, "Phone 2 declined").await;
    assert!(matches!(phones[1].hears().await, ToPage::Bye { .. }));

    // Nobody is there: on paused time the half minute passes at once.
    rig.hub.heard(from, FromPage::HandOver { to });
    phones[1].hears().await;
    let began = tokio::time::Instant::now();
    declined(&rig, &mut phones, "there was no answer").await;
    assert_eq!(began.elapsed().as_secs(), 30);
    phones[1].hears().await;

    // The box is just being told of something else.
    rig.hub.heard(from, FromPage::HandOver { to });
    phones[1].hears().await;
    rig.hub.heard(to, FromPage::Offer { sdp: "second".into() });
    rig.event().await;
    rig.order(FarCommand::Refused).await;
    declined(&rig, &mut phones, "the call is changing; try again").await;
    phones[1].hears().await;

    rig.hub.heard(from, FromPage::HandOver { to });
    phones[1].hears().await;
    rig.hub.leave(to);
    declined(&rig, &mut phones, "that phone is gone").await;
    rig.hub.heard(from, FromPage::HandOver { to });
    declined(&rig, &mut phones, "that phone is not free").await;
}

#[tokio::test]
async fn the_end_of_the_call_frees_every_page() {
    let (rig, mut phones) = Rig::answered(2).await;
    rig.hub.heard(phones[0].number, FromPage::HandOver { to: phones[1].number });
    phones[1].hears().await;
    let Rig { hub, core, far: _far } = rig;
    drop(core);
    for phone in &mut phones {
        assert!(matches!(phone.hears().await, ToPage::Bye { .. }));
    }
    assert!(hub.listed().borrow().iter().all(|phone| phone.state == PhoneState::Ready));
}

#[tokio::test]
async fn names_are_tidy_and_nobody_has_the_same() {
    let (rig, phones) = Rig::new(2);
    let names =
        || -> Vec<String> { rig.hub.listed().borrow().iter().map(|phone| phone.name.clone()).collect() };
    assert_eq!(names(), ["Phone 1", "Phone 2"]);
    rig.hub.rename(phones[0].number, " Ki\u{7}tchen ");
    rig.hub.rename(phones[1].number, "Kitchen");
    assert_eq!(names(), ["Kitchen", "Kitchen 2"]);
    rig.hub.rename(phones[0].number, " \n ");
    rig.hub.rename(phones[1].number, &"x".repeat(100));
    assert_eq!(names(), ["Kitchen".to_owned(), "x".repeat(24)]);
}

#[tokio::test]
async fn no_more_pages_than_anybody_needs() {
    let (rig, _phones) = Rig::new(16);
    let (line, _) = mpsc::channel(1);
    assert_eq!(rig.hub.enter(line), None);
}
