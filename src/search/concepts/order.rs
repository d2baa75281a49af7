//! The hierarchy of a code system: the places of its concepts, and what is above each.

use crate::base::fault::{Fault, Result};

/// Codes with their parents, as they come; the codes in ascending order.
#[derive(Debug, Default)]
pub struct Outline {
    codes: Vec<Box<str>>,
    edges: Vec<(u32, Box<str>)>,
}

impl Outline {
    /// Adds a concept.
    ///
    /// # Errors
    /// 500 when the codes do not ascend, or there are too many.
    pub fn add(&mut self, code: &str, parents: &[Box<str>]) -> Result<()> {
        if self.codes.last().is_some_and(|last| **last >= *code) {
            return Err(Fault::internal("the codes of a stored code system are not in order"));
        }
        let number = u32::try_from(self.codes.len());
        let number = number.map_err(|_| Fault::internal("a code system has too many concepts"))?;
        self.edges.extend(parents.iter().map(|parent| (number, parent.clone())));
        self.codes.push(code.into());
        Ok(())
    }

    /// The hierarchy. A parent that is no concept is none.
    pub fn hierarchy(self) -> Hierarchy {
        let count = self.codes.len();
        let find = |code: &str| self.codes.binary_search_by(|own| (**own).cmp(code)).ok().map(|at| at as u32);
        let up: Vec<(u32, u32)> = self.edges.iter().filter_map(|(own, above)| Some((*own, find(above)?))).collect();
        let mut down: Vec<(u32, u32)> = up.iter().map(|(own, above)| (*above, *own)).collect();
        down.sort_unstable();
        let (parents, children) = (Lists::new(count, &up), Lists::new(count, &down));
        let places = places(&parents, &children);
        Hierarchy { parents, places, has_children: (0..count).map(|at| !children.of(at as u32).is_empty()).collect() }
    }
}

/// A list of numbers for each of many, in two pieces of memory.
#[derive(Debug)]
struct Lists {
    starts: Vec<u32>,
    items: Vec<u32>,
}

impl Lists {
    /// Of pairs that are sorted by their first number.
    fn new(count: usize, pairs: &[(u32, u32)]) -> Self {
        let mut starts = vec![0_u32; count + 1];
        for (own, _) in pairs {
            starts[*own as usize + 1] += 1;
        }
        for at in 0..count {
            starts[at + 1] += starts[at];
        }
        Self { starts, items: pairs.iter().map(|(_, other)| *other).collect() }
    }

    fn of(&self, own: u32) -> &[u32] {
        let (start, end) = (self.starts[own as usize], self.starts[own as usize + 1]);
        &self.items[start as usize..end as usize]
    }
}

/// Places: parents before children, children by code right after their parents where they can be. Those of a circle come last.
fn places(parents: &Lists, children: &Lists) -> Vec<u32> {
    let count = parents.starts.len() - 1;
    let mut missing: Vec<u32> = (0..count).map(|own| parents.of(own as u32).len() as u32).collect();
    let mut places = vec![u32::MAX; count];
    let mut next = 0;
    let mut stack: Vec<u32> = (0..count as u32).rev().filter(|own| missing[*own as usize] == 0).collect();
    while let Some(own) = stack.pop() {
        places[own as usize] = next;
        next += 1;
        for child in children.of(own).iter().rev() {
            missing[*child as usize] -= 1;
            if missing[*child as usize] == 0 {
                stack.push(*child);
            }
        }
    }
    for place in places.iter_mut().filter(|place| **place == u32::MAX) {
        *place = next;
        next += 1;
    }
    places
}

/// The hierarchy of a code system; concepts by their number in the order of codes.
#[derive(Debug)]
pub struct Hierarchy {
    parents: Lists,
    places: Vec<u32>,
    has_children: Vec<bool>,
}

impl Hierarchy {
    /// How many concepts there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The place of a concept.
    pub fn place(&self, own: u32) -> u64 {
        self.places.get(own as usize).copied().unwrap_or(u32::MAX).into()
    }

    /// Whether nothing is below it.
    pub fn is_leaf(&self, own: u32) -> bool {
        !self.has_children.get(own as usize).copied().unwrap_or_default()
    }

    /// The numbers of its parents.
    pub fn parents(&self, own: u32) -> &[u32] {
        self.parents.of(own)
    }

    /// A walk that remembers where it has been.
    pub fn climber(&self) -> Climber<'_> {
        Climber { hierarchy: self, seen: vec![0; self.len()], turn: 0, found: Vec::new() }
    }
}

/// Finds all that is above concepts.
#[derive(Debug)]
pub struct Climber<'a> {
    hierarchy: &'a Hierarchy,
    seen: Vec<u32>,
    turn: u32,
    found: Vec<u32>,
}

impl Climber<'_> {
    /// The numbers of all ancestors, each once, never the concept itself.
    pub fn ancestors(&mut self, own: u32) -> &[u32] {
        self.turn += 1;
        self.found.clear();
        self.seen[own as usize] = self.turn;
        let mut at = own;
        let mut done = 0;
        loop {
            for above in self.hierarchy.parents(at) {
                let seen = &mut self.seen[*above as usize];
                if *seen != self.turn {
                    *seen = self.turn;
                    self.found.push(*above);
                }
            }
            let Some(next) = self.found.get(done) else { return &self.found };
            (at, done) = (*next, done + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hierarchy(edges: &[(&str, &[&str])]) -> Hierarchy {
        let mut outline = Outline::default();
        for (code, parents) in edges {
            let parents: Vec<Box<str>> = parents.iter().map(|parent| (*parent).into()).collect();
            outline.add(code, &parents).unwrap();
        }
        outline.hierarchy()
    }

    #[test]
    fn parents_stand_before_children_and_each_stands_once() {
        // a has two parents, of which one stands after it by code
        let all = hierarchy(&[("a", &["r", "z"]), ("b", &["a"]), ("c", &["r", "nobody"]), ("r", &[]), ("z", &["r"])]);
        let places: Vec<u64> = (0..5).map(|own| all.place(own)).collect();
        assert_eq!(places, [3, 4, 1, 0, 2]);
        let mut climber = all.climber();
        let mut above = |own: u32| {
            let mut found = climber.ancestors(own).to_vec();
            found.sort_unstable();
            found
        };
        assert_eq!(above(1), [0, 3, 4]);
        assert_eq!((above(3), above(2)), (vec![], vec![3]));
        assert_eq!((0..5).map(|own| all.is_leaf(own)).collect::<Vec<_>>(), [false, true, true, false, false]);
    }

    #[test]
    fn circles_end() {
        let all = hierarchy(&[("a", &["b"]), ("b", &["a"]), ("c", &[])]);
        assert_eq!((0..3).map(|own| all.place(own)).collect::<Vec<_>>(), [1, 2, 0]);
        assert_eq!(all.climber().ancestors(0), [1]);
        let mut outline = Outline::default();
        outline.add("b", &[]).unwrap();
        assert!(outline.add("a", &[]).is_err());
    }
}
