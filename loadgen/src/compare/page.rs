//! A comparison as a page of HTML.

use super::remark::Remark;
use super::{Comparison, Judgement};
use crate::report::html::{document, escape, percentile_chart, section};

impl Comparison {
    /// One self-contained page.
    pub fn page(&self) -> String {
        let sides = self.sides.iter().map(|side| format!("{}: {}", side.letter, side.description()));
        let sides: String = sides.map(|side| format!("<p class=\"faint\">{}</p>\n", escape(&side))).collect();
        let mut body = format!("<h1>{}</h1>\n{sides}", escape(&self.heading()));
        body += &box_of(" bad", self.remarks.iter().filter(|remark| !matches!(remark, Remark::Doubt(_))));
        body += &box_of(" doubt", self.remarks.iter().filter(|remark| matches!(remark, Remark::Doubt(_))));
        let conclusions: String = self.conclusions().iter().map(|line| format!("<li>{}</li>", escape(line))).collect();
        let class = match self.judgement() {
            Judgement::NotWorse => "",
            Judgement::Worse => " bad",
            Judgement::DifferentLoads | Judgement::Invalid => " doubt",
        };
        body += &format!("<div class=\"verdict{class}\"><ul>{conclusions}</ul></div>\n");
        let chart = percentile_chart(&self.curves());
        if !chart.is_empty() {
            let caption = escape(&self.plot_caption());
            body += &section(
                "Latency by percentile",
                &format!("<figure>{chart}<figcaption>{caption}</figcaption></figure>\n"),
            );
        }
        body += &section("Figures", &format!("<div class=\"wide\">{}</div>\n", self.figures().html()));
        let ratios: String = self.contrasts.iter().map(|contrast| self.ratios(contrast).html()).collect();
        body += &section("Ratios", &format!("<div class=\"wide\">{ratios}</div>\n"));
        document(&self.heading(), &body)
    }
}

/// Nothing, if there are no remarks.
fn box_of<'a>(class: &str, remarks: impl Iterator<Item = &'a Remark>) -> String {
    let items: String = remarks.map(|remark| format!("<li>{}</li>", escape(remark.text()))).collect();
    if items.is_empty() { items } else { format!("<div class=\"verdict{class}\"><ul>{items}</ul></div>\n") }
}
