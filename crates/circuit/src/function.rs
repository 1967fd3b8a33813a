//! Functions of one real variable that a LUT evaluates.

use serde::{Deserialize, Serialize};

/// A function of one real variable. One LUT evaluates any of them, at the same cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Function {
    /// x
    Identity,
    /// max(x, 0)
    Relu,
    /// The hyperbolic tangent: bounded, odd, so it fills a LUT's output range evenly.
    Tanh,
    /// x times the normal distribution function, in its tanh form (Hendrycks and Gimpel, 2016).
    Gelu,
    /// x^2
    #[serde(skip)]
    Square,
    /// x, cut to [-limit, limit].
    #[serde(skip)]
    Clamp {
        /// The largest absolute value.
        limit: f64,
    },
    /// gain exp(cap tanh(x / cap)): the exponential of a softly capped score.
    #[serde(skip)]
    CappedExp {
        /// The cap.
        cap: f64,
        /// The factor.
        gain: f64,
    },
    /// 1 / max(x, floor)
    #[serde(skip)]
    Reciprocal {
        /// Smaller inputs are taken for this.
        floor: f64,
    },
    /// 1 / sqrt(max(x, floor))
    #[serde(skip)]
    InverseSqrt {
        /// Smaller inputs are taken for this.
        floor: f64,
    },
    /// 1 above 0, else -1
    #[serde(skip)]
    Sign,
    /// 1 above 0, else 0
    #[serde(skip)]
    Step,
    /// The middle of the step that x falls on; steps meet at 0.
    #[serde(skip)]
    Level {
        /// How wide they are.
        step: f64,
    },
}

impl Function {
    /// The function's value.
    pub fn evaluate(self, x: f64) -> f64 {
        match self {
            Self::Identity => x,
            Self::Relu => x.max(0.0),
            Self::Tanh => x.tanh(),
            Self::Gelu => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                0.5 * x * (1.0 + inner.tanh())
            }
            Self::Square => x * x,
            Self::Clamp { limit } => x.clamp(-limit, limit),
            Self::CappedExp { cap, gain } => gain * (cap * (x / cap).tanh()).exp(),
            Self::Reciprocal { floor } => x.max(floor).recip(),
            Self::InverseSqrt { floor } => x.max(floor).sqrt().recip(),
            Self::Sign => 2.0 * Self::Step.evaluate(x) - 1.0,
            Self::Step => f64::from(x > 0.0),
            Self::Level { step } => step * ((x / step).floor() + 0.5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(Function::Identity.evaluate(-2.5), -2.5);
        assert_eq!(Function::Relu.evaluate(-2.5), 0.0);
        assert_eq!(Function::Relu.evaluate(2.5), 2.5);
        assert!((Function::Tanh.evaluate(0.5) - 0.462_117).abs() < 1e-6);
        assert!((Function::Gelu.evaluate(1.0) - 0.841_192).abs() < 1e-6);
        assert_eq!([-2.0, 2.0].map(|x| Function::Sign.evaluate(x)), [-1.0, 1.0]);
        assert_eq!([-2.0, 2.0].map(|x| Function::Step.evaluate(x)), [0.0, 1.0]);
        let level = Function::Level { step: 0.5 };
        assert_eq!(
            [-0.1, 0.1, 0.6].map(|x| level.evaluate(x)),
            [-0.25, 0.25, 0.75]
        );
    }
}
