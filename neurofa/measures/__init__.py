"""Measures of drift, alignment and information: pure functions of arrays, for simulated and recorded animals alike."""

from neurofa.measures.adapting_readouts import AdaptingReadout as AdaptingReadout
from neurofa.measures.adapting_readouts import adapting_readout as adapting_readout
from neurofa.measures.adapting_readouts import random_drift as random_drift
from neurofa.measures.alignment import angle_deg as angle_deg
from neurofa.measures.alignment import angle_to_bp_deg as angle_to_bp_deg
from neurofa.measures.alignment import angle_weights_feedback_deg as angle_weights_feedback_deg
from neurofa.measures.alignment import half_change_step as half_change_step
from neurofa.measures.angles import angle_procrustes_deg as angle_procrustes_deg
from neurofa.measures.angles import angle_unaligned_deg as angle_unaligned_deg
from neurofa.measures.ceilings import correct_for_noise as correct_for_noise
from neurofa.measures.ceilings import noise_ceiling as noise_ceiling
from neurofa.measures.ceilings import spearman_brown as spearman_brown
from neurofa.measures.coordination import DriftAlongComponents as DriftAlongComponents
from neurofa.measures.coordination import WithinSession as WithinSession
from neurofa.measures.coordination import angle_between_drift_vectors_deg as angle_between_drift_vectors_deg
from neurofa.measures.coordination import (
    angle_between_drift_vectors_deg_noise_corrected as angle_between_drift_vectors_deg_noise_corrected,
)
from neurofa.measures.coordination import drift_along_components as drift_along_components
from neurofa.measures.coordination import variation_within_sessions as variation_within_sessions
from neurofa.measures.courses import MONITORS as MONITORS
from neurofa.measures.courses import courses_of_learning as courses_of_learning
from neurofa.measures.courses import steps_of_learning as steps_of_learning
from neurofa.measures.decay_models import DecayComparison as DecayComparison
from neurofa.measures.decay_models import DecayFit as DecayFit
from neurofa.measures.decay_models import compare_decay_forms as compare_decay_forms
from neurofa.measures.decay_models import fit_decay as fit_decay
from neurofa.measures.decoding import CrossDayDecoding as CrossDayDecoding
from neurofa.measures.decoding import cross_day_decoding as cross_day_decoding
from neurofa.measures.decoding import cross_day_decoding_of_animal as cross_day_decoding_of_animal
from neurofa.measures.displacement import DiffusionFit as DiffusionFit
from neurofa.measures.displacement import drift_kurtosis as drift_kurtosis
from neurofa.measures.displacement import drift_share_of_top_units as drift_share_of_top_units
from neurofa.measures.displacement import fit_diffusion as fit_diffusion
from neurofa.measures.displacement import mean_squared_displacement as mean_squared_displacement
from neurofa.measures.displacement import (
    mean_squared_displacement_noise_corrected as mean_squared_displacement_noise_corrected,
)
from neurofa.measures.displacement import top_share_of_normal_drift as top_share_of_normal_drift
from neurofa.measures.drift import ensemble_rate_correlation as ensemble_rate_correlation
from neurofa.measures.drift import overlap_of_detected_cells as overlap_of_detected_cells
from neurofa.measures.drift import population_vector_correlation as population_vector_correlation
from neurofa.measures.drift import recurrence_of_detected_cells as recurrence_of_detected_cells
from neurofa.measures.drift import representational_similarity_correlation as representational_similarity_correlation
from neurofa.measures.drift import split_half_population_vector_correlation as split_half_population_vector_correlation
from neurofa.measures.drift import tuning_curve_correlation as tuning_curve_correlation
from neurofa.measures.drift_alignment import DriftAlignment as DriftAlignment
from neurofa.measures.drift_alignment import alignment_with_coding_directions as alignment_with_coding_directions
from neurofa.measures.drift_alignment import alignment_with_noise_directions as alignment_with_noise_directions
from neurofa.measures.drift_alignment import standardise as standardise
from neurofa.measures.drift_index import DriftIndex as DriftIndex
from neurofa.measures.drift_index import representational_drift_index as representational_drift_index
from neurofa.measures.fits import DecayInterval as DecayInterval
from neurofa.measures.fits import ExponentialFit as ExponentialFit
from neurofa.measures.fits import bootstrap_exponential as bootstrap_exponential
from neurofa.measures.fits import decay_time_constants as decay_time_constants
from neurofa.measures.fits import fit_exponential as fit_exponential
from neurofa.measures.gain import GainAndTurn as GainAndTurn
from neurofa.measures.gain import gain_and_turn as gain_and_turn
from neurofa.measures.gain import gain_and_turn_noise_corrected as gain_and_turn_noise_corrected
from neurofa.measures.geometry import DriftVectors as DriftVectors
from neurofa.measures.geometry import angle_between_population_vectors_deg as angle_between_population_vectors_deg
from neurofa.measures.geometry import drift_magnitude as drift_magnitude
from neurofa.measures.geometry import drift_magnitude_noise_corrected as drift_magnitude_noise_corrected
from neurofa.measures.geometry import drift_vectors as drift_vectors
from neurofa.measures.geometry import linear_cka as linear_cka
from neurofa.measures.information import BinnedInformation as BinnedInformation
from neurofa.measures.information import LinearReadout as LinearReadout
from neurofa.measures.information import best_linear_readout as best_linear_readout
from neurofa.measures.information import target_information_binned as target_information_binned
from neurofa.measures.information import target_information_gaussian as target_information_gaussian
from neurofa.measures.map_switching import MapSwitching as MapSwitching
from neurofa.measures.map_switching import TrialSimilarity as TrialSimilarity
from neurofa.measures.map_switching import detect_map_switching as detect_map_switching
from neurofa.measures.map_switching import similarity_of_trials as similarity_of_trials
from neurofa.measures.maps import SessionMaps as SessionMaps
from neurofa.measures.maps import SessionReader as SessionReader
from neurofa.measures.maps import session_maps as session_maps
from neurofa.measures.neighbours import target_information_neighbours as target_information_neighbours
from neurofa.measures.noise_corrected import (
    ensemble_rate_correlation_noise_corrected as ensemble_rate_correlation_noise_corrected,
)
from neurofa.measures.noise_corrected import (
    population_vector_correlation_noise_corrected as population_vector_correlation_noise_corrected,
)
from neurofa.measures.noise_corrected import (
    tuning_curve_correlation_noise_corrected as tuning_curve_correlation_noise_corrected,
)
from neurofa.measures.ordinal import DayDecoding as DayDecoding
from neurofa.measures.ordinal import OrdinalDecoding as OrdinalDecoding
from neurofa.measures.ordinal import decode_day as decode_day
from neurofa.measures.ordinal import decode_order as decode_order
from neurofa.measures.parallel import each_animal as each_animal
from neurofa.measures.permutations import PermutationNull as PermutationNull
from neurofa.measures.permutations import null_of_session_order as null_of_session_order
from neurofa.measures.permutations import null_of_trial_labels as null_of_trial_labels
from neurofa.measures.permutations import null_of_unit_identity as null_of_unit_identity
from neurofa.measures.permutations import permutation_null as permutation_null
from neurofa.measures.proportions import ProportionInterval as ProportionInterval
from neurofa.measures.proportions import proportion_and_interval as proportion_and_interval
from neurofa.measures.readouts import ReadoutFraction as ReadoutFraction
from neurofa.measures.readouts import decoder_weights as decoder_weights
from neurofa.measures.readouts import readout_fraction as readout_fraction
from neurofa.measures.repeats import SessionRepeats as SessionRepeats
from neurofa.measures.repeats import session_repeats as session_repeats
from neurofa.measures.selectivity import SelectivityChanges as SelectivityChanges
from neurofa.measures.selectivity import selectivity as selectivity
from neurofa.measures.selectivity import selectivity_changes as selectivity_changes
from neurofa.measures.session_decoders import ConstrainedDecoders as ConstrainedDecoders
from neurofa.measures.session_decoders import SessionDecoders as SessionDecoders
from neurofa.measures.session_decoders import constrained_decoders as constrained_decoders
from neurofa.measures.session_decoders import session_decoders as session_decoders
from neurofa.measures.statistics import CurveByLag as CurveByLag
from neurofa.measures.statistics import MeanInterval as MeanInterval
from neurofa.measures.statistics import PairsByLag as PairsByLag
from neurofa.measures.statistics import curves_of_animals as curves_of_animals
from neurofa.measures.statistics import mean_and_interval as mean_and_interval
from neurofa.measures.statistics import mean_by_lag as mean_by_lag
from neurofa.measures.statistics import pairs_by_lag as pairs_by_lag
from neurofa.measures.time_and_experience import TimeAndExperience as TimeAndExperience
from neurofa.measures.time_and_experience import time_and_experience as time_and_experience
from neurofa.measures.variational import DriftAndSpaces as DriftAndSpaces
from neurofa.measures.variational import VariationalSpace as VariationalSpace
from neurofa.measures.variational import compare_variational_spaces as compare_variational_spaces
from neurofa.measures.variational import participation_ratio as participation_ratio
from neurofa.measures.variational import variational_space as variational_space
