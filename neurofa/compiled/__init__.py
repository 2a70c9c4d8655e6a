"""
The compiled engine: whole sessions of layered networks on a CPU, one animal after the other.

It does what `neurofa.learning` does with tensors, up to rounding, for the combinations that `reason_not_covered` has
nothing against. Weights of an animal stay in the cache of the core through all of its updates, and results depend
neither on how many animals are simulated together nor on the number of threads. numba compiles it when it is first
needed.
"""

from neurofa.compiled.coverage import reason_not_covered as reason_not_covered
