"""What each measure of this package is, in the words of the reference tables: only equal definitions are compared."""

#: definition, as in the reference tables, of each measure as this package computes it
MEASURED_DEFINITIONS = {
    "split_half_population_vector_correlation": "unsmoothed_maps_of_alternate_passes",
    "population_vector_correlation": "unsmoothed_maps_cells_in_both",
    "ensemble_rate_correlation": "unsmoothed_maps_cells_in_both",
    "tuning_curve_correlation": "unsmoothed_maps_cells_in_both",
    "representational_similarity_correlation": "unsmoothed_maps_cells_in_both",
    "angle_unaligned_deg": "unsmoothed_centred_maps_cells_in_both",
    "angle_procrustes_deg": "unsmoothed_centred_maps_cells_in_both",
    "overlap_of_detected_cells": "detected_in_both_of_either",
    "recurrence_of_detected_cells": "detected_in_second_of_first",
    "cross_day_decoding_accuracy": "correlation_decoder_of_passes",
    "decay_time_constant_days": "exponential_of_a_group_curve",
    "participation_ratio": "participation_ratio",
    "participation_ratio_per_cell": "participation_ratio_per_cell",
    "variance_in_variational_space": "variance_in_variational_space",
    "drift_in_variational_space": "drift_in_variational_space",
    "variational_space_overlap": "variational_space_overlap",
    "drift_magnitude_relative": "drift_magnitude_relative",
    "angle_between_drift_vectors": "drift_of_two_stimuli",
    "drift_rate_ratio": "rate_of_loss_over_that_with_fewest_exposures",
    "alignment_with_noise_directions": "alignment_of_standardised_repeats",
    "alignment_with_coding_directions": "alignment_of_standardised_repeats",
    "alignment_with_coding_directions_chance": "alignment_of_standardised_repeats",
    "readout_weight_change_per_day": "online_readout_of_position_and_direction",
    "readout_weight_change_per_session": "constrained_readout_of_position_and_direction",
    **dict.fromkeys(
        [f"selectivity_{name}" for name in ("consistent", "lost", "switched", "gained", "correlation")],
        "selectivity_of_mean_rates",
    ),
    "kurtosis_of_selectivity_change": "selectivity_of_mean_rates",
    "angle_growth_deg_per_day": "angle_growth_deg_per_day",
    **dict.fromkeys(
        [f"session_classifier_accuracy{part}" for part in ("", "_first_second_half", "_even_odd")],
        "nearest_mean_of_the_other_repeats",
    ),
    "fraction_always_in_top_10_percent": "importance_for_a_ridge_decoder",
    "fraction_always_in_top_50_percent": "importance_for_a_ridge_decoder",
}

#: measure and definition of published statistics that are measured here in the same way, though the recordings were not
#: analysed by this package: to the condition under which `neurofa.analysis` measures them, "" for none. Shares of units
#: beyond one threshold of selectivity; time constants, which any factor common to all lags leaves alone
SAME_DEFINITIONS = {
    **{
        (f"selectivity_{name}", "digitised_selectivity"): ""
        for name in ("consistent", "lost", "switched", "gained", "correlation")
    },
    **{
        ("decay_time_constant_days", f"rechavi_decay_of_{curve}"): curve
        for curve in ("population_vector_correlation", "tuning_curve_correlation", "ensemble_rate_correlation")
    },
}

#: published statistic to the measure of this package that comes nearest, by another definition
NEAREST_MEASURES = {
    "odour_classifier_accuracy": "cross_day_decoding_accuracy",
    "recurrence_of_responsive_units": "recurrence_of_tuned_units",
    "recurrence_of_place_cells": "recurrence_of_tuned_units",
    "overlap_of_place_cells": "recurrence_of_tuned_units",
}

_NO_NOISE = "single events have no noise of observation here, which decides how many cells pass and how large d' is"
_SETTING = "a setting of protocols, not an outcome"
_POTENTIALS = "classes by membrane potentials and the authors' own criterion; here by permutation of rates"
#: why numbers of event measures are not held against each other; what a publication orders is scored as an ordering
NOT_BY_NUMBER = {
    **dict.fromkeys(
        [f"response_to_{name}" for name in ("deviant", "standard", "cascade_control", "many_standards_control")],
        "spikes there, rates in arbitrary units here",
    ),
    **dict.fromkeys(["i_mm", "i_pe", "i_rs"], "layers stand for stations by their order alone"),
    **dict.fromkeys(
        [f"fraction_{name}_prediction_error" for name in ("negative", "positive")]
        + ["fraction_without_prediction_error"],
        _POTENTIALS,
    ),
    **dict.fromkeys(
        [f"fraction_unexpected_{name}_expected" for name in ("above", "below")] + ["unexpected_event_index_magnitude"],
        _NO_NOISE,
    ),
    **dict.fromkeys(
        [f"relative_response_to_{name}_events" for name in ("unexpected", "expected")],
        "fluorescence over two frames there, rates above baseline at one frame here",
    ),
    "fraction_type_i": "types by the time course of spikes there; nearest here: fraction_of_reward_prediction_errors",
    "surprise_decay_time_constant": "a set of novel images in seconds there, exposures to one event here",
    **dict.fromkeys(
        [
            *("fraction_time_running", "mismatch_events_per_minute", "cue_validity", "omission_probability"),
            *("omissions_per_sequence", "stimulus_duration", "isi", "training_sequences_per_day"),
        ],
        _SETTING,
    ),
    **dict.fromkeys(["n_neurons", "n_neurons_day0", "n_neurons_day5"], "a size of the recording, not an outcome"),
}

#: measures whose points are counted, where a recorded run is the reference: those of the curves that ship
CURVE_MEASURES = (
    "split_half_population_vector_correlation",
    "population_vector_correlation",
    "ensemble_rate_correlation",
    "tuning_curve_correlation",
    "representational_similarity_correlation",
    "overlap_of_detected_cells",
    "angle_unaligned_deg",
    "angle_procrustes_deg",
)

#: noise-corrected measure to the one that it corrects: judged against recorded runs, counted apart
NOISE_CORRECTED = {
    f"{measure}_noise_corrected": measure
    for measure in ("population_vector_correlation", "ensemble_rate_correlation", "tuning_curve_correlation")
}
MEASURED_DEFINITIONS |= {measure: MEASURED_DEFINITIONS[raw] for measure, raw in NOISE_CORRECTED.items()}
