//! Keys of the library's shortint layer.

use tfhe::shortint::{ClassicPBSParameters, ClientKey, ServerKey, gen_keys};

use super::Side;

/// Both keys, and the parameters they are for.
pub(super) struct Shortint {
    pub(super) client: ClientKey,
    pub(super) server: ServerKey,
    name: &'static str,
    parameters: ClassicPBSParameters,
}

impl Shortint {
    /// Fresh keys.
    pub(super) fn new(name: &'static str, parameters: ClassicPBSParameters) -> Self {
        let (client, server) = gen_keys(parameters);
        Self {
            client,
            server,
            name,
            parameters,
        }
    }

    /// How many values a block tells apart.
    pub(super) fn levels(&self) -> u64 {
        self.parameters.message_modulus.0 * self.parameters.carry_modulus.0
    }

    /// What it is, but for what it does.
    pub(super) fn side(&self) -> Side {
        let set = &self.parameters;
        Side {
            what: String::new(),
            parameters: format!(
                "tfhe-rs shortint {}: n = {}, k = {}, N = {}",
                self.name, set.lwe_dimension.0, set.glwe_dimension.0, set.polynomial_size.0
            ),
            failure_log2: Some(set.log2_p_fail),
            checked: true,
        }
    }
}
