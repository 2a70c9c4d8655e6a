"""Where everything stands in the flat arrays that the compiled functions work on: columns of tables, and codes.

All numbers of one animal stand in one array, its state, and all numbers that live for one update in another, its desk.
The plan has one row per layer and says where. Matrices are stored with their longer side contiguous.
"""

#: columns of the plan: sizes, and whether a matrix (post, pre) is stored as its transpose
PRE, POST, TURNED, FED_BACK, SIGNALS, FEEDBACK_TURNED = range(6)
#: columns of the plan: start of a parameter in the state; -1 = the layer has none
WEIGHTS, BIAS, THRESHOLD, GAIN, EXCITABILITY, DRIVE_MEAN, DRIVE_SQUARE, TARGET_ACTIVE = range(6, 14)
FEEDBACK, FEEDBACK_HIDDEN, OUTPUT_GAIN, TARGET_SUM, TARGET_COUNT, PERFORMANCE = range(14, 20)
#: columns of the plan: start of what an optimiser remembers of weights, bias and output gain; -1 = nothing
WEIGHTS_FIRST, WEIGHTS_SECOND, WEIGHTS_STEPS = range(20, 23)
BIAS_FIRST, BIAS_SECOND, BIAS_STEPS = range(23, 26)
OUTPUT_GAIN_FIRST, OUTPUT_GAIN_SECOND, OUTPUT_GAIN_STEPS = range(26, 29)
#: columns of the plan: start of (trial, unit) on the desk, of vectors over units, and of what a stream brings
RATES, DRIVE, VALUE, SLOPE, SENT, DELTA, SHIFT, SCALE, SPREAD, STREAM = range(29, 39)
#: column of the plan: start of (trial, unit) on the desk, what trials of a block change (see `neurofa.compiled.blocks`)
KEPT = 39
#: columns of the plan: start of each unit's learning rate in the state, of the whole weights on the desk while some of
#: them are dropped, and of what streams bring for units, synapses and the ascent of the weights; -1 = nothing
PLASTICITY, WHOLE, UNIT_STREAM, SYNAPSE_STREAM, UPDATE_STREAM = range(40, 45)
#: column of the plan: start of each unit's mean rate at birth in the state; -1 = not remembered
BORN_RATE = 45
N_COLUMNS = 46

#: columns of the common table
BATCH, N_STIMULI, ALL_SHOWN, NOISY, ACTIVATION, LOSS, SIGNAL_KIND, PATHWAY, FEEDBACK_KIND, ONE_AS_SLOPE = range(10)
MAGNITUDES, LEARNED_BY, OPTIMISER, NETWORK_UNITS, TARGET, SIGNAL, MATRIX, MIDDLE, VECTOR, BLOCK = range(10, 20)
BY_THRESHOLD, PRIVATE, OVERLAP = range(20, 23)
#: start of what a stream brings for the targets; -1 = nothing
LABEL_STREAM = 23
N_COMMON = 24

#: columns of the numbers of an animal
HIDDEN_RATE, READOUT_RATE, STEP_BOUND, TARGET_SCALE, NOISE_AMPLITUDE, WALK, FEEDBACK_SCALE = range(7)
FEEDBACK_DECAY, FEEDBACK_RATE, NOISE_SD, HOMEOSTASIS_RATE, MOMENT_WEIGHT, SMALLEST, SMALLEST_FRACTION = range(7, 14)
REPORT_THRESHOLD, UNIT_DROPOUT, WEIGHT_DROPOUT, UPDATE_NOISE, LABEL_NOISE, ACTIVITY_PENALTY = range(14, 20)
N_NUMBERS = 20

#: codes in the common table are places in these
ACTIVATIONS = ("tanh", "relu", "softplus", "identity")
LOSSES = ("squared_error", "cross_entropy")
SIGNAL_KINDS = ("error", "target", "centred_target", "none")
PATHWAYS = ("layerwise", "direct", "readout")
FEEDBACK_KINDS = ("transpose", "fixed", "noisy", "network", "walking", "sign", "learned")
MAGNITUDE_KINDS = ("unit", "batch", "fixed")
LEARNERS = ("kolen_pollack", "weight_mirror")
OPTIMISERS = ("gradient", "momentum", "adam")

TANH, RELU, SOFTPLUS = range(3)
CROSS_ENTROPY = 1
TARGET_ITSELF, CENTRED_TARGET, NO_SIGNAL = 1, 2, 3
LAYERWISE, DIRECT, READOUT = range(3)
TRANSPOSE, FIXED, NOISY_WEIGHTS, FEEDBACK_NETWORK, WALKING, SIGN, LEARNED = range(7)
UNIT, PER_UPDATE, FIXED_MAGNITUDES = range(3)
KOLEN_POLLACK, WEIGHT_MIRROR = range(2)
GRADIENT, MOMENTUM, ADAM = range(3)
