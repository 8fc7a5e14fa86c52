#!/usr/bin/env python3
"""Teaches the echo mask's network and writes its weights, src/audio/duplex/mask.bin.

    teach.py LESSONS FILE [EPOCHS]

LESSONS is a folder of what `duplex ... lessons` wrote. One in twenty lessons is kept back and only judged by. The loss
is the one of J.-M. Valin's RNNoise and PercepNet: the difference of compressed gains, here of those to the power
of a third, so that a whisper of echo counts; bands under the noise count little.
Wants jax and optax; seeds are fixed. An epoch of 2,400 lessons takes 70 s on two cores.
"""
import os
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

BANDS, EACH, WHOLE = 19, 8, 4
INPUTS = EACH * BANDS + WHOLE
UNITS = 64
STEPS, BATCH = 400, 16
POWER = 1 / 3
# Echo let through counts so many times as much as speech taken away.
LEAK = 1.3
# What is seen is blurred by this much, 1 being 20 dB: no lesson is learnt by heart.
BLUR = 0.05


def lessons(folder):
    names = sorted(name for name in os.listdir(folder) if name.endswith(".f32"))
    whole = [np.fromfile(f"{folder}/{name}", np.float32).reshape(-1, INPUTS + BANDS) for name in names]
    least = min(map(len, whole))
    return np.stack([one[:least] for one in whole])


def begin(key):
    keys = iter(jax.random.split(key, 8))
    matrix = lambda a, b: jax.random.normal(next(keys), (a, b)) / np.sqrt(a)
    dense = lambda a, b: {"weights": matrix(a, b), "bias": jnp.zeros(b)}
    gated = lambda: {"input": dense(UNITS, 3 * UNITS), "recurrent": dense(UNITS, 3 * UNITS)}
    return {"first": dense(INPUTS, UNITS), "gated": [gated(), gated()], "last": dense(UNITS, BANDS)}


def rounded(weights):
    """As the file holds them: bytes, a scale for each output; learning sees through it (straight through)."""
    scale = jnp.maximum(jnp.max(jnp.abs(weights), axis=0), 1e-6) / 127
    return weights + jax.lax.stop_gradient(jnp.round(weights / scale) * scale - weights)


def product(layer, x):
    return x @ rounded(layer["weights"]) + layer["bias"]


def gated(layer, x, state):
    """x: time, batch, units."""
    fed = product(layer["input"], x)
    recurrent, bias = rounded(layer["recurrent"]["weights"]), layer["recurrent"]["bias"]

    def step(state, fed):
        own = state @ recurrent + bias
        reset = jax.nn.sigmoid(fed[:, :UNITS] + own[:, :UNITS])
        update = jax.nn.sigmoid(fed[:, UNITS:2 * UNITS] + own[:, UNITS:2 * UNITS])
        new = jnp.tanh(fed[:, 2 * UNITS:] + reset * own[:, 2 * UNITS:])
        state = update * state + (1 - update) * new
        return state, state

    return jax.lax.scan(step, state, fed, unroll=4)


def network(layers, seen, states):
    x, after = jnp.tanh(product(layers["first"], seen)), []
    for layer, state in zip(layers["gated"], states):
        state, x = gated(layer, x, state)
        after.append(state)
    return jax.nn.sigmoid(product(layers["last"], x)), after


def loss(layers, seen, wanted, states):
    got, after = network(layers, seen, states)
    audible = jnp.clip(seen[..., 0:EACH * BANDS:EACH] * 20 / 12, 0.1, 1.0)
    off = (got + 1e-3) ** POWER - (wanted + 1e-3) ** POWER
    off = jnp.where(off > 0, LEAK * off, off)
    return jnp.mean(audible * (off ** 2 + 4 * off ** 4)), after


def main():
    folder, file = sys.argv[1:3]
    epochs = int(sys.argv[3]) if len(sys.argv) > 3 else 16
    data = lessons(folder)
    kept, data = data[::20], np.delete(data, np.s_[::20], axis=0)
    count, length = data.shape[0], data.shape[1] // STEPS * STEPS
    batches = count // BATCH
    rng = np.random.default_rng(1)
    layers = begin(jax.random.PRNGKey(1))
    total = epochs * batches * (length // STEPS)
    rate = optax.cosine_decay_schedule(2e-3, total, 0.02)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate, weight_decay=1e-2))
    memory = optimizer.init(layers)

    @jax.jit
    def learn(layers, memory, part, states):
        part = jnp.swapaxes(part, 0, 1)
        (value, states), slope = jax.value_and_grad(loss, has_aux=True)(
            layers, part[..., :INPUTS], part[..., INPUTS:], states)
        change, memory = optimizer.update(slope, memory, layers)
        return optax.apply_updates(layers, change), memory, states, value

    @jax.jit
    def judge(layers, part):
        part = jnp.swapaxes(part, 0, 1)
        states = [jnp.zeros((part.shape[1], UNITS))] * 2
        return loss(layers, part[..., :INPUTS], part[..., INPUTS:], states)[0]

    for epoch in range(epochs):
        start, values = time.time(), []
        order = rng.permutation(count)
        for batch in range(batches):
            chosen = data[order[batch * BATCH:(batch + 1) * BATCH]]
            states = [jnp.zeros((BATCH, UNITS))] * 2
            for at in range(0, length, STEPS):
                part = chosen[:, at:at + STEPS].copy()
                part[..., :INPUTS] += BLUR * rng.standard_normal(part[..., :INPUTS].shape, np.float32)
                layers, memory, states, value = learn(layers, memory, part, states)
                values.append(value)
        print(f"{epoch:3} {float(np.mean(values)):.5f} kept {float(judge(layers, kept)):.5f} "
              f"{time.time() - start:.0f} s", flush=True)
        write(layers, file)


def write(layers, file):
    def dense(layer):
        weights = np.asarray(layer["weights"])
        scale = np.maximum(np.max(np.abs(weights), axis=0), 1e-6) / 127
        return (scale.astype("<f4").tobytes() + np.asarray(layer["bias"]).astype("<f4").tobytes()
                + np.round(weights / scale).astype(np.int8).tobytes())

    with open(file, "wb") as out:
        out.write(dense(layers["first"]))
        for layer in layers["gated"]:
            out.write(dense(layer["input"]) + dense(layer["recurrent"]))
        out.write(dense(layers["last"]))


if __name__ == "__main__":
    main()
