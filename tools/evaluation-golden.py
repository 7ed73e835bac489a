#!/usr/bin/env python3
"""Makes the golden file of EvaluationTests with numpy and SciPy (pip install numpy scipy).

    tools/evaluation-golden.py Tests/EvaluationTests/Fixtures/evaluation.json

Two seeded random tables of logits over the same positions, as the bits of fp32 values, the tokens that follow, and what
they come to: perplexities with standard errors, divergences of the first from the second, agreement.
"""
import json
import sys

import numpy as np
from scipy.special import log_softmax
from scipy.stats import entropy, sem

POSITIONS, VOCABULARY = 23, 37


def perplexity(log_probabilities, tokens):
    losses = -log_probabilities[np.arange(POSITIONS), tokens]
    value = np.exp(losses.mean())
    return {"value": value, "standardError": value * sem(losses), "losses": losses.tolist()}


random = np.random.default_rng(20261124)
reference = (random.standard_normal((POSITIONS, VOCABULARY)) * 6 + 20).astype(np.float32)
logits = (reference + random.standard_normal((POSITIONS, VOCABULARY)) * 0.7).astype(np.float32)
logits[3] = reference[3]
logits[4] = reference[4] + np.float32(8)  # A shift changes nothing but its rounding.
tokens = random.integers(0, VOCABULARY, POSITIONS)
own = log_softmax(logits.astype(np.float64), axis=1)
exact = log_softmax(reference.astype(np.float64), axis=1)
divergences = entropy(np.exp(exact), np.exp(own), axis=1)

document = {
    "positions": POSITIONS, "vocabulary": VOCABULARY, "tokens": tokens.tolist(),
    "logits": logits.view(np.uint32).ravel().tolist(), "reference": reference.view(np.uint32).ravel().tolist(),
    "perplexity": perplexity(own, tokens), "referencePerplexity": perplexity(exact, tokens),
    "divergences": divergences.tolist(), "mean": divergences.mean(), "median": np.median(divergences),
    "percentile99": np.percentile(divergences, 99), "maximum": divergences.max(),
    "agreement": float((logits.argmax(axis=1) == reference.argmax(axis=1)).mean()),
}
with open(sys.argv[1], "w") as file:
    json.dump(document, file)
    file.write("\n")
