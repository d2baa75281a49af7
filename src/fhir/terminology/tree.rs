//! A tree of a list whose items know which of them stand below.

/// Deepest level that items stand on: those that belong deeper stand there too, as a tree of any depth cannot be read by everybody.
const LEVELS: usize = 100;

/// Lifts what stands deeper than the deepest level up to it. Each item stands below one other at most.
pub fn lift(below: &mut [Vec<usize>], roots: &[usize]) {
    let mut seen = vec![false; below.len()];
    let mut level: Vec<usize> = roots.to_vec();
    for _ in 1..LEVELS - 1 {
        level.iter().for_each(|at| seen[*at] = true);
        level = level.iter().flat_map(|at| below[*at].iter().copied()).filter(|at| !seen[*at]).collect();
    }
    for at in level {
        let (mut deeper, mut open) = (Vec::new(), std::mem::take(&mut below[at]));
        open.reverse();
        while let Some(next) = open.pop() {
            deeper.push(next);
            let more = std::mem::take(&mut below[next]);
            open.extend(more.into_iter().rev());
        }
        below[at] = deeper;
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_deep_stands_on_the_deepest_level() {
        let count = 100_000;
        let mut below: Vec<Vec<usize>> = (1..=count).map(|next| vec![next]).collect();
        below[count - 1].clear();
        lift(&mut below, &[0]);
        let mut items: Vec<Option<(usize, usize)>> = vec![Some((1, 1)); count];
        let roots = tree(&mut items, &below, &[0], |item, children| {
            item.0 += children.iter().map(|(depth, _)| *depth).max().unwrap_or(0);
            item.1 += children.iter().map(|(_, size)| *size).sum::<usize>();
        });
        assert_eq!(roots.len(), 1);
        let (depth, size) = roots[0];
        assert_eq!((depth <= LEVELS, size), (true, count));
    }
}
