//! Senders connected to receivers: nothing may be lost, and all that is counted has to add up.

use loadgen::measure::{Phase, Series, total};
use loadgen::outcome::Counts;
use loadgen::plan::{Load, Plan, Transport};
use loadgen::systems::Attachment;

use crate::plans::{self, STARTTLS};

fn play(plan: &Plan) -> loadgen::engine::Measured {
    plans::play(plan, &[0], Attachment::Direct).expect("a run")
}

/// Nothing but `scheduled` and what follows from it.
fn flawless(scheduled: u64, counts: Counts) -> Counts {
    let Counts { departures, bytes, .. } = counts;
    Counts { departures, scheduled, arrived: scheduled, bytes, ..Counts::default() }
}

#[test]
fn paced_fan_out_reaches_every_contact_once_over_every_transport() {
    for (direct_tls, dialback) in [(false, false), (true, false), (false, true)] {
        let mut plan = plans::fan_out(5, 80);
        plan.transport = Transport { direct_tls, dialback, ..STARTTLS };
        let measured = play(&plan);
        let counts = measured.counts;
        assert_eq!((counts.departures, counts.scheduled), (60, 600), "{measured:?}");
        assert_eq!(counts, flawless(600, counts));
        assert_eq!(counts.bytes, 600 * 450);
        let of = |series| total(&measured.intervals, series, Phase::Measure).len();
        assert_eq!([Series::Recipient, Series::Last, Series::SendLag].map(of), [600, 60, 600]);
        assert_eq!(total(&measured.intervals, Series::Handshake, Phase::Connect).len(), 10);
        assert_eq!((measured.streams.open, measured.invalid.len()), (20, 0));
    }
}
