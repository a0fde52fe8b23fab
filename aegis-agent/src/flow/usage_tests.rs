#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::thread;

use super::*;

fn counters() -> (Arc<Counters>, Instant) {
    let begun = Instant::now();
    (Arc::new(Counters::new(begun)), begun)
}

fn requests(counters: &Arc<Counters>, now: Instant) -> [u64; 3] {
    let usage = counters.count(now).usage();
    [usage.minute.requests, usage.hour.requests, usage.day.requests]
}

#[test]
fn a_request_counts_until_its_window_has_passed() {
    let (counters, begun) = counters();
    let at = |seconds| begun + Duration::from_secs(seconds);
    for _ in 0..3 {
        counters.count(at(10)).keep();
    }
    counters.count(at(50)).keep();
    for (seconds, expected) in [
        (10, [3, 4, 4]),
        (50, [4, 4, 4]),
        (70, [4, 4, 4]),
        (71, [1, 4, 4]),
        (111, [0, 4, 4]),
        (3_659, [0, 4, 4]),
        (3_660, [0, 0, 4]),
        (86_399, [0, 0, 4]),
        (87_300, [0, 0, 0]),
        (10_000_000, [0, 0, 0]),
    ] {
        assert_eq!(requests(&counters, at(seconds)), expected, "after {seconds} s");
    }
}

#[test]
fn what_is_refused_is_taken_back_and_bytes_are_added_up() {
    let (counters, begun) = counters();
    let refused = counters.count(begun);
    assert_eq!(requests(&counters, begun), [1, 1, 1], "one that is still being decided counts");
    drop(refused);
    assert_eq!(requests(&counters, begun), [0, 0, 0]);
    counters.sent(begun, 700);
    counters.sent(begun + Duration::from_secs(61), 300);
    let usage = counters.count(begun + Duration::from_secs(61)).usage();
    assert_eq!((usage.minute.bytes_out, usage.hour.bytes_out, usage.day.bytes_out), (300, 1000, 1000));
    assert_eq!(usage.day.cost_usd, Usd::default());
}

#[test]
fn a_count_stops_at_its_most_and_never_starts_over() {
    let (counters, begun) = counters();
    for _ in 0..3 {
        counters.sent(begun, u64::MAX);
    }
    assert_eq!(counters.count(begun).usage().minute.bytes_out, MOST);
}

#[test]
fn of_requests_side_by_side_no_two_are_the_same_one() {
    let (counters, begun) = counters();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let counters = Arc::clone(&counters);
            thread::spawn(move || {
                let one = |_| {
                    let counted = counters.count(begun);
                    let before = counted.usage().hour.requests;
                    counted.keep();
                    before
                };
                (0..500).map(one).collect::<Vec<u64>>()
            })
        })
        .collect();
    let mut seen: Vec<u64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..2000).collect::<Vec<u64>>());
}

#[test]
fn agents_do_not_count_for_each_other() {
    let usages = Usages::default();
    let now = Instant::now();
    usages.of("one").count(now).keep();
    assert_eq!(requests(&usages.of("one"), now), [1, 1, 1]);
    assert_eq!(requests(&usages.of("two"), now), [0, 0, 0]);
}
