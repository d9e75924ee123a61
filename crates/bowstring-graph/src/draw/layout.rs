//! Where do nodes stand, and how large are they?

use fjadra::{Collide, Link, ManyBody, Node, PositionX, PositionY, SimulationBuilder};

use crate::{Result, Run, draw::Spot};

/// Half the width of the smallest circle, of the largest, and of all when there are no scores.
const RADIUS: (f64, f64, f64) = (4.0, 18.0, 6.0);

/// Gives each node its size and its place; the picture's origin is in its middle.
pub(super) fn arrange(spots: &mut [Spot], edges: &[(usize, usize)], run: &Run) -> Result<()> {
    let scores = || spots.iter().filter_map(|spot| spot.score);
    let (least, most) = (scores().fold(f64::MAX, f64::min), scores().fold(f64::MIN, f64::max));
    for spot in spots.iter_mut() {
        spot.radius = match spot.score {
            // Areas are what the eye compares.
            Some(score) if most > least => {
                RADIUS.0
                    + (RADIUS.1 - RADIUS.0)
                        * ((score / 2.0 - least / 2.0) / (most / 2.0 - least / 2.0)).sqrt()
            }
            _ => RADIUS.2,
        };
    }
    let mut degrees = vec![0_usize; spots.len()];
    let links: Vec<(usize, usize)> = edges.iter().copied().filter(|(from, to)| from != to).collect();
    for &(from, to) in &links {
        degrees[from] += 1;
        degrees[to] += 1;
    }
    let radii: Vec<f64> = spots.iter().map(|spot| spot.radius).collect();
    // A node with many neighbours needs room for them around it.
    let lengths: Vec<f64> = links
        .iter()
        .map(|&(from, to)| {
            44.0 + radii[from] + radii[to] + 5.0 * (degrees[from].min(degrees[to]) as f64).sqrt()
        })
        .collect();
    let charges: Vec<f64> = degrees.iter().map(|&degree| -150.0 - 26.0 * (degree as f64).sqrt()).collect();
    let mut simulation = SimulationBuilder::new()
        .build(spots.iter().map(|_| Node::default()))
        .add_force("link", Link::new(links).distance(move |_: &(_, _), place: usize| lengths[place]))
        .add_force("charge", ManyBody::new().strength(move |_, place: usize| charges[place]))
        .add_force("collide", Collide::new().radius(move |place| radii[place] + 5.0).iterations(2))
        // Parts that are not connected stay near one another; pictures are wider than high.
        .add_force("x", PositionX::new().strength(0.08))
        .add_force("y", PositionY::new().strength(0.13));
    while !simulation.is_finished() {
        run.check()?;
        simulation.tick(1);
    }
    for (spot, [x, y]) in spots.iter_mut().zip(simulation.positions()) {
        (spot.x, spot.y) = (x, y);
    }
    Ok(())
}
