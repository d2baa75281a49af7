//! A tree of a list whose items know which of them stand below.

/// Takes items out of their list into a tree, `put` below what they belong to; children first, so that nothing recurses.
pub fn tree<T>(items: &mut [Option<T>], below: &[Vec<usize>], roots: &[usize], put: impl Fn(&mut T, Vec<T>)) -> Vec<T> {
    let mut order = Vec::new();
    let mut open: Vec<usize> = roots.to_vec();
    let mut seen = vec![false; items.len()];
    while let Some(at) = open.pop() {
        if !std::mem::replace(&mut seen[at], true) {
            order.push(at);
            open.extend(&below[at]);
        }
    }
    for at in order.into_iter().rev() {
        let children: Vec<T> = below[at].iter().filter_map(|child| items[*child].take()).collect();
        if let Some(item) = &mut items[at] {
            put(item, children);
        }
    }
    let mut found: Vec<T> = roots.iter().filter_map(|at| items[*at].take()).collect();
    // a circle of parents has no root: its members stand alone
    found.extend(items.iter_mut().filter_map(Option::take));
    found
}
