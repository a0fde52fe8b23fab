//! Where the parts of a node stand that was put together from parts of a file.

use crate::source::node::Step;

/// From places in the node that was made to places in the file.
#[derive(Debug, Default)]
pub(crate) struct Routes(Vec<Route>);

#[derive(Debug)]
struct Route {
    from: Vec<Step>,
    to: Vec<Step>,
    /// What lies below `from` lies in the same way below `to`; else all of it is put down to `to` itself.
    onward: bool,
}

impl Routes {
    /// What was made at `from` was copied from `to`.
    pub(crate) fn copied(&mut self, from: &[Step], to: &[Step]) {
        self.0.push(Route { from: from.to_vec(), to: to.to_vec(), onward: true });
    }

    /// Whatever is at `from` is there because of `to`.
    pub(crate) fn owed(&mut self, from: &[Step], to: &[Step]) {
        self.0.push(Route { from: from.to_vec(), to: to.to_vec(), onward: false });
    }

    /// The place in the file: by the route that knows the longest part of the way.
    pub(crate) fn lead(&self, steps: &[Step]) -> Vec<Step> {
        let known = |route: &&Route| steps.starts_with(&route.from);
        let Some(route) = self.0.iter().filter(known).max_by_key(|route| route.from.len()) else {
            return Vec::new();
        };
        let rest = steps.get(route.from.len()..).filter(|_| route.onward).unwrap_or_default();
        route.to.iter().chain(rest).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Step::{Item, Value};

    #[test]
    fn the_longest_known_way_leads() {
        let mut routes = Routes::default();
        routes.owed(&[], &[Value(7)]);
        routes.copied(&[Value(2)], &[Value(5)]);
        routes.owed(&[Value(2), Item(1)], &[Value(9)]);
        for (made, place) in [
            (vec![], vec![Value(7)]),
            (vec![Value(1), Item(3)], vec![Value(7)]),
            (vec![Value(2), Item(0)], vec![Value(5), Item(0)]),
            (vec![Value(2), Item(1), Item(4)], vec![Value(9)]),
        ] {
            assert_eq!(routes.lead(&made), place, "{made:?}");
        }
    }
}
