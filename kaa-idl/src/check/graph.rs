//! Walks of graphs, without recursion: a file can hold a chain of tens of thousands of names.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// How many cycles are given. Cycles can overlap, so that all of them together are no longer linear.
const MAX_CYCLES: usize = 100;

/// What a walk found.
pub(super) struct Walk<N> {
    /// Each node behind those that it points to, as far as there is no cycle.
    pub(super) order: Vec<N>,
    /// Cycles, each from a node to the one that points back to it; not more than [`MAX_CYCLES`], and
    /// not all of those that share nodes, but one at least if there is any.
    pub(super) cycles: Vec<Vec<N>>,
}

/// Walks depth first from each of `nodes`, in order, along `edges`.
pub(super) fn walk<N: Copy + Eq + Hash>(
    nodes: impl IntoIterator<Item = N>,
    edges: impl Fn(N) -> Vec<N>,
) -> Walk<N> {
    let mut walk = Walk {
        order: Vec::new(),
        cycles: Vec::new(),
    };
    // The place on the path of those that are being visited; `None` for those that are done.
    let mut state: HashMap<N, Option<usize>> = HashMap::new();
    let mut reported: HashSet<N> = HashSet::new();
    for root in nodes {
        let mut path: Vec<(N, std::vec::IntoIter<N>)> = Vec::new();
        let mut next = Some(root);
        loop {
            if let Some(node) = next.take() {
                match state.get(&node) {
                    None => {
                        state.insert(node, Some(path.len()));
                        path.push((node, edges(node).into_iter()));
                    }
                    Some(Some(start)) => {
                        let members = || path[*start..].iter().map(|(member, _)| *member);
                        // Cycles that share their last node tell the same story again.
                        let fresh = path
                            .last()
                            .is_some_and(|(last, _)| !reported.contains(last));
                        if fresh && walk.cycles.len() < MAX_CYCLES {
                            reported.extend(members());
                            walk.cycles.push(members().collect());
                        }
                    }
                    Some(None) => {}
                }
            }
            let Some((node, rest)) = path.last_mut() else {
                break;
            };
            next = rest.next();
            if next.is_none() {
                state.insert(*node, None);
                walk.order.push(*node);
                path.pop();
            }
        }
    }
    walk
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &'static [(u32, &'static [u32])]) -> Walk<u32> {
        walk(edges.iter().map(|(node, _)| *node), |node| {
            edges
                .iter()
                .find(|(from, _)| *from == node)
                .map_or_else(Vec::new, |(_, to)| to.to_vec())
        })
    }

    #[test]
    fn orders_what_has_no_cycle() {
        let walk = graph(&[(1, &[2, 3]), (2, &[3]), (3, &[])]);
        assert_eq!(walk.order, [3, 2, 1]);
        assert!(walk.cycles.is_empty());
    }

    #[test]
    fn finds_cycles() {
        let walk = graph(&[(1, &[2]), (2, &[3]), (3, &[2]), (4, &[4]), (5, &[1])]);
        assert_eq!(walk.cycles, [vec![2, 3], vec![4]]);
        assert_eq!(walk.order.len(), 5);
    }

    #[test]
    fn a_long_chain_is_no_trouble() {
        let walk = walk(0..200_000u32, |node| {
            if node == 199_999 {
                vec![0]
            } else {
                vec![node + 1]
            }
        });
        assert_eq!(walk.cycles.len(), 1);
        assert_eq!(walk.cycles[0].len(), 200_000);
    }

    #[test]
    fn many_cycles_stay_cheap() {
        let walk = walk(0..3_000u32, |node| {
            vec![3_000 - node, (node + 1).min(2_999)]
        });
        assert!((1..=MAX_CYCLES).contains(&walk.cycles.len()));
        assert_eq!(walk.order.len(), 3_001);
    }
}
