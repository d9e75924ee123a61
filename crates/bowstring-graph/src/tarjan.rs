//! Strongly connected components of what is left of a graph, by one thread.
//!
//! Tarjan's depth-first search (1972) in the form of Pearce (2005), with one number for each node: 0
//! before it is visited, then the order of the visit lowered to the earliest node that it reaches, and
//! in the end its component, counted down from the greatest number. An own stack stands in for
//! recursion. O(nodes + edges) time; 4 bytes for each node, and up to 20 more on a long path.

use crate::{Csr, NodeId, Result, Run};

/// Edges between two looks whether the work was asked to stop.
const STEPS: usize = 1 << 16;

/// A node whose edges are being followed.
struct Visit {
    node: NodeId,
    /// The order of the visit.
    order: u32,
    /// The next of its entries.
    next: usize,
}

/// Completes `numbers`: 0 for nodes to divide into components, which become numbers down from `last`,
/// and numbers above `last` for nodes that have a component already.
pub(crate) fn divide(rows: &Csr, numbers: &mut [u32], last: u32, run: &Run) -> Result<()> {
    let indices = rows.indices();
    let mut component = last;
    let mut order = 1;
    let mut steps = 0;
    let mut visits: Vec<Visit> = Vec::new();
    // Nodes that are done and whose component is not.
    let mut open: Vec<NodeId> = Vec::new();
    for first in 0..rows.num_nodes() as u32 {
        if numbers[first as usize] != 0 {
            continue;
        }
        numbers[first as usize] = order;
        visits.push(Visit { node: first, order, next: rows.range(first).start });
        order += 1;
        while let Some(visit) = visits.last_mut() {
            let node = visit.node;
            let end = rows.range(node).end;
            let begin = visit.next;
            let mut number = numbers[node as usize];
            let mut below = None;
            while visit.next < end {
                let other = indices[visit.next];
                match numbers[other as usize] {
                    0 => {
                        below = Some(other);
                        break;
                    }
                    reached => number = number.min(reached),
                }
                visit.next += 1;
            }
            numbers[node as usize] = number;
            steps += visit.next - begin + 1;
            if steps >= STEPS {
                run.check()?;
                steps = 0;
            }
            // The edge is looked at again when the node below is done, and then has a number.
            if let Some(below) = below {
                numbers[below as usize] = order;
                visits.push(Visit { node: below, order, next: rows.range(below).start });
                order += 1;
                continue;
            }
            if number < visit.order {
                open.push(node);
            } else {
                while let Some(&member) = open.last()
                    && numbers[member as usize] >= number
                {
                    numbers[member as usize] = component;
                    open.pop();
                }
                numbers[node as usize] = component;
                component -= 1;
            }
            visits.pop();
        }
    }
    Ok(())
}
