"""Compiled: errors, and the way of the teaching signal to every layer."""

import numpy as np

from neurofa.compiled import layout as at
from neurofa.compiled.compiling import compiled, fill, piece
from neurofa.compiled.products import back, onward
from neurofa.compiled.responses import tanh


@compiled
def report(plan, common, n_trials, numbers, desk, choices):
    """Output, choices and error from the drive of the readout; returns the loss averaged over trials."""
    last = plan.shape[0] - 1
    post, smallest = plan[last, at.POST], numbers[at.SMALLEST]
    loss, half = desk.dtype.type(0), desk.dtype.type(0.5)
    for trial in range(n_trials):
        output = piece(desk, plan[last, at.DRIVE] + trial * post, post)
        target = piece(desk, common[at.TARGET] + trial * post, post)
        error = piece(desk, plan[last, at.DELTA] + trial * post, post)
        if common[at.LOSS] == at.CROSS_ENTROPY:
            _softmax(output)
        best = 0
        for unit in range(1, post):
            if output[unit] > output[best]:
                best = unit
        if common[at.BY_THRESHOLD]:
            best = 1 if output[0] > numbers[at.REPORT_THRESHOLD] else 0
        choices[trial] = best
        if common[at.LOSS] == at.CROSS_ENTROPY:
            for unit in range(post):
                y = output[unit]
                loss -= target[unit] * np.log(smallest if y < smallest else y)
                error[unit] = target[unit] - y
        else:
            for unit in range(post):
                difference = target[unit] - output[unit]
                error[unit] = difference
                loss += half * difference * difference
    return loss / desk.dtype.type(n_trials)


@compiled
def _softmax(values):
    """Softmax in place."""
    largest = values[0]
    for unit in range(1, values.shape[0]):
        if values[unit] > largest:
            largest = values[unit]
    total = values.dtype.type(0)
    for unit in range(values.shape[0]):
        values[unit] = np.exp(values[unit] - largest)
        total += values[unit]
    for unit in range(values.shape[0]):
        values[unit] /= total


@compiled
def signal_at_output(plan, common, n_trials, state, numbers, desk):
    """Where on the desk the signal stands that is sent back at the output."""
    last = plan.shape[0] - 1
    if common[at.SIGNAL_KIND] == at.TARGET_ITSELF:
        return common[at.TARGET]
    if common[at.SIGNAL_KIND] == at.CENTRED_TARGET:
        _centre(plan, common, n_trials, state, numbers, desk)
        return common[at.SIGNAL]
    if common[at.SIGNAL_KIND] == at.NO_SIGNAL:
        fill(desk.dtype.type(0), piece(desk, common[at.SIGNAL], n_trials * plan[last, at.POST]))
        return common[at.SIGNAL]
    return plan[last, at.DELTA]


@compiled
def _centre(plan, common, n_trials, state, numbers, desk):
    """The centred target: see `neurofa.rules.teaching_signals.centred_target`."""
    last = plan.shape[0] - 1
    post = plan[last, at.POST]
    zero, one = desk.dtype.type(0), desk.dtype.type(1)
    signal, target = piece(desk, common[at.SIGNAL], n_trials * post), piece(desk, common[at.TARGET], n_trials * post)
    performance = zero
    if n_trials == 1:
        sums, count = piece(state, plan[last, at.TARGET_SUM], post), piece(state, plan[last, at.TARGET_COUNT], 1)
        count[0] += one
        for unit in range(post):
            sums[unit] += target[unit]
            signal[unit] = target[unit] - sums[unit] / count[0]
        performance = state[plan[last, at.PERFORMANCE]]
    else:
        error = piece(desk, plan[last, at.DELTA], n_trials * post)
        residual, total = zero, zero
        for unit in range(post):
            mean = zero
            for place in range(unit, n_trials * post, post):
                mean += target[place]
            mean /= desk.dtype.type(n_trials)
            for place in range(unit, n_trials * post, post):
                centred = target[place] - mean
                signal[place] = centred
                total += centred * centred
                residual += error[place] * error[place]
        if total > zero:
            performance = one - residual / (numbers[at.SMALLEST] if total < numbers[at.SMALLEST] else total)
    strength = numbers[at.TARGET_SCALE] * (one - (zero if performance < zero else performance))
    for place in range(n_trials * post):
        signal[place] *= strength


@compiled
def teach(blas, whole, plan, common, pending, n_trials, state, numbers, stream, desk):
    """
    Bring the signal to all hidden layers: what reaches their rates, and that times the slope.

    In a block of trials (see `neurofa.compiled.blocks`) `plan` is where this trial stands, `whole` where the first one
    does, and so many trials before it are pending.
    """
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
        if pending and (common[at.FEEDBACK_KIND] == at.TRANSPOSE or not plan[number, at.FED_BACK]):
            add_pending_back(whole, plan, number, source, pending, desk)
        size = n_trials * plan[number, at.POST]
        sent, slope = piece(desk, plan[number, at.SENT], size), piece(desk, plan[number, at.SLOPE], size)
        delta = piece(desk, plan[number, at.DELTA], size)
        for place in range(size):
            delta[place] = sent[place] * slope[place]
        source = plan[number, at.DELTA]
    if numbers[at.ACTIVITY_PENALTY] > 0:
        _penalise(plan, n_trials, state, numbers, desk)


@compiled
def _penalise(plan, n_trials, state, numbers, desk):
    """Pull on the rates of hidden units: see `neurofa.rules.rule.Rule`; nothing of it is sent on to other layers."""
    strength, one = numbers[at.ACTIVITY_PENALTY], desk.dtype.type(1)
    for number in range(plan.shape[0] - 1):
        post, born = plan[number, at.POST], plan[number, at.BORN_RATE]
        for start in range(0, n_trials * post, post):
            rate = piece(desk, plan[number + 1, at.RATES] + start, post)
            slope = piece(desk, plan[number, at.SLOPE] + start, post)
            sent = piece(desk, plan[number, at.SENT] + start, post)
            delta = piece(desk, plan[number, at.DELTA] + start, post)
            for unit in range(post):
                wanted = state[born + unit] if born >= 0 else desk.dtype.type(0)
                pull = strength * (wanted - rate[unit])
                sent[unit] += pull
                delta[unit] += pull * (one if born >= 0 else slope[unit])


@compiled
def add_pending_back(whole, plan, number, source, pending, desk):
    """Add to what reaches a hidden layer through W^T what the trials of the block before this one have changed in W."""
    above, own = plan[number + 1, at.POST], plan[number, at.POST]
    sent, signal = piece(desk, plan[number, at.SENT], own), piece(desk, source, above)
    for before in range(pending):
        overlap = desk.dtype.type(0)
        kept = piece(desk, whole[number + 1, at.KEPT] + before * above, above)
        for unit in range(above):
            overlap += kept[unit] * signal[unit]
        earlier = piece(desk, whole[number + 1, at.RATES] + before * own, own)
        for unit in range(own):
            sent[unit] += overlap * earlier[unit]


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
        stored, blended = piece(state, feedback, own * n_signals), piece(desk, matrix, own * n_signals)
        noise = piece(stream, plan[number, at.STREAM], own * n_signals)
        _blend(numbers.dtype.type(1), stored, numbers[at.NOISE_AMPLITUDE], noise, own, n_signals, turned, blended)
        onward(blas, turned, n_trials, own, n_signals, desk, source, desk, matrix, zero, desk, sent)
    elif kind == at.FEEDBACK_NETWORK:
        n_units, middle, first = common[at.NETWORK_UNITS], common[at.MIDDLE], plan[number, at.FEEDBACK_HIDDEN]
        onward(blas, 0, n_trials, n_units, n_signals, desk, source, state, first, zero, desk, middle)
        values = piece(desk, middle, n_trials * n_units)
        for place in range(n_trials * n_units):
            values[place] = tanh(values[place])
        onward(blas, turned, n_trials, own, n_units, desk, middle, state, feedback, zero, desk, sent)
    elif kind == at.SIGN:
        _signed(plan, common, number, state, numbers, stream, desk)
        turned = plan[number + 1, at.TURNED]
        back(blas, turned, n_trials, n_signals, own, desk, source, desk, matrix, desk, sent)
    else:
        if kind == at.WALKING:
            # one step of the random walk
            stored, step = piece(state, feedback, own * n_signals), numbers[at.WALK]
            noise = piece(stream, plan[number, at.STREAM], own * n_signals)
            kept = np.sqrt(numbers.dtype.type(1) - step * step)
            size = step * numbers[at.FEEDBACK_SCALE] / np.sqrt(numbers.dtype.type(n_signals))
            _blend(kept, stored, size, noise, own, n_signals, turned, stored)
        onward(blas, turned, n_trials, own, n_signals, desk, source, state, feedback, zero, desk, sent)


@compiled
def _blend(kept, stored, size, noise, own, n_signals, turned, out):
    """Out = kept * stored + size * noise; the noise is (post, signal), the others are as they are stored."""
    if turned:
        for column in range(n_signals):
            old, new = piece(stored, column * own, own), piece(out, column * own, own)
            given = noise[column::n_signals]
            for row in range(own):
                new[row] = kept * old[row] + size * given[row]
    else:
        for place in range(own * n_signals):
            out[place] = kept * stored[place] + size * noise[place]


@compiled
def _signed(plan, common, number, state, numbers, stream, desk):
    """Feedback weights with the signs of the weights above, on the desk and stored as those are."""
    above, own, weights = plan[number + 1, at.POST], plan[number, at.POST], plan[number + 1, at.WEIGHTS]
    kind, turned = common[at.MAGNITUDES], plan[number + 1, at.TURNED]
    matrix, given = piece(desk, common[at.MATRIX], own * above), piece(state, weights, own * above)
    zero, size = desk.dtype.type(0), numbers[at.FEEDBACK_SCALE] / np.sqrt(desk.dtype.type(above))
    if kind == at.FIXED_MAGNITUDES:
        size = desk.dtype.type(1)
    for place in range(own * above):
        # neither positive nor negative: zero, or not a number
        matrix[place] = size if given[place] > zero else (-size if given[place] < zero else given[place])
    if kind == at.UNIT:
        return
    for row in range(own):
        for column in range(above):
            place = row * above + column if turned else column * own + row
            if kind == at.PER_UPDATE:
                magnitude = abs(stream[plan[number, at.STREAM] + row * above + column])
            else:
                stored = column * own + row if plan[number, at.FEEDBACK_TURNED] else row * above + column
                magnitude = abs(state[plan[number, at.FEEDBACK] + stored])
            matrix[place] *= magnitude
