//! Where is room for the label of a node?

use crate::draw::Spot;

/// Most characters of a label in the picture.
const LONGEST: usize = 28;

/// A rectangle, in pixels.
#[derive(Clone, Copy)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Area {
    fn meets(&self, other: &Area) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

/// A label that found room: the text, its size, and the area that it takes.
pub(super) struct Label {
    pub(super) spot: usize,
    pub(super) text: String,
    pub(super) size: f64,
    pub(super) area: Area,
}

/// Places labels one after the other, marked nodes first and then those of the highest score; beside the
/// circle, below it or above it, wherever nothing else is.
pub(super) fn place(spots: &[Spot], degrees: &[usize]) -> Vec<Label> {
    let mut order: Vec<usize> = (0..spots.len()).collect();
    let rank = |place: usize| spots[place].score.unwrap_or(degrees[place] as f64);
    order.sort_by(|&a, &b| spots[b].marked.cmp(&spots[a].marked).then(rank(b).total_cmp(&rank(a))));
    let mut taken: Vec<Area> = spots.iter().map(circle).collect();
    let mut labels = Vec::new();
    for place in order {
        let spot = &spots[place];
        let text = shortened(&spot.label);
        let size = if spot.marked { 14.0 } else { 9.0 + spot.radius / 5.0 };
        let (width, height) = (width(&text) * size, size * 1.1);
        let gap = spot.radius + 3.0;
        let corners = [
            (spot.x + gap, spot.y - height / 2.0),
            (spot.x - gap - width, spot.y - height / 2.0),
            (spot.x - width / 2.0, spot.y + gap - 1.0),
            (spot.x - width / 2.0, spot.y - gap + 1.0 - height),
        ];
        let areas = corners.map(|(left, top)| Area { left, top, right: left + width, bottom: top + height });
        let Some(&area) = areas.iter().find(|area| !taken.iter().any(|other| other.meets(area))) else {
            continue;
        };
        taken.push(area);
        labels.push(Label { spot: place, text, size, area });
    }
    labels
}

/// The square around the circle of a node.
pub(super) fn circle(spot: &Spot) -> Area {
    let &Spot { x, y, radius, .. } = spot;
    Area { left: x - radius, top: y - radius, right: x + radius, bottom: y + radius }
}

fn shortened(label: &str) -> String {
    if label.chars().count() <= LONGEST {
        return label.to_owned();
    }
    label.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// About how wide a text is, in units of its size.
pub(super) fn width(text: &str) -> f64 {
    text.chars()
        .map(|character| match character {
            'i' | 'j' | 'l' | 't' | 'f' | '.' | ',' | ':' | '-' | ' ' => 0.36,
            'm' | 'w' | 'M' | 'W' | '@' => 0.9,
            // From Hangul on most scripts are as wide as they are high.
            '\u{1100}'.. => 1.0,
            _ => 0.6,
        })
        .sum()
}
