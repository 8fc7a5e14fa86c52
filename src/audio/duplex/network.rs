//! A small recurrent network: a dense layer, two of gated units, a dense layer.
//!
//! The units are those of K. Cho et al., "Learning phrase representations using
//! RNN encoder-decoder for statistical machine translation", EMNLP 2014, with
//! the reset gate applied after the product. The weights are bytes with a scale
//! for each output, written by `benches/audio/teach.py`.

/// Values between the layers.
const UNITS: usize = 64;

/// How many bytes the weights of a network with so many inputs and outputs are.
pub(super) const fn size(inputs: usize, outputs: usize) -> usize {
    let gated = dense_size(UNITS, 3 * UNITS);
    dense_size(inputs, UNITS) + 4 * gated + dense_size(UNITS, outputs)
}

const fn dense_size(inputs: usize, outputs: usize) -> usize {
    2 * 4 * outputs + inputs * outputs
}

/// A matrix, and what is added to its product.
struct Dense {
    /// Input by input, so that a product is a sum of rows, which the compiler makes wide.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// Gated units: reset, update and new, side by side.
struct Gated {
    input: Dense,
    recurrent: Dense,
    from_input: [f32; 3 * UNITS],
    from_state: [f32; 3 * UNITS],
    state: [f32; UNITS],
}

/// The network with its state.
pub(super) struct Network {
    first: Dense,
    hidden: [f32; UNITS],
    gated: [Gated; 2],
    last: Dense,
}

impl Dense {
    /// Takes its part from the front of the weights: scales, bias, and a byte for each weight.
    fn read(from: &mut &[u8], inputs: usize, outputs: usize) -> Self {
        let mut part = |bytes: usize| {
            let (part, rest) = from.split_at(bytes);
            *from = rest;
            part
        };
        let mut floats =
            || part(4 * outputs).as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        let (scales, bias): (Vec<f32>, Vec<f32>) = (floats(), floats());
        let bytes = part(inputs * outputs).iter().zip(scales.iter().cycle());
        Self { weights: bytes.map(|(byte, scale)| f32::from(byte.cast_signed()) * scale).collect(), bias }
    }

    fn run(&self, input: &[f32], out: &mut [f32]) {
        out.copy_from_slice(&self.bias);
        for (value, row) in input.iter().zip(self.weights.chunks_exact(out.len())) {
            out.iter_mut().zip(row).for_each(|(out, weight)| *out += value * weight);
        }
    }
}

impl Gated {
    fn read(from: &mut &[u8]) -> Self {
        Self {
            input: Dense::read(from, UNITS, 3 * UNITS),
            recurrent: Dense::read(from, UNITS, 3 * UNITS),
            from_input: [0.0; 3 * UNITS],
            from_state: [0.0; 3 * UNITS],
            state: [0.0; UNITS],
        }
    }

    fn run(&mut self, input: &[f32]) {
        self.input.run(input, &mut self.from_input);
        self.recurrent.run(&self.state, &mut self.from_state);
        for (unit, state) in self.state.iter_mut().enumerate() {
            let new = 2 * UNITS + unit;
            let gate = |at: usize| sigmoid(self.from_input[at] + self.from_state[at]);
            let fresh = (self.from_input[new] + gate(unit) * self.from_state[new]).tanh();
            let keep = gate(UNITS + unit);
            *state = keep * *state + (1.0 - keep) * fresh;
        }
    }
}

impl Network {
    /// From weights of [`size`] bytes; fewer are a panic, so their number belongs in a `const` assertion.
    pub fn read(mut weights: &[u8], inputs: usize, outputs: usize) -> Self {
        let from = &mut weights;
        Self {
            first: Dense::read(from, inputs, UNITS),
            hidden: [0.0; UNITS],
            gated: [Gated::read(from), Gated::read(from)],
            last: Dense::read(from, UNITS, outputs),
        }
    }

    /// One step: values of any size in, values from 0 to 1 out.
    pub fn run(&mut self, input: &[f32], out: &mut [f32]) {
        self.first.run(input, &mut self.hidden);
        self.hidden.iter_mut().for_each(|value| *value = value.tanh());
        let [below, above] = &mut self.gated;
        below.run(&self.hidden);
        above.run(&below.state);
        self.last.run(&above.state, out);
        out.iter_mut().for_each(|value| *value = sigmoid(*value));
    }

    /// As at the beginning of a call.
    pub fn forget(&mut self) {
        self.gated.iter_mut().for_each(|gated| gated.state = [0.0; UNITS]);
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights of one input and one output: every scale, bias and weight drawn from a seed.
    fn weights() -> Vec<u8> {
        let mut random = 1u32;
        let mut next = move || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 16) as f32 / 65536.0 - 0.5
        };
        let mut bytes = Vec::new();
        let mut dense = |inputs: usize, outputs: usize| {
            (0..outputs).for_each(|_| bytes.extend((0.1 / 127.0f32).to_le_bytes()));
            (0..outputs).for_each(|_| bytes.extend(next().to_le_bytes()));
            (0..inputs * outputs).for_each(|_| bytes.push((254.0 * next()) as i8 as u8));
        };
        dense(1, UNITS);
        (0..4).for_each(|_| dense(UNITS, 3 * UNITS));
        dense(UNITS, 1);
        bytes
    }

    fn answers(network: &mut Network, inputs: &[f32]) -> Vec<f32> {
        let mut out = [0.0];
        inputs
            .iter()
            .map(|input| {
                network.run(&[*input], &mut out);
                out[0]
            })
            .collect()
    }

    #[test]
    fn it_remembers_until_it_is_told_to_forget() {
        let weights = weights();
        assert_eq!(weights.len(), size(1, 1));
        let mut network = Network::read(&weights, 1, 1);
        let first = answers(&mut network, &[3.0, 0.0, 0.0]);
        let again = answers(&mut network, &[3.0, 0.0, 0.0]);
        assert_ne!(first, again, "what came before makes no difference");
        network.forget();
        assert_eq!(answers(&mut network, &[3.0, 0.0, 0.0]), first);
    }

    #[test]
    fn no_input_drives_it_out_of_its_range() {
        let mut network = Network::read(&weights(), 1, 1);
        for out in answers(&mut network, &[1e9, -1e9, f32::MAX, 0.0, -1e30, 1.0]) {
            assert!((0.0..=1.0).contains(&out), "{out}");
        }
    }
}
