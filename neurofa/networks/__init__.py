"""Rate networks of a whole cohort at once: state, birth and forward pass."""

from neurofa.networks.feedforward import Activity as Activity
from neurofa.networks.feedforward import Layer as Layer
from neurofa.networks.feedforward import Network as Network
from neurofa.networks.feedforward import forward as forward
from neurofa.networks.feedforward import loss_per_trial as loss_per_trial
from neurofa.networks.feedforward import propagate as propagate
from neurofa.networks.feedforward import respond as respond
