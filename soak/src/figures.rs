//! The server's own figures, as it gives them to Prometheus.

/// The text of one moment.
#[derive(Clone, Debug)]
pub(crate) struct Figures(pub(crate) String);

impl Figures {
    /// The sum of a figure over all labels in which this text is; 0 if there is none.
    pub(crate) fn sum(&self, name: &str, label: &str) -> f64 {
        let value = |line: &str| {
            let rest = line.strip_prefix("cipherformer_")?.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let whole = labels.is_empty() || labels.starts_with('{');
            (whole && labels.contains(label)).then(|| value.parse::<f64>().ok())?
        };
        self.0.lines().filter_map(value).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_summed_over_their_labels() {
        let text = "# HELP cipherformer_a x\ncipherformer_a_total{r=\"x\"} 2\ncipherformer_a_total{r=\"y\"} 3\n\
                    cipherformer_a_total_more 100\ncipherformer_b 7\n";
        let figures = Figures(text.to_owned());
        assert_eq!(figures.sum("a_total", ""), 5.0);
        assert_eq!(figures.sum("a_total", "r=\"y\""), 3.0);
        assert_eq!(figures.sum("b", ""), 7.0);
        assert_eq!(figures.sum("c", ""), 0.0);
    }
}
