"""Compiled: errors, and the way of the teaching signal to every layer."""

import numpy as np

from neurofa.compiled import layout as at
from neurofa.compiled.compiling import compiled
from neurofa.compiled.products import back, onward
from neurofa.compiled.responses import tanh


@compiled
def report(plan, common, n_trials, numbers, desk, choices):
    """Output, choices and error from the drive of the readout; returns the loss averaged over trials."""
    last = plan.shape[0] - 1
    post, output, error = plan[last, at.POST], plan[last, at.DRIVE], plan[last, at.DELTA]
    target = common[at.TARGET]
    loss = desk.dtype.type(0)
    half = desk.dtype.type(0.5)
    for trial in range(n_trials):
        o, t, e = output + trial * post, target + trial * post, error + trial * post
        if common[at.LOSS] == at.CROSS_ENTROPY:
            _softmax(desk, o, post)
        best = 0
        for unit in range(1, post):
            if desk[o + unit] > desk[o + best]:
                best = unit
        if common[at.BY_THRESHOLD]:
            best = 1 if desk[o] > numbers[at.REPORT_THRESHOLD] else 0
        choices[trial] = best
        if common[at.LOSS] == at.CROSS_ENTROPY:
            for unit in range(post):
                y = desk[o + unit]
                loss -= desk[t + unit] * np.log(numbers[at.SMALLEST] if y < numbers[at.SMALLEST] else y)
                desk[e + unit] = desk[t + unit] - y
        else:
            for unit in range(post):
                difference = desk[t + unit] - desk[o + unit]
                desk[e + unit] = difference
                loss += half * difference * difference
    return loss / desk.dtype.type(n_trials)


@compiled
def _softmax(desk, start, n_units):
    """Softmax in place."""
    largest = desk[start]
    for unit in range(1, n_units):
        if desk[start + unit] > largest:
            largest = desk[start + unit]
    total = desk.dtype.type(0)
    for unit in range(n_units):
        y = np.exp(desk[start + unit] - largest)
        desk[start + unit] = y
        total += y
    for unit in range(n_units):
        desk[start + unit] /= total


@compiled
def signal_at_output(plan, common, n_trials, state, numbers, desk):
    """Where on the desk the signal stands that is sent back at the output."""
    last = plan.shape[0] - 1
    if common[at.SIGNAL_KIND] == at.TARGET_ITSELF:
        return common[at.TARGET]
    if common[at.SIGNAL_KIND] == at.CENTRED_TARGET:
        _centre(plan, common, n_trials, state, numbers, desk)
        return common[at.SIGNAL]
    return plan[last, at.DELTA]


@compiled
def _centre(plan, common, n_trials, state, numbers, desk):
    """The centred target: see `neurofa.rules.teaching_signals.centred_target`."""
    last = plan.shape[0] - 1
    post, error, target, signal = plan[last, at.POST], plan[last, at.DELTA], common[at.TARGET], common[at.SIGNAL]
    zero, one = desk.dtype.type(0), desk.dtype.type(1)
    sums, count = plan[last, at.TARGET_SUM], plan[last, at.TARGET_COUNT]
    performance = zero
    if n_trials == 1:
        state[count] += one
        for unit in range(post):
            state[sums + unit] += desk[target + unit]
            desk[signal + unit] = desk[target + unit] - state[sums + unit] / state[count]
        performance = state[plan[last, at.PERFORMANCE]]
    else:
        residual, total = zero, zero
        for unit in range(post):
            mean = zero
            for trial in range(n_trials):
                mean += desk[target + trial * post + unit]
            mean /= desk.dtype.type(n_trials)
            for trial in range(n_trials):
                centred = desk[target + trial * post + unit] - mean
                desk[signal + trial * post + unit] = centred
                total += centred * centred
                residual += desk[error + trial * post + unit] * desk[error + trial * post + unit]
        if total > zero:
            performance = one - residual / (numbers[at.SMALLEST] if total < numbers[at.SMALLEST] else total)
    strength = numbers[at.TARGET_SCALE] * (one - (zero if performance < zero else performance))
    for place in range(signal, signal + n_trials * post):
        desk[place] *= strength


@compiled
def teach(blas, plan, common, n_trials, state, numbers, stream, desk):
    """Bring the signal to all hidden layers: what reaches their rates, and that times the slope."""
    last = plan.shape[0] - 1
    signal = signal_at_output(plan, common, n_trials, state, numbers, desk)
    source = signal
    for number in range(last - 1, -1, -1):
        if common[at.PATHWAY] == at.DIRECT:
            source = signal
        if plan[number, at.FED_BACK]:
            send(blas, plan, common, number, source, n_trials, state, numbers, stream, desk)
        else:
            send_exactly(blas, plan, number, source, n_trials, state, desk)
        sent, slope, delta = plan[number, at.SENT], plan[number, at.SLOPE], plan[number, at.DELTA]
        for place in range(n_trials * plan[number, at.POST]):
            desk[delta + place] = desk[sent + place] * desk[slope + place]
        source = delta


@compiled
def send_exactly(blas, plan, number, source, n_trials, state, desk):
    """Send a signal through the transposed weights of the layer above."""
    above, own, turned = plan[number + 1, at.POST], plan[number, at.POST], plan[number + 1, at.TURNED]
    weights = plan[number + 1, at.WEIGHTS]
    back(blas, turned, n_trials, above, own, desk, source, state, weights, desk, plan[number, at.SENT])


@compiled
def send(blas, plan, common, number, source, n_trials, state, numbers, stream, desk):
    """Send a signal to a hidden layer through the feedback weights of the rule."""
    kind = common[at.FEEDBACK_KIND]
    own, n_signals, turned = plan[number, at.POST], plan[number, at.SIGNALS], plan[number, at.FEEDBACK_TURNED]
    feedback, sent, matrix = plan[number, at.FEEDBACK], plan[number, at.SENT], common[at.MATRIX]
    zero = desk.dtype.type(0)
    if kind == at.TRANSPOSE:
        send_exactly(blas, plan, number, source, n_trials, state, desk)
    elif kind == at.NOISY_WEIGHTS:
        _blend(plan, number, numbers[at.NOISE_AMPLITUDE], state, stream, desk, matrix)
        onward(blas, turned, n_trials, own, n_signals, desk, source, desk, matrix, zero, desk, sent)
    elif kind == at.FEEDBACK_NETWORK:
        n_units, middle, first = common[at.NETWORK_UNITS], common[at.MIDDLE], plan[number, at.FEEDBACK_HIDDEN]
        onward(blas, 0, n_trials, n_units, n_signals, desk, source, state, first, zero, desk, middle)
        for place in range(middle, middle + n_trials * n_units):
            desk[place] = tanh(desk[place])
        onward(blas, turned, n_trials, own, n_units, desk, middle, state, feedback, zero, desk, sent)
    elif kind == at.SIGN:
        _signed(plan, common, number, state, numbers, stream, desk, matrix)
        turned = plan[number + 1, at.TURNED]
        back(blas, turned, n_trials, n_signals, own, desk, source, desk, matrix, desk, sent)
    else:
        if kind == at.WALKING:
            _walk(plan, number, state, numbers, stream)
        onward(blas, turned, n_trials, own, n_signals, desk, source, state, feedback, zero, desk, sent)


@compiled
def _blend(plan, number, amplitude, state, stream, desk, matrix):
    """Feedback weights plus noise, on the desk; the stream is (post, signal)."""
    own, n_signals, feedback = plan[number, at.POST], plan[number, at.SIGNALS], plan[number, at.FEEDBACK]
    noise = plan[number, at.STREAM]
    if plan[number, at.FEEDBACK_TURNED]:
        for column in range(n_signals):
            for row in range(own):
                place = column * own + row
                desk[matrix + place] = state[feedback + place] + amplitude * stream[noise + row * n_signals + column]
    else:
        for place in range(own * n_signals):
            desk[matrix + place] = state[feedback + place] + amplitude * stream[noise + place]


@compiled
def _walk(plan, number, state, numbers, stream):
    """One step of walking feedback weights; the stream is (post, signal)."""
    own, n_signals, feedback = plan[number, at.POST], plan[number, at.SIGNALS], plan[number, at.FEEDBACK]
    noise, step = plan[number, at.STREAM], numbers[at.WALK]
    kept = np.sqrt(state.dtype.type(1) - step * step)
    size = step * numbers[at.FEEDBACK_SCALE] / np.sqrt(state.dtype.type(n_signals))
    if plan[number, at.FEEDBACK_TURNED]:
        for column in range(n_signals):
            for row in range(own):
                place = feedback + column * own + row
                state[place] = kept * state[place] + size * stream[noise + row * n_signals + column]
    else:
        for place in range(own * n_signals):
            state[feedback + place] = kept * state[feedback + place] + size * stream[noise + place]


@compiled
def _signed(plan, common, number, state, numbers, stream, desk, matrix):
    """Feedback weights with the signs of the weights above, on the desk and stored as those are."""
    above, own, weights = plan[number + 1, at.POST], plan[number, at.POST], plan[number + 1, at.WEIGHTS]
    turned, kind = plan[number + 1, at.TURNED], common[at.MAGNITUDES]
    size = numbers[at.FEEDBACK_SCALE] / np.sqrt(desk.dtype.type(above))
    one = desk.dtype.type(1)
    for row in range(own):
        for column in range(above):
            place = row * above + column if turned else column * own + row
            magnitude = one
            if kind == at.PER_UPDATE:
                magnitude = abs(stream[plan[number, at.STREAM] + row * above + column]) * size
            elif kind == at.FIXED_MAGNITUDES:
                stored = column * own + row if plan[number, at.FEEDBACK_TURNED] else row * above + column
                magnitude = abs(state[plan[number, at.FEEDBACK] + stored])
            else:
                magnitude = size
            weight = state[weights + place]
            # neither sign: zero, or not a number
            desk[matrix + place] = magnitude if weight > 0 else (-magnitude if weight < 0 else weight * magnitude)
