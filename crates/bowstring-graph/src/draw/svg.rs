//! How is a picture written down?

use std::{collections::BTreeMap, fmt::Write};

use crate::{
    draw::{
        Spot,
        labels::{Area, Label, circle, place, width},
    },
    xml::escaped,
};

/// Colours of groups, from the one with the most nodes on.
const COLOURS: [&str; 10] = [
    "#3b6fb6", "#e0803a", "#4c9f70", "#c8504b", "#8a6bbf", "#2f9db3", "#c9669b", "#a08a2e", "#5f7f35",
    "#9a6a4f",
];

/// The colour of the groups beyond.
const GREY: &str = "#9aa3ad";

/// Around the picture, in pixels.
const MARGIN: f64 = 18.0;

/// Height of the line of the title.
const TITLE: f64 = 30.0;

/// The picture as SVG.
pub(super) fn picture(
    spots: &[Spot],
    edges: &[(usize, usize)],
    directed: bool,
    title: Option<&str>,
) -> String {
    let mut degrees = vec![0; spots.len()];
    for &(from, to) in edges {
        degrees[from] += 1;
        degrees[to] += 1;
    }
    let labels = place(spots, &degrees);
    let frame = frame(spots, &labels, title);
    let mut out = String::new();
    // Writing into a string cannot fail.
    let _ok = write(&mut out, &Picture { spots, edges, labels, directed, title, frame });
    out
}

struct Picture<'a> {
    spots: &'a [Spot],
    edges: &'a [(usize, usize)],
    labels: Vec<Label>,
    directed: bool,
    title: Option<&'a str>,
    frame: Area,
}

/// What the picture covers.
fn frame(spots: &[Spot], labels: &[Label], title: Option<&str>) -> Area {
    let areas = spots.iter().map(circle).chain(labels.iter().map(|label| label.area));
    let around = areas.reduce(|a, b| Area {
        left: a.left.min(b.left),
        top: a.top.min(b.top),
        right: a.right.max(b.right),
        bottom: a.bottom.max(b.bottom),
    });
    let mut frame = around.unwrap_or(Area { left: 0.0, top: 0.0, right: 0.0, bottom: 0.0 });
    if let Some(title) = title {
        frame.top -= TITLE;
        frame.right = frame.right.max(frame.left + width(title) * 16.0);
    }
    Area {
        left: frame.left - MARGIN,
        top: frame.top - MARGIN,
        right: frame.right + MARGIN,
        bottom: frame.bottom + MARGIN,
    }
}

fn write(out: &mut String, picture: &Picture<'_>) -> std::fmt::Result {
    let Area { left, top, right, bottom } = picture.frame;
    let (width, height) = (right - left, bottom - top);
    writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="{left:.1} {top:.1} {width:.1} {height:.1}" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif">"#
    )?;
    if let Some(title) = picture.title {
        writeln!(out, "<title>{}</title>", escaped(title))?;
    }
    writeln!(
        out,
        r##"<rect x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{height:.1}" fill="#fff"/>"##
    )?;
    if picture.directed {
        writeln!(
            out,
            r##"<marker id="to" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="5.5" markerHeight="5.5" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 .8 8 4 0 7.2z" fill="#8f99a6"/></marker>"##
        )?;
    }
    write_edges(out, picture)?;
    write_nodes(out, picture)?;
    write_labels(out, picture)?;
    if let Some(title) = picture.title {
        let (x, y) = (left + MARGIN, top + MARGIN + 14.0);
        writeln!(
            out,
            r##"<text x="{x:.1}" y="{y:.1}" font-size="16" font-weight="600" fill="#1d2630">{}</text>"##,
            escaped(title)
        )?;
    }
    writeln!(out, "</svg>")
}

fn write_edges(out: &mut String, picture: &Picture<'_>) -> std::fmt::Result {
    // Many edges are drawn fainter, so that what they make up stays visible.
    let opacity = (1.1 - picture.edges.len() as f64 / 1500.0).clamp(0.35, 0.8);
    let marker = if picture.directed { r#" marker-end="url(#to)""# } else { "" };
    writeln!(out, r##"<g fill="none" stroke="#a9b2bd" stroke-opacity="{opacity:.2}">"##)?;
    for &(from, to) in picture.edges {
        let (a, b) = (&picture.spots[from], &picture.spots[to]);
        if from == to {
            let (x, y, reach) = (a.x, a.y - a.radius, a.radius + 8.0);
            writeln!(
                out,
                r#"<path d="M{:.1} {y:.1}c{:.1} {:.1} {:.1} {:.1} {:.1} 0"{marker}/>"#,
                x - 3.0,
                -reach,
                -reach,
                reach + 6.0,
                -reach,
                6.0
            )?;
            continue;
        }
        let (across, down) = (b.x - a.x, b.y - a.y);
        let length = across.hypot(down).max(1e-9);
        let (x, y) = (across / length, down / length);
        let end = if picture.directed { b.radius + 1.5 } else { b.radius };
        writeln!(
            out,
            r#"<path d="M{:.1} {:.1}L{:.1} {:.1}"{marker}/>"#,
            a.x + x * a.radius,
            a.y + y * a.radius,
            b.x - x * end,
            b.y - y * end
        )?;
    }
    writeln!(out, "</g>")
}

fn write_nodes(out: &mut String, picture: &Picture<'_>) -> std::fmt::Result {
    let colours = colours(picture.spots);
    writeln!(out, r##"<g stroke="#fff">"##)?;
    for spot in picture.spots {
        let colour = spot.group.map_or(COLOURS[0], |group| colours.get(&group).copied().unwrap_or(GREY));
        let ring = if spot.marked { r##" stroke="#1d2630" stroke-width="2.5""## } else { "" };
        write!(
            out,
            r#"<circle cx="{:.1}" cy="{:.1}" r="{:.1}" fill="{colour}"{ring}><title>{}"#,
            spot.x,
            spot.y,
            spot.radius,
            escaped(&spot.label)
        )?;
        if let Some(score) = spot.score {
            write!(out, ": {score:.6}")?;
        }
        if let Some(group) = spot.group {
            write!(out, " (group {group})")?;
        }
        writeln!(out, "</title></circle>")?;
    }
    writeln!(out, "</g>")
}

fn write_labels(out: &mut String, picture: &Picture<'_>) -> std::fmt::Result {
    // What is behind keeps a label readable where edges pass below it.
    writeln!(out, r##"<g fill="#fff" fill-opacity=".78">"##)?;
    for Label { area, .. } in &picture.labels {
        let (width, height) = (area.right - area.left, area.bottom - area.top);
        writeln!(
            out,
            r#"<rect x="{:.1}" y="{:.1}" width="{width:.1}" height="{height:.1}" rx="3"/>"#,
            area.left, area.top
        )?;
    }
    writeln!(out, "</g>")?;
    writeln!(out, r##"<g fill="#1d2630">"##)?;
    for Label { spot, text, size, area } in &picture.labels {
        let weight = if picture.spots[*spot].marked { r#" font-weight="600""# } else { "" };
        writeln!(
            out,
            r#"<text x="{:.1}" y="{:.1}" font-size="{size:.1}" textLength="{:.1}" lengthAdjust="spacingAndGlyphs"{weight}>{}</text>"#,
            area.left,
            area.top + size * 0.88,
            area.right - area.left,
            escaped(text)
        )?;
    }
    writeln!(out, "</g>")
}

/// The colours of the largest groups; of equally large ones the smaller number comes first.
fn colours(spots: &[Spot]) -> BTreeMap<u32, &'static str> {
    let mut sizes = BTreeMap::new();
    for group in spots.iter().filter_map(|spot| spot.group) {
        *sizes.entry(group).or_insert(0_usize) += 1;
    }
    let mut groups: Vec<(u32, usize)> = sizes.into_iter().collect();
    groups.sort_by_key(|&(group, size)| (usize::MAX - size, group));
    groups.into_iter().map(|(group, _)| group).zip(COLOURS).collect()
}
