"""The rate networks as spiking networks on Brian2: the optional extra ``neurofa[spiking]``."""
