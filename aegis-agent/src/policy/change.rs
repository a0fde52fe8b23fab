//! From one live version to the next: by the source, by a push, by a rollback. A change is prepared, then recorded, then made:
//! what cannot be recorded does not happen.

use std::sync::{Arc, MutexGuard};
use std::time::SystemTime;

use aegis_policy::{Snapshot, Source};

use super::error::ChangeError;
use super::load::Loaded;
use super::rollout::{Plan, Rollout};
use super::stage::Staged;
use super::store::{State, Store};
use super::versions::{Act, Index, Keeping, Versions, Who, digest};

/// A policy that somebody brings.
pub struct Pushed {
    pub sources: Vec<Source>,
    pub snapshot: Snapshot,
    pub note: Option<String>,
    /// The live version that whoever pushes has seen; another one refuses the push.
    pub if_version: Option<u64>,
    /// Tried on some agents first; none: live at once.
    pub plan: Option<Plan>,
}

/// A change that can be made: nobody else makes one meanwhile.
#[must_use]
pub struct Prepared<'a> {
    pub(super) store: &'a Store,
    pub(super) state: MutexGuard<'a, State>,
    pub(super) index: Index,
    /// The policy that becomes live; none: it stays.
    pub(super) live: Option<Arc<Snapshot>>,
    /// The rollout that is under way then.
    pub(super) staged: Option<Staged>,
    /// What a rollout does with it, for the metrics.
    pub(super) step: Option<&'static str>,
    pub(super) says: String,
    pub(super) now: SystemTime,
}

impl Prepared<'_> {
    /// One sentence for the record and the log.
    #[must_use]
    pub fn says(&self) -> &str {
        &self.says
    }

    /// Makes it: on disk, then for every flow that begins from here on.
    ///
    /// # Errors
    /// When it cannot be written; everything is as it was then.
    pub fn make(self) -> Result<(), ChangeError> {
        let Self { store, mut state, index, live, staged, step, now, .. } = self;
        state.versions.save(index)?;
        state.staged = staged;
        let live = match live {
            Some(live) => {
                state.changed_at = now;
                live
            }
            None => store.current(),
        };
        store.swap(&state, &live);
        if let Some(step) = step {
            store.metrics.stepped(step);
        }
        Ok(())
    }
}

impl Store {
    /// Takes what the source holds because somebody asked for it: it wins over a pinned version. None where it is live
    /// already.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn reload(&self, loaded: Loaded, who: Who, now: SystemTime) -> Result<Option<Prepared<'_>>, ChangeError> {
        self.take(loaded, "loaded again from the source by", who, now)
    }

    /// Takes what was found at the source by itself, if it is new there: then it wins over a pinned version too.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn arrived(&self, loaded: Loaded, now: SystemTime) -> Result<Option<Prepared<'_>>, ChangeError> {
        if self.state().versions.index().source.as_ref() == Some(&digest(&loaded.sources)) {
            return Ok(None);
        }
        self.take(loaded, "new at the source, found by", Who::default(), now)
    }

    fn take(&self, loaded: Loaded, how: &str, who: Who, now: SystemTime) -> Result<Option<Prepared<'_>>, ChangeError> {
        let state = self.state();
        let mut index = state.versions.index().clone();
        let (from, source) = (index.live, digest(&loaded.sources));
        let live = index.get(from).is_some_and(|live| live.digest == source);
        if live && !index.pinned && index.source.as_ref() == Some(&source) {
            return Ok(None);
        }
        keep_loaded(&state.versions, &mut index, &loaded, who, now)?;
        let says = now_live(&index, from, &format!("{how} {who}"));
        Ok(Some(self.enthrone(state, index, loaded.snapshot, says, now)))
    }

    /// Takes a policy that somebody brings: live at once and pinned, or as a candidate. Gives its number; nothing to change
    /// where it is live and pinned already.
    ///
    /// # Errors
    /// When another version is live than the caller has seen, another rollout is under way, or it cannot be kept.
    pub fn push(&self, pushed: Pushed, who: Who, now: SystemTime) -> Result<(u64, Option<Prepared<'_>>), ChangeError> {
        let state = self.state();
        let Pushed { sources, snapshot, note, if_version, plan } = pushed;
        let live = state.versions.index().live;
        if let Some(expected) = if_version.filter(|expected| *expected != live) {
            return Err(ChangeError::Moved { live, expected });
        }
        if let (Some(staged), Some(_)) = (&state.staged, &plan) {
            return Err(ChangeError::UnderWay { number: staged.number });
        }
        let (digest, note) = (digest(&sources), note.as_deref());
        let same = state.digest(live) == digest;
        if same && plan.is_some() {
            return Err(ChangeError::Live { number: live });
        }
        if same && state.versions.index().pinned && state.staged.is_none() {
            return Ok((live, None));
        }
        let keeping = Keeping { sources: &sources, snapshot: &snapshot, act: Act::Push, at: now.into(), by: who, note };
        let (mut index, number) = state.versions.keep(&keeping)?;
        let Some(plan) = plan else {
            index.enthrone(number);
            index.pinned = true;
            let says = now_live(&index, live, &format!("pushed by {who}"));
            return Ok((number, Some(self.enthrone(state, index, snapshot, says, now))));
        };
        let rollout = Rollout::begin(plan, now);
        let staged = self.begin(number, who, digest, &self.current(), self.keyed(snapshot), rollout)?;
        Ok((number, Some(self.stage(state, index, staged, now))))
    }

    /// Makes a kept version live again and pins it; the one that was live before, where no number is given.
    ///
    /// # Errors
    /// When there is no such version, or it is live.
    pub fn rollback(
        &self,
        number: Option<u64>,
        note: Option<&str>,
        who: Who,
        now: SystemTime,
    ) -> Result<Prepared<'_>, ChangeError> {
        let state = self.state();
        let live = state.versions.index().live;
        let number = number.or(state.versions.index().previous).ok_or(ChangeError::NoPrevious)?;
        if number == live {
            return Err(ChangeError::Live { number });
        }
        let bundle = state.versions.read(number)?;
        let mut index = state.versions.returned_to(number, now.into(), who, note);
        index.enthrone(number);
        index.pinned = true;
        let says = now_live(&index, live, &format!("rolled back by {who}"));
        Ok(self.enthrone(state, index, bundle.snapshot, says, now))
    }

    /// Another version becomes live: a rollout beside the one before it has lost what it is compared with, and ends.
    fn enthrone<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        mut index: Index,
        snapshot: Snapshot,
        mut says: String,
        now: SystemTime,
    ) -> Prepared<'a> {
        index.candidate = None;
        let ended = state.staged.as_ref().map(|staged| staged.number);
        if let Some(number) = ended {
            says.push_str(&format!("; the rollout of version {number} ends with it"));
        }
        let (live, step) = (Some(self.keyed(snapshot)), ended.map(|_| "aborted"));
        Prepared { store: self, state, index, live, staged: None, step, says, now }
    }
}

/// Keeps what was loaded and makes it the live one; gives its number. The index is not saved yet.
pub(super) fn keep_loaded(
    versions: &Versions,
    index: &mut Index,
    loaded: &Loaded,
    who: Who,
    now: SystemTime,
) -> Result<u64, ChangeError> {
    let keeping = Keeping {
        sources: &loaded.sources,
        snapshot: &loaded.snapshot,
        act: Act::from(loaded.kind),
        at: now.into(),
        by: who,
        note: None,
    };
    let (kept, number) = versions.keep(&keeping)?;
    *index = kept;
    index.enthrone(number);
    index.pinned = false;
    index.source = Some(digest(&loaded.sources));
    Ok(number)
}

/// What the record says of a change: `from` was live before.
pub(super) fn now_live(index: &Index, from: u64, how: &str) -> String {
    let (to, note) = (index.named(index.live), index.get(index.live).and_then(|version| version.note.as_ref()));
    let instead = from != index.live && from != 0;
    let before = if instead { format!(" instead of {}", index.named(from)) } else { String::new() };
    let note = note.map(|note| format!(": {note}")).unwrap_or_default();
    format!("policy: {to} is live{before}, {how}{note}")
}
