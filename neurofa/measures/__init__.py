"""Measures of drift, alignment, information and prediction errors: pure functions of arrays, simulated or recorded."""

from neurofa.measures.adapting_readouts import AdaptingReadout as AdaptingReadout
from neurofa.measures.adapting_readouts import adapting_readout as adapting_readout
from neurofa.measures.adapting_readouts import random_drift as random_drift
from neurofa.measures.alignment import angle_deg as angle_deg
from neurofa.measures.alignment import angle_to_bp_deg as angle_to_bp_deg
from neurofa.measures.alignment import (
    angle_weights_feedback_deg as angle_weights_feedback_deg,
)
from neurofa.measures.alignment import half_change_step as half_change_step
from neurofa.measures.angles import angle_procrustes_deg as angle_procrustes_deg
from neurofa.measures.angles import angle_unaligned_deg as angle_unaligned_deg
from neurofa.measures.ceilings import correct_for_noise as correct_for_noise
from neurofa.measures.ceilings import noise_ceiling as noise_ceiling
from neurofa.measures.ceilings import spearman_brown as spearman_brown
from neurofa.measures.coordination import DriftAlongComponents as DriftAlongComponents
from neurofa.measures.coordination import WithinSession as WithinSession
from neurofa.measures.coordination import (
    angle_between_drift_vectors_deg as angle_between_drift_vectors_deg,
)
from neurofa.measures.coordination import (
    angle_between_drift_vectors_deg_noise_corrected as angle_between_drift_vectors_deg_noise_corrected,
)
from neurofa.measures.coordination import (
    drift_along_components as drift_along_components,
)
from neurofa.measures.coordination import (
    variation_within_sessions as variation_within_sessions,
)
from neurofa.measures.courses import MONITORS as MONITORS
from neurofa.measures.courses import courses_of_learning as courses_of_learning
from neurofa.measures.courses import steps_of_learning as steps_of_learning
from neurofa.measures.decay_models import DecayComparison as DecayComparison
from neurofa.measures.decay_models import DecayFit as DecayFit
from neurofa.measures.decay_models import TwoStageDecay as TwoStageDecay
from neurofa.measures.decay_models import compare_decay_forms as compare_decay_forms
from neurofa.measures.decay_models import fit_decay as fit_decay
from neurofa.measures.decay_models import two_stage_decay as two_stage_decay
from neurofa.measures.decoders_over_days import (
    ConstrainedDecoders as ConstrainedDecoders,
)
from neurofa.measures.decoders_over_days import SessionDecoders as SessionDecoders
from neurofa.measures.decoders_over_days import (
    constrained_decoders as constrained_decoders,
)
from neurofa.measures.decoders_over_days import session_decoders as session_decoders
from neurofa.measures.decoding import CrossDayDecoding as CrossDayDecoding
from neurofa.measures.decoding import cross_day_decoding as cross_day_decoding
from neurofa.measures.decoding import (
    cross_day_decoding_of_animal as cross_day_decoding_of_animal,
)
from neurofa.measures.displacement import DiffusionFit as DiffusionFit
from neurofa.measures.displacement import drift_kurtosis as drift_kurtosis
from neurofa.measures.displacement import (
    drift_share_of_top_units as drift_share_of_top_units,
)
from neurofa.measures.displacement import fit_diffusion as fit_diffusion
from neurofa.measures.displacement import (
    mean_squared_displacement as mean_squared_displacement,
)
from neurofa.measures.displacement import (
    mean_squared_displacement_noise_corrected as mean_squared_displacement_noise_corrected,
)
from neurofa.measures.displacement import mean_squared_rotation as mean_squared_rotation
from neurofa.measures.displacement import (
    top_share_of_normal_drift as top_share_of_normal_drift,
)
from neurofa.measures.drift import (
    ensemble_rate_correlation as ensemble_rate_correlation,
)
from neurofa.measures.drift import (
    overlap_of_detected_cells as overlap_of_detected_cells,
)
from neurofa.measures.drift import (
    population_vector_correlation as population_vector_correlation,
)
from neurofa.measures.drift import (
    recurrence_of_detected_cells as recurrence_of_detected_cells,
)
from neurofa.measures.drift import (
    representational_similarity_correlation as representational_similarity_correlation,
)
from neurofa.measures.drift import (
    split_half_population_vector_correlation as split_half_population_vector_correlation,
)
from neurofa.measures.drift import tuning_curve_correlation as tuning_curve_correlation
from neurofa.measures.drift_alignment import DriftAlignment as DriftAlignment
from neurofa.measures.drift_alignment import (
    alignment_with_coding_directions as alignment_with_coding_directions,
)
from neurofa.measures.drift_alignment import (
    alignment_with_noise_directions as alignment_with_noise_directions,
)
from neurofa.measures.drift_alignment import standardise as standardise
from neurofa.measures.drift_dimensions import drift_dimensions as drift_dimensions
from neurofa.measures.drift_dimensions import drift_dimensions_noise_corrected as drift_dimensions_noise_corrected
from neurofa.measures.drift_index import DriftIndex as DriftIndex
from neurofa.measures.drift_index import (
    representational_drift_index as representational_drift_index,
)
from neurofa.measures.fits import DecayInterval as DecayInterval
from neurofa.measures.fits import ExponentialFit as ExponentialFit
from neurofa.measures.fits import bootstrap_exponential as bootstrap_exponential
from neurofa.measures.fits import decay_time_constants as decay_time_constants
from neurofa.measures.fits import fit_exponential as fit_exponential
from neurofa.measures.gain import GainAndTurn as GainAndTurn
from neurofa.measures.gain import gain_and_turn as gain_and_turn
from neurofa.measures.gain import (
    gain_and_turn_noise_corrected as gain_and_turn_noise_corrected,
)
from neurofa.measures.geometry import DriftVectors as DriftVectors
from neurofa.measures.geometry import (
    angle_between_population_vectors_deg as angle_between_population_vectors_deg,
)
from neurofa.measures.geometry import drift_magnitude as drift_magnitude
from neurofa.measures.geometry import (
    drift_magnitude_noise_corrected as drift_magnitude_noise_corrected,
)
from neurofa.measures.geometry import drift_vectors as drift_vectors
from neurofa.measures.geometry import linear_cka as linear_cka
from neurofa.measures.importance import AlwaysImportant as AlwaysImportant
from neurofa.measures.importance import always_important as always_important
from neurofa.measures.importance import decoder_importance as decoder_importance
from neurofa.measures.information import BinnedInformation as BinnedInformation
from neurofa.measures.information import LinearReadout as LinearReadout
from neurofa.measures.information import best_linear_readout as best_linear_readout
from neurofa.measures.information import (
    target_information_binned as target_information_binned,
)
from neurofa.measures.information import (
    target_information_gaussian as target_information_gaussian,
)
from neurofa.measures.map_switching import MapSwitching as MapSwitching
from neurofa.measures.map_switching import TrialSimilarity as TrialSimilarity
from neurofa.measures.map_switching import (
    animals_that_switch_maps as animals_that_switch_maps,
)
from neurofa.measures.map_switching import detect_map_switching as detect_map_switching
from neurofa.measures.map_switching import similarity_of_trials as similarity_of_trials
from neurofa.measures.maps import SessionMaps as SessionMaps
from neurofa.measures.maps import SessionReader as SessionReader
from neurofa.measures.maps import session_maps as session_maps
from neurofa.measures.neighbours import (
    target_information_neighbours as target_information_neighbours,
)
from neurofa.measures.noise_corrected import (
    ensemble_rate_correlation_noise_corrected as ensemble_rate_correlation_noise_corrected,
)
from neurofa.measures.noise_corrected import (
    population_vector_correlation_noise_corrected as population_vector_correlation_noise_corrected,
)
from neurofa.measures.noise_corrected import (
    tuning_curve_correlation_noise_corrected as tuning_curve_correlation_noise_corrected,
)
from neurofa.measures.nulls_of_pairs import null_of_coordination as null_of_coordination
from neurofa.measures.nulls_of_pairs import null_of_drift_index as null_of_drift_index
from neurofa.measures.nulls_of_pairs import null_of_pair as null_of_pair
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
from neurofa.measures.prediction_error.conditions import (
    require_conditions as require_conditions,
)
from neurofa.measures.prediction_error.conditions import (
    require_repeats as require_repeats,
)
from neurofa.measures.prediction_error.deviance import (
    DevianceDifferences as DevianceDifferences,
)
from neurofa.measures.prediction_error.deviance import (
    DevianceIndices as DevianceIndices,
)
from neurofa.measures.prediction_error.deviance import (
    common_contrast_index as common_contrast_index,
)
from neurofa.measures.prediction_error.deviance import (
    deviance_decomposition as deviance_decomposition,
)
from neurofa.measures.prediction_error.deviance import (
    deviance_differences as deviance_differences,
)
from neurofa.measures.prediction_error.deviance import stimulus_index as stimulus_index
from neurofa.measures.prediction_error.equilibrium import Inference as Inference
from neurofa.measures.prediction_error.expectation import (
    ExpectationSuppression as ExpectationSuppression,
)
from neurofa.measures.prediction_error.expectation import (
    SuppressionAndEnhancement as SuppressionAndEnhancement,
)
from neurofa.measures.prediction_error.expectation import (
    dampening_slope as dampening_slope,
)
from neurofa.measures.prediction_error.expectation import (
    expectation_suppression as expectation_suppression,
)
from neurofa.measures.prediction_error.expectation import (
    repetition_suppression as repetition_suppression,
)
from neurofa.measures.prediction_error.expectation import (
    suppression_and_enhancement as suppression_and_enhancement,
)
from neurofa.measures.prediction_error.feedback import (
    FeedbackAgreement as FeedbackAgreement,
)
from neurofa.measures.prediction_error.feedback import (
    feedback_against_prediction_error as feedback_against_prediction_error,
)
from neurofa.measures.prediction_error.feedback import mean_cosine as mean_cosine
from neurofa.measures.prediction_error.feedback import (
    random_feedback_cosine as random_feedback_cosine,
)
from neurofa.measures.prediction_error.hierarchy import Hierarchy as Hierarchy
from neurofa.measures.prediction_error.hierarchy import hierarchy as hierarchy
from neurofa.measures.prediction_error.layers import LAYER_DIMS as LAYER_DIMS
from neurofa.measures.prediction_error.layers import layer_coords as layer_coords
from neurofa.measures.prediction_error.layers import (
    measures_of_layers as measures_of_layers,
)
from neurofa.measures.prediction_error.layers import (
    values_of_layers as values_of_layers,
)
from neurofa.measures.prediction_error.observer import (
    observer_surprise as observer_surprise,
)
from neurofa.measures.prediction_error.observer import (
    surprise_sign as surprise_sign,
)
from neurofa.measures.prediction_error.omission import (
    omission_locking as omission_locking,
)
from neurofa.measures.prediction_error.omission import omission_ramp as omission_ramp
from neurofa.measures.prediction_error.omission import (
    response_latency as response_latency,
)
from neurofa.measures.prediction_error.session_events import (
    SessionEvents as SessionEvents,
)
from neurofa.measures.prediction_error.session_events import evenly_chosen as evenly_chosen
from neurofa.measures.prediction_error.session_events import event_names as event_names
from neurofa.measures.prediction_error.session_events import (
    events_group as events_group,
)
from neurofa.measures.prediction_error.session_events import (
    generator_of_animal as generator_of_animal,
)
from neurofa.measures.prediction_error.session_events import (
    plasticities as plasticities,
)
from neurofa.measures.prediction_error.session_events import (
    session_events as session_events,
)
from neurofa.measures.prediction_error.session_events import (
    shown_conditions as shown_conditions,
)
from neurofa.measures.prediction_error.signed import SignedIndices as SignedIndices
from neurofa.measures.prediction_error.signed import (
    classify_by_permutation as classify_by_permutation,
)
from neurofa.measures.prediction_error.signed import (
    classify_by_relative_change as classify_by_relative_change,
)
from neurofa.measures.prediction_error.signed import (
    classify_by_tolerance as classify_by_tolerance,
)
from neurofa.measures.prediction_error.signed import (
    fractions_of_classes as fractions_of_classes,
)
from neurofa.measures.prediction_error.signed import (
    shuffled_fractions_of_classes as shuffled_fractions_of_classes,
)
from neurofa.measures.prediction_error.signed import (
    signed_error_indices as signed_error_indices,
)
from neurofa.measures.prediction_error.surprise import (
    ErrorCorrelations as ErrorCorrelations,
)
from neurofa.measures.prediction_error.surprise import SurpriseDecay as SurpriseDecay
from neurofa.measures.prediction_error.surprise import (
    error_correlations as error_correlations,
)
from neurofa.measures.prediction_error.surprise import surprise_decay as surprise_decay
from neurofa.measures.prediction_error.unexpected import (
    ShuffledFractions as ShuffledFractions,
)
from neurofa.measures.prediction_error.unexpected import (
    UnexpectedEventIndex as UnexpectedEventIndex,
)
from neurofa.measures.prediction_error.unexpected import d_prime as d_prime
from neurofa.measures.prediction_error.unexpected import (
    permutation_p_values as permutation_p_values,
)
from neurofa.measures.prediction_error.unexpected import (
    shuffled_fractions as shuffled_fractions,
)
from neurofa.measures.prediction_error.unexpected import (
    unexpected_event_index as unexpected_event_index,
)
from neurofa.measures.prediction_error.yardstick import (
    PredictiveCodingErrors as PredictiveCodingErrors,
)
from neurofa.measures.prediction_error.yardstick import (
    linear_predictive_coding_errors as linear_predictive_coding_errors,
)
from neurofa.measures.prediction_error.yardstick import (
    predictive_coding_errors as predictive_coding_errors,
)
from neurofa.measures.proportions import ProportionInterval as ProportionInterval
from neurofa.measures.proportions import (
    proportion_and_interval as proportion_and_interval,
)
from neurofa.measures.readouts import ReadoutFraction as ReadoutFraction
from neurofa.measures.readouts import decoder_weights as decoder_weights
from neurofa.measures.readouts import readout_fraction as readout_fraction
from neurofa.measures.recorded_layers import recorded_layers as recorded_layers
from neurofa.measures.repeats import SessionRepeats as SessionRepeats
from neurofa.measures.repeats import session_repeats as session_repeats
from neurofa.measures.selective_units import SelectivityChanges as SelectivityChanges
from neurofa.measures.selective_units import selectivity as selectivity
from neurofa.measures.selective_units import selectivity_changes as selectivity_changes
from neurofa.measures.session_classifiers import (
    SessionClassifiers as SessionClassifiers,
)
from neurofa.measures.session_classifiers import growth_per_day as growth_per_day
from neurofa.measures.session_classifiers import (
    session_classifiers as session_classifiers,
)
from neurofa.measures.statistics import CurveByLag as CurveByLag
from neurofa.measures.statistics import MeanInterval as MeanInterval
from neurofa.measures.statistics import PairsByLag as PairsByLag
from neurofa.measures.statistics import curves_of_animals as curves_of_animals
from neurofa.measures.statistics import difference_and_interval as difference_and_interval
from neurofa.measures.statistics import mean_and_interval as mean_and_interval
from neurofa.measures.statistics import mean_by_lag as mean_by_lag
from neurofa.measures.statistics import mean_of_finite as mean_of_finite
from neurofa.measures.statistics import pairs_by_lag as pairs_by_lag
from neurofa.measures.time_and_experience import TimeAndExperience as TimeAndExperience
from neurofa.measures.time_and_experience import (
    time_and_experience as time_and_experience,
)
from neurofa.measures.tuned_units import RecurrenceOfUnits as RecurrenceOfUnits
from neurofa.measures.tuned_units import TunedUnits as TunedUnits
from neurofa.measures.tuned_units import recurrence_of_units as recurrence_of_units
from neurofa.measures.tuned_units import tuned_units as tuned_units
from neurofa.measures.variational import DriftAndSpaces as DriftAndSpaces
from neurofa.measures.variational import VariationalSpace as VariationalSpace
from neurofa.measures.variational import (
    compare_variational_spaces as compare_variational_spaces,
)
from neurofa.measures.variational import participation_ratio as participation_ratio
from neurofa.measures.variational import variational_space as variational_space
