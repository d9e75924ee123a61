//! Which steps wait for each other in a circle? Strongly connected components by two depth-first
//! passes (Kosaraju), then the shortest cycle through each one's first step; O(steps + connections),
//! without recursion.

use std::collections::VecDeque;

/// One cycle for each knot of steps that wait for each other, as indices in the order in which they
/// would run, the first declared step first. `depends_on` holds, for each step, those that it waits for.
pub(crate) fn cycles(depends_on: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let feeds = reversed(depends_on);
    let component = components(depends_on, &feeds);
    let mut cycles: Vec<Vec<usize>> = Vec::new();
    let mut done = vec![false; depends_on.len()];
    for (start, own) in component.iter().enumerate() {
        if done.get(*own).copied().unwrap_or(true) {
            continue;
        }
        if let Some(flag) = done.get_mut(*own) {
            *flag = true;
        }
        cycles.extend(shortest_cycle(start, &feeds, &component));
    }
    cycles
}

fn edges(graph: &[Vec<usize>], node: usize) -> &[usize] {
    graph.get(node).map(Vec::as_slice).unwrap_or_default()
}

fn reversed(graph: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut reversed = vec![Vec::new(); graph.len()];
    for (node, targets) in graph.iter().enumerate() {
        for target in targets {
            if let Some(sources) = reversed.get_mut(*target) {
                sources.push(node);
            }
        }
    }
    reversed
}

/// For each step the number of its component.
fn components(depends_on: &[Vec<usize>], feeds: &[Vec<usize>]) -> Vec<usize> {
    let mut finished = Vec::with_capacity(feeds.len());
    let mut seen = vec![false; feeds.len()];
    for root in 0..feeds.len() {
        let mut stack = Vec::new();
        if visit(root, &mut seen) {
            stack.push((root, 0));
        }
        while let Some((node, next)) = stack.last_mut() {
            match edges(feeds, *node).get(*next) {
                Some(target) => {
                    *next += 1;
                    if visit(*target, &mut seen) {
                        stack.push((*target, 0));
                    }
                }
                None => {
                    finished.push(*node);
                    stack.pop();
                }
            }
        }
    }
    let mut component = vec![usize::MAX; feeds.len()];
    let mut seen = vec![false; feeds.len()];
    for (number, root) in finished.into_iter().rev().enumerate() {
        let mut stack = Vec::new();
        if visit(root, &mut seen) {
            stack.push(root);
        }
        while let Some(node) = stack.pop() {
            if let Some(own) = component.get_mut(node) {
                *own = number;
            }
            stack.extend(edges(depends_on, node).iter().filter(|target| visit(**target, &mut seen)));
        }
    }
    component
}

/// Marks a step as seen; whether it was not before.
fn visit(node: usize, seen: &mut [bool]) -> bool {
    seen.get_mut(node).is_some_and(|seen| !std::mem::replace(seen, true))
}

/// The shortest cycle through `start`, which never leaves its component; `None` when it is in none.
fn shortest_cycle(start: usize, feeds: &[Vec<usize>], component: &[usize]) -> Option<Vec<usize>> {
    let mut from: std::collections::HashMap<usize, usize> = std::collections::HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for target in edges(feeds, node) {
            if *target == start {
                let mut cycle = vec![node];
                let mut last = node;
                while last != start {
                    last = *from.get(&last)?;
                    cycle.push(last);
                }
                cycle.reverse();
                return Some(cycle);
            }
            if component.get(*target) == component.get(start) && !from.contains_key(target) {
                from.insert(*target, node);
                queue.push_back(*target);
            }
        }
    }
    None
}
