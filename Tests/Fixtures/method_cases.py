"""The cases of `methods.safetensors` and `methods.json`: each method with each of its options.

Options not named have the defaults of method_oracle.DEFAULTS. `contrast` names what is taken back
to see whether a case shows anything: without it the logits or the answer must be others.
"""
import numpy as np

ZIPVL = dict(method="zipvl", tau=0.9)
KEYS = dict(method="zipvl", tau=0.96, rows="keys")


def case(base, contrast, **options):
    return base | options, contrast


def fixed(ratio, **options):
    return case(dict(method="fixed", ratio=ratio), dict(ratio=0.9), **options)


CASES = {
    "zipvl": case(ZIPVL, dict(method="full")),
    "zipvl-zipcache-norm": case(ZIPVL, dict(norm="exact"), norm="zipcache"),
    "zipvl-corrected": case(ZIPVL, dict(pRule="raw"), pRule="corrected"),
    "zipvl-stratified": case(ZIPVL, dict(probeRule="random"), probeRule="stratified"),
    "zipvl-stratified-32-48": case(
        ZIPVL, dict(probeRule="random"), probeRule="stratified", probes=[32, 48]),
    "zipvl-question": case(ZIPVL, dict(probeRule="random"), probeRule="question"),
    "zipvl-question-8-40": case(
        ZIPVL, dict(probes=[64, 40]), probeRule="question", probes=[8, 40], norm="zipcache"),
    "zipvl-random": case(ZIPVL, dict(select="scores"), select="random"),
    "zipvl-keys": case(ZIPVL, dict(rows="zero"), rows="keys"),
    "zipvl-dense-layer": case(ZIPVL, dict(denseLayers=[]), denseLayers=[0]),
    "zipvl-ffn-retire-3": case(ZIPVL, dict(ffn="all"), ffn="kept", retireAfter=3),
    "zipvl-ffn-retire-1": case(ZIPVL, dict(retireAfter=0), ffn="kept", retireAfter=1),
    "zipvl-keys-retire-1": case(ZIPVL, dict(retireAfter=0), rows="keys", retireAfter=1),
    "zipvl-bucket-16": case(ZIPVL, dict(selectBucket=1), selectBucket=16),
    "zipvl-kv-full": case(ZIPVL, dict(kv="discard"), kv="full"),
    "zipvl-kv-full-retire-1": case(ZIPVL, dict(retireAfter=0), kv="full", retireAfter=1),
    "fixed-0.42": fixed(0.42),
    "fixed-0.7": fixed(0.7),
    "fixed-0.42-keys": fixed(0.42, rows="keys"),
    "fixed-0.7-keys": fixed(0.7, rows="keys"),
    "fastv-2-0.5": case(dict(method="fastv", fastvLayer=2, fastvDrop=0.5), dict(method="full")),
    "fastv-1-0.75": case(dict(method="fastv", fastvLayer=1, fastvDrop=0.75), dict(method="full")),
    "qk-sparse-0.73": case(dict(method="qk-sparse", qkRatio=0.73), dict(method="full")),
    "qk-sparse-0.5": case(
        dict(method="qk-sparse", qkRatio=0.5), dict(norm="exact"), norm="zipcache"),
    "hired-0.2": case(dict(method="hired", hiredBudget=0.2), dict(method="full")),
    "hired-0.4": case(dict(method="hired", hiredBudget=0.4), dict(method="full")),
    "evs-full": case(dict(method="full"), dict(premerge="none"), premerge="evs"),
    "evs-zipvl-keys": case(KEYS, dict(premerge="none"), premerge="evs"),
    "evs-fastv": case(dict(method="fastv", fastvLayer=1), dict(method="full"), premerge="evs"),
    "evs-hired": case(
        dict(method="hired", hiredBudget=0.4), dict(premerge="none"), premerge="evs",
        premergeRate=0.3),
    "minference": case(dict(method="minference"), dict(method="full")),
    "minference-dense-layer": case(
        dict(method="minference"), dict(denseLayers=[]), denseLayers=[0]),
    # A dense layer interrupts the layers running that retire a token.
    "zipvl-keys-retire-2-dense-layer": case(
        ZIPVL, dict(denseLayers=[]), rows="keys", retireAfter=2, denseLayers=[1]),
    # Retirement makes the sequence short enough to run dense.
    "zipvl-keys-retire-1-dense-below": case(
        ZIPVL, dict(denseBelow=0), rows="keys", retireAfter=1, denseBelow=160),
    "zipvl-random-bucket-16": case(ZIPVL, dict(select="scores"), select="random", selectBucket=16),
    "fixed-0.5-ffn-retire-2": fixed(
        0.5, ffn="kept", retireAfter=2, probeRule="stratified", norm="zipcache", kv="full"),
    "evs-qk-sparse": case(
        dict(method="qk-sparse", qkRatio=0.7), dict(premerge="none"), premerge="evs",
        probeRule="question"),
    "evs-minference": case(dict(method="minference"), dict(premerge="none"), premerge="evs"),
}

# The frames of a case are the checkpoint's own, this many times over, in an order of the case's.
REPEATS = {"patch14-short": 8}
LONG_REPEATS = {"tied-choices": 2, "mha-single-file": 2, "gqa7-extras": 2, "gqa3-sharded": 2,
                "patch14-short": 20}
# One prompt shorter than the 64 rows that are always kept.
SHORT = ("hired-0.4", "evs-full", "evs-fastv", "fastv-1-0.75")


def cases_of(name, c):
    """Cases of the checkpoint `name` with decoder sizes c: name, options, contrast, repeats."""
    for key, (options, contrast) in CASES.items():
        if options["method"] == "fastv" and options["fastvLayer"] >= c["layers"]:
            continue                                      # nothing is left to be saved
        repeats = REPEATS.get(name, 1)
        if options["method"] == "minference":
            options = options | {"minference": patterns(c)}
            repeats = LONG_REPEATS[name]
        yield key, options, contrast, repeats
    if name == "patch14-short":
        for key in SHORT:
            yield key + "-short", *CASES[key], 1


def patterns(c):
    """Every kind in several sizes, each layer and head another."""
    sizes = [("vertical_and_slash", 40, 110), ("block_sparse", 2, 0),
             ("vertical_and_slash", 20, 60), ("block_sparse", 1, 0),
             ("vertical_and_slash", 60, 130), ("stream_llm", 20, 50),
             ("vertical_and_slash", 35, 105)]
    return [{str(head): [*sizes[(5 * layer + head) % len(sizes)], 1.0]
             for head in range(c["heads"])} for layer in range(c["layers"])]


def frame_order(frames, repeats, number):
    """Draw `number` of a case: 0 is the frames as they are, others are shuffled; no frame follows
    itself, which would leave differences of exactly zero."""
    if number == 0 and repeats == 1:
        return list(range(frames))
    rng = np.random.Generator(np.random.PCG64(number))
    order = []
    for _ in range(repeats):
        part = [int(i) for i in rng.permutation(frames)]
        if order and part[0] == order[-1]:
            part.append(part.pop(0))
        order += part
    return order
