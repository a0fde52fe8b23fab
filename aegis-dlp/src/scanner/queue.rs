//! The leads still to be examined, where they are after what was replaced before them.

use super::lead::Lead;
use crate::prefilter::{Anchor, Prefilter};
use crate::view::View;
use crate::{DetectorSet, Profile};

/// Leads in order.
#[derive(Clone)]
pub(super) struct Queue<'a> {
    leads: &'a [Lead],
    /// Masks differ in length from what they replace: what follows moves.
    moved: isize,
    /// Leads right behind a mask. What begins there was part of something longer when the others were listed.
    fresh: Vec<Lead>,
}

impl<'a> Queue<'a> {
    pub(super) fn new(leads: &'a [Lead]) -> Self {
        Queue { leads, moved: 0, fresh: Vec::new() }
    }

    /// Whether the next lead may be one of this place.
    pub(super) fn goes_on_at(&self, at: usize) -> bool {
        let listed = self.leads.first().and_then(|lead| lead.moved(self.moved));
        listed.is_some_and(|lead| lead.at() == at) || self.fresh.iter().any(|lead| lead.at() == at)
    }

    /// Notes that bytes before all that is left became so many more or fewer, and lists anew what begins at `from`.
    pub(super) fn replaced(
        &mut self,
        by: isize,
        (prefilter, wanted, profile): (Prefilter, DetectorSet, &Profile),
        view: &View<'_>,
        from: usize,
    ) {
        self.moved += by;
        let mut anchors: Vec<Anchor> = Vec::new();
        prefilter.list_near(view.bytes, from, view.end, &mut anchors);
        self.fresh.clear();
        self.fresh.extend(profile.own().near(view, from, wanted).map(Lead::Own));
        self.fresh.extend(anchors.into_iter().map(Lead::BuiltIn));
        self.fresh.sort_by_key(|lead| lead.at());
    }
}

impl Iterator for Queue<'_> {
    type Item = Lead;

    #[inline]
    fn next(&mut self) -> Option<Lead> {
        if !self.fresh.is_empty() {
            return self.next_of_both();
        }
        loop {
            let (first, rest) = self.leads.split_first()?;
            self.leads = rest;
            if let Some(lead) = first.moved(self.moved) {
                return Some(lead);
            }
        }
    }
}

impl Queue<'_> {
    #[inline(never)]
    fn next_of_both(&mut self) -> Option<Lead> {
        loop {
            let Some((first, rest)) = self.leads.split_first() else {
                return (!self.fresh.is_empty()).then(|| self.fresh.remove(0));
            };
            let listed = first.moved(self.moved);
            let fresh = self.fresh.first().copied();
            if let Some(fresh) = fresh.filter(|fresh| listed.is_none_or(|listed| fresh.at() < listed.at())) {
                self.fresh.remove(0);
                return Some(fresh);
            }
            self.leads = rest;
            // Of two at one place the newer one knows better what begins there.
            let doubled = listed.is_some_and(|listed| {
                self.fresh.iter().any(|fresh| fresh.at() == listed.at() && fresh.replaces(listed))
            });
            if let Some(listed) = listed.filter(|_| !doubled) {
                return Some(listed);
            }
        }
    }
}
