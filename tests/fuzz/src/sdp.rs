//! Session descriptions through our reading of them, and what we make of them
//! through the library's.

use callbox::media::fuzzing::describe;
use callbox::pipe::MESSAGE_LIMIT;
use rtc::peer_connection::sdp::RTCSessionDescription;

/// What the library says to the reduced offer, as it said it once.
const ANSWER: &str = include_str!("answer.sdp");

/// The answer must fit into a message beside its call id.
const MOST: usize = MESSAGE_LIMIT - 1_024;

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for is_answer in [false, true] {
        let Ok(read) = describe(&text, is_answer, ANSWER) else { continue };
        // What we hand to the library is good: it parses it, and so do we, to the same end.
        RTCSessionDescription::offer(read.reduced.clone()).expect("the library refuses what we made");
        let again = describe(&read.reduced, false, ANSWER).expect("we refuse what we made");
        assert_eq!(again.reduced, read.reduced, "reduced twice");
        assert!(read.answer.len() <= MOST, "an answer of {} bytes", read.answer.len());
        // One section of the answer for each of the offer's, whatever their names hold.
        let sections = |text: &str| text.lines().filter(|line| line.starts_with("m=")).count();
        assert_eq!(sections(&read.answer), sections(&text), "{}", read.answer);
    }
}
