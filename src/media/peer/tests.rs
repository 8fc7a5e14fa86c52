//! A panic in one peer, whoever's it is, ends that peer and no other.

use std::time::Duration;

use super::*;
use crate::media::spawn;

pub(super) const PANIC_HERE: &str = "panic in the peer's task";
pub(super) const PANIC_BELOW: &str = "panic in the library's task";

async fn next(outputs: &mut mpsc::Receiver<(PeerId, MediaOutput)>) -> (PeerId, MediaEvent) {
    let next = tokio::time::timeout(Duration::from_secs(20), outputs.recv()).await;
    match next.expect("silence").expect("the engine is gone") {
        (peer, MediaOutput::Event(event)) => (peer, event),
        (_, MediaOutput::Leg(_)) => panic!("no leg is due"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_fails_its_own_peer_only() {
    for how in [PANIC_HERE, PANIC_BELOW] {
        let settings = MediaSettings {
            codecs: vec![Codec::Opus],
            addresses: vec!["127.0.0.1".parse().unwrap()],
            loopback: true,
            opus_bitrate: 32_000,
            frame: crate::media::FrameLength::Auto,
            ice_check_interval: Duration::from_millis(10),
        };
        let (commands, received) = mpsc::channel(8);
        let (sent, mut outputs) = mpsc::channel(8);
        let engine = spawn(settings, received, sent);
        let (bad, good) = (PeerId(1), PeerId(2));
        for peer in [bad, good] {
            commands.send((peer, MediaCommand::Prepare)).await.unwrap();
            assert!(matches!(next(&mut outputs).await, (p, MediaEvent::Prepared { .. }) if p == peer));
        }
        commands.send((bad, MediaCommand::Digits(how.to_owned()))).await.unwrap();
        let (peer, event) = next(&mut outputs).await;
        let MediaEvent::Failed(error) = event else { panic!("{how}: {event:?}") };
        assert_eq!((peer, error.kind), (bad, MediaErrorKind::Internal), "{how}");
        // The other one does not notice, and new ones can be made.
        for peer in [bad, good] {
            commands.send((peer, MediaCommand::Close)).await.unwrap();
            assert_eq!(next(&mut outputs).await, (peer, MediaEvent::Closed), "{how}");
        }
        commands.send((PeerId(3), MediaCommand::Prepare)).await.unwrap();
        assert!(matches!(next(&mut outputs).await, (_, MediaEvent::Prepared { .. })), "{how}");
        drop(commands);
        engine.await.unwrap();
    }
}
