//! A flow as a picture (SVG): boxes in the order of a call, ways by key, speech and silence.
//!
//! Owns how it looks; where the boxes lie is dagre's (Sugiyama's method, network simplex ranks). Keys and words that work
//! everywhere stand in a note at the top instead of at every box, else the picture would be nothing but these arrows.

use std::fmt::Write as _;

use dagre::graph::{Graph, GraphOptions};
use dagre::layout::types::LabelPos;
use dagre::{EdgeLabel, LayoutOptions, NodeLabel, Point, RankDir, layout};

use crate::ivr::sketch::{Arrow, Sketch, Tone};

/// Of the letters, in pixels; Chinese ones are as wide as they are high.
const SIZE: f64 = 13.0;
const LINE: f64 = 18.0;
const PAD: f64 = 10.0;
const MARGIN: f64 = 24.0;

/// The whole file.
pub fn svg(sketch: &Sketch) -> String {
    let mut graph = Graph::with_options(GraphOptions { directed: true, multigraph: true, compound: false });
    for node in &sketch.nodes {
        let lines = node.text.iter().map(|line| width(line)).fold(width(&node.name), f64::max);
        let label = NodeLabel {
            width: lines + 2.0 * PAD,
            height: LINE * (node.text.len() + 1) as f64 + PAD,
            ..NodeLabel::default()
        };
        graph.set_node(node.name.as_str(), Some(label));
    }
    for (i, arrow) in sketch.arrows.iter().enumerate() {
        let label = EdgeLabel {
            width: arrow.text.iter().map(|line| width(line)).fold(0.0, f64::max) + 6.0,
            height: LINE * arrow.text.len() as f64,
            labelpos: LabelPos::Center,
            ..EdgeLabel::default()
        };
        graph.set_edge(arrow.from.as_str(), arrow.to.as_str(), Some(label), Some(&i.to_string()));
    }
    // From left to right: boxes are wider than high, and a menu of nine lies below each other as it is spoken.
    let options =
        LayoutOptions { rankdir: RankDir::LR, nodesep: 16.0, edgesep: 10.0, ranksep: 24.0, ..LayoutOptions::default() };
    layout(&mut graph, Some(options));
    let top = MARGIN + LINE * (sketch.notes.len() + 1) as f64;
    let mut body = String::new();
    let mut extent = (sketch.notes.iter().map(|note| width(note)).fold(200.0, f64::max), 0.0_f64);
    let mut grow = |x: f64, y: f64| extent = (extent.0.max(x), extent.1.max(y));
    for (i, arrow) in sketch.arrows.iter().enumerate() {
        let Some(edge) = graph.edge(&arrow.from, &arrow.to, Some(&i.to_string())) else { continue };
        edge.points.iter().for_each(|point| grow(point.x, point.y));
        body += &path(arrow, &edge.points);
        if let (Some(x), Some(y)) = (edge.x, edge.y) {
            grow(x + edge.width / 2.0, y + edge.height / 2.0);
            body += &label(arrow, x, y);
        }
    }
    for node in &sketch.nodes {
        let Some(NodeLabel { x: Some(x), y: Some(y), width, height, .. }) = graph.node(&node.name) else { continue };
        grow(x + width / 2.0, y + height / 2.0);
        let (left, upper) = (x - width / 2.0, y - height / 2.0);
        let (fill, stroke) = colours(node.tone);
        write!(
            body,
            "<rect x=\"{left:.1}\" y=\"{upper:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"5\" fill=\"{fill}\" stroke=\"{stroke}\"/>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" class=\"name\">{}</text>\n",
            upper + LINE,
            escaped(&node.name)
        )
        .expect("a String takes everything");
        for (i, line) in node.text.iter().enumerate() {
            let y = upper + LINE * (i + 2) as f64;
            writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escaped(line))
                .expect("a String takes everything");
        }
    }
    let (width, height) = (extent.0 + 2.0 * MARGIN, extent.1 + top + MARGIN);
    let mut notes = String::new();
    for (i, note) in sketch.notes.iter().enumerate() {
        let y = MARGIN + LINE * i as f64;
        writeln!(notes, "<text x=\"{MARGIN}\" y=\"{y:.1}\" class=\"note\">{}</text>", escaped(note))
            .expect("a String takes everything");
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\">\n\
         <style>text {{ font: {SIZE}px sans-serif; text-anchor: middle; fill: #222 }} .name {{ font-weight: bold }} \
         .note {{ text-anchor: start }} .way {{ fill: none; stroke-width: 1.2 }} .label {{ font-size: 12px }}</style>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\
         <path d=\"M0 0 L8 4 L0 8 z\" fill=\"context-stroke\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n{notes}<g transform=\"translate({MARGIN} {top:.1})\">\n{body}</g>\n</svg>\n"
    )
}

/// A smooth line through the points of the layout.
fn path(arrow: &Arrow, points: &[Point]) -> String {
    let (stroke, dash) = if arrow.quiet { ("#999", " stroke-dasharray=\"4 3\"") } else { ("#456", "") };
    let mut d = String::new();
    for (i, point) in points.iter().enumerate() {
        let step = match (i, points.get(i + 1)) {
            (0, _) => format!("M{:.1} {:.1}", point.x, point.y),
            // Bends are rounded: each inner point steers a curve to the middle of what follows.
            (_, Some(next)) if i + 2 < points.len() => {
                format!(
                    " Q{:.1} {:.1} {:.1} {:.1}",
                    point.x,
                    point.y,
                    (point.x + next.x) / 2.0,
                    (point.y + next.y) / 2.0
                )
            }
            (_, Some(next)) => format!(" Q{:.1} {:.1} {:.1} {:.1}", point.x, point.y, next.x, next.y),
            (1, None) => format!(" L{:.1} {:.1}", point.x, point.y),
            (_, None) => String::new(),
        };
        d += &step;
    }
    format!("<path class=\"way\" d=\"{d}\" stroke=\"{stroke}\"{dash} marker-end=\"url(#tip)\"/>\n")
}

/// What leads along an arrow, on white so that it is readable over other arrows.
fn label(arrow: &Arrow, x: f64, y: f64) -> String {
    let height = LINE * arrow.text.len() as f64;
    let width = arrow.text.iter().map(|line| width(line)).fold(0.0, f64::max);
    let upper = y - height / 2.0;
    let mut out = format!(
        "<rect x=\"{:.1}\" y=\"{upper:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"white\" fill-opacity=\"0.85\"/>\n",
        x - width / 2.0
    );
    for (i, line) in arrow.text.iter().enumerate() {
        let y = upper + LINE * i as f64 + SIZE;
        writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"label\">{}</text>", escaped(line))
            .expect("a String takes everything");
    }
    out
}

fn colours(tone: Tone) -> (&'static str, &'static str) {
    match tone {
        Tone::Says => ("#f4f6f8", "#89a"),
        Tone::Asks => ("#e6f0fb", "#37a"),
        Tone::Decides => ("#fff7e0", "#b93"),
        Tone::Files => ("#e7f6e7", "#393"),
        Tone::Transfers => ("#fde9e0", "#c63"),
        Tone::Ends => ("#eee", "#666"),
    }
}

/// About as wide as a text is drawn.
fn width(text: &str) -> f64 {
    text.chars().map(|c| if c.is_ascii() { 0.58 * SIZE } else { SIZE }).sum()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ivr::sketch::Box;

    #[test]
    fn every_box_and_way_is_drawn_and_no_box_lies_on_another() {
        let node = |name: &str| Box { name: name.to_owned(), text: vec!["播放 3 秒".to_owned()], tone: Tone::Says };
        let names: Vec<String> = (0..40).map(|i| format!("n{i}")).collect();
        let arrow = |from: usize, to: usize| Arrow {
            from: names[from].clone(),
            to: names[to].clone(),
            text: vec![format!("按 {}", to % 10)],
            quiet: to.is_multiple_of(3),
        };
        let mut arrows: Vec<Arrow> = (1..40).map(|i| arrow((i - 1) / 3, i)).collect();
        arrows.extend([arrow(39, 0), arrow(12, 2), arrow(5, 5)]);
        let sketch =
            Sketch { notes: vec!["<随时按 0>".into()], nodes: names.iter().map(|n| node(n)).collect(), arrows };
        let svg = svg(&sketch);
        assert!(svg.contains("&lt;随时按 0&gt;") && !svg.contains("NaN"), "{svg}");
        assert_eq!(svg.matches("class=\"way\"").count(), sketch.arrows.len());
        let number = |text: &str, key: &str| -> f64 {
            let rest = text.split(&format!("{key}=\"")).nth(1).expect("the attribute");
            rest.split('"').next().and_then(|n| n.parse().ok()).expect("a number")
        };
        let boxes: Vec<[f64; 4]> = svg
            .lines()
            .filter(|line| line.starts_with("<rect x") && line.contains("rx="))
            .map(|line| ["x", "y", "width", "height"].map(|key| number(line, &format!(" {key}"))))
            .collect();
        assert_eq!(boxes.len(), 40);
        for (i, a) in boxes.iter().enumerate() {
            for b in &boxes[i + 1..] {
                let apart = a[0] + a[2] <= b[0] || b[0] + b[2] <= a[0] || a[1] + a[3] <= b[1] || b[1] + b[3] <= a[1];
                assert!(apart, "{a:?} lies on {b:?}");
            }
        }
    }
}
