#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const START: SystemTime = SystemTime::UNIX_EPOCH;

fn percent(number: f64) -> Percent {
    Percent::try_from(number).unwrap()
}

fn plan(min_decisions: u64) -> Plan {
    Plan { percent: percent(10.0), auto_promote_after: Some(30 * MINUTE), max_deny_delta: percent(2.0), min_decisions }
}

fn agent(name: &str) -> Agent {
    Agent { name: name.to_owned(), ..Agent::default() }
}

/// `denied` of `all` decisions by the candidate, none by the live policy.
fn observe(rollout: &mut Rollout, all: u64, denied: u64) -> bool {
    let mut due = false;
    for number in 0..all {
        due |= rollout.observe("a", START, false, number < denied);
    }
    due
}

#[test]
fn the_bound_is_held_on_both_sides_and_only_when_enough_was_decided() {
    for (candidate, live, holds) in
        [(0, 0, true), (20, 20, true), (24, 20, true), (25, 20, false), (16, 20, true), (15, 20, false)]
    {
        let mut rollout = Rollout::begin(plan(200), START);
        for number in 0..199 {
            assert!(!rollout.observe("a", START, number < live, number < candidate), "{number} of 200 are too few");
        }
        assert_eq!(rollout.observe("a", START, false, false), !holds, "{candidate} against {live}");
        let due = rollout.due(START);
        assert_eq!(due.is_none(), holds, "{candidate} against {live}: {due:?}");
        assert!(holds || matches!(due, Some(Step::RollBack(why)) if why.contains("of 200 decisions")));
    }
}

#[test]
fn what_goes_wrong_late_is_not_lost_in_a_long_phase() {
    let mut rollout = Rollout::begin(plan(200), START);
    assert!(!observe(&mut rollout, 100_000, 0));
    assert!(observe(&mut rollout, 200, 5), "5 of the last 200, though only 5 of 100,200 in all");
    assert!(matches!(rollout.due(START), Some(Step::RollBack(_))));
}

/// `count` decisions of `agent`, all denied by the candidate or none.
fn ask(rollout: &mut Rollout, agent: &str, count: u64, denied: bool) -> bool {
    (0..count).fold(false, |due, _| due | rollout.observe(agent, START, false, denied))
}

#[test]
fn one_agent_of_several_neither_rolls_back_nor_drowns_the_others() {
    let begin = |agents| {
        let mut rollout = Rollout::begin(plan(200), START);
        rollout.tried_on(agents);
        rollout
    };
    let mut steered = begin(5);
    assert!(!ask(&mut steered, "loud", 100_000, true), "one agent alone fills no lot");
    assert_eq!(steered.due(START + 60 * MINUTE), None, "nor does it end a phase");
    for other in ["b", "c", "d"] {
        assert!(!ask(&mut steered, other, 50, false), "and does not decide for the others");
    }
    assert!(matches!(steered.due(START + 60 * MINUTE), Some(Step::Enforce(_))), "a lot was judged");

    let mut drowned = begin(5);
    assert!(!ask(&mut drowned, "loud", 100_000, false));
    ask(&mut drowned, "b", 50, true);
    ask(&mut drowned, "c", 50, true);
    assert!(ask(&mut drowned, "d", 50, false), "what goes wrong for two is not lost in what a third asks");

    let mut all_wrong = begin(5);
    assert!(["a", "b", "c", "d"].into_iter().fold(false, |due, agent| due | ask(&mut all_wrong, agent, 50, true)));
    for agents in [1, 2] {
        let mut few = begin(agents);
        let each = 200 / agents;
        assert!((0..agents).fold(false, |due, agent| due | ask(&mut few, &agent.to_string(), each, agent == 0)));
    }
}

/// The others may have nothing to say: then the lot does not wait for them for ever.
#[test]
fn a_lot_does_not_wait_for_ever_for_agents_that_are_silent() {
    let mut rollout = Rollout::begin(plan(200), START);
    rollout.tried_on(5);
    assert!(!ask(&mut rollout, "a", 500, true));
    assert!(!rollout.observe("a", START + MINUTE - Duration::from_secs(1), false, true));
    assert!(rollout.observe("a", START + MINUTE, false, true));
}

/// Written down by the daemon before this one.
#[test]
fn a_rollout_of_an_older_daemon_goes_on() {
    let mut rollout = Rollout::begin(plan(10), START);
    observe(&mut rollout, 7, 0);
    let mut written = serde_json::to_value(&rollout).unwrap();
    for key in ["shares", "offered", "lot_since", "judged"] {
        assert!(written.as_object_mut().unwrap().remove(key).is_some(), "{key}");
    }
    let mut read: Rollout = serde_json::from_value(written).unwrap();
    assert!(!observe(&mut read, 3, 0));
    assert!(read.due(START + 30 * MINUTE).is_some());
}

#[test]
fn it_is_promoted_by_schedule_when_time_and_decisions_are_enough() {
    let mut rollout = Rollout::begin(plan(200), START);
    let later = START + 30 * MINUTE;
    assert_eq!(rollout.due(later), None, "nothing was decided yet");
    observe(&mut rollout, 200, 2);
    assert_eq!(rollout.due(later - Duration::from_secs(1)), None, "too early");
    assert_eq!(rollout.due(later), Some(Step::Enforce(percent(10.0))));
    rollout.enforce(percent(10.0), later);
    assert_eq!((rollout.phase, rollout.counts), (Phase::Enforced, Counts::default()), "judged anew");
    observe(&mut rollout, 200, 2);
    assert_eq!(rollout.due(later), None);
    assert_eq!(rollout.due(START), None, "the clock was set back");
    assert_eq!(rollout.due(later + 30 * MINUTE), Some(Step::Complete));
    observe(&mut rollout, 200, 100);
    assert!(matches!(rollout.due(later + 30 * MINUTE), Some(Step::RollBack(_))), "a bound goes before a schedule");
}

#[test]
fn by_hand_it_goes_where_it_is_told_and_never_by_itself() {
    let by_hand = Plan { auto_promote_after: None, ..plan(1) };
    let mut rollout = Rollout::begin(by_hand, START);
    observe(&mut rollout, 1000, 0);
    assert_eq!(rollout.due(START + 1_000_000 * MINUTE), None);
    assert_eq!(rollout.next(None), Step::Enforce(percent(10.0)));
    assert_eq!(rollout.next(Some(percent(50.0))), Step::Enforce(percent(50.0)));
    assert_eq!(rollout.next(Some(Percent::ALL)), Step::Enforce(Percent::ALL), "enforced once before it replaces");
    rollout.enforce(percent(50.0), START);
    assert_eq!(rollout.next(Some(percent(70.0))), Step::Enforce(percent(70.0)));
    assert_eq!(rollout.next(None), Step::Complete);
}

#[test]
fn its_state_survives_as_json() {
    let mut rollout = Rollout::begin(plan(10), START);
    observe(&mut rollout, 17, 9);
    let text = serde_json::to_string(&rollout).unwrap();
    assert_eq!(serde_json::from_str::<Rollout>(&text).unwrap(), rollout);
    assert!(serde_json::from_str::<Rollout>(&text.replace("2.0", "102.0")).is_err(), "{text}");
}

#[test]
fn about_as_many_agents_are_chosen_as_was_asked_and_others_each_time() {
    let chosen = |digest: &str, of: f64| -> Vec<usize> {
        (0..10_000).filter(|n| selected(&agent(&format!("agent-{n}")), digest, percent(of))).collect()
    };
    let (ten, other) = (chosen("a", 10.0), chosen("b", 10.0));
    assert!((900..1100).contains(&ten.len()), "{}", ten.len());
    let both = ten.iter().filter(|n| other.contains(n)).count();
    assert!(both < 200, "{both} agents are tried on with every candidate");
    assert!(chosen("a", 0.0).is_empty());
    assert_eq!(chosen("a", 100.0).len(), 10_000);
}

proptest! {
    #[test]
    fn who_is_chosen_stays_chosen(name in "[a-z][a-z0-9-]{0,20}", digest in "[0-9a-f]{8}", small in 0.0..100.0, more in 0.0..100.0) {
        let agent = agent(&name);
        let child = Agent { actor: Some(format!("{name}/child")), ..agent.clone() };
        let (small, large) = (percent(f64::min(small, more)), percent(f64::max(small, more)));
        prop_assert_eq!(selected(&agent, &digest, small), selected(&child, &digest, small));
        prop_assert!(!selected(&agent, &digest, small) || selected(&agent, &digest, large));
    }
}
